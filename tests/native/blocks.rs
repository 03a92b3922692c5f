//! The block: every way in which walking, checking and appending refuse a body has a test here.

use tallymark::block::{self, BlockError, Cause};
use tallymark::column::{
    Column, DateTime64, Fault, Float64, IPv6, Json, LowCardinality, Push, Scalar, Strings, Type,
    UInt8, UInt32, UInt64, Uuids,
};
use tallymark::limits::{
    BLOCK_BYTES, BLOCK_COLUMNS, BLOCK_ROWS, EVENT_NAME_BYTES, NAME_BYTES, PAGE_TEXT_BYTES,
    STRING_BYTES, TYPE_BYTES, TYPE_DEPTH,
};
use tallymark::rng::Uuid;
use tallymark::schema::{By, EVENTS};
use tallymark::time::UnixMs;

/// The least that `events` takes, in rows of `seq` 0, 1, …
pub struct Least {
    name: LowCardinality,
    entity_type: LowCardinality,
    entity_id: Strings,
    occurred_at: DateTime64,
    page_id: Uuids,
    seq: UInt32,
}

impl Least {
    pub fn new(rows: u32) -> Self {
        let mut least = Self {
            name: LowCardinality::default(),
            entity_type: LowCardinality::default(),
            entity_id: Strings::default(),
            occurred_at: DateTime64::default(),
            page_id: Uuids::default(),
            seq: UInt32::default(),
        };
        for row in 0..rows {
            least.name.push("view");
            least.entity_type.push("post");
            least.entity_id.push("42");
            least.occurred_at.push(UnixMs(1_795_435_200_000 + i64::from(row)));
            least.page_id.push(Uuid([7; 16]));
            least.seq.push(row);
        }
        least
    }

    pub fn columns(&self) -> Vec<(&str, &dyn Column)> {
        vec![
            ("name", &self.name),
            ("entity_type", &self.entity_type),
            ("entity_id", &self.entity_id),
            ("occurred_at", &self.occurred_at),
            ("page_id", &self.page_id),
            ("seq", &self.seq),
        ]
    }
}

/// The block of the least columns, changed by `change`.
fn least_with(change: impl for<'a> FnOnce(&mut Vec<(&'a str, &'a dyn Column)>)) -> Vec<u8> {
    let least = Least::new(2);
    let mut columns = least.columns();
    change(&mut columns);
    encoded(&columns)
}

fn encoded(columns: &[(&str, &dyn Column)]) -> Vec<u8> {
    let mut out = Vec::new();
    block::encode(columns, &mut out);
    assert_eq!(out.len(), block::encoded_len(columns));
    out
}

/// A block of one column, given as raw bytes.
fn raw(rows: &[u8], ty: &str, data: &[u8]) -> Vec<u8> {
    let ty_len = u8::try_from(ty.len()).unwrap();
    assert!(ty_len < 0x80, "one byte of length");
    [&[1], rows, b"\x01c", &[ty_len], ty.as_bytes(), data].concat()
}

fn walk_error(body: &[u8]) -> BlockError {
    block::walk(body).err().unwrap()
}

fn walk_cause(body: &[u8]) -> Cause {
    walk_error(body).cause
}

/// The fault in column `c`, with its row.
fn fault(body: &[u8]) -> (Fault, Option<usize>) {
    let error = walk_error(body);
    assert_eq!(error.column.as_deref(), Some("c"));
    match error.cause {
        Cause::Data(fault) => (fault, error.row),
        other => panic!("{other:?}"),
    }
}

/// Cause, column and row of what the table `events` refuses in a body that walks.
fn refused(body: &[u8]) -> (Cause, String, Option<usize>) {
    let block = block::walk(body).unwrap();
    let error = block::check(&block, &EVENTS).err().unwrap();
    (error.cause, error.column.unwrap_or_default(), error.row)
}

// The frame.

#[test]
fn a_block_of_no_columns_and_no_rows_is_refused() {
    assert_eq!(walk_cause(&[0, 0]), Cause::NoColumns);
}

#[test]
fn a_block_of_no_columns_but_rows_is_refused() {
    assert_eq!(walk_cause(&[0, 1]), Cause::NoColumns);
}

