// The worker in workerd before a real ClickHouse: what is stored, what is refused, what queries
// answer. `open` is a site for every origin, `bound` one for a single origin.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { after, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { batchUrl, block, eventBlock, eventColumns, uuidV7 } from "./blocks.mjs";
import * as packaged from "../../pkg-template/parts/queries.js";
import {
  answer,
  counted,
  holdUntil,
  loseAnswer,
  post,
  refuse,
  startStack,
  withResolvers,
} from "./harness.mjs";

const ORIGIN = "https://bound.test";
const HOUR = 3_600_000;

const stack = await startStack(
  { after },
  {
    behindProxy: true,
    sites: [
      { site: "open", key: "pk_open", origins: ["*"] },
      { site: "bound", key: "pk_bound", origins: [ORIGIN] },
    ],
    // What ClickHouse says to an insert is told to its sender: no group in between.
    vars: { BODY_BYTES: "20000", UPSTREAM_TIMEOUT_MS: "5000", SINK: "direct" },
  },
);
const { proxy, rows } = stack;

const send = (events, parameters, headers) =>
  post(batchUrl(stack.site, parameters), eventBlock(events), headers);

/** A named query's answer: its JSON, or `{ code }`. */
async function ask(name, params, headers = {}) {
  const url = new URL(`/v1/query/${name}`, stack.site);
  for (const [key, value] of Object.entries({ k: "pk_open", ...params })) {
    url.searchParams.set(key, value);
  }
  return (await fetch(url, { headers })).json();
}

/** Posts `body` as one chunk under a content length of 5; the answer's status. */
async function lyingPost(url, body) {
  const socket = connect(Number(url.port), url.hostname);
  socket.write(
    `POST ${url.pathname}${url.search} HTTP/1.1\r\nhost: ${url.host}\r\ncontent-length: 5\r\n` +
      `transfer-encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n`,
  );
  socket.write(body);
  socket.write("\r\n0\r\n\r\n");
  const [answer] = await once(socket, "data");
  socket.destroy();
  return Number(/^HTTP\/1\.1 (\d+)/.exec(answer)[1]);
}

const times = (count, event) => Array.from({ length: count }, () => ({ ...event }));

