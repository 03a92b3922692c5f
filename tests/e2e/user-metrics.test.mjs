// What questions about users cost the database, and what is answered while it does not answer at all.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { batchUrl, eventBlock, uuidV7 } from "./blocks.mjs";
import { holdUntil, startStack } from "./harness.mjs";

const stack = await startStack(
  { after },
  {
    behindProxy: true,
    sites: [{ site: "open", key: "pk_open", origins: ["*"] }],
    vars: { SINK: "direct", UPSTREAM_TIMEOUT_MS: "3000" },
  },
);
const { proxy } = stack;
const EVENTS = 100_000;
const USERS = 100;

async function ask(name, params) {
  const url = new URL(`/v1/query/${name}`, stack.site);
  for (const [key, value] of Object.entries({ k: "pk_open", ...params })) {
    url.searchParams.set(key, value);
  }
  const answer = await fetch(url);
  return { status: answer.status, body: await answer.json() };
}

test("S3.20 all metrics of a hundred users come by one request that reads rollups, not events", async () => {
  await stack.query(
    `INSERT INTO events (site, name, entity_type, entity_id, value, user_id, occurred_at, batch_id)
     SETTINGS async_insert = 0, insert_deduplication_token = '${uuidV7()}'
     SELECT 'open', 'Follow', 'User', concat('u', toString(number % ${USERS})), 1,
       concat('f', toString(number % 7)), now64(3), '${uuidV7()}'
     FROM numbers(${EVENTS})`,
  );
  const before = proxy.requests.length;
  let summary;
  proxy.next(async (request, forward) => {
    const answer = await forward();
    summary = JSON.parse(answer.headers["x-clickhouse-summary"]);
    return answer;
  });
  const ids = Array.from({ length: USERS }, (_, at) => `u${at}`);
  const { body } = await ask("user_metrics", { ids: JSON.stringify(ids) });
  assert.equal(proxy.requests.length, before + 1);
  assert.equal(body.data.length, USERS);
  for (const { follower_count } of body.data) assert.equal(follower_count, EVENTS / USERS);
  const read = Number(summary.read_rows);
  assert.ok(read > 0 && read < EVENTS / 10, `${read} rows were read`);
});

test("S3.21 of ten questions about users one reaches the database", async () => {
  const before = proxy.requests.length;
  const answers = [];
  for (let turn = 0; turn < 10; turn += 1) {
    answers.push(await ask("user_metrics", { ids: '["u1","u2"]' }));
  }
  assert.equal(proxy.requests.length, before + 1);
  const [first, ...others] = answers.map(({ body }) => body);
  assert.equal(first.cached_at, null);
  for (const other of others) {
    assert.deepEqual(other.data, first.data);
    assert.equal(typeof other.cached_at, "number");
  }
});

/** A promise for a proxy to wait for, and what ends its waiting. */
function gate(t) {
  let open;
  const opened = new Promise((resolve) => (open = resolve));
  t.after(open);
  return opened;
}

test("a query that ClickHouse does not answer in time is 502 upstream", async (t) => {
  proxy.next(holdUntil(gate(t)));
  const { status, body } = await ask("summary", { id: "hangs" });
  assert.deepEqual([status, body.code], [502, "upstream"]);
});

test("a look-up that is not answered in time is 503 busy, and nothing is inserted", async (t) => {
  const url = batchUrl(stack.site, { id: uuidV7(Date.now() - 120_000) });
  const body = eventBlock([{ entity_id: "looked-up" }]);
  const before = proxy.requests.length;
  proxy.next(holdUntil(gate(t)));
  const sent = await fetch(url, { method: "POST", body });
  assert.deepEqual([sent.status, (await sent.json()).code], [503, "busy"]);
  assert.equal(sent.headers.get("retry-after"), "2");
  const asked = proxy.requests.slice(before).map((request) => /SELECT|INSERT/.exec(request.url)[0]);
  assert.deepEqual(asked, ["SELECT"]);
  assert.equal((await fetch(url, { method: "POST", body })).status, 202);
  const count = "SELECT count() AS rows FROM events WHERE entity_id = 'looked-up'";
  assert.deepEqual(await stack.rows(count), [{ rows: 1 }]);
});
