//! A block that was walked: where everything is in the body.

use crate::column::{Scalar, Text, Texts, Type, Values, Walked, Wire, low_cardinality_texts};
use alloc::vec::Vec;

/// Bytes of the version number in front of `LowCardinality` and `JSON`.
const PREFIX_BYTES: usize = 8;

/// A block whose every length, offset and index is known to be right; see [`walk`](super::walk()).
#[derive(Clone, Debug)]
pub struct Block<'a> {
    pub(super) rows: usize,
    pub(super) columns: Vec<ColumnView<'a>>,
    /// The body behind the two counts: names, types and rows of all columns.
    pub(super) encoded_columns: &'a [u8],
}

impl<'a> Block<'a> {
    /// Rows in each column: 1 to [`BLOCK_ROWS`](crate::limits::BLOCK_ROWS).
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// The columns, in the body's order: 1 to [`BLOCK_COLUMNS`](crate::limits::BLOCK_COLUMNS).
    #[must_use]
    pub fn columns(&self) -> &[ColumnView<'a>] {
        &self.columns
    }

    /// The first column of this name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&ColumnView<'a>> {
        self.columns.iter().find(|column| column.name == name)
    }
}

/// One column of a block that was walked.
///
/// ```
/// use tallymark::block;
/// use tallymark::column::{Scalar, Type};
///
/// let block = block::walk(b"\x02\x02\x04name\x06String\x01a\x01b\x03seq\x05UInt8\x07\x08")?;
/// let name = &block.columns()[0];
/// assert_eq!((name.name(), name.ty()), ("name", Type::scalar(Scalar::String)));
/// assert!(name.texts().unwrap().eq(["a", "b"]));
/// assert!(name.values::<u8>().is_none(), "it has another type");
/// assert!(block.columns()[1].values::<u8>().unwrap().eq([7, 8]));
/// # Ok::<(), block::BlockError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ColumnView<'a> {
    pub(super) name: &'a str,
    pub(super) ty: Type,
    pub(super) rows: usize,
    /// Prefix and rows.
    pub(super) data: &'a [u8],
    /// Where `data` begins in `Block::encoded_columns`.
    pub(super) data_at: usize,
    pub(super) walked: Walked,
}

impl<'a> ColumnView<'a> {
    /// The column's name.
    #[must_use]
    pub const fn name(&self) -> &'a str {
        self.name
    }

    /// The column's type as the body says it.
    #[must_use]
    pub const fn ty(&self) -> Type {
        self.ty
    }

    /// The column's bytes: prefix and rows.
    #[must_use]
    pub const fn data(&self) -> &'a [u8] {
        self.data
    }

    /// The values, when the column's type is exactly that of `V`: [`u32`], [`f64`],
    /// [`UnixMs`](crate::time::UnixMs), [`Uuid`](crate::rng::Uuid), …
    #[must_use]
    pub fn values<V: Wire>(&self) -> Option<Values<'a, V>> {
        (self.ty == Type::scalar(V::SCALAR)).then(|| Values::new(self.data))
    }

    /// The strings, when the column is `String`, `LowCardinality(String)` or `JSON`.
    #[must_use]
    pub fn texts(&self) -> Option<Texts<'a>> {
        if self.ty != Type::scalar(self.ty.scalar) {
            return None;
        }
        let behind_prefix = || self.data.get(PREFIX_BYTES..).unwrap_or_default();
        match self.ty.scalar {
            Scalar::String => Some(Texts::Plain(Text::new(self.data))),
            Scalar::Json => Some(Texts::Plain(Text::new(behind_prefix()))),
            Scalar::LowCardinality => Some(low_cardinality_texts(behind_prefix(), self.rows)),
            _ => None,
        }
    }
}
