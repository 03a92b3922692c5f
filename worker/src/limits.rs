//! Every bound of the edge, each with its reason; related bounds are asserted at compile time.

/// Default of `BODY_BYTES`: the page's largest `max_bytes`.
pub const BODY_BYTES: usize = tallymark::limits::MAX_BYTES;

/// Smallest `BODY_BYTES` that may be configured: less would refuse ordinary batches.
pub const BODY_BYTES_MIN: usize = 1_000;

/// Largest `BODY_BYTES`: no body may be larger than the block that it becomes.
pub const BODY_BYTES_MAX: usize = tallymark::limits::BLOCK_BYTES;

/// Deflate's best ratio. A gzip body that claims more lies, and is refused before anything is
/// allocated for it.
pub const INFLATE_RATIO: usize = 1_032;

/// Default of `UPSTREAM_TIMEOUT_MS`. An insert takes milliseconds; a page gives up later than this.
pub const UPSTREAM_TIMEOUT_MS: u32 = 10_000;

/// Bounds of `UPSTREAM_TIMEOUT_MS`: below, a busy server looks dead; above, pages have given up.
pub const UPSTREAM_TIMEOUT_MS_RANGE: (u32, u32) = (100, 60_000);

/// Bytes of ClickHouse's answer to an insert or a ping: empty, or the text of one exception.
pub const INSERT_ANSWER_BYTES: usize = 65_536;

/// Bytes of a query's result. `max_result_rows` of the reading user bounds it first.
pub const RESULT_BYTES: usize = 8_000_000;

/// Bytes of a request's URL: what Cloudflare itself accepts is 16 KiB, other runtimes more.
pub const URL_BYTES: usize = 65_536;

/// Bytes of `POST /v1/query`'s body: a hundred long ids and some.
pub const QUERY_BODY_BYTES: usize = 262_144;

/// Queries in one `POST /v1/query`: a page's worth; each costs the database on its own.
pub const QUERIES: usize = 16;

/// Elements of an array parameter: a list in a feed has tens.
pub const ARRAY_ITEMS: usize = 1_000;

/// Bytes of one text parameter: ids are the longest.
pub const TEXT_BYTES: usize = tallymark::limits::ID_BYTES;

/// Bytes of a signed token: a page's worth of ids, in a header or a URL.
pub const TOKEN_BYTES: usize = 8_192;

/// Least bytes of `TOKEN_SECRET` and of `ADMIN_KEY`: fewer could be guessed.
pub const SECRET_BYTES_MIN: usize = 32;

/// Bytes of a statement of `/v1/sql`: what the reading user's `max_query_size` allows.
pub const SQL_BYTES: usize = 100_000;

/// Parameters of a statement of `/v1/sql`.
pub const SQL_PARAMS: usize = 100;

/// Characters of ClickHouse's own words that the admin is told.
pub const EXCEPTION_CHARS: usize = 1_000;

/// How long one statement of a migration may take, in milliseconds: filling a rollup reads all
/// events. What takes longer goes on in the server; the next run finds it done.
pub const MIGRATE_TIMEOUT_MS: u32 = 60_000;

/// Bytes of the answers that one isolate keeps: an isolate has 128 MB.
pub const CACHE_BYTES: usize = 8_000_000;

/// Answers that one isolate keeps; the oldest goes first.
pub const CACHE_ENTRIES: usize = 1_000;

/// An answer older than its query allows is served while a new one is fetched, up to this many
/// times the age that the query allows.
pub const CACHE_STALE_TIMES: i64 = 2;

/// Sites of one worker. Each costs a hundred bytes and a few comparisons.
pub const SITES: usize = 10_000;

/// Bytes of a site's name: it is a dictionary key in every table.
pub const SITE_BYTES: usize = 64;

/// Bytes of a key.
pub const KEY_BYTES: usize = 128;

/// Bytes of an origin (`https://` and the longest host name), and of `CLICKHOUSE_URL`.
pub const ORIGIN_BYTES: usize = 300;

/// Bytes of the client's bot hint: a reason of one word; a dictionary key.
pub const BOT_HINT_BYTES: usize = 32;

/// Bytes of a country, region or city as the platform names it; a dictionary key.
pub const PLACE_BYTES: usize = 100;

/// A batch lives this long, by its client's clock: receivers remember ids for longer.
pub const BATCH_AGE_MS: i64 = 24 * 3_600_000;

/// How far a client's clock may be ahead before its ids would land in a wrong month for good.
pub const CLOCK_AHEAD_MS: i64 = 24 * 3_600_000;

/// A corrected time more than this before its arrival is clamped to that: older facts have their
/// own way in.
pub const OCCURRED_BEFORE_MS: i64 = 48 * 3_600_000;

/// A corrected time more than this after its arrival is clamped to the arrival.
pub const OCCURRED_AFTER_MS: i64 = 5 * 60_000;

/// Seconds of `Retry-After` on `503 busy`: a restart of ClickHouse takes about that, and the
/// tracker adds jitter of its own.
pub const RETRY_AFTER_S: u32 = 2;

/// How far ahead of its making a new rollup's view begins, in milliseconds: the view must be there
/// by then, and the edge's clock may run ahead of the server's by less.
pub const MIGRATE_AHEAD_MS: u32 = 5_000;

/// How long after that moment its rollup is filled with what came before, in milliseconds: an
/// insert may be under way for [`UPSTREAM_TIMEOUT_MS`] and a little more.
pub const MIGRATE_SETTLE_MS: u32 = 15_000;

/// Bounds of the days after which events are deleted: above, times wrap in 2106.
pub const TTL_DAYS: (u32, u32) = (1, 10_000);

const _: () = assert!(UPSTREAM_TIMEOUT_MS < MIGRATE_SETTLE_MS);
const _: () = assert!(BODY_BYTES_MIN <= BODY_BYTES && BODY_BYTES <= BODY_BYTES_MAX);
const _: () = assert!(BATCH_AGE_MS <= OCCURRED_BEFORE_MS);
const _: () = assert!(BODY_BYTES_MAX <= RESULT_BYTES);
const _: () = assert!(
    UPSTREAM_TIMEOUT_MS_RANGE.0 <= UPSTREAM_TIMEOUT_MS
        && UPSTREAM_TIMEOUT_MS <= UPSTREAM_TIMEOUT_MS_RANGE.1
);
