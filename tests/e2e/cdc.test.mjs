// Changes of a PostgreSQL database, as Debezium's connector sends them, through the worker into a
// real ClickHouse: worker/cdc.example.json says what they mean.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { RECORDS } from "./debezium.mjs";
import { answer, loseAnswer, pass, startStack } from "./harness.mjs";

const RULES = readFileSync(new URL("../../worker/cdc.example.json", import.meta.url), "utf8");

// Rows that say nothing of their own time.
const TIMELESS = {
  table: "public.tags",
  on: ["read"],
  event: { name: "Tag", entity_type: "Model", entity_id: { column: "id" } },
};

const stack = await startStack(
  { after },
  {
    behindProxy: true,
    sites: [
      { site: "app", key: "sk_app", kind: "server" },
      { site: "app", key: "pk_app", origins: ["*"] },
    ],
    vars: {
      CDC_RULES: JSON.stringify([...JSON.parse(RULES), TIMELESS]),
      UPSTREAM_TIMEOUT_MS: "5000",
    },
  },
);
const { proxy, rows } = stack;

async function post(body, key = "sk_app") {
  const url = new URL("/v1/cdc", stack.site);
  const response = await fetch(url, { method: "POST", body, headers: { "x-api-key": key } });
  return { status: response.status, body: await response.json() };
}

let lsn = 24_023_128;

/** An envelope as the connector of Debezium 3.0 writes it, at the next place in the log. */
function envelope(table, op, before, after, source = {}) {
  lsn += 56;
  const now = Date.now();
  return {
    before,
    after,
    source: {
      version: "3.0.0.Final",
      connector: "postgresql",
      name: "store",
      ts_ms: now,
      snapshot: op === "r" ? "true" : "false",
      db: "app",
      sequence: `["${lsn - 48}","${lsn}"]`,
      ts_us: now * 1_000 + 456,
      ts_ns: now * 1_000_000 + 456_123,
      schema: "public",
      table,
      txId: 555,
      lsn,
      xmin: null,
      ...source,
    },
    transaction: null,
    op,
    ts_ms: now + 200,
    ts_us: (now + 200) * 1_000,
    ts_ns: (now + 200) * 1_000_000,
  };
}

/** The same as it comes with `schemas.enable`. */
const withSchema = (payload) => ({
  schema: {
    type: "struct",
    fields: [{ type: "string", optional: false, field: "op" }],
    optional: false,
    name: "store.public.models.Envelope",
    version: 2,
  },
  payload,
});

const model = (id, more) => ({
  id,
  user_id: 7,
  type: "LORA",
  downloads: 0,
  created_at: 1_740_218_268_541_456,
  ...more,
});

const lines = (...records) => records.map((record) => JSON.stringify(record)).join("\n");

/** Name, user and value of all events of an entity, and the sum in its rollup. */
async function eventsOf(id) {
  const params = { id: `${id}` };
  const found = await rows(
    "SELECT site, name, user_id, value, toString(properties) AS properties FROM events" +
      " WHERE entity_id = {id:String} ORDER BY name, user_id, value",
    { params },
  );
  const [{ sum }] = await rows(
    "SELECT sum(value_sum) AS sum FROM entity_totals WHERE entity_id = {id:String}",
    { params },
  );
  assert.equal(
    sum,
    found.reduce((sum, { value }) => sum + value, 0),
  );
  return found.map(({ site, name, user_id, value, properties }) => {
    assert.equal(site, "app");
    return [name, user_id, value, properties];
  });
}

test("S2.11 S2.12 S2.13 create, update and delete become events by the declared rules", async () => {
  const follow = { id: 1, followed_id: 9001, follower_id: 8 };
  const sent = await post(
    lines(
      envelope("models", "c", null, model(101)),
      withSchema(
        envelope("models", "u", model(101), model(101, { downloads: 3, user_id: 8, type: "x" })),
      ),
      envelope("follows", "c", null, follow),
      envelope("follows", "d", follow, null),
    ),
  );
  assert.equal(sent.status, 202);
  assert.deepEqual(sent.body, { now: sent.body.now, taken: 4, ignored: 0, refused: [] });
  assert.deepEqual(await eventsOf(101), [
    ["Download", "", 3, "{}"],
    ["Upload", "7", 1, '{"kind":"LORA"}'],
    ["Upload", "8", 1, "{}"],
  ]);
  assert.deepEqual(await eventsOf(9001), [
    ["Follow", "8", -1, "{}"],
    ["Follow", "8", 1, "{}"],
  ]);
});

