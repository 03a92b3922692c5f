//! `LowCardinality(String)`.
//!
//! ```text
//! 'a', '', 'b', 'a'
//! 01 00 00 00 00 00 00 00    version 1                                            (prefix)
//! 00 06 00 00 00 00 00 00    0x200 own dictionary | 0x400 update it | width of an index,
//!                            as a code: 0 for 1 byte, 1 for 2, 2 for 4, 3 for 8   (rows …)
//! 03 00 00 00 00 00 00 00    entries in the dictionary
//! 00  01 61  01 62           the entries as String; entry 0 is the default
//! 04 00 00 00 00 00 00 00    rows
//! 01 00 02 01                an index each
//! ```
//! Without rows (inside an empty `Array`) only the prefix is there.
//! Checked against ClickHouse 26.7.2.1 (`SerializationLowCardinality.cpp`).

use super::{Column, Cursor, Fault, FaultAt, Longest, Push, Text, Texts, string, varint};
use alloc::vec::Vec;

/// Bytes that are there however few the rows: prefix, flags and the two counts.
const HEADER_BYTES: usize = 32;
/// The only version there is.
pub(super) const VERSION: u64 = 1;
/// A dictionary of its own, and to be added to the table's: what a column of a block always says.
const FLAGS: u64 = 0x600;
/// The type's name as ClickHouse spells it.
pub(super) const NAME: &str = "LowCardinality(String)";

/// A column of `LowCardinality(String)`, written as plain `String` while that is smaller.
///
/// The receiver takes either. The dictionary costs 32 bytes before its first entry, so a short
/// batch is smaller without it; and a column of more than 255 different values (the default not
/// counted) gives its dictionary up and goes on as `String`.
///
/// ```
/// use tallymark::column::{Column, LowCardinality, Push};
///
/// let mut column = LowCardinality::default();
/// column.push_repeated("page_view", 3);
/// assert_eq!(column.encoded_len(), 3 * 10, "as String");
/// column.push_repeated("page_view", 97);
/// assert_eq!(column.encoded_len(), 32 + 1 + 10 + 100, "by dictionary");
/// ```
#[derive(Clone, Debug)]
pub struct LowCardinality {
    rows: usize,
    /// Bytes of all rows as `String`.
    plain_bytes: usize,
    /// The dictionary's entries in wire form, entry 0 first; once they were too many, all rows.
    entries: Vec<u8>,
    /// Where each entry begins, and where the last one ends; nothing once they were too many.
    bounds: Vec<usize>,
    indices: Vec<u8>,
}

impl Default for LowCardinality {
    fn default() -> Self {
        let mut column = Self {
            rows: 0,
            plain_bytes: 0,
            entries: Vec::new(),
            bounds: Vec::new(),
            indices: Vec::new(),
        };
        column.clear();
        column
    }
}

impl LowCardinality {
    /// Appends `text` `rows` times at the cost of one search.
    pub fn push_rows(&mut self, text: &[u8], rows: usize) {
        if rows == 0 {
            return;
        }
        self.rows += rows;
        self.plain_bytes += rows * wire_bytes(text);
        if let Some(index) = self.index_of(text) {
            self.indices.resize(self.rows, index);
        } else {
            (0..rows).for_each(|_| string::write(text, &mut self.entries));
        }
    }

    /// The index of a text, which gets an entry if it has none; `None` without a dictionary.
    fn index_of(&mut self, text: &[u8]) -> Option<u8> {
        // A linear search: a page has some ten different values a column, and their lengths alone
        // tell most of them apart. Entries of one length that end in one text are the same.
        for (index, bounds) in self.bounds.windows(2).enumerate() {
            if let &[start, end] = bounds
                && end - start == wire_bytes(text)
                && self.entries.get(start..end)?.ends_with(text)
            {
                return u8::try_from(index).ok();
            }
        }
        let index = self.bounds.len().checked_sub(1)?;
        if index > usize::from(u8::MAX) {
            let mut rows = Vec::new();
            self.write_plain(&mut rows);
            self.entries = rows;
            self.bounds.clear();
            self.indices.clear();
            return None;
        }
        string::write(text, &mut self.entries);
        self.bounds.push(self.entries.len());
        u8::try_from(index).ok()
    }