#[test]
fn a_block_of_no_rows_is_refused() {
    assert_eq!(walk_cause(&raw(&[0], "UInt8", &[])), Cause::NoRows);
}

#[test]
fn an_empty_body_is_refused() {
    assert_eq!(walk_cause(&[]), Cause::Data(Fault::Truncated));
}

#[test]
fn a_trailing_byte_is_refused() {
    let mut body = encoded(&Least::new(2).columns());
    assert!(block::walk(&body).is_ok());
    body.push(0);
    assert_eq!(walk_cause(&body), Cause::TrailingBytes);
}

#[test]
fn a_second_block_behind_the_first_is_refused() {
    let body = encoded(&Least::new(2).columns());
    assert_eq!(walk_cause(&body.repeat(2)), Cause::TrailingBytes);
}

#[test]
fn every_shorter_body_is_refused() {
    let body = encoded(&Least::new(60).columns());
    for bytes in 0..body.len() {
        assert!(block::walk(&body[..bytes]).is_err(), "{bytes} of {}", body.len());
    }
}

#[test]
fn the_most_columns_pass_and_one_more_is_refused() {
    let mut column = UInt8::default();
    column.push(1);
    let columns = |count| -> Vec<u8> { encoded(&vec![("c", &column as &dyn Column); count]) };
    assert_eq!(block::walk(&columns(BLOCK_COLUMNS)).unwrap().columns().len(), BLOCK_COLUMNS);
    assert_eq!(walk_cause(&columns(BLOCK_COLUMNS + 1)), Cause::TooManyColumns);
}

#[test]
fn the_most_rows_pass_and_one_more_is_refused() {
    let rows = |count| {
        let mut column = UInt8::default();
        column.push_repeated(1, count);
        encoded(&[("c", &column)])
    };
    assert_eq!(block::walk(&rows(BLOCK_ROWS)).unwrap().rows(), BLOCK_ROWS);
    assert_eq!(walk_cause(&rows(BLOCK_ROWS + 1)), Cause::TooManyRows);
}

#[test]
fn lying_counts_are_refused_before_anything_follows_from_them() {
    const HUGE: [u8; 10] = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    assert_eq!(walk_cause(&[&HUGE[..], &[1]].concat()), Cause::TooManyColumns);
    assert_eq!(walk_cause(&raw(&HUGE, "UInt8", &[])), Cause::TooManyRows);
    assert_eq!(fault(&raw(&[100], "UInt8", &[1])), (Fault::Truncated, None));
}

#[test]
fn a_varint_of_more_than_ten_bytes_is_refused() {
    assert_eq!(walk_cause(&[0x80; 20]), Cause::Data(Fault::Varint));
}

#[test]
fn a_varint_in_a_longer_form_is_refused() {
    assert_eq!(walk_cause(&[0x81, 0x00, 1]), Cause::Data(Fault::Varint));
}

#[test]
fn the_largest_body_passes_and_one_byte_more_is_refused() {
    // Strings of the longest length, and one that fills the body to its bound.
    let body = |bytes: usize| {
        let rows = BLOCK_BYTES / STRING_BYTES + 1;
        let mut column = Strings::default();
        column.push_repeated(&"x".repeat(STRING_BYTES)[..], rows - 1);
        let with_empty = |mut column: Strings| {
            column.push("");
            block::encoded_len(&[("c", &column)])
        };
        // Its length takes two bytes, that of the empty string one.
        let rest = bytes - with_empty(column.clone()) - 1;
        column.push("x".repeat(rest));
        encoded(&[("c", &column)])
    };
    assert_eq!(body(BLOCK_BYTES).len(), BLOCK_BYTES);
    assert!(block::walk(&body(BLOCK_BYTES)).is_ok());
    assert_eq!(walk_cause(&body(BLOCK_BYTES + 1)), Cause::TooLarge);
}

// Names and types.

#[test]
fn the_longest_name_passes_and_one_byte_more_is_refused() {
    let mut column = UInt8::default();
    column.push(1);
    let named = |bytes| encoded(&[(&"n".repeat(bytes), &column)]);
    assert!(block::walk(&named(NAME_BYTES)).is_ok());
    assert_eq!(walk_cause(&named(NAME_BYTES + 1)), Cause::NameTooLong);
}