describe("a batch", () => {
  test("U7 U10 is stored with the edge's columns behind the client's", async () => {
    const id = uuidV7();
    const at = Date.now() - HOUR;
    const event = {
      entity_id: "stored",
      occurred_at: at - 1000,
      value: 2.5,
      properties: '{"a":1}',
    };
    const sent = await send([event], { id, at, b: "webdriver" });
    assert.equal(sent.status, 202);
    assert.deepEqual(sent.body, { now: sent.body.now, known: false });
    assert.equal(sent.headers.get("access-control-allow-origin"), "*");
    const [row] = await rows(
      `SELECT site, name, entity_type, value, seq, toUnixTimestamp64Milli(occurred_at) AS occurred,
              toUnixTimestamp64Milli(received_at) AS received, toString(batch_id) AS batch,
              toString(ip) AS ip, bot, properties.a AS a
       FROM events WHERE entity_id = 'stored'`,
    );
    // An hour slow: corrected by the difference at arrival.
    const occurred = row.received - 1000;
    assert.deepEqual(row, {
      site: "open",
      name: "view",
      entity_type: "post",
      value: 2.5,
      seq: 0,
      occurred,
      received: sent.body.now,
      batch: id,
      ip: "::",
      bot: "webdriver",
      a: 1,
    });
  });

  test("D13 sent three times, twice at once, counts once in events and rollups", async () => {
    const url = batchUrl(stack.site);
    const body = eventBlock(times(3, { entity_id: "again" }));
    const answers = [
      await post(url, body),
      ...(await Promise.all([post(url, body), post(url, body)])),
    ];
    assert.deepEqual(
      answers.map(({ status }) => status),
      [202, 202, 202],
    );
    assert.deepEqual(await counted(stack, "again"), { events: 3, totals: 3, hours: 3 });
  });

  test("D13 other bytes under an id that was taken count nothing: the first stay", async () => {
    for (const [age, known] of [
      [0, false],
      [120_000, true],
    ]) {
      const url = batchUrl(stack.site, { id: uuidV7(Date.now() - age) });
      const send = (rows, entity_id) => post(url, eventBlock(times(rows, { entity_id })));
      await send(3, `first ${age}`);
      const { status, body } = await send(5, `second ${age}`);
      // Young ids are not looked up: their token drops the second.
      assert.deepEqual([status, body.known], [202, known]);
      assert.deepEqual(await counted(stack, `first ${age}`), { events: 3, totals: 3, hours: 3 });
      assert.deepEqual(await counted(stack, `second ${age}`), { events: 0, totals: 0, hours: 0 });
    }
  });

  test("D13 two batches of equal rows both count", async () => {
    const body = eventBlock([{ entity_id: "equal" }]);
    await post(batchUrl(stack.site), body);
    await post(batchUrl(stack.site), body);
    assert.deepEqual(await counted(stack, "equal"), { events: 2, totals: 2, hours: 2 });
  });

  test("D13 whose answer was lost is stored once by its retry", async () => {
    const url = batchUrl(stack.site);
    const body = eventBlock([{ entity_id: "lost" }]);
    proxy.next(loseAnswer);
    const first = await post(url, body);
    assert.deepEqual([first.status, first.body.code], [503, "busy"]);
    assert.equal((await post(url, body)).status, 202);
    assert.deepEqual(await counted(stack, "lost"), { events: 1, totals: 1, hours: 1 });
  });

  test("D13 older than a minute is looked up by its id before it is inserted", async () => {
    const url = batchUrl(stack.site, { id: uuidV7(Date.now() - 120_000) });
    const body = eventBlock([{ entity_id: "older" }]);
    const before = proxy.requests.length;
    const known = [(await post(url, body)).body.known, (await post(url, body)).body.known];
    assert.deepEqual(known, [false, true]);
    const asked = proxy.requests.slice(before).map(({ url }) => /SELECT|INSERT/.exec(url)[0]);
    // The second insert is dropped by its token; without it, a view that had failed would stay so.
    assert.deepEqual(asked, ["SELECT", "INSERT", "SELECT", "INSERT"]);
    assert.deepEqual(await counted(stack, "older"), { events: 1, totals: 1, hours: 1 });
  });

  test("D13 known for long is not inserted again, however old the ids are that came since", async () => {
    const url = batchUrl(stack.site, { id: uuidV7(Date.now() - 120_000) });
    const body = eventBlock([{ entity_id: "forgotten" }]);
    assert.equal((await post(url, body)).body.known, false);
    // As changes of a database come: many ids, of a time long past. Half a window of them.
    await stack.query(
      "INSERT INTO events (site, batch_id) SELECT 'old'," +
        " toUUID(concat('0198c9a0-0000-7000-8000-', leftPad(toString(number), 12, '0')))" +
        " FROM numbers(50000)",
    );
    const before = proxy.requests.length;
    assert.deepEqual((await post(url, body)).body.known, true);
    const asked = proxy.requests.slice(before).map(({ url }) => /SELECT|INSERT/.exec(url)[0]);
    assert.deepEqual(asked, ["SELECT"]);
    assert.deepEqual(await counted(stack, "forgotten"), { events: 1, totals: 1, hours: 1 });
  });

  test("D13 older than a minute is counted although a view failed at its first try", async () => {
    const url = batchUrl(stack.site, { id: uuidV7(Date.now() - 120_000) });
    const body = eventBlock([{ entity_id: "uncounted" }]);
    await stack.query("ALTER TABLE entity_totals ADD CONSTRAINT broken CHECK rows = 0");
    const first = await post(url, body);
    await stack.query("ALTER TABLE entity_totals DROP CONSTRAINT broken");
    assert.deepEqual([first.status, first.body.code], [503, "busy"]);
    assert.deepEqual((await post(url, body)).body.known, true);
    assert.deepEqual(await counted(stack, "uncounted"), { events: 1, totals: 1, hours: 1 });
  });

  test("comes as gzip too", async () => {
    const sent = await post(batchUrl(stack.site), gzipSync(eventBlock([{ entity_id: "gzip" }])));
    assert.equal(sent.status, 202);
    assert.deepEqual(await counted(stack, "gzip"), { events: 1, totals: 1, hours: 1 });
  });

  test("of more rows than one block of its container holds is stored whole", async () => {
    const body = eventBlock(times(3_000, { entity_id: "large", occurred_at: Date.now() }));
    assert.equal((await post(batchUrl(stack.site), gzipSync(body))).status, 202);
    assert.deepEqual(await counted(stack, "large"), { events: 3_000, totals: 3_000, hours: 3_000 });
  });

  test("from a listed origin is taken", async () => {
    const sent = await send([{ entity_id: "bound" }], { k: "pk_bound" }, { origin: ORIGIN });
    assert.equal(sent.status, 202);
  });

  test("reaches ClickHouse with its credentials in headers alone", async () => {
    const before = proxy.requests.length;
    await send([{ entity_id: "headers" }]);
    const { url, headers } = proxy.requests[before];
    const { user, password } = stack.users.insert;
    assert.equal(headers["x-clickhouse-user"], user);
    assert.equal(headers["x-clickhouse-key"], password);
    assert.ok(!url.includes(password) && !url.includes("user="));
  });
});

