// Where batches go: the same words as src/destination.rs, which Rust applications and the tests of
// the core use. Here `encodeURIComponent` is there already.

const query = (base, params) => `${base}?${new URLSearchParams(params)}`;

/** The address for one batch, sent now. */
export const addressOf = ({ endpoint, key, table, clickhouse }, id) =>
  clickhouse
    ? query(`${clickhouse.url}/`, {
        query: `INSERT INTO ${table} FORMAT Native`,
        user: clickhouse.user,
        password: clickhouse.password,
        database: clickhouse.database,
        async_insert: 0,
        insert_deduplication_token: id,
        input_format_skip_unknown_fields: 0,
      })
    : query(`${endpoint}/v1/batch`, {
        v: 1,
        k: key,
        id,
        t: table,
        at: Date.now(),
        // Events of a browser that says that it is driven are told apart, not dropped.
        ...(globalThis.navigator?.webdriver && { b: "webdriver" }),
      });

/**
 * Its own name, which a record of the journal is checked against: no password is part of it. Rows of
 * a table are no events of it.
 */
export const nameOf = ({ endpoint, key, table, clickhouse, through }) =>
  [
    ...(clickhouse
      ? [clickhouse.url, clickhouse.database, table, clickhouse.site]
      : [endpoint, key, table, ""]),
    through && "rows",
  ].join("\n");
