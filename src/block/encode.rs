//! Writing a block.

use crate::column::{Column, varint};
use alloc::vec::Vec;

/// Appends one block of `columns` to `out`.
///
/// All columns have the same number of rows, and there is at least one of each; a block without
/// would be dropped or refused by the receiver, so nothing is appended then. Room for
/// [`encoded_len`] bytes, or a little more, is the caller's to reserve.
///
/// ```
/// use tallymark::block;
/// use tallymark::column::{Column, Push, Strings, UInt8};
///
/// let (mut name, mut seq) = (Strings::default(), UInt8::default());
/// name.push("view");
/// seq.push(7);
/// let columns: [(&str, &dyn Column); 2] = [("name", &name), ("seq", &seq)];
/// let mut out = Vec::new();
/// block::encode(&columns, &mut out);
/// assert_eq!(out, b"\x02\x01\x04name\x06String\x04view\x03seq\x05UInt8\x07");
/// assert_eq!(out.len(), block::encoded_len(&columns));
/// ```
pub fn encode(columns: &[(&str, &dyn Column)], out: &mut Vec<u8>) {
    let rows = rows(columns);
    debug_assert!(columns.iter().all(|(_, column)| column.rows() == rows));
    if rows == 0 {
        return;
    }
    varint::write(columns.len(), out);
    varint::write(rows, out);
    for (name, column) in columns {
        encode_column(name, *column, out);
    }
}

/// Bytes that [`encode()`] appends, exactly: the time it takes depends on the number of columns,
/// not of rows.
#[must_use]
pub fn encoded_len(columns: &[(&str, &dyn Column)]) -> usize {
    let rows = rows(columns);
    if rows == 0 {
        return 0;
    }
    let of = |(name, column): &(&str, &dyn Column)| column_len(name, *column);
    varint::len(columns.len()) + varint::len(rows) + columns.iter().map(of).sum::<usize>()
}

/// Appends one column: name, type, prefix, rows.
pub(crate) fn encode_column<C: Column + ?Sized>(name: &str, column: &C, out: &mut Vec<u8>) {
    varint::write(name.len(), out);
    out.extend_from_slice(name.as_bytes());
    varint::write(column.type_len(), out);
    column.write_type(out);
    column.write_prefix(out);
    column.write_rows(out);
}

/// Bytes that [`encode_column`] appends.
pub(super) fn column_len(name: &str, column: &dyn Column) -> usize {
    let ty = column.type_len();
    varint::len(name.len()) + name.len() + varint::len(ty) + ty + column.encoded_len()
}

fn rows(columns: &[(&str, &dyn Column)]) -> usize {
    columns.first().map_or(0, |(_, column)| column.rows())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::UInt8;

    #[test]
    fn a_block_without_columns_or_rows_is_not_written() {
        let mut out = Vec::new();
        encode(&[], &mut out);
        encode(&[("seq", &UInt8::default())], &mut out);
        assert!(out.is_empty());
        assert_eq!(encoded_len(&[("seq", &UInt8::default())]), 0);
    }
}
