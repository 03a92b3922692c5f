//! The naive twin: a block as rows of values, written and read one value at a time.
//!
//! Slow and obvious on purpose. It shares nothing with the core but the limits, so that the two
//! can only agree by being right, or by being wrong in the same way twice.

use tallymark::limits::{
    BLOCK_BYTES, BLOCK_COLUMNS, BLOCK_ROWS, NAME_BYTES, STRING_BYTES, TYPE_BYTES, TYPE_DEPTH,
};

/// One value of any type.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// The bytes of a number, little endian, or of a time.
    Number(Vec<u8>),
    Float(f64),
    Bool(bool),
    /// `String`, `LowCardinality(String)` and `JSON`.
    Text(String),
    /// The order of the text form.
    Uuid([u8; 16]),
    Ip([u8; 16]),
    Null,
    Array(Vec<Value>),
}

/// A column: name, type, a value a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    pub name: String,
    pub ty: String,
    pub rows: Vec<Value>,
    /// Bytes of prefix and rows when it was read; 0 when it was made.
    pub data_bytes: usize,
}

/// What is inside `open` and `)`.
fn inside<'a>(ty: &'a str, open: &str) -> Option<&'a str> {
    ty.strip_prefix(open)?.strip_suffix(')')
}

/// Bytes of a number of this type.
fn number_width(ty: &str) -> Option<usize> {
    Some(match ty {
        "UInt8" | "Int8" => 1,
        "UInt16" | "Int16" | "Date" => 2,
        "UInt32" | "Int32" | "DateTime" | "DateTime('UTC')" => 4,
        "UInt64" | "Int64" | "DateTime64(3)" | "DateTime64(3, 'UTC')" => 8,
        _ => return None,
    })
}

/// What ClickHouse puts where NULL is.
fn default_of(ty: &str) -> Value {
    match ty {
        "Float64" => Value::Float(0.0),
        "Bool" => Value::Bool(false),
        "String" => Value::Text(String::new()),
        "JSON" => Value::Text("{}".into()),
        "UUID" => Value::Uuid([0; 16]),
        "IPv6" => Value::Ip([0; 16]),
        number => Value::Number(vec![0; number_width(number).unwrap()]),
    }
}

// Writing.

/// One block.
pub fn encode(columns: &[Column]) -> Vec<u8> {
    let mut out = Vec::new();
    write_varint(columns.len(), &mut out);
    write_varint(columns[0].rows.len(), &mut out);
    for column in columns {
        write_text(&column.name, &mut out);
        write_text(&column.ty, &mut out);
        write_prefix(&column.ty, &mut out);
        write_rows(&column.ty, &column.rows, &mut out);
    }
    out
}

fn write_varint(mut value: usize, out: &mut Vec<u8>) {
    while value > 127 {
        out.push((value % 128 + 128) as u8);
        value /= 128;
    }
    out.push(value as u8);
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    write_varint(text.len(), out);
    out.extend(text.bytes());
}

fn write_u64(value: usize, out: &mut Vec<u8>) {
    out.extend((value as u64).to_le_bytes());
}

fn write_prefix(ty: &str, out: &mut Vec<u8>) {
    if let Some(inner) = inside(ty, "Array(").or(inside(ty, "Nullable(")) {
        write_prefix(inner, out);
    } else if ty == "LowCardinality(String)" || ty == "JSON" {
        write_u64(1, out);
    }
}

fn write_rows(ty: &str, rows: &[Value], out: &mut Vec<u8>) {
    if let Some(inner) = inside(ty, "Array(") {
        let mut elements = Vec::new();
        for row in rows {
            let Value::Array(values) = row else { panic!("{row:?} in {ty}") };
            elements.extend(values.iter().cloned());
            write_u64(elements.len(), out);
        }
        write_rows(inner, &elements, out);
    } else if let Some(inner) = inside(ty, "Nullable(") {
        for row in rows {
            out.push(u8::from(*row == Value::Null));
        }
        let or_default =
            |row: &Value| if *row == Value::Null { default_of(inner) } else { row.clone() };
        write_rows(inner, &rows.iter().map(or_default).collect::<Vec<_>>(), out);
    } else if ty == "LowCardinality(String)" {
        write_dictionary(rows, out);
    } else {
        rows.iter().for_each(|row| write_one(row, out));
    }
}

