// The documents' own SQL, word for word, on the views that stand in for their tables; and their
// tables as presets. Where a document's SQL cannot run, that is shown, beside the query that does.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { uuidV7 } from "./blocks.mjs";
import { startClickHouse } from "./harness.mjs";

const server = await startClickHouse({ after });
const NOW = Date.now();
const HOUR = 3_600_000;

/** Rows of a SELECT as arrays. */
async function rows(statement, params) {
  const text = await server.query(`${statement}\nFORMAT JSONCompactEachRow`, { params });
  return text
    .split("\n")
    .filter(Boolean)
    .map((row) => JSON.parse(row));
}

const refusal = (statement, params) =>
  rows(statement, params).then(
    () => "taken",
    (error) => /\(([A-Z_]+)\) \(version/.exec(error.message)?.[1],
  );

/** Inserts events as the worker would; what an event leaves out has its default. */
async function insert(events) {
  const lines = events.map(({ at = NOW, ...event }) =>
    JSON.stringify({
      site: "s",
      batch_id: uuidV7(),
      occurred_at: new Date(at).toISOString().replace("Z", ""),
      ...event,
    }),
  );
  await server.query(`INSERT INTO events FORMAT JSONEachRow ${lines.join("\n")}`);
}

const times = (count, event) => Array.from({ length: count }, () => ({ ...event }));
const post = (name, entity_id, more) => ({ name, entity_type: "post", entity_id, ...more });
const metric = (name, entity_type, entity_id, value = 1, more) => ({
  name,
  entity_type,
  entity_id,
  value,
  ...more,
});

describe("S0's SQL on post_events", () => {
  before(async () => {
    await insert([
      ...times(4, post("view", "a")),
      post("view", "a", { at: NOW - 30 * HOUR, user_id: "u1", ip: "203.0.113.9" }),
      post("view", "a", { at: NOW - 2 * HOUR, ip: "2001:db8::1" }),
      ...times(2, post("like", "a")),
      post("unlike", "a"),
      ...times(3, post("comment", "a")),
      post("share", "a"),
      post("view", "a", { bot: "webdriver" }),
      metric("view", "page", "a"),
      ...times(2, post("view", "b")),
      post("like", "c"),
    ]);
  });

  test("S0.15 S0.16 post_events has the document's columns and forms; who is missing is NULL", async () => {
    const columns = await rows("SELECT name, type FROM system.columns WHERE table = 'post_events'");
    assert.deepEqual(columns, [
      ["event_type", "LowCardinality(String)"],
      ["tweet_id", "String"],
      ["user_id", "Nullable(String)"],
      ["occurred_at", "DateTime('UTC')"],
      ["ip_address", "Nullable(String)"],
    ]);
    const who = "SELECT user_id, ip_address FROM post_events WHERE tweet_id = 'a'";
    assert.deepEqual(await rows(`${who} AND event_type = 'view' GROUP BY ALL ORDER BY ALL`), [
      ["u1", "203.0.113.9"],
      [null, "2001:DB8:0:0:0:0:0:1"],
      [null, null],
    ]);
  });

  test("S0.17 S0.18 S0.27 the summary", async () => {
    const sql = `
      SELECT
        countIf(event_type = 'view')    AS views,
        countIf(event_type = 'like')    AS likes,
        countIf(event_type = 'unlike')  AS unlikes,
        countIf(event_type = 'comment') AS comments,
        countIf(event_type = 'share')   AS shares
      FROM post_events
      WHERE tweet_id = {tweet_id:String}`;
    assert.deepEqual(await rows(sql, { tweet_id: "a" }), [[6, 2, 1, 3, 1]]);
    assert.deepEqual(await rows(sql, { tweet_id: "none" }), [[0, 0, 0, 0, 0]]);
  });

  test("S0.19 hourly views", async () => {
    const sql = `
      SELECT
        toStartOfHour(occurred_at) AS hour,
        count() AS views
      FROM post_events
      WHERE tweet_id = {tweet_id:String}
        AND event_type = 'view'
        AND occurred_at >= now() - toIntervalHour({hours:UInt32})
      GROUP BY hour
      ORDER BY hour ASC`;
    const hour = (ago) =>
      `${new Date(NOW - ago * HOUR).toISOString().slice(0, 13).replace("T", " ")}:00:00`;
    assert.deepEqual(await rows(sql, { tweet_id: "a", hours: 24 }), [
      [hour(2), 1],
      [hour(0), 4],
    ]);
    assert.deepEqual(await rows(sql, { tweet_id: "a", hours: 48 }), [
      [hour(30), 1],
      [hour(2), 1],
      [hour(0), 4],
    ]);
  });

  test("S0.21 top posts", async () => {
    const sql = `
      SELECT
        tweet_id,
        countIf(event_type = 'view') AS views
      FROM post_events
      GROUP BY tweet_id
      ORDER BY views DESC
      LIMIT {limit:UInt32}`;
    assert.deepEqual(await rows(sql, { limit: 10 }), [
      ["a", 6],
      ["b", 2],
      ["c", 0],
    ]);
    assert.deepEqual(await rows(sql, { limit: 1 }), [["a", 6]]);
  });

  test("S0.23 S0.25 summaries of many in one query", async () => {
    const sql = `
      SELECT
        tweet_id,
        countIf(event_type = 'view')    AS views,
        countIf(event_type = 'like')    AS likes,
        countIf(event_type = 'unlike')  AS unlikes,
        countIf(event_type = 'comment') AS comments,
        countIf(event_type = 'share')   AS shares
      FROM post_events
      WHERE tweet_id IN {tweet_ids:Array(String)}
      GROUP BY tweet_id`;
    const found = await rows(sql, { tweet_ids: "['a','c','none']" });
    assert.deepEqual(found.sort(), [
      ["a", 6, 2, 1, 3, 1],
      ["c", 0, 1, 0, 0, 0],
    ]);
  });
});

describe("S2's and S3's SQL on entityMetricEvents", () => {
  const day = (ago) => new Date(NOW - ago * 24 * HOUR).toISOString().slice(0, 10);

  before(async () => {
    await insert([
      metric("View", "Model", "7", 10),
      metric("View", "Model", "7"),
      metric("View", "Model", "7", 1, { at: NOW - 8 * 24 * HOUR }),
      metric("Download", "Model", "7", 3.9),
      metric("View", "Model", "8"),
      metric("View", "Model", "slug"),
      metric("View", "Model", "9", 1, { bot: "webdriver" }),
      ...[2, 3, 4, 5].map((from) => metric("Follow", "User", "1", 1, { user_id: `${from}` })),
      metric("Follow", "User", "1", 1, { user_id: "6" }),
      metric("Follow", "User", "1", -1, { user_id: "6" }),
      metric("Upload", "Model", "7", 1, { user_id: "1" }),
      metric("Upload", "Model", "7", 1, { user_id: "1" }),
      metric("Upload", "Model", "8", 1, { user_id: "1" }),
      metric("Upload", "Image", "8", 1, { user_id: "1" }),
    ]);
  });

  test("S2.5 D12 the view has the document's columns, leaves out other ids and cuts fractions", async () => {
    const columns = await rows(
      "SELECT name, type FROM system.columns WHERE table = 'entityMetricEvents'",
    );
    assert.deepEqual(columns, [
      ["entityType", "LowCardinality(String)"],
      ["entityId", "Int32"],
      ["userId", "Int32"],
      ["metricType", "LowCardinality(String)"],
      ["metricValue", "Int32"],
      ["createdAt", "DateTime64(3, 'UTC')"],
    ]);
    const models = "FROM entityMetricEvents WHERE entityType = 'Model'";
    assert.deepEqual(await rows(`SELECT DISTINCT entityId ${models} ORDER BY 1`), [[7], [8]]);
    const download = `SELECT metricValue, userId ${models} AND metricType = 'Download'`;
    assert.deepEqual(await rows(download), [[3, 0]]);
  });

  test("S2.9 views and downloads of the last 7 days", async () => {
    const sql = `
    SELECT
      entityId,
      countIf(metricType = 'View') as views,
      countIf(metricType = 'Download') as downloads
    FROM entityMetricEvents
    WHERE entityType = 'Model'
      AND createdAt > now() - INTERVAL 7 DAY
    GROUP BY entityId
    ORDER BY views DESC
    LIMIT 100
  `;
    assert.deepEqual(await rows(sql), [
      [7, 2, 1],
      [8, 1, 0],
    ]);
  });

  test("S2.10 events by day", async () => {
    const sql = `
    SELECT
      toDate(createdAt) as date,
      count() as events
    FROM entityMetricEvents
    WHERE entityType = 'Model' AND entityId = {modelId:UInt32}
    GROUP BY date
    ORDER BY date
  `;
    assert.deepEqual(await rows(sql, { modelId: 7 }), [
      [day(8), 1],
      [day(0), 5],
    ]);
  });

  test("S3.12 uploads by kind", async () => {
    const sql = `
SELECT
  userId,
  countIf(entityType = 'Model') as modelCount,
  countIf(entityType = 'Post') as postCount,
  countIf(entityType = 'Image') as imageCount
FROM (
  SELECT DISTINCT userId, entityType, entityId
  FROM entityMetricEvents
  WHERE userId = {userId:Int32}
    AND metricType = 'Upload'
)
GROUP BY userId`;
    assert.deepEqual(await rows(sql, { userId: 1 }), [[1, 2, 0, 1]]);
  });

  test("D1 the follower SQL cannot run as written, and does with GROUP BY", async () => {
    const sql = `
SELECT
  entityId as userId,
  countIf(metricValue > 0) - countIf(metricValue < 0) as followerCount
FROM entityMetricEvents
WHERE entityType = 'User'
  AND metricType = 'Follow'
  AND entityId = {userId:Int32}`;
    assert.equal(await refusal(sql, { userId: 1 }), "NOT_AN_AGGREGATE");
    assert.deepEqual(await rows(`${sql} GROUP BY userId`, { userId: 1 }), [[1, 4]]);
  });

  test("D2 the engagement SQL cannot run as written", async () => {
    await server.query("CREATE TABLE models (id Int32, userId Int32) ENGINE = Memory");
    await server.query("INSERT INTO models VALUES (7, 1)");
    const sql = `
SELECT
  m.userId,
  SUM(engagement_weight) as totalEngagement
FROM (
  SELECT
    userId,
    entityId,
    entityType,
    CASE
      WHEN metricType = 'Download' THEN metricValue * 1
      WHEN metricType = 'Generation' THEN metricValue * 2
      WHEN metricType = 'ReactionHeart' THEN metricValue * 0.5
      WHEN metricType = 'Comment' THEN metricValue * 1.5
      ELSE metricValue * 0.1
    END as engagement_weight
  FROM entityMetricEvents
  WHERE createdAt >= now() - INTERVAL 30 DAY
) e
JOIN models m ON m.id = e.entityId AND e.entityType = 'Model'
WHERE m.userId = {userId:Int32}
GROUP BY m.userId`;
    assert.equal(await refusal(sql, { userId: 1 }), "ILLEGAL_TYPE_OF_ARGUMENT");
  });
});

describe("the documents' tables as presets", () => {
  const FOLDER = new URL("../../worker/schema/presets/", import.meta.url);
  const preset = (name) => readFileSync(new URL(`${name}.sql`, FOLDER), "utf8");
  const inPresets = async (statement, token = "") => {
    const settings = { async_insert: 0, ...(token && { insert_deduplication_token: token }) };
    return (await server.query(statement, { database: "presets", settings })).trim();
  };

  /** What the server has made of a table: its columns, and what it is. */
  async function made(name) {
    const lines = async (statement) =>
      (await inPresets(statement)).split("\n").map((line) => JSON.parse(line));
    const where = `WHERE database = 'presets' AND table = '${name}'`;
    const columns = await lines(
      `SELECT name, type, default_expression FROM system.columns ${where} FORMAT JSONCompactEachRow`,
    );
    const [table] = await lines(
      "SELECT engine, engine_full, partition_key AS partitioned, sorting_key AS ordered FROM" +
        ` system.tables ${where.replace("table", "name")} FORMAT JSONEachRow`,
    );
    return { columns: columns.map((column) => column.filter(Boolean).join(" ")), ...table };
  }

  before(() => server.query("CREATE DATABASE presets"));

  /** Inserts the same twice under one token; the rows that are there then. */
  async function twice(table, values) {
    for (const _ of [1, 2]) await inPresets(`INSERT INTO ${table} VALUES ${values}`, "one");
    return inPresets(`SELECT count() FROM ${table}`);
  }

  test("S2.5 D12 D13 entityMetricEvents is the document's, and drops what is sent twice", async () => {
    await inPresets(preset("entityMetricEvents"));
    assert.deepEqual(await made("entityMetricEvents"), {
      columns: [
        "entityType LowCardinality(String)",
        "entityId Int32",
        "userId Int32",
        "metricType LowCardinality(String)",
        "metricValue Int32",
        "createdAt DateTime64(3)",
      ],
      engine: "MergeTree",
      engine_full:
        "MergeTree ORDER BY (entityType, entityId, createdAt)" +
        " SETTINGS non_replicated_deduplication_window = 100000, index_granularity = 8192",
      partitioned: "",
      ordered: "entityType, entityId, createdAt",
    });
    const row = "('Model', 1, 2, 'View', 1, now64(3))";
    assert.equal(await twice("entityMetricEvents", row), "1");
  });

  test("S2.6 D13 my_feature_events is the document's, and drops what is sent twice", async () => {
    await inPresets(preset("my_feature_events"));
    assert.deepEqual(await made("my_feature_events"), {
      columns: [
        "feature_id UInt32",
        "user_id UInt32",
        "action LowCardinality(String)",
        "metadata String",
        "created_at DateTime now()",
      ],
      engine: "MergeTree",
      engine_full:
        "MergeTree PARTITION BY toYYYYMM(created_at) ORDER BY (feature_id, created_at)" +
        " TTL created_at + toIntervalDay(90)" +
        " SETTINGS non_replicated_deduplication_window = 100000, index_granularity = 8192",
      partitioned: "toYYYYMM(created_at)",
      ordered: "feature_id, created_at",
    });
    const columns = "my_feature_events (feature_id, user_id, action, metadata)";
    for (const _ of [1, 2]) {
      await inPresets(`INSERT INTO ${columns} VALUES (1, 2, 'open', '{}')`, "one");
    }
    assert.equal(await inPresets("SELECT count() FROM my_feature_events"), "1");
  });

  test("S2.7 S2.8 D4 unflushed rows are in the buffer table alone", async () => {
    await inPresets(`CREATE TABLE my_events (id UInt32) ENGINE = MergeTree ORDER BY id
                     SETTINGS non_replicated_deduplication_window = 100000`);
    await inPresets(preset("my_events_buffer"));
    assert.deepEqual(await made("my_events_buffer"), {
      columns: ["id UInt32"],
      engine: "Buffer",
      engine_full:
        "Buffer('presets', 'my_events', 16, 10, 100, 10000, 1000000, 10000000, 100000000)",
      partitioned: "",
      ordered: "",
    });
    await inPresets("INSERT INTO my_events_buffer VALUES (1)");
    assert.equal(await inPresets("SELECT count() FROM my_events"), "0");
    assert.equal(await inPresets("SELECT count() FROM my_events_buffer"), "1");
  });

  test("S2.7 D13 the buffer ignores tokens, as its file warns", async () => {
    assert.match(
      preset("my_events_buffer"),
      /WARNING: a Buffer table ignores deduplication tokens/,
    );
    assert.equal(await twice("my_events_buffer", "(2)"), "3");
  });
});