describe("a refused batch leaves nothing behind:", () => {
  const view = (changes) => ({ entity_id: "refused", ...changes });
  const columns = eventColumns([view()]);
  const { seq, ...withoutSeq } = columns;
  const good = block(columns);
  const cut = gzipSync(good).subarray(0, -3);
  const cases = [
    ["unknown key", 401, "bad_key", { k: "pk_other" }, good],
    ["no origin", 403, "bad_origin", { k: "pk_bound" }, good],
    ["unknown table", 404, "bad_table", { t: "entity_totals" }, good],
    ["no version", 400, "bad_request", { v: undefined }, good],
    ["id of version 4", 400, "bad_request", { id: "0198c9a0-0000-4000-8000-000000000000" }, good],
    ["no at", 400, "bad_request", { at: undefined }, good],
    ["older than a day", 410, "too_old", { id: uuidV7(Date.now() - 25 * HOUR) }, good],
    ["no block", 400, "bad_block", {}, Buffer.from("hello")],
    ["empty body", 400, "bad_block", {}, Buffer.alloc(0)],
    ["0 x 0 block", 400, "bad_block", {}, Buffer.from([0, 0])],
    ["trailing byte", 400, "bad_block", {}, Buffer.concat([good, Buffer.from([0])])],
    ["missing column", 400, "bad_block", {}, block(withoutSeq)],
    ["edge's column", 400, "bad_block", {}, block({ ...columns, site: ["String", ["open"]] })],
    ["wrong type", 400, "bad_block", {}, block({ ...columns, occurred_at: ["Int64", [1]] })],
    ["NaN", 400, "bad_block", {}, eventBlock([view({ value: NaN })])],
    ["properties that are no JSON", 400, "bad_block", {}, eventBlock([view({ properties: "{" })])],
    ["broken gzip", 400, "bad_block", {}, cut],
    ["body over the cap", 413, "too_large", {}, Buffer.alloc(20_001)],
    ["bomb", 413, "too_large", {}, gzipSync(Buffer.alloc(8_000_000))],
  ];
  for (const [what, status, code, parameters, body] of cases) {
    test(`${what} is ${status} ${code}`, async () => {
      const sent = await post(batchUrl(stack.site, parameters), body);
      assert.deepEqual([sent.status, sent.body.code], [status, code]);
      assert.equal(sent.headers.get("access-control-allow-origin"), "*");
      assert.deepEqual(await counted(stack, "refused"), { events: 0, totals: 0, hours: 0 });
    });
  }

  test("a wrong origin is 403 bad_origin", async () => {
    const sent = await send([view()], { k: "pk_bound" }, { origin: "https://other.test" });
    assert.deepEqual([sent.status, sent.body.code], [403, "bad_origin"]);
    assert.deepEqual(await counted(stack, "refused"), { events: 0, totals: 0, hours: 0 });
  });

  test("row and column of a bad value are told", async () => {
    const { body } = await send([view({ value: 1 }), view({ value: Infinity })]);
    assert.deepEqual([body.code, body.row, body.column], ["bad_block", 1, "value"]);
  });

  test("a body of unknown length over the cap is 413 too_large", async () => {
    const half = Buffer.alloc(15_000);
    const stream = new ReadableStream({
      start(controller) {
        controller.enqueue(half);
        controller.enqueue(half);
        controller.close();
      },
    });
    const url = batchUrl(stack.site);
    const response = await fetch(url, { method: "POST", body: stream, duplex: "half" });
    assert.deepEqual([response.status, (await response.json()).code], [413, "too_large"]);
  });

  test("a body that declares less than it is, in chunks, is read whole and counted", async () => {
    const good = eventBlock([view({})]);
    const statuses = [good, Buffer.alloc(30_000)].map((body) =>
      lyingPost(batchUrl(stack.site), body),
    );
    assert.deepEqual(await Promise.all(statuses), [202, 413]);
  });
});

