//! `Array(T)`.
//!
//! ```text
//! Array(UInt8): [7, 8], [], [9]
//! 02 00 00 00 00 00 00 00    where each row ends among the elements, u64 little endian
//! 02 00 00 00 00 00 00 00
//! 03 00 00 00 00 00 00 00
//! 07 08 09                   all elements, as rows of T
//! ```
//! `T`'s prefix, if it has one, stands before the offsets.

use super::{Column, Cursor, Fault, FaultAt, Push};
use alloc::vec::Vec;

/// A column of `Array(T)`, `T` being the type of `C`.
///
/// ```
/// use tallymark::column::{Array, Column, Push, UInt8};
///
/// let mut column = Array::<UInt8>::default();
/// column.push([7, 8]);
/// column.push([]);
/// assert_eq!((column.rows(), column.encoded_len()), (2, 8 + 8 + 2));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Array<C> {
    /// Where each row ends, in wire form.
    offsets: Vec<u8>,
    elements: C,
}

impl<C: Column> Array<C> {
    /// Ends a row after all elements pushed so far.
    fn end_row(&mut self) {
        self.offsets.extend_from_slice(&(self.elements.rows() as u64).to_le_bytes());
    }
}

impl<C: Column> Column for Array<C> {
    fn write_type(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(OPEN.as_bytes());
        self.elements.write_type(out);
        out.push(b')');
    }

    fn type_len(&self) -> usize {
        OPEN.len() + self.elements.type_len() + 1
    }

    fn rows(&self) -> usize {
        self.offsets.len() / OFFSET_BYTES
    }

    fn encoded_len(&self) -> usize {
        self.offsets.len() + self.elements.encoded_len()
    }

    fn write_prefix(&self, out: &mut Vec<u8>) {
        self.elements.write_prefix(out);
    }

    fn write_rows(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.offsets);
        self.elements.write_rows(out);
    }

    fn is_all_default(&self) -> bool {
        self.elements.rows() == 0
    }

    fn push_default(&mut self) {
        self.end_row();
    }

    fn clear(&mut self) {
        self.offsets.clear();
        self.elements.clear();
    }
}

impl<C: Push<I::Item>, I: IntoIterator> Push<I> for Array<C> {
    fn push(&mut self, elements: I) {
        for element in elements {
            self.elements.push(element);
        }
        self.end_row();
    }
}

/// How the type's name begins.
pub(super) const OPEN: &str = "Array(";
/// Bytes of one offset.
const OFFSET_BYTES: usize = 8;

/// Checks `rows` offsets at the cursor and steps over them; the offsets, and how many elements
/// they speak of.
pub(super) fn walk<'a>(cursor: &mut Cursor<'a>, rows: usize) -> Result<(&'a [u8], usize), FaultAt> {
    let offsets = cursor.take_items(rows, OFFSET_BYTES)?;
    let mut before = 0;
    for (row, offset) in ends(offsets).enumerate() {
        if offset < before {
            return Err(FaultAt::row(Fault::Offsets, row));
        }
        // An element takes a byte at least: more of them than bytes left is a lie, and it is
        // found here, before anybody counts up to it.
        if offset > cursor.left() as u64 {
            return Err(FaultAt::row(Fault::Truncated, row));
        }
        before = offset;
    }
    Ok((offsets, usize::try_from(before).map_err(|_| Fault::Truncated)?))
}

/// The row that element `element` belongs to.
pub(super) fn row_of(offsets: &[u8], element: usize) -> Option<usize> {
    ends(offsets).position(|end| end > element as u64)
}

fn ends(offsets: &[u8]) -> impl Iterator<Item = u64> {
    offsets
        .chunks_exact(OFFSET_BYTES)
        .map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::{LowCardinality, UInt8};

    fn offsets(ends: &[u64], elements: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = ends.iter().flat_map(|end| end.to_le_bytes()).collect();
        bytes.resize(bytes.len() + elements, 0);
        bytes
    }

    fn walked(ends: &[u64], elements: usize) -> Result<usize, FaultAt> {
        let bytes = offsets(ends, elements);
        walk(&mut Cursor::new(&bytes), ends.len()).map(|(_, elements)| elements)
    }

    #[test]
    fn offsets_come_first_and_count_all_elements_so_far() {
        let mut column = Array::<UInt8>::default();
        column.push([7, 8]);
        column.push_default();
        column.push([9]);
        let (mut name, mut out) = (Vec::new(), Vec::new());
        column.write_type(&mut name);
        column.write_rows(&mut out);
        assert_eq!((&name[..], column.type_len()), (&b"Array(UInt8)"[..], 12));
        assert_eq!(out[..24], offsets(&[2, 2, 3], 0));
        assert_eq!((&out[24..], column.encoded_len()), (&[7, 8, 9][..], 27));
    }

    #[test]
    fn only_empty_arrays_are_all_default() {
        let mut column = Array::<Array<LowCardinality>>::default();
        column.push_default();
        assert!(column.is_all_default());
        column.push([["a", "b"]]);
        assert!(!column.is_all_default());
        column.clear();
        assert_eq!((column.rows(), column.encoded_len()), (0, 0));
    }

    #[test]
    fn a_falling_offset_is_refused_with_its_row() {
        assert_eq!(walked(&[2, 2, 3], 3), Ok(3));
        assert_eq!(walked(&[2, 1, 3], 3), Err(FaultAt::row(Fault::Offsets, 1)));
    }

    #[test]
    fn more_elements_than_bytes_are_refused() {
        assert_eq!(walked(&[2, 4], 3), Err(FaultAt::row(Fault::Truncated, 1)));
        assert_eq!(walked(&[u64::MAX], 3), Err(FaultAt::row(Fault::Truncated, 0)));
    }

    #[test]
    fn missing_offsets_are_truncated() {
        let bytes = offsets(&[1], 0);
        assert_eq!(walk(&mut Cursor::new(&bytes), 2).err(), Some(Fault::Truncated.into()));
        assert_eq!(walk(&mut Cursor::new(&bytes), usize::MAX).err(), Some(Fault::Truncated.into()));
    }

    #[test]
    fn an_element_knows_its_row() {
        let bytes = offsets(&[2, 2, 3], 0);
        let rows: Vec<_> = (0..4).map(|element| row_of(&bytes, element)).collect();
        assert_eq!(rows, [Some(0), Some(0), Some(2), None]);
    }
}
