//! What holds for every body: walking never panics, allocates little whatever the body claims,
//! takes exactly what the naive twin takes, and reads the same values from it; and what the edge
//! then sends on holds the same columns.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

pub mod json;
#[allow(dead_code, reason = "nothing is written here")]
#[path = "../native/naive.rs"]
mod naive;
pub mod parsers;
#[path = "../native/twin.rs"]
mod twin;

use cap::Cap;
use std::alloc::System;
use std::borrow::Cow;
use tallymark::block::{self, Block, BlockError, Cause};
use tallymark::column::{Column, LowCardinality, Push};
use tallymark::limits::{BLOCK_COLUMNS, STRING_BYTES};
use tallymark::schema::{By, ColumnSpec, EVENTS, Table};

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// What walking may allocate: a view for each of the most columns, twice while they grow, and
/// the name in an error. Beyond it the allocator fails, and the process with it.
const WALK_BYTES: usize = 64 * 1024;

/// The name that the property appends under; a body may hold it too, then the check is left out.
const APPENDED: &str = "appended by the edge";

/// Panics if anything that should hold does not hold for `body`.
pub fn holds(body: &[u8]) {
    let walked = within_limit(|| block::walk(body));
    let read = naive::decode(body);
    match (&walked, &read) {
        (Ok(block), Some(read)) => {
            // Not assert_eq!: printing two blocks would take longer than finding them.
            assert!(twin::view(block) == *read, "the twins read different values");
            check_holds(block);
            append_holds(block, read);
        }
        (Err(error), None) => assert!(!error.to_string().is_empty()),
        (Ok(_), None) => panic!("the twins disagree: walking takes what the naive twin refuses"),
        (Err(error), Some(_)) => panic!("the twins disagree: walking refuses it, {error}"),
    }
}

fn within_limit<'a>(
    walk: impl FnOnce() -> Result<Block<'a>, BlockError>,
) -> Result<Block<'a>, BlockError> {
    ALLOCATOR.set_limit(ALLOCATOR.allocated() + WALK_BYTES).unwrap();
    let walked = walk();
    ALLOCATOR.set_limit(usize::MAX).unwrap();
    walked
}

/// A table made for the block takes it, unless a name is there twice; `events` takes it only with
/// all that it requires.
fn check_holds(block: &Block<'_>) {
    let spec = |column: &block::ColumnView<'_>| ColumnSpec {
        name: Cow::Owned(column.name().to_owned()),
        ty: column.ty(),
        by: By::Client,
        required: true,
        max_bytes: STRING_BYTES,
    };
    let columns: Vec<_> = block.columns().iter().map(spec).collect();
    let table = Table { name: Cow::Borrowed("made"), columns: Cow::Owned(columns) };
    if let Err(error) = block::check(block, &table) {
        // Of two columns of one name and two types, the second differs from the first.
        assert!(matches!(error.cause, Cause::DoubledColumn | Cause::WrongType), "{error}");
        let named = |name: &str| block.columns().iter().filter(|c| c.name() == name).count();
        assert!(named(&error.column.unwrap()) > 1);
    }
    if let Ok(checked) = block::check(block, &EVENTS) {
        for spec in EVENTS.columns.iter().filter(|spec| spec.required) {
            assert!(checked.column(&spec.name).is_some());
        }
        assert!(checked.columns().iter().all(|column| {
            EVENTS.column(column.name()).is_some_and(|spec| spec.by == By::Client)
        }));
    }
}

fn append_holds(block: &Block<'_>, read: &[naive::Column]) {
    let mut column = LowCardinality::default();
    column.push_repeated("x", block.rows());
    let mut out = Vec::new();
    let appended = block::append(block, None, &[(APPENDED, &column)], &mut out);
    if block.columns().len() == BLOCK_COLUMNS {
        assert_eq!(appended.unwrap_err().cause, Cause::TooManyColumns);
        return;
    }
    appended.unwrap();
    let Ok(again) = block::walk(&out) else {
        // The only thing that a column more may break is the bound on bytes.
        assert_eq!(block::walk(&out).unwrap_err().cause, Cause::TooLarge);
        return;
    };
    assert_eq!(again.columns().len(), read.len() + 1);
    assert_eq!(again.rows(), block.rows());
    let last = again.columns().last().unwrap();
    assert_eq!(last.name(), APPENDED);
    assert_eq!(last.data().len(), column.encoded_len());
    assert!(twin::view(&again)[..read.len()] == *read, "appending changed a column");
}
