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

/// Bytes of a file's name under `/tallymark/`: what file systems allow. A file service fails at a
/// longer one where it should say that there is none (workerd's `disk` does).
pub const ASSET_NAME_BYTES: usize = 255;

/// Bytes of `POST /v1/query`'s body: a hundred long ids and some.
pub const QUERY_BODY_BYTES: usize = 262_144;

/// Queries in one `POST /v1/query`: a page's worth; each costs the database on its own.
pub const QUERIES: usize = 16;

/// Elements of an array parameter: a list in a feed has tens.
pub const ARRAY_ITEMS: usize = 1_000;

/// Bytes of one text parameter: ids are the longest.
pub const TEXT_BYTES: usize = tallymark::limits::ID_BYTES;

/// Bytes of one event's text. The longest properties, with every character escaped, are within it;
/// beyond it nothing is read.
pub const EVENT_BYTES: usize = 7 * tallymark::limits::STRING_BYTES;

/// Changes in one `POST /v1/cdc`: each is an insert of its own, of some milliseconds, with a look-up
/// before it when it is not young, and Cloudflare allows twice as many requests to come of one.
pub const CHANGES: usize = 500;

/// Bytes of one change's text: two rows and their schema.
pub const CHANGE_BYTES: usize = 262_144;

/// Rules in `CDC_RULES`: each is looked at for each change.
pub const CDC_RULES: usize = 1_000;
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

/// Fetches that one isolate knows to be under way. One whose request went away without a word stays
/// until it is too old; a platform allows far fewer at once.
pub const FLIGHTS: usize = 1_000;

/// An answer older than its query allows is served while a new one is fetched, up to this many
/// times the age that the query allows.
pub const CACHE_STALE_TIMES: i64 = 2;

/// Tables that `TABLES` may declare: each costs its columns in every isolate's memory.
pub const TABLES: usize = 100;

/// Columns of a declared table: with the edge's own they fit a block.
pub const TABLE_COLUMNS: usize = 100;

/// Sites of one worker. Each costs a hundred bytes and a few comparisons.
pub const SITES: usize = 10_000;

/// Bytes of a site's name: it is a dictionary key in every table.
pub const SITE_BYTES: usize = 64;

/// Reader keys of one entry of `SITES`: each is a digest in memory, and compared with all others once.
pub const READER_KEYS: usize = 100;

/// Origins of one entry of `SITES`: each request is compared with them one after the other.
pub const ORIGINS: usize = 100;

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

/// How far back a declared table's rows may land: five years are 62 months with the day ahead, and
/// ClickHouse takes a hundred partitions an insert (`max_partitions_per_insert_block`).
pub const PARTITION_PAST_MS: i64 = 1_826 * 24 * 3_600_000;

/// A corrected time more than this before its arrival is clamped to that: older facts have their
/// own way in.
pub const OCCURRED_BEFORE_MS: i64 = 48 * 3_600_000;

/// A corrected time more than this after its arrival is clamped to the arrival.
pub const OCCURRED_AFTER_MS: i64 = 5 * 60_000;

/// Seconds of `Retry-After` on `503 busy`: a restart of ClickHouse takes about that, and the
/// tracker adds jitter of its own.
pub const RETRY_AFTER_S: u32 = 2;

/// Bounds of `RATE_LIMIT_PER_MINUTE`; 0 is no limit.
pub const RATE_LIMIT_PER_MINUTE_RANGE: (u32, u32) = (0, 1_000_000);

/// Counts of requests in an isolate's memory, 4 bytes each: a thousand keys and addresses in a minute
/// share both of their counts with another once in a thousand times.
pub const RATE_COUNTS: usize = 65_536;

/// Seconds of `Retry-After` where the platform counts, which does not say when it will be enough: the
/// shorter of the two periods that it knows.
pub const RATE_RETRY_AFTER_S: u32 = 10;

