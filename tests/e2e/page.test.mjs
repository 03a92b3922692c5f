// The package in a real page on another origin, under a strict CSP: through the worker and
// straight to ClickHouse, with answers that get lost on the way.

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { after, test } from "node:test";

import {
  answer,
  launchChromium,
  loseAnswer,
  serveOrigin,
  startProxy,
  startStack,
} from "./harness.mjs";

const PACKAGE = fileURLToPath(new URL("../../pkg", import.meta.url));

const scope = { after };
/** In front of the worker and of ClickHouse: what the page sends passes here, and may get lost. */
const toWorker = await startProxy(scope);
const toClickHouse = await startProxy(scope);
const csp = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  `connect-src 'self' ${toWorker.url} ${toClickHouse.url}`,
];
const { origin } = await serveOrigin(scope, {
  folder: PACKAGE,
  pages: { "/": "<!doctype html><title>Elsewhere</title>" },
  headers: { "content-security-policy": csp.join("; ") },
});
// What is accepted is in ClickHouse then: no group in between.
const stack = await startStack(scope, { origins: [origin], vars: { SINK: "direct" } });
toWorker.target = stack.site;
toClickHouse.target = stack.clickhouse;
const browser = await launchChromium(scope);

/** A page on the other origin whose `window.tally` is a tracker with these options. */
async function openPage(t, options) {
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  const problems = [];
  page.on("pageerror", (error) => problems.push(error));
  await page.goto(`${origin}/?utm_source=news&utm_campaign=autumn`);
  await page.evaluate(async (options) => {
    const { init } = await import("/index.js");
    window.tally = init(options);
  }, options);
  return { page, problems };
}

const worker = () => ({ endpoint: toWorker.url, key: stack.key });

const straight = () => ({
  clickhouse: {
    url: toClickHouse.url,
    database: stack.database,
    user: stack.users.page.user,
    password: stack.users.page.password,
    site: "elsewhere",
  },
});

/** `rows` events on posts of this type, each with its own value; answers what `flush` said. */
const trackAndFlush = (page, entityType, rows) =>
  page.evaluate(
    ({ entityType, rows }) => {
      for (let value = 1; value <= rows; value++) {
        window.tally.track("read", { entityType, entityId: `e${value % 3}`, value, words: value });
      }
      return window.tally.flush();
    },
    { entityType, rows },
  );

/** The values stored for a type, and that their rollups agree with them. */
async function valuesOf(entityType) {
  const params = { entityType };
  const [raw] = await stack.rows(
    "SELECT arraySort(groupArray(value)) AS found, count() AS rows, sum(value) AS sum," +
      " uniqExact(page_id, seq) AS identities" +
      " FROM events WHERE entity_type = {entityType:String}",
    { params },
  );
  for (const rollup of ["entity_totals", "entity_hours"]) {
    const [sums] = await stack.rows(
      `SELECT sum(rows) AS rows, sum(value_sum) AS sum FROM ${rollup}` +
        " WHERE entity_type = {entityType:String}",
      { params },
    );
    assert.deepEqual(sums, { rows: raw.rows, sum: raw.sum }, rollup);
  }
  assert.equal(raw.identities, raw.rows, "each row has an identity of its own");
  return raw.found;
}

const upTo = (last) => Array.from({ length: last }, (_, at) => at + 1);

test("U7 U9 S4.9 from another origin under a strict CSP, events pass the worker without a preflight", async (t) => {
  const { page, problems } = await openPage(t, worker());
  const from = toWorker.requests.length;
  assert.deepEqual(await trackAndFlush(page, "worker", 30), {
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
  assert.deepEqual(await trackAndFlush(page, "straight", 30), {
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
    assert.deepEqual(await trackAndFlush(page, type, 20), { ok: true, delivered: 20, dropped: 0 });
    assert.deepEqual(await valuesOf(type), upTo(20));
    const sent = proxy().requests.slice(from);
    assert.ok(sent.length >= 3, `${sent.length} requests`);
    for (const { body } of sent) assert.deepEqual(body, sent[0].body, "the same bytes");
  });
}

test("S1.2 U5 1,000 events at once leave as two batches of 500, in order", async (t) => {
  const { page } = await openPage(t, worker());
  const from = toWorker.requests.length;
  assert.equal((await trackAndFlush(page, "thousand", 1_000)).delivered, 1_000);
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
  await allStored("last", 50);
  assert.deepEqual(await valuesOf("last"), upTo(50));
});

/** Asks until the events and both rollups have that many rows: an insert reaches them in turn. */
async function allStored(entityType, rows) {
  const tables = ["events", "entity_totals", "entity_hours"].map(
    (table) =>
      `(SELECT ${table === "events" ? "count()" : "sum(rows)"} FROM ${table}` +
      " WHERE entity_type = {entityType:String})",
  );
  for (;;) {
    const [{ least }] = await stack.rows(`SELECT least(${tables.join()}) AS least`, {
      params: { entityType },
    });
    if (least >= rows) return;
  }
}

test("S1.11 a wrong key drops the batch and counts it by its code", async (t) => {
  const { page } = await openPage(t, { ...worker(), key: "pk_nobody" });
  assert.deepEqual(await trackAndFlush(page, "nobody", 3), { ok: false, delivered: 0, dropped: 3 });
  const { dropped } = await page.evaluate(() => window.tally.stats());
  assert.deepEqual(dropped, { refused_bad_key: 3 });
  assert.deepEqual(await valuesOf("nobody"), []);
});

test("S0.17 S0.23 U8 the page reads its own counts back by the queries", async (t) => {
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