    /// Whether there is no dictionary: there were too many different values.
    fn has_no_dictionary(&self) -> bool {
        self.bounds.is_empty()
    }

    fn dictionary_bytes(&self) -> usize {
        HEADER_BYTES + self.entries.len() + self.rows
    }

    fn is_plain(&self) -> bool {
        // The type's name is part of what is sent, and one is 16 bytes longer than the other.
        let by_dictionary = NAME.len() + self.dictionary_bytes();
        self.has_no_dictionary() || string::NAME.len() + self.plain_bytes <= by_dictionary
    }

    fn write_plain(&self, out: &mut Vec<u8>) {
        if self.has_no_dictionary() {
            out.extend_from_slice(&self.entries);
        }
        for &index in &self.indices {
            let index = usize::from(index);
            if let Some(&[start, end]) = self.bounds.get(index..index + 2)
                && let Some(entry) = self.entries.get(start..end)
            {
                out.extend_from_slice(entry);
            }
        }
    }
}

/// Bytes of a text as `String`.
const fn wire_bytes(text: &[u8]) -> usize {
    varint::len(text.len()) + text.len()
}

impl Column for LowCardinality {
    fn write_type(&self, out: &mut Vec<u8>) {
        let name = if self.is_plain() { string::NAME } else { NAME };
        out.extend_from_slice(name.as_bytes());
    }

    fn type_len(&self) -> usize {
        if self.is_plain() { string::NAME.len() } else { NAME.len() }
    }

    fn rows(&self) -> usize {
        self.rows
    }

    fn encoded_len(&self) -> usize {
        if self.is_plain() { self.plain_bytes } else { self.dictionary_bytes() }
    }

    fn write_prefix(&self, out: &mut Vec<u8>) {
        if !self.is_plain() {
            out.extend_from_slice(&VERSION.to_le_bytes());
        }
    }

    fn write_rows(&self, out: &mut Vec<u8>) {
        if self.is_plain() {
            self.write_plain(out);
        } else {
            out.extend_from_slice(&FLAGS.to_le_bytes());
            out.extend_from_slice(&(self.bounds.len() as u64 - 1).to_le_bytes());
            out.extend_from_slice(&self.entries);
            out.extend_from_slice(&(self.rows as u64).to_le_bytes());
            out.extend_from_slice(&self.indices);
        }
    }

    fn is_all_default(&self) -> bool {
        // The empty string takes one byte and every other at least two.
        self.plain_bytes == self.rows
    }

    fn push_default(&mut self) {
        self.push_rows(b"", 1);
    }

    fn clear(&mut self) {
        self.rows = 0;
        self.plain_bytes = 0;
        self.entries.clear();
        self.bounds.clear();
        self.indices.clear();
        // Entry 0, the empty string: one byte, a length of 0.
        self.entries.extend_from_slice(&[0]);
        self.bounds.push(0);
        self.bounds.push(1);
    }
}

impl<T: AsRef<[u8]>> Push<T> for LowCardinality {
    fn push(&mut self, text: T) {
        self.push_rows(text.as_ref(), 1);
    }
}

/// The dictionary and the indices of a column, each of them checked.
struct Parts<'a> {
    entries: &'a [u8],
    longest: Longest,
    indices: &'a [u8],
    width: usize,
}

/// Checks `rows` rows at the cursor, behind the prefix, steps over them, and tells the longest
/// entry of the dictionary.
pub(super) fn walk(cursor: &mut Cursor<'_>, rows: usize) -> Result<Longest, FaultAt> {
    Ok(parts(cursor, rows)?.longest)
}

/// The strings of `rows` rows that were walked.
pub(crate) fn texts(bytes: &[u8], rows: usize) -> Texts<'_> {
    match parts(&mut Cursor::new(bytes), rows) {
        Ok(Parts { entries, indices, width, .. }) => {
            Texts::Dictionary { entries: Text::new(entries).collect(), indices, width }
        }
        Err(_) => Texts::Plain(Text::new(&[])),
    }
}