describe("trouble behind the worker", () => {
  const busy = async (entityId) => {
    const sent = await send([{ entity_id: entityId }]);
    assert.deepEqual([sent.status, sent.body.code], [503, "busy"]);
    assert.equal(sent.headers.get("retry-after"), "2");
    assert.equal(sent.headers.get("access-control-expose-headers"), "retry-after");
  };

  test("ClickHouse down is 503 busy and nothing is stored", async () => {
    proxy.next(refuse);
    await busy("down");
    assert.deepEqual(await counted(stack, "down"), { events: 0, totals: 0, hours: 0 });
  });

  test("ClickHouse slow is 503 busy, and the retry counts once", async () => {
    const url = batchUrl(stack.site);
    const body = eventBlock([{ entity_id: "slow" }]);
    const { promise: told, resolve: tell } = withResolvers();
    proxy.next(holdUntil(told));
    const sent = await post(url, body);
    assert.deepEqual([sent.status, sent.body.code], [503, "busy"]);
    tell();
    assert.equal((await post(url, body)).status, 202);
    assert.deepEqual(await counted(stack, "slow"), { events: 1, totals: 1, hours: 1 });
  });

  test("a portal's 200 in between accepts nothing", async () => {
    proxy.next(answer(200, "<html>Log in</html>"));
    await busy("portal");
    assert.deepEqual(await counted(stack, "portal"), { events: 0, totals: 0, hours: 0 });
  });

  test("an answer of ClickHouse's that stops after its head is 503 busy", async () => {
    const headers = { "x-clickhouse-query-id": "1", "content-length": "1" };
    proxy.next(answer(200, "", headers));
    await busy("stopped");
  });

  test("too many parts is 503 busy", async () => {
    const headers = { "x-clickhouse-exception-code": "252", "x-clickhouse-query-id": "1" };
    proxy.next(answer(500, "Code: 252", headers));
    await busy("parts");
  });

  test("a query is 502 upstream", async () => {
    proxy.next(refuse);
    assert.equal((await ask("summary", { id: "a" })).code, "upstream");
  });

  test("health is 503 and says why", async () => {
    proxy.next(refuse);
    const response = await fetch(new URL("/v1/health", stack.site));
    const clickhouse = "ClickHouse cannot be reached, or its answer is broken";
    const { ok, clickhouse: said } = await response.json();
    assert.deepEqual([ok, said], [false, clickhouse]);
    assert.equal(response.status, 503);
  });
});

