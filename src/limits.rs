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

/// Smallest `max_bytes` that a page may ask for: below it hardly an event fits a block.
pub const MIN_BYTES: usize = 1_000;

/// Smallest `max_time_ms`: more than ten requests a second are no batches.
pub const MIN_TIME_MS: u32 = 100;

/// Largest `max_time_ms`: a batch has to be sent well within the day that it may live.
pub const MAX_TIME_MS: u32 = 60 * 60 * 1_000;

/// Largest `max_waiting_rows`: at about 80 bytes a row, no more than a gigabyte.
pub const MAX_WAITING_ROWS: u32 = 10_000_000;

/// Largest `journal_bytes`: browsers let a site have far more, but a page that takes a journal over
/// reads it whole.
pub const MAX_JOURNAL_BYTES: u32 = 5_000_000;

/// Bytes of an event's name or entity type: they are dictionary keys, repeated in every rollup.
pub const EVENT_NAME_BYTES: usize = 200;

/// Bytes of an entity, user or visitor id.
pub const ID_BYTES: usize = 512;

const _: () = assert!(MIN_BYTES < MAX_BYTES && MAX_BYTES <= BLOCK_BYTES);
const _: () = assert!(STRING_BYTES < MAX_BYTES);
const _: () = assert!(EVENT_NAME_BYTES <= ID_BYTES && ID_BYTES <= STRING_BYTES);

/// Bytes of one text of a page (its path, its referrer, …); the rest is cut off. No browser's
/// address bar shows more, and each row of a page carries it.
pub const PAGE_TEXT_BYTES: usize = 2_048;

/// Bytes that one block of `events` may become in the server. A `String` column may come with a
/// dictionary, where each row costs the body one byte and the server the whole text; so the
/// longest texts times the most rows is what a hostile body of some kilobytes can ask for.
pub const EXPANDED_BYTES: usize = 64_000_000;

// Path and referrer; entity, user and visitor.
const _: () = assert!(BLOCK_ROWS * (2 * PAGE_TEXT_BYTES + 3 * ID_BYTES) <= EXPANDED_BYTES);

/// How long a session lasts without an event: half an hour, the field's definition.
pub const SESSION_IDLE_MS: i64 = 30 * 60 * 1_000;

/// How long a batch may live, by its id's own time: receivers remember ids longer than this, so
/// that a retry within it is known and one after it is refused.
pub const BATCH_AGE_MS: i64 = 24 * 60 * 60 * 1_000;

/// Upper bound of the first backoff.
pub const BACKOFF_BASE_MS: u64 = 1_000;

/// Upper bound of every backoff: after an outage a page is back within a minute.
pub const BACKOFF_CAP_MS: u64 = 60_000;

/// The longest `Retry-After` that is honoured; a larger one is a mistake or an attack, and would
/// keep a batch beyond its life.
pub const RETRY_AFTER_MAX_MS: u64 = 60 * 60 * 1_000;

/// How long a request may go unanswered before it counts as failed.
pub const REQUEST_TIMEOUT_MS: u32 = 30_000;

/// Of a query's address. Some proxies cut longer ones, so that a query which needs one goes as a
/// POST; as in `pkg-template/parts/queries.js`.
pub const QUERY_URL_BYTES: usize = 4_000;

/// Requests in flight at once. Browsers open six connections to a host with HTTP/1.1; the site
/// needs the others.
pub const REQUESTS_IN_FLIGHT: usize = 2;

/// Bytes of bodies in flight with `keepalive`. The Fetch standard allows 65,536 for a page and
/// all its beacons together; the rest is left to the site's own.
pub const KEEPALIVE_BYTES: usize = 60_000;

/// Requests in flight at once when the page goes: Chromium takes nine with `keepalive` from a
/// page and rejects the tenth.
pub const REQUESTS_AT_LEAVE: usize = 9;

/// Bytes of a body that is compressed on its way, where the request's head and the columns' names are
/// most of it. Of a shorter one nothing is saved that a visitor pays for, and the longer ones are those
/// of a busy page, whose main thread would be busier by the compression
/// (`node tests/bench/wire.bench.mjs`, `node tests/bench/page.bench.mjs`).
pub const SQUEEZED_BYTES: core::ops::Range<usize> = 512..4_096;

/// Bytes of sealed batches that wait in memory; over it the oldest goes. Twenty thousand rows of
/// ordinary events take 1.5 MB; this is for those with long properties.
pub const WAITING_BYTES: usize = 8_000_000;

/// Longest time from the first unwritten event to its writing into the journal. One write takes all
/// events of a burst. What a crash costs is this and the 50 ms that the page's queue waits before
/// (BURST_MS of `src/effects/queue.js`): 100 ms together.
pub const JOURNAL_DELAY_MS: u64 = 50;

/// How long a sealed batch waits for its record before it is sent without one. Storage that takes
/// longer is as good as none, and a batch must not wait for it.
pub const STORE_TIMEOUT_MS: u64 = 2_000;

/// At most this often a page that tracks looks for journals of dead ones.
pub const ADOPT_EVERY_MS: u64 = 60_000;

/// How soon a page looks again, by itself, while others hold journals with records: their pages
/// may be in the bfcache, or their receiver away.
pub const ADOPT_HELD_MS: u64 = 5_000;

/// Failed tries in a row after which even `flush()` waits for the backoff to end.
pub const BREAKER_FAILURES: u32 = 8;

const _: () = assert!(REQUESTS_IN_FLIGHT <= REQUESTS_AT_LEAVE);
const _: () = assert!(MAX_BYTES <= WAITING_BYTES);
const _: () = assert!(JOURNAL_DELAY_MS < STORE_TIMEOUT_MS);

/// Bytes of an answer that are read: ours have fewer than 200.
pub const ANSWER_BYTES: usize = 4_096;

/// Failed tries after which a `flush()` reports failure; the batches stay and are tried again.
pub const FLUSH_TRIES: u8 = 3;

/// Flushes waited for at once; the oldest is reported as failed beyond that.
pub const FLUSHES_WAITING: usize = 64;

const _: () = assert!(BACKOFF_BASE_MS <= BACKOFF_CAP_MS);
const _: () = assert!((BACKOFF_CAP_MS as i64) < BATCH_AGE_MS);
const _: () = assert!(MIN_TIME_MS < MAX_TIME_MS && (MAX_TIME_MS as i64) < BATCH_AGE_MS);
const _: () = assert!((RETRY_AFTER_MAX_MS as i64) < BATCH_AGE_MS);

/// How long after the last input a page still counts as read: people read without touching anything,
/// and a tab that was left open must not count for hours.
pub const IDLE_MS: u64 = 30_000;

/// How long after its route a page view is told: applications set the title in an effect of their
/// own, some frames after the address.
pub const SETTLE_MS: u64 = 250;

/// How long a page may work on a route before its view is told all the same.
pub const MOVING_MS: u64 = 10_000;

/// How long enough of an element must be in the window without a break (IAB and MRC).
pub const IMPRESSION_MS: u64 = 1_000;

/// From this area on, in CSS pixels, 30 % of an element are enough (IAB and MRC: 970 × 250).
pub const LARGE_AREA_PX: f64 = 242_500.0;

/// Marked elements watched on one page view, those that have left the page included. A feed shows
/// a few hundred in a long visit; they have their place in memory from the start.
pub const OBSERVED_ELEMENTS: usize = 4_096;

const _: () = assert!(SETTLE_MS < MOVING_MS && MOVING_MS < IDLE_MS);
const _: () = assert!(OBSERVED_ELEMENTS <= u16::MAX as usize);