fn parts<'a>(cursor: &mut Cursor<'a>, rows: usize) -> Result<Parts<'a>, FaultAt> {
    let mut longest = Longest::default();
    if rows == 0 {
        return Ok(Parts { entries: &[], longest, indices: &[], width: 1 });
    }
    let width = match cursor.u64_le()?.checked_sub(FLAGS) {
        Some(code @ 0..=3) => 1 << code,
        _ => return Err(Fault::DictionaryFlags.into()),
    };
    let count = usize::try_from(cursor.u64_le()?).map_err(|_| Fault::DictionarySize)?;
    // One entry a row and the default; this also bounds what `texts` allocates.
    if count == 0 || count > rows.saturating_add(1) {
        return Err(Fault::DictionarySize.into());
    }
    let entries = cursor.clone();
    for _ in 0..count {
        let entry = string::walk_one(cursor)?;
        longest.see(None, entry.len());
    }
    let entry_bytes = cursor.at() - entries.at();
    if cursor.u64_le()? != rows as u64 {
        return Err(Fault::DictionaryRows.into());
    }
    let indices = cursor.take_items(rows, width)?;
    // Left out under the cfg that shows that the fuzzer finds a missing check.
    #[cfg(not(planted_bug))]
    if let Some(row) = first_beyond(indices, width, count) {
        return Err(FaultAt::row(Fault::Index, row));
    }
    Ok(Parts { entries: entries.clone().take(entry_bytes)?, longest, indices, width })
}

/// The first row whose index is none of `count` entries.
#[cfg(not(planted_bug))]
fn first_beyond(indices: &[u8], width: usize, count: usize) -> Option<usize> {
    if width == 1 {
        // What the tracker sends: without the way through 64 bits, a fifth of the time.
        return indices.iter().position(|&index| usize::from(index) >= count);
    }
    indices.chunks_exact(width).position(|bytes| index(bytes) >= count)
}

