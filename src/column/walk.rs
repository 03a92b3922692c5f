//! Walking a column of any type: every length, offset, count and index in it is checked.

use super::{
    Cursor, Days, Fault, FaultAt, Scalar, Type, UnixSeconds, array, fixed, json, low_cardinality,
    nullable, string,
};
use crate::limits::TYPE_DEPTH;
use crate::rng::Uuid;
use crate::time::UnixMs;
use core::net::Ipv6Addr;

/// What walking a column found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Walked {
    /// Bytes of the column: prefix and rows.
    pub bytes: usize,
    /// The longest string; of 0 bytes for types that hold none.
    pub longest: Longest,
}

/// The longest string of a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Longest {
    /// Its row, unless it was seen in a dictionary.
    pub row: Option<usize>,
    /// Its length in bytes.
    pub bytes: usize,
}

impl Longest {
    /// Takes note of a string; of equals the first stays.
    pub(super) fn see(&mut self, row: Option<usize>, bytes: usize) {
        if bytes > self.bytes {
            *self = Self { row, bytes };
        }
    }
}

/// Checks the `rows` rows of type `ty` at the start of `bytes`, prefix included; what follows
/// them is not looked at. Nothing is copied and nothing allocated.
///
/// # Errors
/// [`FaultAt`]: the first thing wrong, and its row where it is in one.
///
/// ```
/// use tallymark::column::{Fault, FaultAt, Type, TypeError, walk};
///
/// let ty = Type::parse(b"Array(Bool)")?;
/// let bytes = [1, 0, 0, 0, 0, 0, 0, 0, 1, 0xff];
/// assert_eq!(walk(ty, &bytes, 1).map(|walked| walked.bytes), Ok(9));
/// let bytes = [1, 0, 0, 0, 0, 0, 0, 0, 2];
/// assert_eq!(walk(ty, &bytes, 1), Err(FaultAt::row(Fault::NotBool, 0)));
/// # Ok::<(), TypeError>(())
/// ```
pub fn walk(ty: Type, bytes: &[u8], rows: usize) -> Result<Walked, FaultAt> {
    let mut cursor = Cursor::new(bytes);
    walk_prefix(ty.scalar, &mut cursor)?;
    // The offsets of each array around the scalar, outermost first.
    let mut arrays: [&[u8]; TYPE_DEPTH] = [&[]; TYPE_DEPTH];
    let mut count = rows;
    // From a row among the elements of the innermost array to the row of the block.
    let outward = |arrays: &[&[u8]], row: Option<usize>| {
        arrays.iter().rev().fold(row, |row, offsets| array::row_of(offsets, row?))
    };
    for depth in 0..usize::from(ty.arrays) {
        let around = arrays.get(..depth).unwrap_or_default();
        let (offsets, elements) = array::walk(&mut cursor, count)
            .map_err(|at| FaultAt { row: outward(around, at.row), ..at })?;
        if let Some(slot) = arrays.get_mut(depth) {
            *slot = offsets;
        }
        count = elements;
    }
    let arrays = arrays.get(..usize::from(ty.arrays)).unwrap_or_default();
    let mut longest = walk_scalars(ty, &mut cursor, count)
        .map_err(|at| FaultAt { row: outward(arrays, at.row), ..at })?;
    longest.row = outward(arrays, longest.row);
    Ok(Walked { bytes: cursor.at(), longest })
}

fn walk_prefix(scalar: Scalar, cursor: &mut Cursor<'_>) -> Result<(), Fault> {
    let version = match scalar {
        Scalar::LowCardinality => low_cardinality::VERSION,
        Scalar::Json => json::VERSION,
        _ => return Ok(()),
    };
    if cursor.u64_le()? == version { Ok(()) } else { Err(Fault::Version) }
}

fn walk_scalars(ty: Type, cursor: &mut Cursor<'_>, rows: usize) -> Result<Longest, FaultAt> {
    if ty.nullable {
        nullable::walk(cursor, rows)?;
    }
    match ty.scalar {
        Scalar::UInt8 => fixed::skip::<u8>(cursor, rows)?,
        Scalar::UInt16 => fixed::skip::<u16>(cursor, rows)?,
        Scalar::UInt32 => fixed::skip::<u32>(cursor, rows)?,
        Scalar::UInt64 => fixed::skip::<u64>(cursor, rows)?,
        Scalar::Int8 => fixed::skip::<i8>(cursor, rows)?,
        Scalar::Int16 => fixed::skip::<i16>(cursor, rows)?,
        Scalar::Int32 => fixed::skip::<i32>(cursor, rows)?,
        Scalar::Int64 => fixed::skip::<i64>(cursor, rows)?,
        Scalar::Float64 => fixed::walk::<f64>(cursor, rows)?,
        Scalar::Bool => fixed::walk::<bool>(cursor, rows)?,
        Scalar::Uuid => fixed::skip::<Uuid>(cursor, rows)?,
        Scalar::Date => fixed::skip::<Days>(cursor, rows)?,
        Scalar::DateTime => fixed::skip::<UnixSeconds>(cursor, rows)?,
        Scalar::DateTime64 => fixed::skip::<UnixMs>(cursor, rows)?,
        Scalar::IPv6 => fixed::skip::<Ipv6Addr>(cursor, rows)?,
        Scalar::String | Scalar::Json => return string::walk(cursor, rows),
        Scalar::LowCardinality => return low_cardinality::walk(cursor, rows),
    }
    Ok(Longest::default())
}