fn write_dictionary(rows: &[Value], out: &mut Vec<u8>) {
    if rows.is_empty() {
        return;
    }
    let mut entries = vec![Value::Text(String::new())];
    let mut indices = Vec::new();
    for row in rows {
        let index = entries.iter().position(|entry| entry == row).unwrap_or(entries.len());
        if index == entries.len() {
            entries.push(row.clone());
        }
        indices.push(u8::try_from(index).unwrap());
    }
    write_u64(0x600, out);
    write_u64(entries.len(), out);
    entries.iter().for_each(|entry| write_one(entry, out));
    write_u64(rows.len(), out);
    out.extend(indices);
}

fn write_one(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Number(bytes) => out.extend(bytes),
        Value::Float(value) => out.extend(value.to_le_bytes()),
        Value::Bool(value) => out.push(u8::from(*value)),
        Value::Text(text) => write_text(text, out),
        Value::Uuid(bytes) => {
            out.extend(bytes[..8].iter().rev());
            out.extend(bytes[8..].iter().rev());
        }
        Value::Ip(bytes) => out.extend(bytes),
        Value::Null | Value::Array(_) => panic!("{value:?} is no scalar"),
    }
}

// Reading.

/// The one block that `body` is, or `None` if it is anything else.
pub fn decode(body: &[u8]) -> Option<Vec<Column>> {
    if body.len() > BLOCK_BYTES {
        return None;
    }
    let mut rest = body;
    let columns = bounded(read_varint(&mut rest)?, BLOCK_COLUMNS)?;
    let rows = bounded(read_varint(&mut rest)?, BLOCK_ROWS)?;
    if columns == 0 || rows == 0 {
        return None;
    }
    let columns = (0..columns).map(|_| read_column(&mut rest, rows)).collect::<Option<_>>()?;
    rest.is_empty().then_some(columns)
}

/// The values of one column whose bytes are exactly `data`.
pub fn decode_data(ty: &str, data: &[u8], rows: usize) -> Option<Vec<Value>> {
    let mut rest = data;
    read_prefix(ty, &mut rest)?;
    let rows = read_rows(ty, &mut rest, rows)?;
    rest.is_empty().then_some(rows)
}

fn read_column(rest: &mut &[u8], rows: usize) -> Option<Column> {
    let name = read_text(rest, NAME_BYTES)?;
    let ty = read_text(rest, TYPE_BYTES)?;
    if depth(&ty)? > TYPE_DEPTH {
        return None;
    }
    let before = rest.len();
    read_prefix(&ty, rest)?;
    let rows = read_rows(&ty, rest, rows)?;
    // The zone changes nothing that is stored: one spelling for both.
    let ty = ty.replace("DateTime('UTC')", "DateTime").replace("64(3)", "64(3, 'UTC')");
    Some(Column { name, ty, rows, data_bytes: before - rest.len() })
}

/// How deep a known type nests.
fn depth(ty: &str) -> Option<usize> {
    if let Some(inner) = inside(ty, "Array(") {
        return Some(depth(inner)? + 1);
    }
    if let Some(inner) = inside(ty, "Nullable(") {
        let scalar = depth(inner)? == 1 && inner != "LowCardinality(String)";
        return scalar.then_some(2);
    }
    let others = ["Float64", "Bool", "String", "LowCardinality(String)", "UUID", "IPv6", "JSON"];
    (others.contains(&ty) || number_width(ty).is_some()).then_some(1)
}

fn read_prefix(ty: &str, rest: &mut &[u8]) -> Option<()> {
    if let Some(inner) = inside(ty, "Array(").or(inside(ty, "Nullable(")) {
        return read_prefix(inner, rest);
    }
    if ty == "LowCardinality(String)" || ty == "JSON" {
        return (read_u64(rest)? == 1).then_some(());
    }
    Some(())
}

