// People in a real page: what they do arrives under their names, what they refuse does not, and what
// is kept of them is what was allowed.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

import { launchChromium, serveOrigin, startProxy, startStack } from "./harness.mjs";

const PACKAGE = fileURLToPath(new URL("../../pkg", import.meta.url));

const scope = { after };
const proxy = await startProxy(scope);
const { origin } = await serveOrigin(scope, {
  folder: PACKAGE,
  pages: { "/": "<!doctype html><title>People</title>" },
});
// What is accepted is in ClickHouse then: no group in between.
const stack = await startStack(scope, { origins: [origin], vars: { SINK: "direct" } });
proxy.target = stack.site;
// Preflights and files are not what is looked at.
proxy.only = ({ method, url }) => method === "POST" && url.startsWith("/v1/batch");
const browser = await launchChromium(scope);

async function openContext(t) {
  const context = await browser.newContext();
  t.after(() => context.close());
  return context;
}

/** A page whose `window.tally` is a tracker with these options; `asked` is what it fetched. */
async function openPage(context, options, path = "/") {
  const page = await context.newPage();
  const asked = [];
  await page.goto(`${origin}${path}`);
  await page.evaluate(async () => {
    window.init = (await import("/people.js")).init;
  });
  page.on("request", (request) => asked.push(new URL(request.url()).pathname));
  await page.evaluate(
    (options) => {
      const { fetch } = window;
      window.answers = [];
      window.fetch = (...request) => {
        const response = fetch(...request);
        window.answers.push(response.then(({ status }) => status));
        return response;
      };
      window.batches = [];
      window.tally = window.init({
        ...options,
        onBatch: ({ outcome }) => window.batches.push(outcome),
      });
    },
    { endpoint: proxy.url, key: stack.key, ...options },
  );
  return { page, asked };
}

const flush = (page) => page.evaluate(() => window.tally.flush());

/** The events of one type of entity, or with one property `of`, in order. */
const eventsOf = (of) =>
  stack.rows(
    "SELECT name, user_id, visitor_id, toString(session_id) AS session, toString(page_id) AS page," +
      " seq, value, entity_type, entity_id, pathname, toString(properties) AS properties FROM events" +
      " WHERE properties.of = {of:String} OR entity_type = {of:String} ORDER BY page_id, seq",
    { params: { of } },
  );

/** How many records are in the page's storage. */
const recordsOf = (page) =>
  page.evaluate(
    () =>
      new Promise((resolve, reject) => {
        const opening = indexedDB.open("tallymark", 1);
        opening.onerror = () => reject(opening.error);
        opening.onsuccess = () => {
          const counting = opening.result.transaction("records").objectStore("records").count();
          counting.onsuccess = () => {
            opening.result.close();
            resolve(counting.result);
          };
        };
      }),
  );