#[test]
fn a_name_of_2_to_the_30_bytes_is_refused() {
    assert_eq!(walk_cause(b"\x01\x01\x80\x80\x80\x80\x04c"), Cause::NameTooLong);
}

#[test]
fn a_name_that_is_not_utf8_is_refused() {
    assert_eq!(walk_cause(b"\x01\x01\x01\xff\x05UInt8\x07"), Cause::NameNotUtf8);
}

#[test]
fn a_type_name_of_2_to_the_30_bytes_is_refused() {
    let error = walk_error(b"\x01\x01\x01c\x80\x80\x80\x80\x04UInt8");
    assert_eq!((error.cause, error.column.as_deref()), (Cause::TypeTooLong, Some("c")));
}

#[test]
fn a_type_name_of_one_byte_too_many_is_refused() {
    let name = vec![b'x'; TYPE_BYTES + 1];
    let body = [b"\x01\x01\x01c\x80\x02", &name[..]].concat();
    assert_eq!(walk_cause(&body), Cause::TypeTooLong);
    let body = [b"\x01\x01\x01c\xff\x01", &name[1..]].concat();
    assert_eq!(walk_cause(&body), Cause::TypeUnknown);
}

#[test]
fn a_type_that_is_not_known_is_refused() {
    assert_eq!(walk_cause(&raw(&[1], "Int128", &[0; 16])), Cause::TypeUnknown);
}

#[test]
fn a_type_that_nests_too_deep_is_refused() {
    let nested = |arrays: usize| {
        let ty = format!("{}UInt8{}", "Array(".repeat(arrays), ")".repeat(arrays));
        raw(&[1], &ty, &[&1_u64.to_le_bytes().repeat(arrays), &[7][..]].concat())
    };
    assert!(block::walk(&nested(TYPE_DEPTH - 1)).is_ok());
    assert_eq!(walk_cause(&nested(TYPE_DEPTH)), Cause::TypeTooDeep);
}

// The columns' own bytes; each type's branches are tested beside the type.

#[test]
fn a_lying_string_length_is_refused_with_its_row() {
    assert_eq!(fault(&raw(&[2], "String", b"\x01a\x05b")), (Fault::Truncated, Some(1)));
}

#[test]
fn bad_utf8_is_refused_with_its_row() {
    assert_eq!(fault(&raw(&[2], "String", b"\x01a\x01\xff")), (Fault::NotUtf8, Some(1)));
}

#[test]
fn a_string_beyond_the_limit_is_refused_with_its_row() {
    let mut column = Strings::default();
    column.push("");
    column.push("x".repeat(STRING_BYTES + 1));
    assert_eq!(fault(&encoded(&[("c", &column)])), (Fault::StringTooLong, Some(1)));
}

#[test]
fn nan_and_infinity_are_refused_with_their_row() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut column = Float64::default();
        column.push(1.0);
        column.push(bad);
        assert_eq!(fault(&encoded(&[("c", &column)])), (Fault::NotFinite, Some(1)));
    }
}

#[test]
fn a_bool_of_two_is_refused_with_its_row() {
    assert_eq!(fault(&raw(&[3], "Bool", &[0, 1, 2])), (Fault::NotBool, Some(2)));
}

#[test]
fn a_null_byte_of_two_is_refused_with_its_row() {
    assert_eq!(fault(&raw(&[2], "Nullable(UInt8)", &[0, 2, 7, 7])), (Fault::NotNullFlag, Some(1)));
}

#[test]
fn falling_offsets_are_refused_with_their_row() {
    let offsets: Vec<u8> = [2_u64, 1].iter().flat_map(|end| end.to_le_bytes()).collect();
    assert_eq!(fault(&raw(&[2], "Array(UInt8)", &offsets)), (Fault::Truncated, Some(0)));
    let data = [&offsets[..], &[1, 2]].concat();
    assert_eq!(fault(&raw(&[2], "Array(UInt8)", &data)), (Fault::Offsets, Some(1)));
}

