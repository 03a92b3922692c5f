//! Why a block was refused.

use crate::column::Fault;
use crate::limits::{BLOCK_BYTES, BLOCK_COLUMNS, BLOCK_ROWS, NAME_BYTES, STRING_BYTES, TYPE_BYTES};
use alloc::string::String;
use core::fmt;

/// Why a block was refused, and where: what `{"code": "bad_block"}` says in its `message`.
///
/// ```
/// use tallymark::block::{self, Cause};
///
/// let error = block::walk(b"\x01\x01\x03seq\x05UInt8").unwrap_err();
/// assert_eq!(error.column.as_deref(), Some("seq"));
/// assert_eq!(error.to_string(), "column seq: the body ends too early");
/// assert_eq!(block::walk(b"\0\0").unwrap_err().cause, Cause::NoColumns);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockError {
    /// What is wrong.
    pub cause: Cause,
    /// The name of the column that it is wrong in, once that is known to be text.
    pub column: Option<String>,
    /// The row, counted from 0, when one is to blame.
    pub row: Option<usize>,
}

/// What is wrong with a block; one variant a cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The body has more than [`BLOCK_BYTES`] bytes.
    TooLarge,
    /// A block of no columns: ClickHouse would take it for the end and drop all that follows.
    NoColumns,
    /// A block of no rows.
    NoRows,
    /// More than [`BLOCK_COLUMNS`] columns.
    TooManyColumns,
    /// More than [`BLOCK_ROWS`] rows.
    TooManyRows,
    /// A column's name has more than [`NAME_BYTES`] bytes.
    NameTooLong,
    /// A column's name is not UTF-8.
    NameNotUtf8,
    /// A type's name has more than [`TYPE_BYTES`] bytes.
    TypeTooLong,
    /// A type nests too deep.
    TypeTooDeep,
    /// A type that is not known here.
    TypeUnknown,
    /// Bytes behind the last column.
    TrailingBytes,
    /// Something is wrong in the block's frame or in a column's own bytes.
    Data(Fault),
    /// The table has no such column.
    UnknownColumn,
    /// The column is the edge's to write, never the client's.
    EdgeColumn,
    /// The column is there twice.
    DoubledColumn,
    /// The column is required and not there.
    MissingColumn,
    /// The table's column has another type.
    WrongType,
    /// A string is longer than its column allows.
    ValueTooLong,
    /// A column to append, or the corrected times, have another number of rows than the block.
    RowsDiffer,
}

impl BlockError {
    /// An error in the column `name`.
    pub(super) fn of(cause: Cause, name: &str) -> Self {
        Self { cause, column: Some(name.into()), row: None }
    }
}

impl From<Cause> for BlockError {
    fn from(cause: Cause) -> Self {
        Self { cause, column: None, row: None }
    }
}

impl From<Fault> for BlockError {
    fn from(fault: Fault) -> Self {
        Cause::Data(fault).into()
    }
}

impl fmt::Display for BlockError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(column) = &self.column {
            write!(formatter, "column {column}")?;
            if let Some(row) = self.row {
                write!(formatter, ", row {row}")?;
            }
            formatter.write_str(": ")?;
        }
        self.cause.fmt(formatter)
    }
}

impl core::error::Error for BlockError {}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::TooLarge => return write!(formatter, "more than {BLOCK_BYTES} bytes"),
            Self::NoColumns => "the block has no columns",
            Self::NoRows => "the block has no rows",
            Self::TooManyColumns => return write!(formatter, "more than {BLOCK_COLUMNS} columns"),
            Self::TooManyRows => return write!(formatter, "more than {BLOCK_ROWS} rows"),
            Self::NameTooLong => {
                return write!(formatter, "a name of more than {NAME_BYTES} bytes");
            }
            Self::NameNotUtf8 => "a name that is not UTF-8",
            Self::TypeTooLong => {
                return write!(formatter, "a type of more than {TYPE_BYTES} bytes");
            }
            Self::TypeTooDeep => "the type nests too deep",
            Self::TypeUnknown => "the type is not known",
            Self::TrailingBytes => "bytes behind the last column",
            Self::Data(fault) => return fault.fmt(formatter),
            Self::UnknownColumn => "the table has no such column",
            Self::EdgeColumn => "only the receiver writes this column",
            Self::DoubledColumn => "the column is there twice",
            Self::MissingColumn => "the column is required",
            Self::WrongType => "the table's column has another type",
            Self::ValueTooLong => "a string is too long",
            Self::RowsDiffer => "the numbers of rows differ",
        };
        formatter.write_str(text)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Truncated => "the body ends too early",
            Self::Varint => "a length or count is not in its shortest form",
            Self::NotUtf8 => "a string is not UTF-8",
            Self::StringTooLong => {
                return write!(formatter, "a string of more than {STRING_BYTES} bytes");
            }
            Self::NotFinite => "a number is NaN or infinite",
            Self::NotBool => "a Bool is neither 0 nor 1",
            Self::NotNullFlag => "a null byte is neither 0 nor 1",
            Self::Offsets => "array offsets fall",
            Self::Version => "the version is not 1",
            Self::DictionaryFlags => "the dictionary's flags are not supported",
            Self::DictionarySize => "the dictionary's size is impossible",
            Self::DictionaryRows => "the dictionary's rows are not the block's",
            Self::Index => "an index is beyond the dictionary",
        })
    }
}
