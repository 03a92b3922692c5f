//! Columns whose values all have the same width: numbers, times, UUIDs, addresses.
//!
//! ```text
//! rows × WIDTH bytes, nothing between, before or after
//! ```

use super::{Column, Cursor, Fault, FaultAt, Push, Scalar};
use alloc::vec::Vec;
use core::marker::PhantomData;

/// A value that has a fixed width on ClickHouse's wire.
pub trait Wire: Copy {
    /// The type's name as ClickHouse spells it.
    const NAME: &'static str;
    /// The type.
    const SCALAR: Scalar;
    /// ClickHouse's default of the type.
    const DEFAULT: Self;
    /// The bytes on the wire: an array.
    type Bytes: AsRef<[u8]> + for<'a> TryFrom<&'a [u8]>;

    /// The value's bytes.
    fn to_wire(self) -> Self::Bytes;

    /// The value in `bytes`.
    ///
    /// # Errors
    /// [`Fault`] when no value has these bytes, or none that may be stored.
    fn from_wire(bytes: Self::Bytes) -> Result<Self, Fault>;
}

/// Bytes of one value of `V`.
const fn width<V: Wire>() -> usize {
    size_of::<V::Bytes>()
}

/// A column of values of fixed width.
///
/// ```
/// use tallymark::column::{Column, Float64, Push};
///
/// let mut value = Float64::default();
/// value.push_repeated(1.0, 3);
/// assert_eq!((value.rows(), value.encoded_len()), (3, 24));
/// assert!(value.is_all(1.0) && !value.is_all_default());
/// ```
#[derive(Clone, Debug)]
pub struct Fixed<V> {
    bytes: Vec<u8>,
    value: PhantomData<V>,
}

impl<V> Default for Fixed<V> {
    fn default() -> Self {
        Self { bytes: Vec::new(), value: PhantomData }
    }
}

impl<V: Wire> Fixed<V> {
    /// Whether every row has the same bytes as `value`; true for a column of no rows.
    #[must_use]
    pub fn is_all(&self, value: V) -> bool {
        let wire = value.to_wire();
        self.bytes.chunks_exact(width::<V>()).all(|bytes| bytes == wire.as_ref())
    }

    /// Appends `value` `rows` times at the cost of a copy. Not part of [`Push`], where the page would
    /// download it.
    pub fn push_rows(&mut self, value: V, rows: usize) {
        self.bytes.extend_from_slice(&value.to_wire().as_ref().repeat(rows));
    }

    /// The values pushed so far, in order.
    #[must_use]
    pub fn values(&self) -> Values<'_, V> {
        Values::new(&self.bytes)
    }
}

impl<V: Wire> Column for Fixed<V> {
    fn write_type(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(V::NAME.as_bytes());
    }

    fn type_len(&self) -> usize {
        V::NAME.len()
    }

    fn rows(&self) -> usize {
        self.bytes.len() / width::<V>()
    }

    fn encoded_len(&self) -> usize {
        self.bytes.len()
    }

    fn write_rows(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bytes);
    }

    fn is_all_default(&self) -> bool {
        self.is_all(V::DEFAULT)
    }

    fn push_default(&mut self) {
        self.push(V::DEFAULT);
    }

    fn clear(&mut self) {
        self.bytes.clear();
    }
}

impl<V: Wire> Push<V> for Fixed<V> {
    fn push(&mut self, value: V) {
        self.bytes.extend_from_slice(value.to_wire().as_ref());
    }
}

/// Checks `rows` values of `V` at the cursor and steps over them.
pub(super) fn walk<V: Wire>(cursor: &mut Cursor<'_>, rows: usize) -> Result<(), FaultAt> {
    let bytes = cursor.take_items(rows, width::<V>())?;
    for (row, bytes) in bytes.chunks_exact(width::<V>()).enumerate() {
        read::<V>(bytes).map_err(|fault| FaultAt::row(fault, row))?;
    }
    Ok(())
}

/// Steps over `rows` values of a type in which every pattern of bits is a value.
pub(super) fn skip<V: Wire>(cursor: &mut Cursor<'_>, rows: usize) -> Result<(), FaultAt> {
    cursor.take_items(rows, width::<V>())?;
    Ok(())
}

fn read<V: Wire>(bytes: &[u8]) -> Result<V, Fault> {
    V::from_wire(V::Bytes::try_from(bytes).map_err(|_| Fault::Truncated)?)
}

/// The values of a column of fixed width, read from its bytes.
///
/// ```
/// use tallymark::column::Values;
///
/// let values = Values::<u16>::new(&[1, 0, 0, 1]);
/// assert_eq!(values.collect::<Vec<_>>(), [1, 256]);
/// ```
#[derive(Clone, Debug)]
pub struct Values<'a, V> {
    bytes: core::slice::ChunksExact<'a, u8>,
    value: PhantomData<V>,
}

impl<'a, V: Wire> Values<'a, V> {
    /// The values in `bytes`; a rest that is shorter than a value is left out.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes: bytes.chunks_exact(width::<V>()), value: PhantomData }
    }
}

impl<V: Wire> Iterator for Values<'_, V> {
    type Item = V;

    fn next(&mut self) -> Option<V> {
        self.bytes.next().and_then(|bytes| read(bytes).ok())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.bytes.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_pushed_at_once_are_the_rows_pushed_one_by_one() {
        let (mut at_once, mut one_by_one) = (Fixed::<u32>::default(), Fixed::<u32>::default());
        for (value, rows) in [(7, 3), (8, 0), (0x0102_0304, 500)] {
            at_once.push_rows(value, rows);
            one_by_one.push_repeated(value, rows);
        }
        assert!(at_once.values().eq(one_by_one.values()));
        assert_eq!(at_once.rows(), 503);
    }
}