/// Default of `GROUP_WINDOW_MS`: how long a batch may wait for others before it is acknowledged.
/// 250 ms cuts ClickHouse's work to a tenth and less, and numbers are still there within a second.
pub const GROUP_WINDOW_MS: u32 = 250;

/// Bounds of `GROUP_WINDOW_MS`: below, there is no group; above, pages wait for their answer.
pub const GROUP_WINDOW_MS_RANGE: (u32, u32) = (10, 5_000);

/// Rows that fill a group: beyond a few thousand an insert's cost is its rows.
pub const GROUP_ROWS: u32 = 5_000;

/// Bytes of blocks that fill a group; a batch that has more is a group of its own.
pub const GROUP_BYTES: usize = 1_000_000;

/// Largest `BODY_BYTES` with groups. A row of a Durable Object's storage may have 2 MB, and the
/// edge's columns and the container come on top.
pub const GROUP_BODY_BYTES_MAX: usize = 1_600_000;

/// Bytes of a group's row in a Durable Object's storage, as Cloudflare limits it.
pub const GROUP_ROW_BYTES: usize = 2_000_000;

/// Bytes of such a row beside its one block: id, table, one member, the frame around the block (3
/// bytes each 131,072 and 13) and SQLite's header come to less than a quarter of it.
pub const GROUP_ROW_OVERHEAD_BYTES: usize = 1_000;

/// Bytes of a block, edge's columns included, that a group takes: a row of its own must hold it.
pub const GROUP_BLOCK_BYTES: usize = GROUP_ROW_BYTES - GROUP_ROW_OVERHEAD_BYTES;

/// Inserts in flight at once: a second keeps ClickHouse busy while the first's answer travels.
pub const GROUP_INSERTS: usize = 2;

/// Bytes that a Durable Object may store, as Cloudflare limits it.
const OBJECT_BYTES: u64 = 10_000_000_000;

/// Default of `GROUP_BACKLOG_BYTES`: what may wait for ClickHouse in one shard, an hour's worth at
/// 70 batches of 4 KB a second.
pub const GROUP_BACKLOG_BYTES: u64 = 1_000_000_000;

/// Bounds of `GROUP_BACKLOG_BYTES`.
pub const GROUP_BACKLOG_BYTES_RANGE: (u64, u64) = (2_000_000, 8_000_000_000);

/// Default of `GROUP_BACKLOG_GROUPS`: what may wait for ClickHouse in one shard, 80 minutes' worth
/// of windows.
pub const GROUP_BACKLOG_GROUPS: usize = 20_000;

/// Bounds of `GROUP_BACKLOG_GROUPS`.
pub const GROUP_BACKLOG_GROUPS_RANGE: (usize, usize) = (1, 100_000);

/// Batches that may wait for ClickHouse in one shard: a member and its key are in memory for each,
/// of the 128 MB that a Durable Object has.
pub const GROUP_BACKLOG_BATCHES: usize = 400_000;

/// Groups set aside in one shard: each is a row that every start reads. Over it a refused batch is
/// given up and counted; a group of several is tried again until somebody has made room, and counts
/// as waiting until then, so that senders are told to come again.
pub const GROUPS_ASIDE: usize = 10_000;

/// Bytes of groups set aside in one shard: with the largest backlog and the slices of known ids they
/// stay within the 10 GB that a Durable Object stores.
pub const GROUPS_ASIDE_BYTES: u64 = 1_000_000_000;

/// Batches of groups set aside in one shard: their keys are in memory, as of those that wait.
pub const GROUPS_ASIDE_BATCHES: usize = 100_000;

/// Groups set aside that `/v1/health` lists, of each shard.
pub const GROUPS_ASIDE_LISTED: usize = 20;

/// Batches of a group that one question about a replay names: 39,000 bytes, of the 131,072 that a
/// field of a form may have (`http_max_field_value_size`).
pub const REPLAY_BATCHES: usize = 1_000;

