// The package in a real page on another origin, under a strict CSP: through the worker and
// straight to ClickHouse, with answers that get lost on the way.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { startElsewhere, trackAndFlush, upTo } from "./elsewhere.mjs";
import { answer, loseAnswer } from "./harness.mjs";

const elsewhere = await startElsewhere({ after }, { usual: "'self' 'wasm-unsafe-eval'" });
const { stack, toWorker, toClickHouse, worker, straight, valuesOf } = elsewhere;
const openPage = elsewhere.open;
const origin = elsewhere.origins.usual;

test("U7 U9 from another origin under a strict CSP, events pass the worker without a preflight", async (t) => {
  const { page, problems } = await openPage(t, worker());
  const from = toWorker.requests.length;
  assert.deepEqual((await trackAndFlush(page, "worker", 30)).flushed, {
    ok: true,
    delivered: 30,
    dropped: 0,
  });
  assert.deepEqual(await valuesOf("worker"), upTo(30));

  const [row] = await stack.rows(
    "SELECT site, name, entity_id, hostname, pathname, utm_source, utm_medium, utm_campaign, bot," +
      " toString(properties) AS properties, seq, toString(ip) AS ip," +
      " abs(dateDiff('second', occurred_at, received_at)) < 60 AS timely" +
      " FROM events WHERE entity_type = 'worker' AND value = 7",
  );
  assert.deepEqual(row, {
    site: "demo",
    name: "read",
    entity_id: "e1",
    hostname: "127.0.0.1",
    pathname: "/",
    utm_source: "news",
    utm_medium: "",
    utm_campaign: "autumn",
    bot: "",
    properties: '{"words":7}',
    seq: 6,
    ip: "::",
    timely: 1,
  });
  assert.deepEqual(
    toWorker.requests.slice(from).map(({ method, status }) => [method, status]),
    [["POST", 202]],
  );
  assert.deepEqual(problems, []);
});

test("U6 straight to ClickHouse from another origin, without a preflight and under the token", async (t) => {
  const { page, problems } = await openPage(t, straight());
  assert.deepEqual((await trackAndFlush(page, "straight", 30)).flushed, {
    ok: true,
    delivered: 30,
    dropped: 0,
  });
  assert.deepEqual(await valuesOf("straight"), upTo(30));
  const [{ batches, sites }] = await stack.rows(
    "SELECT groupUniqArray(toString(batch_id)) AS batches, groupUniqArray(site) AS sites" +
      " FROM events WHERE entity_type = 'straight'",
  );
  const [request, ...others] = toClickHouse.requests;
  assert.deepEqual(others, []);
  assert.equal(request.method, "POST");
  const token = new URL(request.url, origin).searchParams.get("insert_deduplication_token");
  assert.deepEqual(batches, [token]);
  assert.deepEqual(sites, ["elsewhere"]);
  assert.deepEqual(problems, []);
});

for (const [way, options, proxy] of [
  ["through the worker", worker, () => toWorker],
  ["straight", straight, () => toClickHouse],
]) {
  test(`S4.15 S4.20 D13 ${way}, a lost answer and a 500 leave each event exactly once`, async (t) => {
    const { page } = await openPage(t, options());
    const type = `lost-${way}`;
    const from = proxy().requests.length;
    proxy().next(loseAnswer, answer(500, "<html>trouble</html>"));
    const { flushed } = await trackAndFlush(page, type, 20);
    assert.deepEqual(flushed, { ok: true, delivered: 20, dropped: 0 });
    assert.deepEqual(await valuesOf(type), upTo(20));
    const sent = proxy().requests.slice(from);
    assert.ok(sent.length >= 3, `${sent.length} requests`);
    for (const { body } of sent) assert.deepEqual(body, sent[0].body, "the same bytes");
  });
}

test("S1.2 U5 1,000 events at once leave as two batches of 500, in order", async (t) => {
  const { page } = await openPage(t, worker());
  const from = toWorker.requests.length;
  assert.equal((await trackAndFlush(page, "thousand", 1_000)).flushed.delivered, 1_000);
  assert.deepEqual(await valuesOf("thousand"), upTo(1_000));
  assert.equal(toWorker.requests.length - from, 2);
  const [{ ordered }] = await stack.rows(
    "SELECT countIf(value != seq + 1) = 0 AS ordered FROM events WHERE entity_type = 'thousand'",
  );
  assert.equal(ordered, 1);
});

test("S1.13 events of the last moment arrive although the page is closed", async (t) => {
  const { page } = await openPage(t, worker());
  await trackAndFlush(page, "before", 1);
  const arrived = toWorker.seen(toWorker.requests.length + 1);
  await page.evaluate(() => {
    for (let value = 1; value <= 50; value++)
      window.tally.track("read", { entityType: "last", value });
  });
  await page.close({ runBeforeUnload: true });
  const request = await arrived;
  assert.equal(new URL(request.url, origin).pathname, "/v1/batch");
  assert.deepEqual(await valuesOf("last"), upTo(50));
});

const GZIP = Buffer.from([0x1f, 0x8b]);
const isGzip = ({ body }) => body.subarray(0, 2).equals(GZIP);