/// An index of 1, 2, 4 or 8 bytes; one that no machine could address becomes `usize::MAX`.
pub(super) fn index(bytes: &[u8]) -> usize {
    let mut wide = [0; 8];
    for (slot, byte) in wide.iter_mut().zip(bytes) {
        *slot = *byte;
    }
    usize::try_from(u64::from_le_bytes(wide)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    fn encoded(column: &LowCardinality) -> Vec<u8> {
        let mut out = Vec::new();
        column.write_prefix(&mut out);
        column.write_rows(&mut out);
        assert_eq!(out.len(), column.encoded_len());
        out
    }

    fn type_name(column: &LowCardinality) -> Vec<u8> {
        let mut out = Vec::new();
        column.write_type(&mut out);
        assert_eq!(out.len(), column.type_len());
        out
    }

    /// The rows part of 'a', '', 'b', 'a'.
    fn example() -> Vec<u8> {
        let mut bytes = Vec::new();
        for part in [0x600_u64, 3] {
            bytes.extend_from_slice(&part.to_le_bytes());
        }
        bytes.extend_from_slice(b"\x00\x01a\x01b");
        bytes.extend_from_slice(&4_u64.to_le_bytes());
        bytes.extend_from_slice(&[1, 0, 2, 1]);
        bytes
    }

    fn walked(bytes: &[u8]) -> Result<Longest, FaultAt> {
        walk(&mut Cursor::new(bytes), 4)
    }

    #[test]
    fn rows_pushed_at_once_are_the_rows_pushed_one_by_one() {
        let (mut at_once, mut one_by_one) = (LowCardinality::default(), LowCardinality::default());
        let texts = (0..=256).map(|at| format!("{at}")).collect::<Vec<_>>();
        // The last one has no room in the dictionary, the one before is an entry of no row.
        for (at, text) in texts.iter().enumerate() {
            let rows = if at == 254 { 0 } else { 2 };
            at_once.push_rows(text.as_bytes(), rows);
            for _ in 0..rows {
                one_by_one.push(text);
            }
            let [mut a, mut b] = [Vec::new(), Vec::new()];
            at_once.write_rows(&mut a);
            one_by_one.write_rows(&mut b);
            assert_eq!((a, at_once.rows()), (b, one_by_one.rows()), "{at}");
        }
        assert!(at_once.has_no_dictionary());
    }

    #[test]
    fn the_smaller_form_is_written_and_a_tie_goes_to_string() {
        let mut column = LowCardinality::default();
        column.push_repeated("0123456789", 6);
        // 6 × 11 and a type of 6 bytes, or 32 + 1 + 11 + 6 and a type of 22: both 72.
        assert_eq!((type_name(&column), encoded(&column).len()), (b"String".into(), 66));
        column.push("0123456789");
        assert_eq!((type_name(&column), encoded(&column).len()), (NAME.into(), 51));
    }

    #[test]
    fn rows_and_interned_entries_are_written_in_order() {
        let mut column = LowCardinality::default();
        let long = "x".repeat(60);
        column.push(&long);
        column.push("");
        column.push("b");
        column.push(&long);
        let out = encoded(&column);
        assert_eq!(type_name(&column), b"LowCardinality(String)");
        let rows = out.split_at(8).1;
        assert_eq!(walked(rows), Ok(Longest { row: None, bytes: 60 }));
        let texts: Vec<_> = texts(rows, 4).collect();
        assert_eq!(texts, [&long, "", "b", &long]);
    }

    #[test]
    fn the_entry_beyond_255_turns_the_column_into_string() {
        let mut column = LowCardinality::default();
        let value = |n| format!("a value that is long enough to be worth a dictionary {n:03}");
        for _ in 0..2 {
            (0..255).for_each(|n| column.push(value(n)));
        }
        assert_eq!(type_name(&column), b"LowCardinality(String)");
        column.push(value(255));
        column.push(value(0));
        assert_eq!(type_name(&column), b"String");
        assert_eq!(column.rows(), 512);
        let expected: Vec<_> = (0..255).chain(0..256).chain([0]).map(value).collect();
        assert!(Text::new(&encoded(&column)).eq(expected.iter()));
        column.clear();
        assert_eq!((column.rows(), column.encoded_len()), (0, 0));
        assert!(column.is_all_default());
    }

    #[test]
    fn entries_that_end_alike_are_told_apart() {
        let mut column = LowCardinality::default();
        for text in ["ab", "b", "xb", "ab"] {
            column.push(text);
        }
        assert!(Text::new(&encoded(&column)).eq(["ab", "b", "xb", "ab"]));
    }

    #[test]
    fn flags_that_are_not_an_own_dictionary_are_refused() {
        for flags in [0_u64, 0x200, 0x400, 0x604, 0x700, u64::MAX] {
            let mut bytes = example();
            bytes[..8].copy_from_slice(&flags.to_le_bytes());
            assert_eq!(walked(&bytes), Err(Fault::DictionaryFlags.into()), "{flags:#x}");
        }
    }

    #[test]
    fn a_lying_dictionary_size_is_refused() {
        for size in [0_u64, 6, 1 << 40, u64::MAX] {
            let mut bytes = example();
            bytes[8..16].copy_from_slice(&size.to_le_bytes());
            assert_eq!(walked(&bytes), Err(Fault::DictionarySize.into()), "{size}");
        }
    }

    #[test]
    fn another_number_of_rows_than_the_block_has_is_refused() {
        let mut bytes = example();
        bytes[21] = 5;
        assert_eq!(walked(&bytes), Err(Fault::DictionaryRows.into()));
    }

    #[test]
    fn an_index_beyond_the_dictionary_is_refused_with_its_row() {
        let mut bytes = example();
        assert_eq!(walked(&bytes), Ok(Longest { row: None, bytes: 1 }));
        bytes[31] = 3;
        assert_eq!(walked(&bytes), Err(FaultAt::row(Fault::Index, 2)));
    }

    #[test]
    fn wider_indices_are_read() {
        for (code, width) in [(1_u8, 2), (2, 4), (3, 8)] {
            let mut bytes = example();
            bytes[0] = code;
            let indices = bytes.split_off(29);
            for index in indices {
                bytes.push(index);
                bytes.resize(bytes.len() + width - 1, 0);
            }
            assert_eq!(walked(&bytes), Ok(Longest { row: None, bytes: 1 }));
            assert!(texts(&bytes, 4).eq(["a", "", "b", "a"]));
            *bytes.last_mut().unwrap() = 0x80;
            assert_eq!(walked(&bytes), Err(FaultAt::row(Fault::Index, 3)));
        }
    }

    #[test]
    fn bad_utf8_in_the_dictionary_is_refused() {
        let mut bytes = example();
        bytes[18] = 0xff;
        assert_eq!(walked(&bytes), Err(Fault::NotUtf8.into()));
    }

    #[test]
    fn missing_indices_are_truncated() {
        let bytes = example();
        assert_eq!(walked(&bytes[..bytes.len() - 1]), Err(Fault::Truncated.into()));
    }
}