/// Shards: each is one Durable Object; `node tests/bench/group.bench.mjs` tells what one
/// takes.
pub const GROUP_SHARDS: u32 = 64;

/// Upper bound of the first backoff after a failed insert.
pub const GROUP_BACKOFF_BASE_MS: u64 = 100;

/// Upper bound of every backoff: after an outage the backlog begins to shrink within this.
pub const GROUP_BACKOFF_CAP_MS: u64 = 5_000;

/// How long a refused group waits that cannot be set aside.
pub const GROUP_REFUSED_WAIT_MS: u64 = 60_000;

/// How long after a write the alarm comes, should the timer be lost with its process.
pub const GROUP_ALARM_MS: i64 = 30_000;

/// Keys of accepted batches in a shard's memory: beyond, the oldest move to storage.
pub const KNOWN_KEYS: usize = 300_000;

/// Keys older than this move to storage, in one go with all that are.
pub const KNOWN_AGE_MS: i64 = 3_600_000;

/// How long after a move of keys that could not be written the next is tried.
pub const KNOWN_RETRY_MS: i64 = 60_000;

/// How much longer a key is known than any batch may live: a body may be long on its way.
pub const KNOWN_MARGIN_MS: i64 = 3_600_000;

/// Without groups, a batch older than this is looked up before its insert: younger ones are within
/// the tables' deduplication windows for sure.
pub const LOOK_UP_AGE_MS: i64 = 60_000;

/// A table is relied on to remember the tokens of so many batches that came last: half of the window
/// that `worker/schema` gives it.
pub const TOKENS_RELIED_ON: u32 = 50_000;

/// How far ahead of its making a new rollup's view begins, in milliseconds: the view must be there
/// by then, and the edge's clock may run ahead of the server's by less.
pub const MIGRATE_AHEAD_MS: u32 = 5_000;

/// How much longer than `UPSTREAM_TIMEOUT_MS` an insert may be under way, in milliseconds: the server
/// may go on with one that was given up.
pub const MIGRATE_SETTLE_MARGIN_MS: u32 = 5_000;

/// How long after that moment its rollup is filled with what came before, in milliseconds, where no
/// worker's `UPSTREAM_TIMEOUT_MS` is known: by its default.
pub const MIGRATE_SETTLE_MS: u32 = UPSTREAM_TIMEOUT_MS + MIGRATE_SETTLE_MARGIN_MS;

/// Bounds of the days after which events are deleted: above, times wrap in 2106.
pub const TTL_DAYS: (u32, u32) = (1, 10_000);

const _: () = assert!(BODY_BYTES_MIN <= BODY_BYTES && BODY_BYTES <= BODY_BYTES_MAX);
const _: () = assert!(TABLE_COLUMNS < tallymark::limits::BLOCK_COLUMNS);
const _: () = assert!(BATCH_AGE_MS <= OCCURRED_BEFORE_MS);
const _: () = assert!(BODY_BYTES_MAX <= RESULT_BYTES);
const _: () = assert!(
    UPSTREAM_TIMEOUT_MS_RANGE.0 <= UPSTREAM_TIMEOUT_MS
        && UPSTREAM_TIMEOUT_MS <= UPSTREAM_TIMEOUT_MS_RANGE.1
);
const _: () =
    assert!(GROUP_BYTES <= GROUP_BODY_BYTES_MAX && GROUP_BODY_BYTES_MAX < GROUP_BLOCK_BYTES);
const _: () = assert!(BODY_BYTES <= GROUP_BODY_BYTES_MAX);
const _: () = assert!(GROUP_ROW_BYTES as u64 <= GROUP_BACKLOG_BYTES_RANGE.0);
const _: () = assert!(GROUP_BACKLOG_BYTES_RANGE.1 + GROUPS_ASIDE_BYTES < OBJECT_BYTES);
const _: () = assert!(GROUP_BACKOFF_BASE_MS <= GROUP_BACKOFF_CAP_MS);
