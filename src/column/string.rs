//! `String`.
//!
//! ```text
//! 'ok', ''        02 6F 6B   00        varint length, then that many bytes
//! ```
//! ClickHouse's `String` is any bytes and it stores bad UTF-8 without a word; ours is text, and
//! walking refuses anything else.

use super::{Column, Cursor, Fault, FaultAt, Longest, Push, varint};
use crate::limits::STRING_BYTES;
use alloc::vec::Vec;

/// A column of `String`.
///
/// What is pushed is meant to be UTF-8: the edge refuses a block in which it is not.
///
/// ```
/// use tallymark::column::{Column, Push, Strings};
///
/// let mut column = Strings::default();
/// column.push("é");
/// column.push("");
/// assert_eq!((column.rows(), column.encoded_len()), (2, 4));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Strings {
    bytes: Vec<u8>,
    rows: usize,
}

impl Strings {
    /// Appends `rows` rows that are in wire form already.
    pub(super) fn push_wire(&mut self, bytes: &[u8], rows: usize) {
        self.bytes.extend_from_slice(bytes);
        self.rows += rows;
    }

    /// Whether every row is `wire`.
    pub(super) fn is_repeated(&self, wire: &[u8]) -> bool {
        self.bytes.len() == self.rows * wire.len()
            && self.bytes.chunks_exact(wire.len().max(1)).all(|bytes| bytes == wire)
    }

    fn push_text(&mut self, text: &[u8]) {
        write(text, &mut self.bytes);
        self.rows += 1;
    }
}

impl Column for Strings {
    fn write_type(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(NAME.as_bytes());
    }

    fn type_len(&self) -> usize {
        NAME.len()
    }

    fn rows(&self) -> usize {
        self.rows
    }

    fn encoded_len(&self) -> usize {
        self.bytes.len()
    }

    fn write_rows(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bytes);
    }

    fn is_all_default(&self) -> bool {
        // The empty string takes one byte and every other at least two.
        self.bytes.len() == self.rows
    }

    fn push_default(&mut self) {
        self.push_text(b"");
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.rows = 0;
    }
}

impl<T: AsRef<[u8]>> Push<T> for Strings {
    fn push(&mut self, text: T) {
        self.push_text(text.as_ref());
    }
}

/// The type's name as ClickHouse spells it.
pub(super) const NAME: &str = "String";

/// Appends one value of `String`.
pub(crate) fn write(text: &[u8], out: &mut Vec<u8>) {
    varint::write(text.len(), out);
    out.extend_from_slice(text);
}

/// Checks one string at the cursor and steps over it.
pub(super) fn walk_one<'a>(cursor: &mut Cursor<'a>) -> Result<&'a str, Fault> {
    let text = cursor.text()?;
    if text.len() > STRING_BYTES {
        return Err(Fault::StringTooLong);
    }
    core::str::from_utf8(text).map_err(|_| Fault::NotUtf8)
}

/// Checks `rows` strings at the cursor, steps over them, and tells the longest.
pub(super) fn walk(cursor: &mut Cursor<'_>, rows: usize) -> Result<Longest, FaultAt> {
    let mut longest = Longest::default();
    for row in 0..rows {
        let text = walk_one(cursor).map_err(|fault| FaultAt::row(fault, row))?;
        longest.see(Some(row), text.len());
    }
    Ok(longest)
}

/// The strings of a column whose bytes were walked: `String`, `LowCardinality(String)`, `JSON`.
#[derive(Clone, Debug)]
pub enum Texts<'a> {
    /// One after the other.
    Plain(Text<'a>),
    /// By index into a dictionary.
    Dictionary {
        /// The dictionary; its entry 0 is the default.
        entries: Vec<&'a str>,
        /// What is left of the indices.
        indices: &'a [u8],
        /// Bytes of one index: 1, 2, 4 or 8.
        width: usize,
    },
}

impl<'a> Iterator for Texts<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        match self {
            Self::Plain(texts) => texts.next(),
            Self::Dictionary { entries, indices, width } => {
                let (index, rest) = indices.split_at_checked(*width)?;
                *indices = rest;
                entries.get(super::low_cardinality::index(index)).copied()
            }
        }
    }
}

/// The strings of a `String` column whose bytes were walked.
///
/// ```
/// use tallymark::column::Text;
///
/// assert_eq!(Text::new(b"\x02ok\x00").collect::<Vec<_>>(), ["ok", ""]);
/// ```
#[derive(Clone, Debug)]
pub struct Text<'a> {
    cursor: Cursor<'a>,
}

impl<'a> Text<'a> {
    /// The strings in `bytes`, up to the first that is not whole or not UTF-8.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { cursor: Cursor::new(bytes) }
    }
}

impl<'a> Iterator for Text<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        core::str::from_utf8(self.cursor.text().ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    fn walked(bytes: &[u8], rows: usize) -> Result<Longest, FaultAt> {
        walk(&mut Cursor::new(bytes), rows)
    }

    #[test]
    fn strings_have_a_length_and_read_back() {
        let mut column = Strings::default();
        column.push("ok");
        column.push(String::new());
        let mut out = Vec::new();
        column.write_rows(&mut out);
        assert_eq!(out, b"\x02ok\x00");
        assert_eq!(walked(&out, 2), Ok(Longest { row: Some(0), bytes: 2 }));
        let first_of_equals = Longest { row: Some(1), bytes: 1 };
        assert_eq!(walked(b"\x00\x01a\x01b", 3), Ok(first_of_equals));
    }

    #[test]
    fn a_length_beyond_the_end_is_truncated() {
        assert_eq!(walked(b"\x00\x03ok", 2), Err(FaultAt::row(Fault::Truncated, 1)));
        assert_eq!(
            walked(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 1),
            Err(FaultAt::row(Fault::Truncated, 0))
        );
    }

    #[test]
    fn bad_utf8_is_refused_with_its_row() {
        assert_eq!(walked(b"\x01a\x02\xc3\x28", 2), Err(FaultAt::row(Fault::NotUtf8, 1)));
    }

    #[test]
    fn the_longest_string_passes_and_one_byte_more_is_refused() {
        let mut column = Strings::default();
        column.push("x".repeat(STRING_BYTES));
        column.push("x".repeat(STRING_BYTES + 1));
        let mut out = Vec::new();
        column.write_rows(&mut out);
        assert_eq!(walked(&out, 1), Ok(Longest { row: Some(0), bytes: STRING_BYTES }));
        assert_eq!(walked(&out, 2), Err(FaultAt::row(Fault::StringTooLong, 1)));
    }

    #[test]
    fn only_empty_strings_are_all_default() {
        let mut column = Strings::default();
        column.push_repeated("", 3);
        assert!(column.is_all_default());
        column.push("a");
        assert!(!column.is_all_default());
    }
}
