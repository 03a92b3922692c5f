//! Columns of the Native format, one ClickHouse type a file.
//!
//! Each file draws its wire format, then has the same things in the same order: the column to
//! append to and encode (page), then walking and reading it (edge), then tests. What a column
//! keeps in memory is already its wire form, so that encoding is copying and its length is known
//! at every moment.
//!
//! Every wire format here was checked against ClickHouse 26.7.2.1 over HTTP, which speaks the
//! Native format without a protocol revision; the goldens under `tests/golden/` are its own bytes.
//!
//! ```
//! use tallymark::column::{Column, LowCardinality, Push, UInt32};
//!
//! let mut seq = UInt32::default();
//! seq.push(7);
//! assert_eq!(seq.encoded_len(), 4);
//!
//! let mut name = LowCardinality::default();
//! name.push("view");
//! let mut bytes = Vec::new();
//! name.write_rows(&mut bytes);
//! assert_eq!(bytes, b"\x04view", "for one row, plain String is smaller");
//! ```
//!
//! Invariant: nothing that a page links (pushing and encoding) formats, panics by index, or
//! hashes. Walking and type names are the edge's; a page that does not call them pays nothing.

mod array;
mod bool;
mod cursor;
mod date;
mod date_time;
mod date_time64;
mod fault;
mod fixed;
mod float64;
mod integer;
mod ipv6;
mod json;
mod low_cardinality;
mod nullable;
mod string;
mod types;
mod uuid;
pub mod varint;
mod walk;

pub use array::Array;
pub use bool::Bool;
pub use cursor::Cursor;
pub use date::{Date, Days};
pub use date_time::{DateTime, UnixSeconds};
pub use date_time64::DateTime64;
pub use fault::{Fault, FaultAt};
pub use fixed::{Fixed, Values, Wire};
pub use float64::Float64;
pub use integer::{Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64};
pub use ipv6::IPv6;
pub use json::Json;
pub use low_cardinality::LowCardinality;
pub(crate) use low_cardinality::texts as low_cardinality_texts;
pub use nullable::Nullable;
pub(crate) use string::write as write_text;
pub use string::{Strings, Text, Texts};
pub use types::{Scalar, Type, TypeError};
pub use uuid::Uuids;
pub use walk::{Longest, Walked, walk};

use alloc::vec::Vec;

/// A column that can be written as part of a Native block.
///
/// The bytes of a column are its prefix, then its rows. They are apart because of nesting:
/// `Array(LowCardinality(String))` has the prefix of `LowCardinality` before its own offsets.
pub trait Column {
    /// Appends the type's name as ClickHouse spells it, without its length.
    fn write_type(&self, out: &mut Vec<u8>);

    /// Bytes that [`write_type`](Self::write_type) appends.
    fn type_len(&self) -> usize;

    /// Rows pushed since the last [`clear`](Self::clear).
    fn rows(&self) -> usize;

    /// Bytes of prefix and rows together, exactly and in constant time: the buffer asks at each
    /// row whether `max_bytes` is reached.
    fn encoded_len(&self) -> usize;

    /// Appends what stands before the rows: a version number for two of the types.
    fn write_prefix(&self, _out: &mut Vec<u8>) {}

    /// Appends the rows.
    fn write_rows(&self, out: &mut Vec<u8>);

    /// Whether every row holds the type's default, so that the column may be left out of a block
    /// when the table's default is the same. True for a column of no rows. Not for trait objects: as
    /// such the page would download one for each type.
    fn is_all_default(&self) -> bool
    where
        Self: Sized;

    /// Appends the type's default: 0, the empty string, NULL, the empty array.
    fn push_default(&mut self)
    where
        Self: Sized;

    /// Forgets all rows and keeps the memory.
    fn clear(&mut self);
}

/// Appending a value of type `V` to a column.
pub trait Push<V>: Column {
    /// Appends one row.
    fn push(&mut self, value: V);

    /// Appends the same value `rows` times: the edge's columns are mostly constants.
    fn push_repeated(&mut self, value: V, rows: usize)
    where
        V: Copy,
    {
        for _ in 0..rows {
            self.push(value);
        }
    }
}