test("a small batch travels as gzip, a large one as it is, and a retry under its id counts once", async (t) => {
  const { page } = await openPage(t, worker());
  const from = toWorker.requests.length;
  toWorker.next(loseAnswer);
  for (const [type, rows] of [
    ["small", 20],
    ["large", 200],
  ]) {
    assert.equal((await trackAndFlush(page, type, rows)).flushed.delivered, rows);
    assert.deepEqual(await valuesOf(type), upTo(rows));
  }
  assert.deepEqual(toWorker.requests.slice(from).map(isGzip), [true, true, false]);
});

test("a batch that is being compressed when the page goes leaves at once as it is", async (t) => {
  const { page } = await openPage(t, { ...worker(), journalBytes: 0 });
  await trackAndFlush(page, "before", 1);
  const arrived = toWorker.seen(toWorker.requests.length + 1);
  await page.evaluate(() => {
    window.CompressionStream = class extends TransformStream {
      constructor() {
        super({ transform: () => new Promise(() => {}) });
      }
    };
    for (let value = 1; value <= 20; value++)
      window.tally.track("read", { entityType: "squeezed", value });
    window.tally.flush();
  });
  await page.close({ runBeforeUnload: true });
  assert.equal(isGzip(await arrived), false);
  assert.deepEqual(await valuesOf("squeezed"), upTo(20));
});

test("S1.11 a wrong key drops the batch and counts it by its code", async (t) => {
  const { page } = await openPage(t, { ...worker(), key: "pk_nobody" });
  const { flushed, dropped } = await trackAndFlush(page, "nobody", 3);
  assert.deepEqual(flushed, { ok: false, delivered: 0, dropped: 3 });
  assert.deepEqual(dropped, { refused_bad_key: 3 });
  assert.deepEqual(await valuesOf("nobody"), []);
});

test("S1.12 with debug each batch is told on the console with its number of events", async (t) => {
  const { page } = await openPage(t, { ...worker(), debug: true });
  const lines = [];
  page.on("console", (message) => {
    const [text] = message.text().split(" {");
    lines.push(`${message.type()}: ${text}`);
  });
  toWorker.next(answer(500, "<html>trouble</html>"));
  await trackAndFlush(page, "told", 3);
  // Beside what Chromium itself says of the failure.
  const told = lines.filter((line) => line.includes("[tallymark]"));
  assert.deepEqual(told, [
    "debug: [tallymark] 3 events again",
    "debug: [tallymark] 3 events accepted",
  ]);
});

test("D12 ids of every width, UUIDs and texts are kept as they are, and times to the millisecond", async (t) => {
  const { page } = await openPage(t, straight());
  const uuid = "0190a2b4-0000-7000-8000-00000000000f";
  const at = 1_795_435_200_123;
  await page.evaluate(
    ({ uuid, at }) => {
      const ids = [-2147483648, 18446744073709551615n, uuid, "a slug/é"];
      for (const [seconds, entityId] of ids.entries()) {
        const occurredAt = at + 1_000 * seconds;
        tally.track("read", { entityType: "wide", entityId, userId: entityId, occurredAt });
      }
      return tally.flush();
    },
    { uuid, at },
  );
  const found = await stack.rows(
    "SELECT entity_id, user_id, toUnixTimestamp64Milli(occurred_at) AS at FROM events" +
      " WHERE entity_type = 'wide' ORDER BY seq",
  );
  assert.deepEqual(
    found,
    ["-2147483648", "18446744073709551615", uuid, "a slug/é"].map((id, seconds) => ({
      entity_id: id,
      user_id: id,
      at: at + 1_000 * seconds,
    })),
  );
});

test("S0.17 S0.23 S3.22 U8 the first query after a flush has what it delivered", async (t) => {
  const { page } = await openPage(t, worker());
  const answers = await page.evaluate(async () => {
    const { tally } = window;
    for (const id of ["p1", "p1", "p2"]) tally.posts.trackView(id);
    tally.posts.trackLike("p1", { userId: "7" });
    tally.posts.trackComment("p1");
    tally.posts.trackDeleteComment("p1");
    await tally.flush();
    return {
      summary: await tally.posts.getSummary("p1"),
      bulk: Object.fromEntries(await tally.posts.getBulkSummaries(["p1", "p2", "unknown"])),
      hours: await tally.posts.getHourlyViews("p1", 1),
      none: Object.fromEntries(await tally.posts.getBulkSummaries([])),
    };
  });
  const { views, likes, unlikes, comments, shares, net_comments } = answers.summary;
  assert.deepEqual(
    { views, likes, unlikes, comments, shares, net_comments },
    { views: 2, likes: 1, unlikes: 0, comments: 1, shares: 0, net_comments: 0 },
  );
  assert.deepEqual(Object.keys(answers.bulk).sort(), ["p1", "p2"]);
  assert.equal(answers.bulk.p2.views, 1);
  assert.equal(
    answers.hours.reduce((sum, { views }) => sum + views, 0),
    2,
  );
  assert.deepEqual(answers.none, {});
});