test("S3.23 a snapshot's rows are stored at their own time, and count once in a second one", async () => {
  const first = envelope("models", "r", null, model(201), { snapshot: "first" });
  const second = envelope("models", "r", null, model(201), { snapshot: "last", txId: 777 });
  second.source.ts_ms += 3_600_000;
  assert.equal((await post(lines(first))).body.taken, 1);
  assert.equal((await post(lines(second))).body.taken, 1);
  assert.deepEqual(await eventsOf(201), [["Upload", "7", 1, '{"kind":"LORA"}']]);
  const [{ occurred }] = await rows(
    "SELECT toUnixTimestamp64Milli(occurred_at) AS occurred FROM events WHERE entity_id = '201'",
  );
  assert.equal(occurred, 1_740_218_268_541);
});

test("S3.23 a snapshot's rows without a time of their own count once in a second one too", async () => {
  const first = envelope("tags", "r", null, { id: 202 }, { snapshot: "first" });
  const second = envelope("tags", "r", null, { id: 202 }, { snapshot: "last", txId: 777 });
  second.source.ts_ms += 3_600_000;
  assert.equal((await post(lines(first))).body.taken, 1);
  assert.equal((await post(lines(second))).body.taken, 1);
  assert.deepEqual(await eventsOf(202), [["Tag", "", 1, "{}"]]);
  const [{ occurred }] = await rows(
    "SELECT toUnixTimestamp64Milli(occurred_at) AS occurred FROM events WHERE entity_id = '202'",
  );
  assert.equal(occurred, first.source.ts_ms);
});

test("tombstones, schema changes, markers, heartbeats and other tables are ignored", async () => {
  const from = proxy.requests.length;
  const sent = await post(
    lines(
      null,
      { schema: null, payload: null },
      { source: { db: "app" }, ts_ms: 1, ddl: null, tableChanges: [{ type: "ALTER" }] },
      { status: "BEGIN", id: "555:24023128", ts_ms: 1 },
      { ts_ms: 1 },
      envelope("models", "t", null, null),
      envelope("other", "c", null, { id: 1 }),
    ),
  );
  assert.equal(sent.status, 202);
  assert.deepEqual([sent.body.taken, sent.body.ignored, sent.body.refused], [0, 7, []]);
  assert.equal(proxy.requests.length, from);
});

test("S2.11 S2.12 records of the connector's versions 1.2 to 3.0 become what the rules say", async () => {
  for (let turn = 0; turn < 2; turn += 1) {
    const { status, body } = await post(lines(...RECORDS.map(([, record]) => record)));
    const taken = RECORDS.filter(([, , event]) => event).length;
    const all = { now: body.now, taken, ignored: RECORDS.length - taken, refused: [] };
    assert.deepEqual([status, body], [202, all]);
  }
  for (const [what, , event] of RECORDS.filter(([, , event]) => event)) {
    const [entity, name, value] = event;
    const found = await eventsOf(entity);
    assert.deepEqual(
      found.map(([name, , value]) => [name, value]),
      [[name, value]],
      what,
    );
  }
});

test("D13 delivered again, whole, in part and after a failure in the middle, each change counts once", async () => {
  const ids = [301, 302, 303, 304, 305];
  const changes = ids.map((id) => envelope("models", "c", null, model(id)));
  proxy.next(pass, loseAnswer);
  const broken = await post(lines(...changes));
  assert.deepEqual([broken.status, broken.body.code], [503, "busy"]);
  proxy.next(pass, pass, answer(500));
  assert.equal((await post(lines(...changes))).status, 503);
  assert.equal((await post(lines(...changes.slice(1)))).body.taken, 4);
  assert.equal((await post(lines(changes[4], changes[0]))).body.taken, 2);
  assert.equal((await post(JSON.stringify(changes.map(withSchema)))).body.taken, 5);
  for (const id of ids) {
    assert.deepEqual(await eventsOf(id), [["Upload", "7", 1, '{"kind":"LORA"}']], `${id}`);
  }
});

test("rows of one COPY stand at one place in the log, and each counts", async () => {
  const [first, ...others] = [401, 402, 403].map((id) => envelope("models", "c", null, model(id)));
  for (const { source } of others) source.lsn = first.source.lsn;
  await post(lines(first, ...others));
  for (const id of [401, 402, 403]) assert.equal((await eventsOf(id)).length, 1);
});

test("a bad record is told by its index, and the good ones are taken", async () => {
  const missing = envelope("models", "c", null, { id: 502 });
  const nowhere = envelope("models", "c", null, model(503), { lsn: null });
  const sent = await post(lines(envelope("models", "c", null, model(501)), missing, nowhere, 7));
  assert.equal(sent.status, 202);
  assert.deepEqual(
    [sent.body.taken, sent.body.refused],
    [
      1,
      [
        { index: 1, code: "bad_event", message: "column user_id is not in the row" },
        { index: 2, code: "bad_event", message: "source.lsn is missing" },
        { index: 3, code: "bad_event", message: "the record is no envelope of Debezium's" },
      ],
    ],
  );
  assert.equal((await eventsOf(501)).length, 1);
});

test("a page's key is 403 forbidden", async () => {
  const sent = await post("null", "pk_app");
  assert.deepEqual([sent.status, sent.body.code], [403, "forbidden"]);
});