test("S4.2 S4.3 S4.5 S4.6 S4.7 D14 what people do is stored under their names, exactly", async (t) => {
  const { page } = await openPage(await openContext(t), { groupTypeIndex: { company: 0 } });
  await page.evaluate(() => {
    const { tally } = window;
    const of = "verbs";
    tally.track("before", { of });
    tally.capture("u1", "bought", { of, price: 5 }, { company: "acme" });
    tally.identify("u1", { of, $set: "mine" });
    tally.groupIdentify("company", "acme", { size: 3 });
    tally.alias("u1", "visitor");
    tally.track("after", { of });
    tally.reset();
    tally.track("again", { of });
    return tally.flush();
  });
  const rows = await stack.rows(
    "SELECT name, user_id, seq, toString(properties) AS properties, page_id IN" +
      " (SELECT page_id FROM events WHERE name = 'before' AND properties.of = 'verbs') AS first" +
      " FROM events WHERE session_id IN (SELECT session_id FROM events WHERE properties.of = 'verbs')" +
      " ORDER BY first DESC, seq",
  );
  assert.deepEqual(
    rows.map(({ properties, ...row }) => ({ ...row, properties: JSON.parse(properties) })),
    [
      { name: "before", user_id: "", seq: 0, first: 1, properties: { of: "verbs" } },
      {
        name: "bought",
        user_id: "u1",
        seq: 1,
        first: 1,
        properties: { of: "verbs", price: 5, $groups: { company: "acme" }, $group_0: "acme" },
      },
      {
        name: "$identify",
        user_id: "u1",
        seq: 2,
        first: 1,
        properties: { of: "verbs", $set: { of: "verbs", $set: "mine" } },
      },
      {
        name: "$groupidentify",
        user_id: "acme",
        seq: 3,
        first: 1,
        properties: { $group_type: "company", $group_key: "acme", $group_set: { size: 3 } },
      },
      {
        name: "$create_alias",
        user_id: "u1",
        seq: 4,
        first: 1,
        properties: { alias: "visitor", distinct_id: "u1" },
      },
      { name: "after", user_id: "u1", seq: 5, first: 1, properties: { of: "verbs" } },
      { name: "again", user_id: "", seq: 0, first: 0, properties: { of: "verbs" } },
    ],
  );
  const [before, , , again] = (await eventsOf("verbs")).filter(({ name }) => name !== "after");
  assert.notEqual(again.session, before.session);
  assert.notEqual(again.page, before.page);
});

test("S3.5 S3.6 S3.7 S3.8 S3.9 S3.12 D3 follows and uploads arrive, and the queries count them", async (t) => {
  const { page, asked } = await openPage(await openContext(t), {});
  const answers = await page.evaluate(async () => {
    const { tally } = window;
    const { users } = tally;
    for (const follower of [901, 902, 903]) users.recordFollow(follower, 900, true);
    users.recordFollow(903, 900, false);
    users.recordFollow(900, 901);
    for (const model of [1, 2, 2]) users.recordUpload(900, "Model", model);
    users.recordUpload(900, "Post", 1);
    users.recordUpload(900, "Image", 1);
    users.recordEngagement(900, 12.5);
    await tally.flush();
    return {
      metrics: [...(await users.getUserMetrics([900, 901, 999]))],
      none: (await users.getUserMetrics([])).size,
      followers: await users.getUserFollowerCount(900),
      nobody: await users.getUserFollowerCount(999),
      rank: await users.getUserRank(999),
      score: await users.calculateEngagementScore(999),
    };
  });
  const queries = asked.filter((path) => path === "/v1/query/user_metrics");
  assert.equal(queries.length, 1, "all users in one query, nobody in none");
  const [[id, metrics], [other, others]] = answers.metrics;
  assert.deepEqual([answers.metrics.length, id, other], [2, 900, 901]);
  const { follower_count, following_count, upload_count, model_count, post_count, image_count } =
    metrics;
  assert.deepEqual(
    { follower_count, following_count, upload_count, model_count, post_count, image_count },
    {
      follower_count: 2,
      following_count: 1,
      upload_count: 4,
      model_count: 2,
      post_count: 1,
      image_count: 1,
    },
  );
  assert.deepEqual([others.follower_count, others.following_count], [1, 1]);
  assert.deepEqual(
    [answers.none, answers.followers, answers.nobody, answers.rank, answers.score],
    [0, 2, 0, 0, 0],
  );
  const [engagement] = await stack.rows(
    "SELECT entity_type, entity_id, user_id, value FROM events WHERE name = 'Engagement'",
  );
  assert.deepEqual(engagement, {
    entity_type: "User",
    entity_id: "900",
    user_id: "900",
    value: 12.5,
  });
});

