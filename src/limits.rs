//! Every bound in the core, each with its reason; related bounds are asserted at compile time.

/// Rows in one block, on the page and at the edge. Default of `max_rows` is 500; the bound is
/// what a page may ask for.
pub const BLOCK_ROWS: usize = 10_000;

/// Columns in one block: `events` has 28, custom tables seldom more; a lying count beyond this
/// is refused before anything is allocated for it.
pub const BLOCK_COLUMNS: usize = 128;

/// Bytes of a column's name. ClickHouse itself allows a file name's length.
pub const NAME_BYTES: usize = 255;

/// Bytes of a column's type as text: `Nullable(LowCardinality(String))` has 32. A body that
/// claims 2^30 costs an unguarded server 1 GB and two seconds (measured).
pub const TYPE_BYTES: usize = 255;

/// How deep types may nest: `Array(Nullable(DateTime64(3)))` is three, and
/// `LowCardinality(String)` counts as one.
pub const TYPE_DEPTH: usize = 8;

/// Bytes of one string value: properties of an event are the longest.
pub const STRING_BYTES: usize = 32_768;

/// Bytes of one block after inflation, at the edge. The page's `max_bytes` may not exceed it.
pub const BLOCK_BYTES: usize = 2_000_000;

/// Largest `max_bytes` that a page may ask for.
pub const MAX_BYTES: usize = 1_000_000;

/// Bytes of an event's name or entity type: they are dictionary keys, repeated in every rollup.
pub const EVENT_NAME_BYTES: usize = 200;

/// Bytes of an entity, user or visitor id.
pub const ID_BYTES: usize = 512;

const _: () = assert!(MAX_BYTES <= BLOCK_BYTES);
const _: () = assert!(STRING_BYTES < MAX_BYTES);
const _: () = assert!(EVENT_NAME_BYTES <= ID_BYTES && ID_BYTES <= STRING_BYTES);
