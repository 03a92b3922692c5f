//! Checking a block against a table: what ClickHouse would take silently and store wrongly.

use super::{Block, BlockError, Cause, ColumnView};
use crate::column::{Scalar, Type};
use crate::schema::{By, ColumnSpec, Table};
use core::ops::Deref;

/// A block that fits its table: every column is one that a client may write, is there once, has
/// the table's type and no string that is too long; every required column is there.
///
/// It reads as the [`Block`] that it is; only [`check()`] makes one.
#[derive(Clone, Copy, Debug)]
pub struct Checked<'a> {
    block: &'a Block<'a>,
}

impl<'a> Deref for Checked<'a> {
    type Target = Block<'a>;

    fn deref(&self) -> &Block<'a> {
        self.block
    }
}

/// Compares a block with a table.
///
/// A column may come in another type in three cases only, all converted by the server without
/// loss: `String` and `LowCardinality(String)` for each other, and `String` for `JSON`.
///
/// # Errors
/// [`BlockError`] with every [`Cause`] from [`UnknownColumn`](Cause::UnknownColumn) to
/// [`ValueTooLong`](Cause::ValueTooLong): the first in the body's order, missing columns last.
///
/// ```
/// use tallymark::block::{self, Cause};
/// use tallymark::schema::EVENTS;
///
/// let block = block::walk(b"\x01\x01\x04name\x06String\x04view")?;
/// let error = block::check(&block, &EVENTS).unwrap_err();
/// assert_eq!((error.cause, error.column.as_deref()), (Cause::MissingColumn, Some("entity_type")));
/// # Ok::<(), block::BlockError>(())
/// ```
pub fn check<'a>(block: &'a Block<'a>, table: &Table) -> Result<Checked<'a>, BlockError> {
    for (at, column) in block.columns.iter().enumerate() {
        let spec = table.column(column.name);
        let spec = spec.ok_or_else(|| BlockError::of(Cause::UnknownColumn, column.name))?;
        check_column(column, spec)?;
        // At most BLOCK_COLUMNS: comparing each with those before it beats any set.
        if block.columns.iter().take(at).any(|before| before.name == column.name) {
            return Err(BlockError::of(Cause::DoubledColumn, column.name));
        }
    }
    let missing = table
        .columns
        .iter()
        .find(|spec| spec.required && !block.columns.iter().any(|column| column.name == spec.name));
    match missing {
        Some(spec) => Err(BlockError::of(Cause::MissingColumn, &spec.name)),
        None => Ok(Checked { block }),
    }
}

fn check_column(column: &ColumnView<'_>, spec: &ColumnSpec) -> Result<(), BlockError> {
    if spec.by == By::Edge {
        return Err(BlockError::of(Cause::EdgeColumn, column.name));
    }
    if !takes(spec.ty, column.ty) {
        return Err(BlockError::of(Cause::WrongType, column.name));
    }
    let longest = column.walked.longest;
    if longest.bytes > spec.max_bytes {
        return Err(BlockError {
            row: longest.row,
            ..BlockError::of(Cause::ValueTooLong, column.name)
        });
    }
    Ok(())
}

/// Whether a column of type `table` may be sent as `sent`.
fn takes(table: Type, sent: Type) -> bool {
    let other = match table.scalar {
        Scalar::LowCardinality | Scalar::Json => Scalar::String,
        Scalar::String => Scalar::LowCardinality,
        same => same,
    };
    sent == table || sent == Type { scalar: other, ..table }
}
