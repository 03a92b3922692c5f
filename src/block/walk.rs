//! Walking a body: is it one whole block, and nothing else?

use super::{Block, BlockError, Cause, ColumnView};
use crate::column::{self, Cursor, Fault, Type, TypeError};
use crate::limits::{BLOCK_BYTES, BLOCK_COLUMNS, BLOCK_ROWS, NAME_BYTES, TYPE_BYTES};
use alloc::vec::Vec;

/// Reads `body` as one block, without copying.
///
/// All that it allocates is a view for each column that is really there. What the body claims is
/// compared with what is left of it before anything follows from the claim.
///
/// # Errors
/// [`BlockError`] with every [`Cause`] from [`TooLarge`](Cause::TooLarge) to
/// [`Data`](Cause::Data): the first thing that is wrong.
///
/// ```
/// use tallymark::block::{self, Cause};
///
/// let block = block::walk(b"\x01\x01\x03seq\x05UInt8\x07")?;
/// assert_eq!((block.rows(), block.columns().len()), (1, 1));
///
/// let error = block::walk(b"\x01\x01\x03seq\x05UInt8\x07!").unwrap_err();
/// assert_eq!(error.cause, Cause::TrailingBytes);
/// # Ok::<(), block::BlockError>(())
/// ```
pub fn walk(body: &[u8]) -> Result<Block<'_>, BlockError> {
    if body.len() > BLOCK_BYTES {
        return Err(Cause::TooLarge.into());
    }
    let mut cursor = Cursor::new(body);
    let columns = count(&mut cursor, BLOCK_COLUMNS, Cause::NoColumns, Cause::TooManyColumns)?;
    let rows = count(&mut cursor, BLOCK_ROWS, Cause::NoRows, Cause::TooManyRows)?;
    let (_, encoded_columns) = body.split_at_checked(cursor.at()).ok_or(Fault::Truncated)?;
    let mut cursor = Cursor::new(encoded_columns);
    let mut views = Vec::new();
    for _ in 0..columns {
        views.push(walk_column(&mut cursor, rows)?);
    }
    if cursor.left() > 0 {
        return Err(Cause::TrailingBytes.into());
    }
    Ok(Block { rows, columns: views, encoded_columns })
}

/// A count of at least 1 and at most `most`.
fn count(
    cursor: &mut Cursor<'_>,
    most: usize,
    none: Cause,
    too_many: Cause,
) -> Result<usize, BlockError> {
    match usize::try_from(cursor.varint()?) {
        Ok(0) => Err(none.into()),
        Ok(count) if count <= most => Ok(count),
        _ => Err(too_many.into()),
    }
}

fn walk_column<'a>(cursor: &mut Cursor<'a>, rows: usize) -> Result<ColumnView<'a>, BlockError> {
    let name = short_text(cursor, NAME_BYTES, Cause::NameTooLong)?;
    let name = core::str::from_utf8(name).map_err(|_| Cause::NameNotUtf8)?;
    let in_column = |error: BlockError| BlockError { column: Some(name.into()), ..error };

    let ty = short_text(cursor, TYPE_BYTES, Cause::TypeTooLong).map_err(in_column)?;
    let ty = Type::parse(ty).map_err(|error| in_column(cause_of(error).into()))?;

    let data_at = cursor.at();
    let walked = column::walk(ty, cursor.rest(), rows).map_err(|at| {
        in_column(BlockError { cause: Cause::Data(at.fault), column: None, row: at.row })
    })?;
    let data = cursor.take(walked.bytes).map_err(|fault| in_column(fault.into()))?;
    Ok(ColumnView { name, ty, rows, data, data_at, walked })
}

/// A text whose claimed length is looked at before its bytes are.
fn short_text<'a>(
    cursor: &mut Cursor<'a>,
    most_bytes: usize,
    too_long: Cause,
) -> Result<&'a [u8], BlockError> {
    match usize::try_from(cursor.varint()?) {
        Ok(bytes) if bytes <= most_bytes => Ok(cursor.take(bytes)?),
        _ => Err(too_long.into()),
    }
}

fn cause_of(error: TypeError) -> Cause {
    match error {
        TypeError::TooLong => Cause::TypeTooLong,
        TypeError::TooDeep => Cause::TypeTooDeep,
        TypeError::Unknown => Cause::TypeUnknown,
    }
}