#[test]
fn a_fault_inside_nested_arrays_names_the_row_of_the_block() {
    // [[true]], [], [[], [true, 2]]: the bad one is element 2 of all, in row 2.
    let ends: Vec<u8> = [1_u64, 1, 3, 1, 1, 3].iter().flat_map(|end| end.to_le_bytes()).collect();
    let good = [&ends[..], &[1, 1, 0]].concat();
    assert!(block::walk(&raw(&[3], "Array(Array(Bool))", &good)).is_ok());
    let bad = [&ends[..], &[1, 1, 2]].concat();
    assert_eq!(fault(&raw(&[3], "Array(Array(Bool))", &bad)), (Fault::NotBool, Some(2)));
    // The same for an offset of the inner arrays: 1, 3, 2 falls at the third, in row 2.
    let ends: Vec<u8> = [1_u64, 1, 3, 1, 3, 2].iter().flat_map(|end| end.to_le_bytes()).collect();
    let bad = [&ends[..], &[1, 1, 0]].concat();
    assert_eq!(fault(&raw(&[3], "Array(Array(Bool))", &bad)), (Fault::Offsets, Some(2)));
}

#[test]
fn another_version_of_json_or_low_cardinality_is_refused() {
    for version in [0_u64, 2, 3] {
        let data = [&version.to_le_bytes()[..], b"\x02{}"].concat();
        assert_eq!(fault(&raw(&[1], "JSON", &data)), (Fault::Version, None));
        assert_eq!(fault(&raw(&[1], "LowCardinality(String)", &data)), (Fault::Version, None));
    }
}

#[test]
fn a_low_cardinality_index_out_of_range_is_refused_with_its_row() {
    let numbers: Vec<u8> = [1_u64, 0x600, 2].iter().flat_map(|n| n.to_le_bytes()).collect();
    let data = |index| [&numbers[..], b"\x00\x01a", &2_u64.to_le_bytes(), &[1, index]].concat();
    assert!(block::walk(&raw(&[2], "LowCardinality(String)", &data(0))).is_ok());
    let body = raw(&[2], "LowCardinality(String)", &data(2));
    assert_eq!(fault(&body), (Fault::Index, Some(1)));
}

// Against the table.

#[test]
fn the_least_columns_in_any_order_fit_events() {
    let body = least_with(|columns| columns.reverse());
    let block = block::walk(&body).unwrap();
    let checked = block::check(&block, &EVENTS).unwrap();
    assert_eq!((checked.rows(), checked.columns().len()), (2, 6));
    let times = checked.column("occurred_at").unwrap().values::<UnixMs>().unwrap();
    assert!(times.eq([UnixMs(1_795_435_200_000), UnixMs(1_795_435_200_001)]));
}

#[test]
fn an_unknown_column_is_refused() {
    let mut extra = UInt8::default();
    extra.push_repeated(1, 2);
    let least = Least::new(2);
    let mut columns = least.columns();
    columns.push(("clicks", &extra));
    assert_eq!(refused(&encoded(&columns)), (Cause::UnknownColumn, "clicks".into(), None));
}

#[test]
fn every_column_of_the_edge_is_refused() {
    let (mut text, mut ip) = (LowCardinality::default(), IPv6::default());
    text.push_repeated("x", 2);
    ip.push_repeated("::1".parse().unwrap(), 2);
    for spec in EVENTS.columns.iter().filter(|spec| spec.by == By::Edge) {
        let least = Least::new(2);
        let mut columns = least.columns();
        columns.push((&spec.name, if spec.ty.scalar == Scalar::IPv6 { &ip } else { &text }));
        let expected = (Cause::EdgeColumn, spec.name.to_string(), None);
        assert_eq!(refused(&encoded(&columns)), expected);
    }
}

#[test]
fn a_doubled_column_is_refused() {
    let body = least_with(|columns| columns.push(columns[2]));
    assert_eq!(refused(&body), (Cause::DoubledColumn, "entity_id".into(), None));
}

#[test]
fn every_required_column_is_missed() {
    for name in ["name", "entity_type", "entity_id", "occurred_at", "page_id", "seq"] {
        let body = least_with(|columns| columns.retain(|(kept, _)| *kept != name));
        assert_eq!(refused(&body), (Cause::MissingColumn, name.into(), None));
    }
}

#[test]
fn a_column_of_another_type_is_refused() {
    let mut seconds = UInt64::default();
    seconds.push_repeated(1, 2);
    let least = Least::new(2);
    for name in ["name", "entity_id", "occurred_at", "page_id", "seq"] {
        let mut columns = least.columns();
        columns.retain(|(kept, _)| *kept != name);
        columns.push((name, &seconds));
        assert_eq!(refused(&encoded(&columns)), (Cause::WrongType, name.into(), None));
    }
}

