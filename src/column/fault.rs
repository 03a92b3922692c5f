//! What can be wrong in the bytes of one column.

/// Why the bytes of a column were refused; one variant a cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// A length or count claims more bytes than there are.
    Truncated,
    /// A varint of more than ten bytes, beyond a `u64`, or not in its shortest form.
    Varint,
    /// A string that is not UTF-8.
    NotUtf8,
    /// A string longer than [`STRING_BYTES`](crate::limits::STRING_BYTES).
    StringTooLong,
    /// A `Float64` that is NaN or infinite.
    NotFinite,
    /// A `Bool` that is neither 0 nor 1.
    NotBool,
    /// A null byte of `Nullable` that is neither 0 nor 1.
    NotNullFlag,
    /// An offset of `Array` that is smaller than the one before it.
    Offsets,
    /// The version number in front of `LowCardinality` or `JSON` is not 1.
    Version,
    /// The flags of `LowCardinality` are not those of a dictionary of its own.
    DictionaryFlags,
    /// A dictionary of no entry, or of more entries than rows and the default.
    DictionarySize,
    /// `LowCardinality` says another number of rows than its block.
    DictionaryRows,
    /// An index beyond the end of its dictionary.
    Index,
}

/// A [`Fault`] and the row it is in, counted from 0, where one row is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultAt {
    /// What is wrong.
    pub fault: Fault,
    /// The row, when the fault is in a row and not in the column as a whole.
    pub row: Option<usize>,
}

impl FaultAt {
    /// A fault in row `row`.
    #[must_use]
    pub const fn row(fault: Fault, row: usize) -> Self {
        Self { fault, row: Some(row) }
    }
}

impl From<Fault> for FaultAt {
    fn from(fault: Fault) -> Self {
        Self { fault, row: None }
    }
}