test("S2.3 S2.4 an awaited metric is in the table when it says so, and says when it is not", async (t) => {
  const { page } = await openPage(await openContext(t), {});
  const count = (metric) => page.evaluate((metric) => window.tally.entityMetric(metric), metric);
  const metric = { entityType: "awaited", entityId: 1, metricType: "Download", metricValue: 2 };
  assert.deepEqual(await count(metric), { ok: true, delivered: 1, dropped: 0 });
  const [{ name, value, entity_id }] = await eventsOf("awaited");
  assert.deepEqual({ name, value, entity_id }, { name: "Download", value: 2, entity_id: "1" });
  // Its name is too long: found out by the core.
  const invalid = await count({ ...metric, metricType: "x".repeat(201) });
  assert.deepEqual(invalid, { ok: false, delivered: 0, dropped: 1 });
});

test("consent pending asks for nothing and stores nothing; granted, all arrives with its times", async (t) => {
  const { page, asked } = await openPage(await openContext(t), {
    consent: "pending",
    visitor: true,
  });
  await page.evaluate(() => {
    window.tally.track("one", { of: "pending" });
    window.tally.identify("u1", { of: "pending" });
  });
  // Three times what the first event of a burst waits for others.
  await page.evaluate(() => new Promise((later) => setTimeout(later, 300)));
  const kept = await page.evaluate(async () => [
    localStorage.length,
    (await indexedDB.databases()).length,
    document.cookie,
  ]);
  assert.deepEqual([asked, kept], [[], [0, 0, ""]]);
  await page.evaluate(() => {
    window.tally.track("two", { of: "pending" });
    return window.tally.consent("granted");
  });
  assert.equal((await flush(page)).ok, true);
  const rows = await eventsOf("pending");
  assert.deepEqual(
    rows.map(({ name, user_id, seq }) => [name, user_id, seq]),
    [
      ["one", "", 0],
      ["$identify", "u1", 1],
      ["two", "u1", 2],
    ],
  );
});

test("a batch that is being compressed when the visitor says no is never posted", async (t) => {
  const { page } = await openPage(await openContext(t), { journalBytes: 0 });
  const from = proxy.requests.length;
  const found = await page.evaluate(async () => {
    const isCompressing = new Promise((begin) => {
      window.CompressionStream = class extends TransformStream {
        constructor() {
          super({ transform: () => new Promise(() => {}) });
          begin();
        }
      };
    });
    for (let at = 0; at < 20; at++) window.tally.track("read", { of: "squeezed" });
    window.tally.flush();
    await isCompressing;
    const fetched = window.answers.length;
    await window.tally.consent("denied");
    return { posted: window.answers.length - fetched, dropped: window.tally.stats().dropped };
  });
  assert.deepEqual(found, { posted: 0, dropped: { consent: 20 } });
  assert.equal(proxy.requests.length, from);
});

test("consent denied ends the engine: what waits is dropped, storage is empty, nothing is sent", async (t) => {
  const context = await openContext(t);
  const { page } = await openPage(context, { visitor: true });
  await page.evaluate(() => window.tally.track("one", { of: "denied" }));
  assert.equal((await flush(page)).delivered, 1);
  let release;
  const released = new Promise((resolve) => (release = resolve));
  proxy.next(async () => {
    await released;
    return { status: 500, headers: { "access-control-allow-origin": "*" }, body: "" };
  });
  const from = proxy.requests.length;
  await page.evaluate(() => {
    window.tally.track("two", { of: "denied" });
    window.tally.flush();
  });
  await proxy.seen(from + 1);
  assert.equal(await recordsOf(page), 1);
  await page.evaluate(() => window.tally.consent("denied"));
  const tries = proxy.requests.length;
  release();
  const answers = await page.evaluate(() => Promise.all(window.answers));
  assert.equal(answers.at(-1), 500);
  // An engine that ran would send what waits once more.
  await page.evaluate(() => {
    Object.defineProperty(document, "visibilityState", { value: "hidden" });
    document.dispatchEvent(new Event("visibilitychange"));
  });
  const result = await page.evaluate(() => {
    window.tally.track("three", { of: "denied" });
    return window.tally.flush();
  });
  assert.deepEqual(result, { ok: false, delivered: 0, dropped: 2 });
  const { stats, kept } = await page.evaluate(() => ({
    stats: window.tally.stats(),
    kept: { ...localStorage },
  }));
  const { engine, tracked, delivered, waiting, dropped } = stats;
  assert.deepEqual(
    { engine, tracked, delivered, waiting, dropped },
    { engine: "none", tracked: 3, delivered: 1, waiting: 0, dropped: { consent: 2 } },
  );
  assert.deepEqual([kept, await recordsOf(page)], [{ tallymark: "denied" }, 0]);
  assert.deepEqual(await page.evaluate(() => window.batches), ["accepted"]);

  // The next page keeps to it, until the visitor says yes.
  const { page: next, asked } = await openPage(context, {});
  await next.evaluate(() => window.tally.track("four", { of: "denied" }));
  assert.deepEqual(await flush(next), { ok: false, delivered: 0, dropped: 1 });
  assert.deepEqual(asked, []);
  await next.evaluate(async () => {
    await window.tally.consent("granted");
    window.tally.track("five", { of: "denied" });
  });
  assert.deepEqual(await flush(next), { ok: true, delivered: 1, dropped: 0 });
  const rows = await eventsOf("denied");
  assert.deepEqual(rows.map(({ name }) => name).sort(), ["five", "one"]);
  assert.equal(proxy.requests.length, tries + 1);
});