#[test]
fn an_int64_for_a_time_is_refused() {
    // ClickHouse takes it for seconds and answers 200.
    let body = raw(&[1], "Int64", &[0; 8]);
    let body = [&body[..2], b"\x0boccurred_at", &body[4..]].concat();
    assert_eq!(refused(&body), (Cause::WrongType, "occurred_at".into(), None));
}

#[test]
fn a_time_may_come_without_its_zone() {
    let body = raw(&[1], "DateTime64(3)", &5_i64.to_le_bytes());
    let body = [&body[..2], b"\x0boccurred_at", &body[4..]].concat();
    assert_eq!(refused(&body), (Cause::MissingColumn, "name".into(), None));
    let block = block::walk(&body).unwrap();
    assert!(block.columns()[0].values::<UnixMs>().unwrap().eq([UnixMs(5)]));
}

#[test]
fn a_time_in_another_zone_is_refused() {
    assert_eq!(walk_cause(&raw(&[1], "DateTime64(3, 'Mars')", &[0; 8])), Cause::TypeUnknown);
}

#[test]
fn texts_may_come_with_a_dictionary_or_without_and_json_as_string_but_nothing_else() {
    let mut text = Strings::default();
    text.push_repeated("{}", 2);
    let mut json = Json::default();
    json.push_repeated("{}", 2);
    let mut low = LowCardinality::default();
    low.push_repeated(&"x".repeat(100)[..], 2);
    let least = Least::new(2);
    let checked = |name: &'static str, column: &dyn Column| {
        let mut columns = least.columns();
        columns.retain(|(kept, _)| *kept != name);
        columns.push((name, column));
        let body = encoded(&columns);
        let block = block::walk(&body).unwrap();
        block::check(&block, &EVENTS).map(|_| ()).map_err(|error| error.cause)
    };
    assert_eq!(checked("properties", &text), Ok(()));
    assert_eq!(checked("properties", &json), Ok(()));
    assert_eq!(checked("hostname", &text), Ok(()));
    assert_eq!(checked("hostname", &low), Ok(()));
    assert_eq!(checked("pathname", &low), Ok(()));
    assert_eq!(checked("properties", &low), Err(Cause::WrongType));
    assert_eq!(checked("pathname", &json), Err(Cause::WrongType));
    assert_eq!(checked("hostname", &json), Err(Cause::WrongType));
}

#[test]
fn a_string_longer_than_its_column_allows_is_refused_with_its_row() {
    let with_name = |bytes| {
        let mut name = Strings::default();
        name.push("a");
        name.push("x".repeat(bytes));
        let least = Least::new(2);
        let mut columns = least.columns();
        columns[0] = ("name", &name);
        encoded(&columns)
    };
    let longest = with_name(EVENT_NAME_BYTES);
    assert!(block::check(&block::walk(&longest).unwrap(), &EVENTS).is_ok());
    let body = with_name(EVENT_NAME_BYTES + 1);
    assert_eq!(refused(&body), (Cause::ValueTooLong, "name".into(), Some(1)));
}

#[test]
fn a_dictionary_entry_longer_than_its_column_allows_is_refused() {
    let mut name = LowCardinality::default();
    name.push_repeated(&"x".repeat(EVENT_NAME_BYTES + 1)[..], 2);
    let least = Least::new(2);
    let mut columns = least.columns();
    columns[0] = ("name", &name);
    assert_eq!(refused(&encoded(&columns)), (Cause::ValueTooLong, "name".into(), None));
}

#[test]
fn the_texts_of_a_page_have_their_own_limit() {
    let least = Least::new(2);
    let checked = |name: &'static str, bytes: usize| {
        let mut text = LowCardinality::default();
        text.push_repeated(&"x".repeat(bytes)[..], 2);
        let mut columns = least.columns();
        columns.push((name, &text));
        let body = encoded(&columns);
        let block = block::walk(&body).unwrap();
        block::check(&block, &EVENTS).map(|_| ()).map_err(|error| error.cause)
    };
    for name in ["hostname", "pathname", "referrer", "utm_source", "utm_medium", "utm_campaign"] {
        assert_eq!(checked(name, PAGE_TEXT_BYTES), Ok(()), "{name}");
        assert_eq!(checked(name, PAGE_TEXT_BYTES + 1), Err(Cause::ValueTooLong), "{name}");
    }
}

