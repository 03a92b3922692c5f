// Tables of one's own, declared once in TABLES: made by the migrations, written as JSON and as blocks,
// each row once, with both sinks.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { batchUrl, block, uuidV7 } from "./blocks.mjs";
import { loseAnswer, runXtask, settled, startStack } from "./harness.mjs";

const EXAMPLE = new URL("../../worker/tables.example.json", import.meta.url);
const PRESET = new URL("../../worker/schema/presets/my_feature_events.sql", import.meta.url);
const [FEATURE] = JSON.parse(readFileSync(EXAMPLE, "utf8"));
// One with columns of the edge's, partitioned by its batches, for one site alone.
const NOTES = {
  name: "notes",
  sites: ["open"],
  columns: [
    { name: "site", type: "LowCardinality(String)", by: "edge" },
    { name: "batch_id", type: "UUID", by: "edge" },
    { name: "received_at", type: "DateTime64(3, 'UTC')", by: "edge" },
    { name: "note", type: "String", max_bytes: 20 },
    { name: "tags", type: "Array(Nullable(String))" },
    { name: "stars", type: "Nullable(UInt8)" },
    { name: "details", type: "JSON" },
  ],
  partition_by: "batch_id",
  order_by: ["site", "note"],
};

for (const sink of ["direct", "group"]) {
  describe(`with SINK ${sink}`, async () => {
    const stack = await startStack(
      { after },
      {
        behindProxy: true,
        sites: [
          { site: "open", key: "pk_open", origins: ["*"] },
          { site: "other", key: "pk_other", origins: ["*"] },
        ],
        vars: { TABLES: JSON.stringify([FEATURE, NOTES]), SINK: sink, UPSTREAM_TIMEOUT_MS: "5000" },
      },
    );
    const stored = async (statement) => {
      if (sink === "group") await settled(stack);
      return stack.rows(statement);
    };
    const post = async (url, body) => {
      const response = await fetch(url, { method: "POST", body });
      return { status: response.status, body: await response.json() };
    };
    const send = (table, rows, parameters = {}) => {
      const url = new URL("/v1/events", stack.site);
      for (const [name, value] of Object.entries({ k: "pk_open", t: table, ...parameters })) {
        url.searchParams.set(name, value);
      }
      return post(url, JSON.stringify(rows));
    };

    test("S2.6 the declaration makes the document's table", async () => {
      const shape = (database) =>
        stack.rows(
          `SELECT engine, partition_key, sorting_key, extract(engine_full, 'TTL (.*) SETTINGS') AS ttl,
             extract(engine_full, 'non_replicated_deduplication_window = \\\\d+') AS window,
             (SELECT groupArray((name, type, default_expression)) FROM system.columns
              WHERE database = '${database}' AND table = 'my_feature_events') AS columns
           FROM system.tables WHERE database = '${database}' AND name = 'my_feature_events'`,
        );
      await stack.query("CREATE DATABASE document");
      const preset = readFileSync(PRESET, "utf8").replace("EXISTS ", "EXISTS document.");
      await stack.query(preset);
      const [made] = await shape("tallymark");
      assert.equal(made.window, "non_replicated_deduplication_window = 100000");
      assert.deepEqual([made], await shape("document"));
    });

    test("S2.6 rows come as JSON, and what they leave out is the request's", async () => {
      const id = uuidV7();
      const sent = await send(
        "my_feature_events",
        [
          { feature_id: 1, user_id: 7, action: "open", metadata: '{"a":1}' },
          { feature_id: 2, user_id: 7, action: "close", created_at: "2026-11-20T10:00:00Z" },
          { feature_id: "x", user_id: 7, action: "close" },
        ],
        { id },
      );
      assert.equal(sent.status, 202);
      const message = "feature_id must be a whole number that fits UInt32";
      const refused = [{ index: 2, code: "bad_event", message }];
      assert.deepEqual(sent.body, { now: sent.body.now, taken: 2, refused });
      const found = await stored(
        "SELECT feature_id, user_id, action, metadata, toUnixTimestamp(created_at) AS at FROM my_feature_events ORDER BY feature_id",
      );
      const seconds = Math.floor(Number(`0x${id.replace("-", "").slice(0, 12)}`) / 1_000);
      assert.deepEqual(found, [
        { feature_id: 1, user_id: 7, action: "open", metadata: '{"a":1}', at: seconds },
        { feature_id: 2, user_id: 7, action: "close", metadata: "", at: 1_795_168_800 },
      ]);
    });

    test("S2.6 D13 sent again after a lost answer, and twice at once, rows count once", async () => {
      const id = uuidV7();
      const rows = [{ feature_id: 13, user_id: 1, action: "again" }];
      stack.proxy.next(loseAnswer);
      const tries = [await send("my_feature_events", rows, { id })];
      tries.push(...(await Promise.all([1, 2].map(() => send("my_feature_events", rows, { id })))));
      assert.deepEqual(
        tries.map(({ status }) => status),
        sink === "group" ? [202, 202, 202] : [503, 202, 202],
      );
      const count = "SELECT count() AS rows FROM my_feature_events WHERE feature_id = 13";
      assert.deepEqual(await stored(count), [{ rows: 1 }]);
    });

    test("S2.6 a block of it is checked by its declaration", async () => {
      const columns = {
        feature_id: ["UInt32", [21, 22]],
        user_id: ["UInt32", [1, 2]],
        action: ["String", ["a", "b"]],
        created_at: ["DateTime", [1_795_000_000, 1_795_000_001]],
      };
      const url = () => batchUrl(stack.site, { t: "my_feature_events" });
      assert.equal((await post(url(), block(columns))).status, 202);
      const { created_at, ...without } = columns;
      for (const [column, wrong] of [
        ["created_at", without],
        ["created_at", { ...columns, created_at: ["UInt32", [1, 2]] }],
        ["site", { ...columns, site: ["String", ["a", "b"]] }],
      ]) {
        const { status, body } = await post(url(), block(wrong));
        assert.deepEqual([status, body.code, body.column], [400, "bad_block", column]);
      }
      const found = "SELECT feature_id, action FROM my_feature_events WHERE feature_id IN (21, 22)";
      assert.deepEqual(await stored(`${found} ORDER BY feature_id`), [
        { feature_id: 21, action: "a" },
        { feature_id: 22, action: "b" },
      ]);
    });

    test("the edge writes the columns of its own that a table names", async () => {
      const id = uuidV7(Date.now() - 120_000);
      const rows = [{ note: "a", tags: ["x", null], stars: null, details: { b: [1] } }];
      const sent = [await send("notes", rows, { id }), await send("notes", rows, { id })];
      assert.deepEqual(
        sent.map(({ body }) => body.taken),
        [1, 1],
      );
      const [row, ...others] = await stored(
        "SELECT site, toString(batch_id) AS id, note, tags, stars, toString(details) AS details FROM notes",
      );
      assert.deepEqual(others, []);
      const details = '{"b":[1]}';
      assert.deepEqual(row, {
        site: "open",
        id,
        note: "a",
        tags: ["x", null],
        stars: null,
        details,
      });
    });

    test("a column that the declaration gains is added by the next migration", async () => {
      const grown = {
        ...FEATURE,
        columns: [...FEATURE.columns, { name: "more", type: "UInt8", default: 3 }],
      };
      const file = join(stack.dataDir, "grown.json");
      writeFileSync(file, JSON.stringify([grown]));
      const { user, password } = stack.users.admin;
      await runXtask(["migrate", "--url", stack.clickhouse, "--tables", file], {
        CLICKHOUSE_USER: user,
        CLICKHOUSE_PASSWORD: password,
      });
      const [{ least }] = await stored("SELECT min(more) AS least FROM my_feature_events");
      assert.equal(least, 3);
    });

    test("D13 a table that was there before it was declared gets the window", async () => {
      const older = { ...FEATURE, name: "older" };
      const file = join(stack.dataDir, "older.json");
      writeFileSync(file, JSON.stringify([older]));
      const { user, password } = stack.users.admin;
      const admin = { user, password };
      const columns = older.columns.map(({ name, type }) => `${name} ${type}`).join(", ");
      await stack.rows(
        `CREATE TABLE older (${columns}) ENGINE = MergeTree ORDER BY (feature_id, created_at)`,
        admin,
      );
      await runXtask(["migrate", "--url", stack.clickhouse, "--tables", file], {
        CLICKHOUSE_USER: user,
        CLICKHOUSE_PASSWORD: password,
      });
      const [{ engine_full }] = await stack.rows(
        "SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name = 'older'",
        admin,
      );
      assert.match(engine_full, /non_replicated_deduplication_window = 100000/);
    });

    test("rows whose partition lies years away are refused, with the row and the column", async () => {
      const row = { feature_id: 901, user_id: 1, action: "far" };
      const rows = [
        { ...row, created_at: new Date().toISOString() },
        { ...row, created_at: "1999-01-01T00:00:00Z" },
      ];
      const { status, body } = await send("my_feature_events", rows, { id: uuidV7() });
      assert.deepEqual(
        [status, body.code, body.row, body.column],
        [400, "bad_block", 1, "created_at"],
      );
      const [{ far }] = await stored(
        "SELECT count() AS far FROM my_feature_events WHERE action = 'far'",
      );
      assert.equal(far, 0);
    });

    test("another site's key, and a table that nobody declared, are 404 bad_table", async () => {
      for (const [table, k] of [
        ["notes", "pk_other"],
        ["entity_totals", "pk_open"],
      ]) {
        const { status, body } = await send(table, [{ note: "a", tags: [], details: {} }], { k });
        assert.deepEqual([status, body.code], [404, "bad_table"]);
      }
    });
  });
}

test("S2.6 cargo xtask tables prints DDL and type", async () => {
  const ddl = await runXtask(["tables", EXAMPLE.pathname]);
  assert.match(ddl, /^CREATE TABLE IF NOT EXISTS my_feature_events\n\(\n {4}feature_id UInt32,/);
  const types = await runXtask(["tables", "--types", EXAMPLE.pathname]);
  assert.match(types, /my_feature_events: \{\n {4}\/\*\* `UInt32` \*\/\n {4}feature_id: number;/);
});