test("visitor: true keeps visitor and session over pages and tabs, each with a page id of its own", async (t) => {
  const context = await openContext(t);
  const of = "visitor";
  for (const path of ["/?tab=1", "/?tab=2"]) {
    const { page } = await openPage(context, { visitor: true }, path);
    await page.evaluate((of) => window.tally.track("view", { of }), of);
    assert.equal((await flush(page)).delivered, 1);
    // Written in a task after the event.
    await page.waitForFunction(() => localStorage.getItem("tallymark session"));
  }
  const rows = await eventsOf(of);
  const distinct = (column) => new Set(rows.map((row) => row[column])).size;
  assert.deepEqual(
    [rows.length, distinct("visitor_id"), distinct("session"), distinct("page")],
    [2, 1, 1, 2],
  );
  assert.match(rows[0].visitor_id, /^[0-9a-f-]{36}$/);

  const { page } = await openPage(context, {});
  await page.evaluate((of) => window.tally.track("view", { of: `no ${of}` }), of);
  await flush(page);
  const [{ visitor_id }] = await eventsOf("no visitor");
  assert.equal(visitor_id, "");
});

test("automatic page views are the visitor's, one page each, and end with a no", async (t) => {
  const options = { auto: { pageViews: true }, visitor: true };
  const { page } = await openPage(await openContext(t), options);
  const tracked = (count) =>
    page.waitForFunction((count) => window.tally.stats().tracked === count, count);
  await tracked(1);
  await page.evaluate(() => history.pushState(null, "", "/second"));
  await tracked(2);
  await flush(page);
  // A new page's id sorts anywhere.
  const byPath = async () =>
    (await eventsOf("page")).sort((one, other) => (one.entity_id < other.entity_id ? -1 : 1));
  const stored = async () =>
    (await byPath()).map(({ name, entity_id, seq }) => ({ name, entity_id, seq }));
  const views = [
    { name: "page_view", entity_id: "/", seq: 0 },
    { name: "page_view", entity_id: "/second", seq: 0 },
  ];
  assert.deepEqual(await stored(), views);
  const [first, second] = await byPath();
  assert.match(first.visitor_id, /^[0-9a-f-]{36}$/);
  assert.deepEqual(
    [second.visitor_id, second.session, second.page === first.page],
    [first.visitor_id, first.session, false],
  );
  await page.evaluate(() => window.tally.consent("denied"));
  await page.evaluate(() => history.pushState(null, "", "/third"));
  await page.waitForFunction(() => window.tally.stats().dropped.consent === 1);
  await flush(page);
  assert.deepEqual(await stored(), views);
});