// Reading and appending.

#[test]
fn low_cardinality_reads_back_by_dictionary_and_by_string() {
    for repeated in [1, 30] {
        let mut column = LowCardinality::default();
        column.push_repeated("view", repeated);
        column.push("like");
        let body = encoded(&[("c", &column)]);
        let block = block::walk(&body).unwrap();
        let expected = if repeated == 1 { Scalar::String } else { Scalar::LowCardinality };
        assert_eq!(block.columns()[0].ty(), Type::scalar(expected));
        let texts: Vec<_> = block.columns()[0].texts().unwrap().collect();
        assert_eq!(texts.len(), repeated + 1);
        assert_eq!((texts[0], texts[repeated]), ("view", "like"));
    }
}

#[test]
fn json_reads_back_without_its_prefix() {
    let mut column = Json::default();
    column.push(r#"{"a":1}"#);
    column.push("");
    let body = encoded(&[("c", &column)]);
    let block = block::walk(&body).unwrap();
    assert!(block.columns()[0].texts().unwrap().eq([r#"{"a":1}"#, "{}"]));
    assert!(block.columns()[0].values::<u8>().is_none());
}

#[test]
fn appending_leaves_the_clients_bytes_and_turns_the_times_alone() {
    let least = Least::new(2);
    let body = encoded(&least.columns());
    let block = block::walk(&body).unwrap();
    let mut site = LowCardinality::default();
    site.push_repeated("blog", 2);
    let mut out = vec![0xaa];
    let times = [UnixMs(5), UnixMs(-6)];
    block::append(&block, Some(("occurred_at", &times)), &[("site", &site)], &mut out).unwrap();

    let mut corrected = DateTime64::default();
    times.iter().for_each(|time| corrected.push(*time));
    let mut columns = least.columns();
    columns[3] = ("occurred_at", &corrected);
    columns.push(("site", &site));
    assert_eq!(out[1..], encoded(&columns));
    assert_eq!(out[0], 0xaa, "it appends");
}

#[test]
fn appending_refuses_what_does_not_fit_and_appends_nothing() {
    let least = Least::new(2);
    let body = encoded(&least.columns());
    let block = block::walk(&body).unwrap();
    let mut one = UInt8::default();
    one.push(1);
    let mut two = UInt8::default();
    two.push_repeated(1, 2);
    let many = vec![("c", &two as &dyn Column); BLOCK_COLUMNS - 5];
    let mut out = Vec::new();
    let mut refused = |times: Option<(&str, &[UnixMs])>, columns: &[(&str, &dyn Column)]| {
        let error = block::append(&block, times, columns, &mut out).unwrap_err();
        assert!(out.is_empty());
        (error.cause, error.column.unwrap_or_default())
    };
    assert_eq!(refused(None, &[("c", &one)]), (Cause::RowsDiffer, "c".into()));
    let short = Some(("occurred_at", &[UnixMs(5)][..]));
    assert_eq!(refused(short, &[]), (Cause::RowsDiffer, "occurred_at".into()));
    let times = [UnixMs(5); 2];
    let of = |name| Some((name, &times[..]));
    assert_eq!(refused(of("seq"), &[]), (Cause::WrongType, "seq".into()));
    assert_eq!(refused(of("sent_at"), &[]), (Cause::MissingColumn, "sent_at".into()));
    assert_eq!(refused(None, &many), (Cause::TooManyColumns, String::new()));
    block::append(&block, None, &many[1..], &mut out).unwrap();
    assert_eq!(block::walk(&out).unwrap().columns().len(), BLOCK_COLUMNS);
}

#[test]
fn an_error_says_where_it_is() {
    let body = raw(&[2], "String", b"\x01a\x01\xff");
    assert_eq!(walk_error(&body).to_string(), "column c, row 1: a string is not UTF-8");
    let body = least_with(|columns| columns.truncate(5));
    let block = block::walk(&body).unwrap();
    let error = block::check(&block, &EVENTS).unwrap_err();
    assert_eq!(error.to_string(), "column seq: the column is required");
}
