// The package where WebAssembly is refused: it posts JSON instead, and what is stored is the same.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { startElsewhere, trackAndFlush, upTo } from "./elsewhere.mjs";
import { answer, loseAnswer, pass } from "./harness.mjs";

const elsewhere = await startElsewhere(
  { after },
  { strict: "'self'", permissive: "'self' 'wasm-unsafe-eval'" },
);
const { stack, browser, toWorker, toClickHouse, worker, straight, valuesOf } = elsewhere;
const openPage = elsewhere.open;
const { strict, permissive } = elsewhere.origins;

test("a CSP with 'wasm-unsafe-eval' gets the engine and never fetches the fallback", async (t) => {
  const { page, fetched } = await openPage(t, worker(), { origin: permissive });
  assert.equal((await trackAndFlush(page, "permissive", 3)).engine, "wasm");
  assert.deepEqual(
    fetched.filter((path) => path.includes("fallback")),
    [],
  );
  assert.deepEqual(await valuesOf("permissive"), upTo(3));
});

test("a CSP without 'wasm-unsafe-eval' gets the fallback, and its events arrive", async (t) => {
  const { page, fetched } = await openPage(t, worker());
  const from = toWorker.requests.length;
  assert.deepEqual(await trackAndFlush(page, "refused", 30), {
    flushed: { ok: true, delivered: 30, dropped: 0 },
    engine: "fallback",
    delivered: 30,
    waiting: 0,
    dropped: {},
  });
  assert.equal(fetched.filter((path) => path.includes("fallback")).length, 1);
  // One request, and no preflight before it.
  assert.deepEqual(
    toWorker.requests
      .slice(from)
      .map(({ method, url, status }) => [method, url.split("?")[0], status]),
    [["POST", "/v1/events", 202]],
  );
  assert.deepEqual(await valuesOf("refused"), upTo(30));
});

test("a browser that knows no WebAssembly gets the fallback", async (t) => {
  const { page } = await openPage(t, worker(), {
    origin: permissive,
    before: () => delete globalThis.WebAssembly,
  });
  assert.equal((await trackAndFlush(page, "lockdown", 3)).engine, "fallback");
  assert.deepEqual(await valuesOf("lockdown"), upTo(3));
});

test("a network that fails is no reason for the fallback: the events wait for the engine", async (t) => {
  const context = await browser.newContext();
  t.after(() => context.close());
  await context.route("**/*.wasm", (route) => route.abort());
  const page = await context.newPage();
  const fetched = [];
  page.on("request", (request) => fetched.push(new URL(request.url()).pathname));
  await page.goto(permissive);
  const told = await page.evaluate(async (options) => {
    const { init } = await import("/index.js");
    const tally = init(options);
    tally.track("read", { entityType: "offline" });
    const failed = await tally.flush().then(
      () => false,
      (error) => error instanceof TypeError,
    );
    return { failed, engine: tally.stats().engine, waiting: tally.queueLength() };
  }, worker());
  assert.deepEqual(told, { failed: true, engine: "loading", waiting: 1 });
  assert.ok(fetched.includes("/tallymark_bg.wasm"));
  assert.deepEqual(
    fetched.filter((path) => path.includes("fallback")),
    [],
  );
});

test("two trackers of a page without wasm count apart, and both arrive", async (t) => {
  const { page } = await openPage(t, worker());
  const told = await page.evaluate(async (options) => {
    const { init } = await import("/index.js");
    const other = init(options);
    window.tally.track("read", { entityType: "two", value: 1 });
    other.track("read", { entityType: "two", value: 2 });
    other.track("read", { entityType: "two", value: 3 });
    await Promise.all([window.tally.flush(), other.flush()]);
    return [window.tally, other].map((tally) => [tally.stats().engine, tally.stats().delivered]);
  }, worker());
  assert.deepEqual(told, [
    ["fallback", 1],
    ["fallback", 2],
  ]);
  assert.deepEqual(await valuesOf("two"), upTo(3));
});

for (const [way, options, proxy] of [
  ["through the worker", worker, () => toWorker],
  ["straight", straight, () => toClickHouse],
]) {
  test(`S4.15 S4.20 D13 ${way} without wasm, every third answer a 500 or lost leaves each event once`, async (t) => {
    const { page } = await openPage(t, { ...options(), maxRows: 10 });
    const type = `faults-${way}`;
    const from = proxy().requests.length;
    let seen = 0;
    const faults = [answer(500, "trouble"), loseAnswer];
    proxy().always((...given) => {
      seen++;
      return (seen % 3 ? pass : faults[(seen / 3) % 2])(...given);
    });
    t.after(() => proxy().always(pass));
    const told = await page.evaluate(async (entityType) => {
      for (let value = 1; value <= 120; value++) window.tally.track("read", { entityType, value });
      let flushed = await window.tally.flush();
      while (window.tally.queueLength()) flushed = await window.tally.flush();
      return { flushed, ...window.tally.stats() };
    }, type);
    assert.equal(told.engine, "fallback");
    assert.deepEqual(
      [told.tracked, told.sent, told.delivered, told.waiting, told.dropped],
      [120, 120, 120, 0, {}],
    );
    assert.deepEqual(await valuesOf(type), upTo(120));
    const sent = proxy().requests.slice(from);
    assert.ok(sent.length > 12, `${sent.length} requests for 12 batches`);
    const bodies = new Map();
    for (const { url, body } of sent) {
      const parameters = new URL(url, strict).searchParams;
      const id = parameters.get("id") ?? parameters.get("insert_deduplication_token");
      assert.equal(bodies.get(id) ?? `${body}`, `${body}`, "the same bytes under the same id");
      bodies.set(id, `${body}`);
    }
    assert.equal(bodies.size, 12);
  });
}

