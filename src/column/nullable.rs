//! `Nullable(T)`.
//!
//! ```text
//! Nullable(String): 'a', NULL
//! 00 01        a byte a row: 1 is NULL
//! 01 61  00    then all rows of T, with its default where NULL is
//! ```
//! `T`'s prefix, if it has one, stands before the null bytes.

use super::{Column, Cursor, Fault, FaultAt, Push};
use alloc::vec::Vec;

/// A column of `Nullable(T)`, `T` being the type of `C`.
///
/// ClickHouse allows no `Array` and no `LowCardinality` inside; the type system here does not say
/// so, the server does.
///
/// ```
/// use tallymark::column::{Column, Int32, Nullable, Push};
///
/// let mut column = Nullable::<Int32>::default();
/// column.push(Some(1));
/// column.push(None);
/// let mut bytes = Vec::new();
/// column.write_rows(&mut bytes);
/// assert_eq!(bytes, [0, 1, 1, 0, 0, 0, 0, 0, 0, 0]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Nullable<C> {
    nulls: Vec<u8>,
    values: C,
}

impl<C: Column> Column for Nullable<C> {
    fn write_type(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(OPEN.as_bytes());
        self.values.write_type(out);
        out.push(b')');
    }

    fn type_len(&self) -> usize {
        OPEN.len() + self.values.type_len() + 1
    }

    fn rows(&self) -> usize {
        self.nulls.len()
    }

    fn encoded_len(&self) -> usize {
        self.nulls.len() + self.values.encoded_len()
    }

    fn write_prefix(&self, out: &mut Vec<u8>) {
        self.values.write_prefix(out);
    }

    fn write_rows(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.nulls);
        self.values.write_rows(out);
    }

    fn is_all_default(&self) -> bool {
        self.nulls.iter().all(|&null| null == 1)
    }

    fn push_default(&mut self) {
        self.nulls.push(1);
        self.values.push_default();
    }

    fn clear(&mut self) {
        self.nulls.clear();
        self.values.clear();
    }
}

impl<C: Push<V>, V> Push<Option<V>> for Nullable<C> {
    fn push(&mut self, value: Option<V>) {
        match value {
            Some(value) => {
                self.nulls.push(0);
                self.values.push(value);
            }
            None => self.push_default(),
        }
    }
}

/// How the type's name begins.
pub(super) const OPEN: &str = "Nullable(";

/// Checks `rows` null bytes at the cursor and steps over them.
pub(super) fn walk(cursor: &mut Cursor<'_>, rows: usize) -> Result<(), FaultAt> {
    let nulls = cursor.take(rows)?;
    match nulls.iter().position(|&null| null > 1) {
        Some(row) => Err(FaultAt::row(Fault::NotNullFlag, row)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::Strings;

    #[test]
    fn nulls_come_first_and_leave_a_default_behind() {
        let mut column = Nullable::<Strings>::default();
        column.push(Some("a"));
        column.push(None::<&str>);
        let (mut name, mut out) = (Vec::new(), Vec::new());
        column.write_type(&mut name);
        column.write_rows(&mut out);
        assert_eq!((&name[..], column.type_len()), (&b"Nullable(String)"[..], 16));
        assert_eq!((&out[..], column.encoded_len()), (&b"\x00\x01\x01a\x00"[..], 5));
    }

    #[test]
    fn a_value_that_is_the_inner_default_is_not_null() {
        let mut column = Nullable::<Strings>::default();
        column.push(None::<&str>);
        assert!(column.is_all_default());
        column.push(Some(""));
        assert!(!column.is_all_default());
        column.clear();
        assert_eq!((column.rows(), column.encoded_len()), (0, 0));
    }

    #[test]
    fn a_null_byte_other_than_zero_and_one_is_refused_with_its_row() {
        assert_eq!(walk(&mut Cursor::new(&[0, 1, 2]), 2), Ok(()));
        let refused = Err(FaultAt::row(Fault::NotNullFlag, 2));
        assert_eq!(walk(&mut Cursor::new(&[0, 1, 2]), 3), refused);
        assert_eq!(walk(&mut Cursor::new(&[0]), 2), Err(Fault::Truncated.into()));
    }
}