describe("named queries", () => {
  const summaryOf = (changes) => ({
    views: 0,
    likes: 0,
    unlikes: 0,
    comments: 0,
    shares: 0,
    deleted_comments: 0,
    net_comments: 0,
    net_likes: 0,
    ...changes,
  });

  test("S0.17 U8 D6 summary counts the five kinds, deletions and nets", async () => {
    const kinds = { view: 5, like: 3, unlike: 1, comment: 4, share: 2, delete_comment: 1, post: 1 };
    const events = Object.entries(kinds).flatMap(([name, count]) =>
      times(count, { name, entity_id: "s17" }),
    );
    await send(events);
    await send([{ entity_id: "s17" }], { b: "webdriver" });
    const { data, columns, cached_at } = await ask("summary", { id: "s17" });
    assert.deepEqual(data, [
      summaryOf({
        views: 5,
        likes: 3,
        unlikes: 1,
        comments: 4,
        shares: 2,
        deleted_comments: 1,
        net_comments: 3,
        net_likes: 2,
      }),
    ]);
    assert.deepEqual(columns[0], { name: "views", type: "UInt64" });
    assert.equal(cached_at, null);
  });

  test("S0.18 summary of an unknown id is all zeros", async () => {
    assert.deepEqual((await ask("summary", { id: "s18" })).data, [summaryOf()]);
  });

  test("ids with quotes, tabs, line breaks and backslashes are found and injected nowhere", async () => {
    const id = "it's\ta\nb\r\\n' OR 1=1 --\u{1F600}";
    await send([{ entity_id: id }]);
    assert.equal((await ask("summary", { id })).data[0].views, 1);
    const { data } = await ask("summaries", { ids: JSON.stringify([id]) });
    assert.deepEqual(
      data.map((row) => [row.entity_id, row.views]),
      [[id, 1]],
    );
  });

  test("S0.19 hourly views ascend by hours of UTC, within the window", async () => {
    const now = Date.now();
    const ago = [0, 0, 2, 30, 47];
    await send(ago.map((hours) => ({ entity_id: "s19", occurred_at: now - hours * HOUR })));
    const hour = (hours) => `${new Date(now - hours * HOUR).toISOString().slice(0, 13)}:00:00Z`;
    const day = await ask("hourly_views", { id: "s19" });
    assert.deepEqual(day.data, [
      { hour: hour(2), views: 1 },
      { hour: hour(0), views: 2 },
    ]);
    const two = await ask("hourly_views", { id: "s19", hours: 48 });
    assert.deepEqual(
      two.data.map((row) => row.hour),
      [hour(47), hour(30), hour(2), hour(0)],
    );
  });

  test("D11 S0.28 a filled window has hours + 1 rows up to the current hour", async () => {
    const { data } = await ask("hourly_views", { id: "none", hours: 3, fill: true });
    const starts = data.map((row) => Date.parse(row.hour));
    assert.equal(data.length, 4);
    assert.deepEqual(
      starts.map((start) => start - starts[0]),
      [0, HOUR, 2 * HOUR, 3 * HOUR],
    );
    assert.deepEqual(
      data.map((row) => row.views),
      [0, 0, 0, 0],
    );
  });

  test("S0.20 S0.22 hours and limits that are no whole number from 1 on are refused", async () => {
    for (const value of ["0", "-1", "1.5", "ten", ""]) {
      assert.equal((await ask("hourly_views", { id: "a", hours: value })).code, "bad_param");
      assert.equal((await ask("top", { limit: value })).code, "bad_param");
    }
  });

  test("S0.21 D11 top lists views descending, ties by id, zeros unless min_views", async () => {
    const headers = { origin: ORIGIN };
    const events = [
      ...times(3, { entity_id: "most" }),
      ...times(2, { entity_id: "tie-b" }),
      ...times(2, { entity_id: "tie-a" }),
      { entity_id: "liked", name: "like" },
    ];
    const top = async (params) => {
      const { data } = await ask("top", { k: "pk_bound", ...params }, headers);
      return data.filter((row) => row.entity_id !== "bound").map(Object.values);
    };
    await send(events, { k: "pk_bound" }, headers);
    const viewed = [
      ["most", 3],
      ["tie-a", 2],
      ["tie-b", 2],
    ];
    assert.deepEqual(await top({}), [...viewed, ["liked", 0]]);
    assert.deepEqual(await top({ min_views: 1 }), viewed);
    assert.deepEqual(await top({ limit: 2 }), viewed.slice(0, 2));
  });

  test("S0.23 S0.25 S0.28 summaries answer many ids by one query, absent ones not", async () => {
    await send([{ entity_id: "s23a" }, { entity_id: "s23b", name: "like" }]);
    const before = proxy.requests.length;
    const { data } = await ask("summaries", { ids: '["s23b","s23a","s23none"]' });
    assert.equal(proxy.requests.length, before + 1);
    assert.deepEqual(data, [
      { entity_id: "s23a", ...summaryOf({ views: 1 }) },
      { entity_id: "s23b", ...summaryOf({ likes: 1, net_likes: 1 }) },
    ]);
    assert.deepEqual((await ask("summaries", { ids: "[]" })).data, []);
  });

  test("S0.24 the package's getBulkSummaries of no ids is empty and asks nobody", async () => {
    const before = proxy.requests.length;
    const config = { endpoint: new URL(stack.site).origin, key: "pk_open" };
    assert.deepEqual(await packaged.getBulkSummaries(config, []), new Map());
    assert.equal(proxy.requests.length, before);
    assert.deepEqual(await packaged.getBulkSummaries(config, ["s24none"]), new Map());
    assert.equal(proxy.requests.length, before + 1, "with one it would have been seen");
  });

  test("S0.26 each of the package's queries logs its failure under its name, and throws it", async (t) => {
    const said = t.mock.method(console, "error", () => {});
    const good = { endpoint: new URL(stack.site).origin, key: "pk_open" };
    const bad = { ...good, key: "pk_nobody" };
    const { getSummary, getHourlyViews, getTopPosts, getBulkSummaries, query } = packaged;
    assert.equal((await getSummary(good, "42")).views, 0);
    assert.equal(said.mock.callCount(), 0);
    for (const [asking, logged] of [
      [() => getSummary(bad, "42"), "[tallymark] getSummary 42 failed"],
      [() => getHourlyViews(bad, "42"), "[tallymark] getHourlyViews failed"],
      [() => getTopPosts(bad), "[tallymark] getTopPosts failed"],
      [() => getBulkSummaries(bad, ["42"]), "[tallymark] getBulkSummaries failed"],
      [
        () => query(bad, "daily", { entity_type: "post", id: "42" }),
        "[tallymark] query daily failed",
      ],
    ]) {
      said.mock.resetCalls();
      const error = await asking().catch((error) => error);
      assert.deepEqual([error.code, error.status], ["bad_key", 401]);
      assert.deepEqual(
        said.mock.calls.map((call) => call.arguments),
        [[logged, error]],
      );
    }
  });

  test("a site sees its own events alone", async () => {
    await send([{ entity_id: "mine" }]);
    const { data } = await ask("summary", { k: "pk_bound", id: "mine" }, { origin: ORIGIN });
    assert.equal(data[0].views, 0);
  });

  test("several come back as a list, in order", async () => {
    await send([{ entity_id: "listed" }]);
    const queries = ["listed", "none"].map((id) => ({ name: "summary", params: { id } }));
    const url = new URL("/v1/query?k=pk_open", stack.site);
    const { status, body } = await post(url, JSON.stringify({ queries }));
    assert.equal(status, 200);
    assert.deepEqual(
      body.map(({ data }) => data[0].views),
      [1, 0],
    );
  });

  test("health is 200", async () => {
    const response = await fetch(new URL("/v1/health", stack.site));
    const { groups, ...rest } = await response.json();
    assert.deepEqual(rest, { ok: true, config: [], clickhouse: "ok", sink: "direct" });
    // The shard that is bound is asked with every sink.
    assert.deepEqual([groups.length, groups[0].known_in_memory], [1, 0]);
  });
});
