//! Putting columns behind those of a block that was walked, and correcting its times.

use super::encode::{column_len, encode_column};
use super::{Block, BlockError, Cause};
use crate::column::{Column, Wire, varint};
use crate::limits::BLOCK_COLUMNS;
use crate::time::UnixMs;
use alloc::vec::Vec;

/// Appends to `out` the block with `columns` behind its own, whose bytes stay as they are except
/// that those of the column named in `times` become the times given there.
///
/// # Errors
/// [`Cause::RowsDiffer`] when a column or the times do not have the block's number of rows,
/// [`Cause::WrongType`] when the named column is not `DateTime64(3, 'UTC')`,
/// [`Cause::MissingColumn`] when it is not there, [`Cause::TooManyColumns`] when there would be
/// more than [`BLOCK_COLUMNS`]. Nothing is appended then.
///
/// ```
/// use tallymark::block;
/// use tallymark::column::{Column, LowCardinality, Push};
///
/// let block = block::walk(b"\x01\x02\x03seq\x05UInt8\x07\x08")?;
/// let mut site = LowCardinality::default();
/// site.push_repeated("a", 2);
/// let mut out = Vec::new();
/// block::append(&block, None, &[("site", &site)], &mut out)?;
/// assert_eq!(out, b"\x02\x02\x03seq\x05UInt8\x07\x08\x04site\x06String\x01a\x01a");
/// # Ok::<(), block::BlockError>(())
/// ```
pub fn append(
    block: &Block<'_>,
    times: Option<(&str, &[UnixMs])>,
    columns: &[(&str, &dyn Column)],
    out: &mut Vec<u8>,
) -> Result<(), BlockError> {
    let count = block.columns.len() + columns.len();
    if count > BLOCK_COLUMNS {
        return Err(Cause::TooManyColumns.into());
    }
    for (name, column) in columns {
        if column.rows() != block.rows {
            return Err(BlockError::of(Cause::RowsDiffer, name));
        }
    }
    let corrected = times.map(|(name, times)| corrected(block, name, times)).transpose()?;
    let added: usize = columns.iter().map(|(name, column)| column_len(name, *column)).sum();
    out.reserve(varint::len(count) + varint::len(block.rows) + block.encoded_columns.len() + added);
    varint::write(count, out);
    varint::write(block.rows, out);
    let start = out.len();
    out.extend_from_slice(block.encoded_columns);
    if let Some((at, times)) = corrected {
        let data = out.get_mut(start + at..).unwrap_or_default();
        for (bytes, time) in data.as_chunks_mut().0.iter_mut().zip(times) {
            *bytes = time.to_wire();
        }
    }
    for (name, column) in columns {
        encode_column(name, *column, out);
    }
    Ok(())
}

/// Where the bytes of the times begin, and what they become: one for each row.
fn corrected<'a>(
    block: &Block<'_>,
    name: &str,
    times: &'a [UnixMs],
) -> Result<(usize, &'a [UnixMs]), BlockError> {
    let column = block.column(name).ok_or_else(|| BlockError::of(Cause::MissingColumn, name))?;
    if column.values::<UnixMs>().is_none() {
        return Err(BlockError::of(Cause::WrongType, name));
    }
    if times.len() != block.rows {
        return Err(BlockError::of(Cause::RowsDiffer, name));
    }
    Ok((column.data_at, times))
}