test("U6 straight without wasm, rows name their site and the batch that is their token", async (t) => {
  const { page } = await openPage(t, straight());
  const from = toClickHouse.requests.length;
  assert.deepEqual((await trackAndFlush(page, "straight", 3)).flushed, {
    ok: true,
    delivered: 3,
    dropped: 0,
  });
  const [{ url }, ...others] = toClickHouse.requests.slice(from);
  assert.deepEqual(others, []);
  const found = await stack.rows(
    "SELECT DISTINCT site, toString(batch_id) AS batch, abs(dateDiff('ms', occurred_at, now64(3)))" +
      " < 60000 AS timely FROM events WHERE entity_type = 'straight'",
  );
  const token = new URL(url, strict).searchParams.get("insert_deduplication_token");
  assert.deepEqual(found, [{ site: "elsewhere", batch: token, timely: 1 }]);
});

test("S1.13 without wasm events of the last moment arrive although the page is closed", async (t) => {
  const { page } = await openPage(t, worker());
  await trackAndFlush(page, "before", 1);
  const arrived = toWorker.seen(toWorker.requests.length + 1);
  await page.evaluate(() => {
    for (let value = 1; value <= 50; value++)
      window.tally.track("read", { entityType: "last", value });
  });
  await page.close({ runBeforeUnload: true });
  await arrived;
  assert.deepEqual(await valuesOf("last"), upTo(50));
});

test("S1.11 without wasm a wrong key drops the batch and counts it by its code", async (t) => {
  const { page } = await openPage(t, { ...worker(), key: "pk_nobody" });
  const told = await trackAndFlush(page, "nobody", 3);
  assert.deepEqual(told.flushed, { ok: false, delivered: 0, dropped: 3 });
  assert.deepEqual(told.dropped, { refused_bad_key: 3 });
});

/** Calls of every kind of value; `type` keeps the rows of the two engines apart. */
const everyCall = async ({ entityType, now }) => {
  const { tally } = window;
  const cyclic = {};
  cyclic.self = cyclic;
  const calls = [
    ["plain", { entityId: "1" }],
    ["ids", { entityId: 42, userId: 9007199254740993n, ipAddress: [203, 0, 113, 77] }],
    ["value", { value: 2.5, occurredAt: new Date(now - 60_000.5) }],
    ["texts", { a: 'quote " back \\ ud800 \\ud800', b: "\ud800 alone", c: "é\u{1F600}\n\u0000" }],
    ["numbers", { a: 1, b: -1.5e-7, c: NaN, d: 10n ** 20n, e: 2 ** 53, f: -0 }],
    ["left out", { a: undefined, b: () => 1, c: Symbol("c"), d: null }],
    ["deep", { list: [1, "x", [2], { a: NaN, b: new Date(0) }], deep: { er: { still: true } } }],
    ["unreadable", { cyclic, fine: 1 }],
    ["beside", { properties: { a: 1, b: 2, value: 3 }, a: "counts" }],
    ["", { entityId: "no name" }],
    ["x".repeat(201), {}],
    ["x".repeat(200), { entityId: "é".repeat(257) }],
    ["long", { entityId: "é".repeat(256), text: "y".repeat(30_000) }],
    ["too long", { text: "y".repeat(32_768) }],
    [7, {}],
    ["array", []],
    ["hidden", {}],
    ["last", { entityId: null, value: null }],
  ];
  for (const [name, fields] of calls) tally.track(name, { entityType, ...fields });
  tally.track("array", [1]);
  tally.track("nothing", { entityType });
  const flushed = await tally.flush();
  const { tracked, delivered, dropped, droppedProperties } = tally.stats();
  return { flushed, tracked, delivered, dropped, droppedProperties };
};

for (const [way, options] of [
  ["through the worker", worker],
  ["straight", straight],
]) {
  test(`S1.8 ${way} the fallback stores the rows that the engine stores, call for call`, async (t) => {
    const told = {};
    const stored = {};
    const now = Date.now();
    for (const [engine, origin] of [
      ["wasm", permissive],
      ["fallback", strict],
    ]) {
      const { page } = await openPage(t, options(), { origin });
      const type = `twin-${way}-${engine}`;
      told[engine] = await page.evaluate(everyCall, { entityType: type, now });
      assert.equal(await page.evaluate(() => window.tally.stats().engine), engine);
      stored[engine] = await stack.rows(
        "SELECT site, name, entity_id, value, user_id, seq, toString(properties) AS properties," +
          " hostname, pathname, referrer, utm_source, utm_medium, utm_campaign, bot," +
          " toString(ip) AS ip," +
          " session_id != toUUID('00000000-0000-0000-0000-000000000000') AS session," +
          " visitor_id, uniqExact(page_id) OVER () AS pages," +
          " abs(dateDiff('second', occurred_at, received_at)) < 90 AS timely" +
          " FROM events WHERE entity_type = {type:String} ORDER BY seq",
        { params: { type } },
      );
    }
    assert.deepEqual(told.fallback, told.wasm);
    assert.deepEqual(stored.fallback, stored.wasm);
    assert.equal(stored.wasm.length, 14);
    // Half a millisecond is cut off; a worker corrects the page's clock besides.
    const given = await stack.rows(
      "SELECT DISTINCT toUnixTimestamp64Milli(occurred_at) AS at FROM events" +
        " WHERE startsWith(entity_type, 'twin-straight-') AND name = 'value'",
    );
    assert.deepEqual(given, way === "straight" ? [{ at: now - 60_001 }] : []);
    assert.deepEqual(
      stored.wasm.map(({ seq }) => seq),
      Array.from({ length: 14 }, (_, seq) => seq),
    );
  });
}
