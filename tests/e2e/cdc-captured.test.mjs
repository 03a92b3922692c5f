// What a real connector sent for a real PostgreSQL, through the worker into a real ClickHouse: the
// records of tests/e2e/debezium, whose README.md says how they came.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { loseAnswer, startStack } from "./harness.mjs";

const read = (path) => readFileSync(new URL(path, import.meta.url), "utf8");
const column = (column, unit) => (unit ? { column, unit } : { column });

/** One column of each kind. */
const WIDE =
  "price amount large at_micros day clock span document binary_document tags numbers bytes flag long_text";
const wide = (on, event) => ({
  table: "public.wide",
  on: [on],
  event: { name: "Wide", entity_type: "Wide", entity_id: column("id"), ...event },
});
const RULES = [
  ...JSON.parse(read("../../worker/cdc.example.json")),
  wide("read", {
    value: column("ratio"),
    occurred_at: column("at_zone"),
    ip_address: column("address"),
    properties: Object.fromEntries(WIDE.split(" ").map((name) => [name, column(name)])),
  }),
  wide("create", { name: "Far", occurred_at: column("at") }),
  wide("delete", { name: "Gone" }),
  wide("update", { name: "Long", properties: { text: column("long_text") } }),
];

const stack = await startStack(
  { after },
  {
    behindProxy: true,
    sites: [{ site: "app", key: "sk_app", kind: "server" }],
    vars: { CDC_RULES: JSON.stringify(RULES) },
  },
);

const linesOf = (name) => read(`./debezium/${name}.ndjson`).trimEnd().split("\n");
const [first, again, snapshot] = ["first", "again", "snapshot"].map(linesOf);

async function post(lines) {
  const url = new URL("/v1/cdc?k=sk_app", stack.site);
  const answer = await fetch(url, { method: "POST", body: lines.join("\n") });
  const { now, ...told } = await answer.json();
  return { status: answer.status, ...told };
}

/** Entity, name, user, value and number of all events, as the table has them, and as its rollups. */
async function stored(type) {
  const params = { type };
  const what = "entity_id AS id, name, value, user_id AS user, count() AS n";
  const events = await stack.rows(
    `SELECT ${what} FROM events WHERE entity_type = {type:String} GROUP BY ALL ORDER BY ALL`,
    { params },
  );
  const [sums] = await stack.rows(
    "SELECT (SELECT sum(rows) FROM entity_totals WHERE entity_type = {type:String}) AS totals," +
      " (SELECT sum(rows) FROM event_days WHERE entity_type = {type:String}) AS days",
    { params },
  );
  const all = events.reduce((sum, { n }) => sum + n, 0);
  assert.deepEqual(sums, { totals: all, days: all });
  return events.map(({ id, name, value, user, n }) => [id, name, value, user, n]);
}

const FOLLOWS = [
  ["10", "Follow", 1, "8", 1],
  ["11", "Follow", 1, "7", 1],
  ["11", "Follow", 1, "8", 1],
  ["11", "Follow", 1, "9", 1],
  ["9", "Follow", -1, "7", 1],
  ["9", "Follow", 1, "8", 1],
];
const MODELS = [
  ["1", "Upload", 1, "7", 1],
  ["2", "Upload", 1, "8", 1],
  ["3", "Download", 5, "", 1],
  ["3", "Upload", 1, "7", 1],
  ["3", "Upload", 1, "8", 1],
  // Another primary key: as row 3 it is deleted, as row 4 it is created.
  ["4", "Upload", 1, "8", 1],
  ["5", "Download", 2, "", 1],
  ["5", "Upload", 1, "9", 1],
  ["6", "Upload", 1, "9", 1],
];

/** What the worker says of the first delivery, however often it comes. */
const FIRST = {
  status: 202,
  taken: 19,
  ignored: first.length - 20,
  refused: [
    {
      index: first.findIndex((line) => line.includes("__debezium_unavailable_value")),
      code: "bad_event",
      message: "column long_text was not sent: the table's REPLICA IDENTITY must be FULL",
    },
  ],
};

test("S2.11 S2.12 a snapshot and the changes behind it become what the rules say", async () => {
  assert.deepEqual(await post(first), FIRST);
  assert.deepEqual(await stored("User"), FOLLOWS);
  assert.deepEqual(await stored("Model"), MODELS);
});

test("D13 what a connector sends again after it was killed counts once", async () => {
  stack.proxy.next(loseAnswer);
  assert.equal((await post(first)).status, 503);
  assert.deepEqual(await post(first), FIRST);
  // The connector itself, from where it stood before the changes, and now with their schemas.
  const { status, taken, refused } = await post(again);
  assert.deepEqual([status, taken, refused], [202, 13, []]);
  assert.deepEqual(await stored("User"), FOLLOWS);
  assert.deepEqual(await stored("Model"), MODELS);
});

test("S2.11 each kind of column comes as the connector writes it", async () => {
  const [full, empty] = await stack.rows(
    "SELECT value, toString(ip) AS ip, toString(properties) AS properties," +
      " properties.large::String AS large, toUnixTimestamp64Milli(occurred_at) AS at FROM events WHERE name = 'Wide' ORDER BY value",
  );
  // A bigint, which JavaScript's own numbers cannot hold.
  assert.equal(full.large, "9007199254740993");
  const { long_text: long, large: _, ...properties } = JSON.parse(full.properties);
  assert.deepEqual(properties, {
    price: "BOI=",
    amount: { scale: 3, value: "BhY+ZlvrfKai4aZCRMs=" },
    at_micros: 1_795_168_800_123_456,
    day: 20_777,
    clock: 36_000_500_000,
    span: 93_600_000_000,
    document: '{"a": [1, 2.50]}',
    binary_document: '{"a": "ü", "b": null}',
    tags: ["one", "two, three", null],
    numbers: [1, 2, 3],
    bytes: "3q2+7w==",
    flag: true,
  });
  assert.equal(long, "x".repeat(2_100));
  const at = Date.UTC(2026, 10, 20, 8, 0, 0, 123);
  assert.deepEqual([full.value, full.ip, full.at], [0.1, "::ffff:203.0.113.7", at]);
  // A row of nulls: the defaults, at the time of the snapshot.
  const { ts_ms: read } = first.map((line) => JSON.parse(line)).find(({ op }) => op === "r").source;
  assert.deepEqual([empty.value, empty.ip, empty.at, empty.properties], [1, "::", read, "{}"]);
});

test("S3.23 a second snapshot counts the rows again that are others now, or came as changes", async () => {
  const { status, taken, refused } = await post(snapshot);
  assert.deepEqual([status, taken, refused], [202, 6, []]);
  await post(snapshot);
  assert.deepEqual(await stored("User"), FOLLOWS);
  // Row 1 was in the first snapshot; the others were created since, and are read now.
  const read = MODELS.map(([id, name, value, user, n]) =>
    name === "Upload" && id > "3" ? [id, name, value, user, n + 1] : [id, name, value, user, n],
  );
  assert.deepEqual(await stored("Model"), read);
  const prices = await stack.rows(
    "SELECT properties.price::String AS price FROM events" +
      " WHERE name = 'Wide' AND entity_id LIKE '%60' ORDER BY price",
  );
  // By `decimal.handling.mode`, whose default is bytes.
  assert.deepEqual(prices, [{ price: "13.75" }, { price: "BOI=" }]);
});