fn read_rows(ty: &str, rest: &mut &[u8], rows: usize) -> Option<Vec<Value>> {
    if let Some(inner) = inside(ty, "Array(") {
        let mut ends = vec![0];
        for _ in 0..rows {
            let end = bounded(read_u64(rest)?, rest.len())?;
            if end < *ends.last()? {
                return None;
            }
            ends.push(end);
        }
        let elements = read_rows(inner, rest, *ends.last()?)?;
        return Some(
            ends.windows(2).map(|row| Value::Array(elements[row[0]..row[1]].to_vec())).collect(),
        );
    }
    if let Some(inner) = inside(ty, "Nullable(") {
        let nulls = read_rows("Bool", rest, rows)?;
        let values = read_rows(inner, rest, rows)?;
        let or_null = |(null, value)| if null == Value::Bool(true) { Value::Null } else { value };
        return Some(nulls.into_iter().zip(values).map(or_null).collect());
    }
    if ty == "LowCardinality(String)" {
        return read_dictionary(rest, rows);
    }
    (0..rows).map(|_| read_one(ty, rest)).collect()
}

fn read_dictionary(rest: &mut &[u8], rows: usize) -> Option<Vec<Value>> {
    if rows == 0 {
        return Some(Vec::new());
    }
    let width = match read_u64(rest)? {
        0x600 => 1,
        0x601 => 2,
        0x602 => 4,
        0x603 => 8,
        _ => return None,
    };
    let count = bounded(read_u64(rest)?, rows + 1)?;
    let entries: Vec<_> = (0..count).map(|_| read_one("String", rest)).collect::<Option<_>>()?;
    if read_u64(rest)? != rows as u64 {
        return None;
    }
    let mut values = Vec::new();
    for _ in 0..rows {
        let mut index = [0; 8];
        index[..width].copy_from_slice(take(rest, width)?);
        values.push(entries.get(usize::try_from(u64::from_le_bytes(index)).ok()?)?.clone());
    }
    Some(values)
}

fn read_one(ty: &str, rest: &mut &[u8]) -> Option<Value> {
    Some(match ty {
        "Float64" => {
            let value = f64::from_le_bytes(take(rest, 8)?.try_into().ok()?);
            Value::Float(value.is_finite().then_some(value)?)
        }
        "Bool" => match take(rest, 1)? {
            [0] => Value::Bool(false),
            [1] => Value::Bool(true),
            _ => return None,
        },
        "String" | "JSON" => Value::Text(read_text(rest, STRING_BYTES)?),
        "UUID" => {
            let mut bytes: [u8; 16] = take(rest, 16)?.try_into().ok()?;
            bytes[..8].reverse();
            bytes[8..].reverse();
            Value::Uuid(bytes)
        }
        "IPv6" => Value::Ip(take(rest, 16)?.try_into().ok()?),
        number => Value::Number(take(rest, number_width(number)?)?.to_vec()),
    })
}

fn take<'a>(rest: &mut &'a [u8], bytes: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(bytes)?;
    *rest = left;
    Some(taken)
}

fn bounded(value: u64, most: usize) -> Option<usize> {
    usize::try_from(value).ok().filter(|value| *value <= most)
}

fn read_u64(rest: &mut &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(take(rest, 8)?.try_into().ok()?))
}

fn read_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut bytes = Vec::new();
    loop {
        let byte = take(rest, 1)?[0];
        bytes.push(byte);
        if byte < 128 {
            break;
        }
    }
    let mut value: u128 = 0;
    for byte in bytes.iter().rev().take(11) {
        value = value * 128 + u128::from(byte % 128);
    }
    let shortest = bytes.len() == 1 || bytes.last() != Some(&0);
    if bytes.len() > 10 || !shortest {
        return None;
    }
    u64::try_from(value).ok()
}

fn read_text(rest: &mut &[u8], most: usize) -> Option<String> {
    let bytes = bounded(read_varint(rest)?, most)?;
    String::from_utf8(take(rest, bytes)?.to_vec()).ok()
}
