// Named queries about entities, users and pages, by every kind of key, and the cache before them;
// and the admin's own SQL. Every expected number is counted by hand from the events above it.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { batchUrl, eventBlock, uuidV7 } from "./blocks.mjs";
import { holdUntil, refuse, startStack } from "./harness.mjs";

const ADMIN = "an-admin-key-of-at-least-thirty-two-characters";
const SECRET = "a-token-secret-of-at-least-thirty-two-characters";
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const stack = await startStack(
  { after },
  {
    behindProxy: true,
    sites: [
      { site: "open", key: "pk_open", origins: ["*"], reader_keys: ["rk_open"] },
      { site: "bound", key: "pk_bound", origins: ["https://bound.test"] },
    ],
    // What is accepted is in ClickHouse then: no group in between.
    vars: { ADMIN_KEY: ADMIN, TOKEN_SECRET: SECRET, SINK: "direct" },
  },
);
const { proxy, query } = stack;
const NOW = Date.now();

/** Sends events through the worker, as a page does. */
async function send(events, parameters) {
  const filled = events.map((event) => ({ user_id: "", value: 1, occurred_at: NOW, ...event }));
  const answer = await fetch(batchUrl(stack.site, parameters), {
    method: "POST",
    body: eventBlock(filled),
  });
  assert.equal(answer.status, 202);
}

/** Inserts older events, as a back end with a user of ClickHouse's own may. */
async function insertOld(events) {
  const lines = events.map(({ at, ...event }) =>
    JSON.stringify({
      site: "open",
      batch_id: uuidV7(),
      occurred_at: new Date(at).toISOString().replace("Z", ""),
      ...event,
    }),
  );
  await query(`INSERT INTO events FORMAT JSONEachRow ${lines.join("\n")}`);
}

/** The whole answer of a query. `bearer` goes into Authorization, everything else into the URL. */
async function ask(name, { bearer, origin, ...params } = {}) {
  const url = new URL(`/v1/query/${name}`, stack.site);
  for (const [key, value] of Object.entries({ k: "pk_open", ...params })) {
    const text = typeof value === "object" ? JSON.stringify(value) : `${value}`;
    url.searchParams.set(key, text);
  }
  const headers = {
    ...(bearer && { authorization: `Bearer ${bearer}` }),
    ...(origin && { origin }),
  };
  return (await fetch(url, { headers })).json();
}

const rowsOf = async (name, params) => {
  const { data, message } = await ask(name, params);
  assert.ok(data, message);
  return data;
};
const reading = (name, params) => rowsOf(name, { bearer: "rk_open", ...params });
const valueOf = async (name, params) => (await rowsOf(name, params))[0].value;

const times = (count, event) => Array.from({ length: count }, () => ({ ...event }));
const on = (entity_type, entity_id) => (name, more) => ({ name, entity_type, entity_id, ...more });
const date = (ago) => new Date(NOW - ago * DAY).toISOString().slice(0, 10);
const refreshRanks = async () => {
  for (const view of ["user_ranks_view", "user_received_view"]) {
    await query(`SYSTEM REFRESH VIEW ${view}`);
    await query(`SYSTEM WAIT VIEW ${view}`);
  }
};

describe("entities", () => {
  const model = on("Model", "m1");
  const other = on("Model", "m2");

  before(async () => {
    await send([
      model("View", { value: 10 }),
      model("View"),
      model("Download", { value: 3 }),
      other("View"),
      on("Model", "unseen")("Download", { value: 2.5 }),
      on("Image", "m1")("View"),
    ]);
    await send(times(5, model("View")), { b: "webdriver" });
    await insertOld([
      { ...model("View"), at: NOW - 7 * DAY + 10 * 60_000 },
      { ...model("View"), at: NOW - 7 * DAY - 10 * 60_000 },
      { ...model("View", { value: 4 }), at: NOW - 6 * DAY },
      { ...model("View"), at: NOW - 40 * DAY },
    ]);
  });

  test("S2.9 D5 entity_counts counts and sums within exactly the last days", async () => {
    const all = await rowsOf("entity_counts", { entity_type: "Model" });
    assert.deepEqual(all, [
      { entity_id: "m1", views: 4, downloads: 1, views_sum: 16, downloads_sum: 3 },
      { entity_id: "m2", views: 1, downloads: 0, views_sum: 1, downloads_sum: 0 },
      { entity_id: "unseen", views: 0, downloads: 1, views_sum: 0, downloads_sum: 2.5 },
    ]);
    const views = async (params) => {
      const counted = await rowsOf("entity_counts", { entity_type: "Model", ...params });
      return counted.map((row) => row.views);
    };
    assert.deepEqual(await views({ days: 8 }), [5, 1, 0]);
    assert.deepEqual(await views({ days: 60, limit: 1 }), [6]);
    assert.deepEqual(await rowsOf("entity_counts", { entity_type: "None" }), []);
  });

  test("S2.10 D5 daily counts and sums by day, all time", async () => {
    assert.deepEqual(await rowsOf("daily", { entity_type: "Model", id: "m1" }), [
      { date: date(40), events: 1, sum: 1 },
      ...[NOW - 7 * DAY - 600_000, NOW - 7 * DAY + 600_000]
        .map((at) => new Date(at).toISOString().slice(0, 10))
        .filter((day, index, days) => days.indexOf(day) === index)
        .map((day, index, days) => ({ date: day, events: 3 - days.length, sum: 3 - days.length })),
      { date: date(6), events: 1, sum: 4 },
      { date: date(0), events: 3, sum: 14 },
    ]);
    assert.deepEqual(await rowsOf("daily", { entity_type: "Model", id: "none" }), []);
  });

  test("S3.23 any period, both of its days included", async () => {
    const period = (from, to) => rowsOf("period", { entity_type: "Model", id: "m1", from, to });
    assert.deepEqual(await period(date(40), date(40)), [{ name: "View", events: 1, sum: 1 }]);
    assert.deepEqual(await period(date(0), date(0)), [
      { name: "Download", events: 1, sum: 3 },
      { name: "View", events: 2, sum: 11 },
    ]);
    assert.deepEqual(await period(date(39), date(20)), []);
    const { code } = await ask("period", {
      entity_type: "M",
      id: "a",
      from: "2026-02-30",
      to: "2026-03-01",
    });
    assert.equal(code, "bad_param");
  });

  test("S3.17 compare counts one fact from every table that holds it", async () => {
    const found = await reading("compare", { entity_type: "Model", id: "m1", name: "View" });
    const tables = ["entity_days", "entity_hours", "entity_totals", "event_days", "event_totals"];
    assert.deepEqual(
      found,
      [...tables, "events"].map((source) => ({ source, events: 11, sum: 23 })),
    );
  });

  test("S3.26 activity by weekday and hour", async () => {
    const at = new Date(NOW - 6 * DAY);
    const found = await reading("activity", { entity_type: "Model", name: "View", days: 28 });
    const spot = { weekday: at.getUTCDay() || 7, hour: at.getUTCHours() };
    const hit = found.find(({ weekday, hour }) => weekday === spot.weekday && hour === spot.hour);
    assert.equal(hit.events, 1);
    assert.equal(
      found.reduce((sum, { events }) => sum + events, 0),
      6,
    );
  });
});

describe("users", () => {
  const user = (id) => on("User", id);
  const upload = (type, id, user_id, more) => on(type, id)("Upload", { user_id, ...more });

  before(async () => {
    await send([
      // u1 has six followers by rows; f1 has followed twice, f2 has left, f3 came back.
      ...["f1", "f1", "f2", "f3", "f4", "f5", "f6"].map((from, at) =>
        user("u1")("Follow", { user_id: from, occurred_at: NOW - 9000 + at }),
      ),
      user("u1")("Follow", { user_id: "f2", value: -1, occurred_at: NOW - 500 }),
      user("u1")("Follow", { user_id: "f3", value: -1, occurred_at: NOW - 400 }),
      user("u1")("Follow", { user_id: "f3", occurred_at: NOW - 300 }),
      user("u2")("Follow", { user_id: "u1" }),
      user("u3")("Follow", { user_id: "u1" }),
      user("u3")("Follow", { user_id: "u1", value: -1 }),
      upload("Model", "um1", "u1"),
      upload("Model", "um1", "u1"),
      upload("Model", "um2", "u1"),
      upload("Post", "up1", "u1"),
      upload("Image", "ui1", "u1"),
      upload("Image", "ui2", "u1"),
      upload("Model", "um3", "u2"),
      on("Model", "um1")("Download", { value: 2 }),
      on("Model", "um1")("Generation", { value: 3 }),
      on("Model", "um2")("ReactionHeart", { value: 4 }),
      on("Model", "um2")("Comment"),
      on("Model", "um2")("View", { value: 5 }),
      on("Post", "up1")("ReactionLaugh"),
      on("Post", "up1")("Download"),
      on("Model", "um3")("Download", { value: 100 }),
    ]);
    await send(times(3, on("Model", "um1")("Download")), { b: "webdriver" });
    await insertOld([
      { ...on("Model", "um1")("Download", { value: 7 }), at: NOW - 31 * DAY },
      { ...on("Model", "um1")("Download", { value: 11 }), at: NOW - 30 * DAY + 60_000 },
      { ...on("Model", "um1")("Download", { value: 13 }), at: NOW - 30 * DAY - 60_000 },
      { ...on("Model", "um1")("Download", { value: 17 }), at: NOW - 29 * DAY },
      { ...user("u1")("Follow", { user_id: "f7" }), at: NOW - 50 * DAY },
    ]);
    await refreshRanks();
  });

  // 2 + 11 + 17 downloads, 3 generations, 4 hearts, a comment, and the rest at a tenth: a view of
  // 5 and three uploads.
  const SCORE = 30 * 1 + 3 * 2 + 4 * 0.5 + 1 * 1.5 + (5 + 3) * 0.1;

  test("S3.9 D1 D7 followers by rows, or by each follower's last word", async () => {
    assert.equal(await valueOf("follower_count", { id: "u1" }), 7);
    assert.equal(await valueOf("follower_count", { id: "u1", mode: "last" }), 6);
    assert.equal(await valueOf("follower_count", { id: "nobody" }), 0);
    assert.equal(await valueOf("follower_count", { id: "nobody", mode: "last" }), 0);
    const { code, message } = await ask("follower_count", { id: "u1", mode: "first" });
    assert.deepEqual([code, message], ["bad_param", "parameter mode must be one of rows, last"]);
  });

  test("D7 S3.18 both ways beside what another database has", async () => {
    const expected = { u1: 6, u3: 1 };
    const found = await reading("compare_followers", { ids: ["u1", "u2", "u3", "none"], expected });
    assert.deepEqual(found, [
      { user_id: "u1", by_rows: 7, by_last: 6, expected: 6, difference: 0 },
      { user_id: "u2", by_rows: 1, by_last: 1, expected: null, difference: null },
      // Followed and left within a millisecond: the later number of the page decides.
      { user_id: "u3", by_rows: 0, by_last: 0, expected: 1, difference: -1 },
    ]);
  });

  test("S3.11 S3.13 D2 the engagement score of the last 30 days, exactly", async () => {
    assert.ok(Math.abs((await valueOf("engagement_score", { id: "u1" })) - SCORE) < 1e-9);
    assert.equal(
      await valueOf("engagement_score", { id: "u1", days: 1, weights: { Download: 1 } }),
      2,
    );
    const weights = { Download: 0, else: 1 };
    assert.equal(
      await valueOf("engagement_score", { id: "u1", days: 1, weights }),
      3 + 4 + 1 + 5 + 3,
    );
    assert.equal(await valueOf("engagement_score", { id: "nobody" }), 0);
  });

  test("S3.10 S3.25 D8 ranks: higher scores before, equal ones share, 0 without", async () => {
    await send([upload("Model", "um4", "u4"), on("Model", "um4")("Download", { value: 100 })]);
    await refreshRanks();
    const ranks = await Promise.all(
      ["u2", "u4", "u1", "nobody"].map((id) => valueOf("user_rank", { id })),
    );
    assert.deepEqual(ranks, [1, 1, 3, 0]);
  });

  test("S3.28 a user's standing among all", async () => {
    const [standing] = await rowsOf("user_standing", { id: "u1", refresh: 1 });
    assert.ok(Math.abs(standing.score - SCORE) < 1e-9);
    assert.deepEqual(
      { ...standing, score: 0, median_score: Math.round(standing.median_score) },
      { score: 0, rank: 3, users: 3, share_below: 0, median_score: 100 },
    );
  });

  test("S3.1 S3.8 S3.12 S3.14 D3 D8 user_metrics has everything in one call", async () => {
    const before = proxy.requests.length;
    const refreshed = await metrics({ ids: ["u1", "u2", "nobody"], refresh: 1 });
    assert.equal(proxy.requests.length, before + 1);
    assert.deepEqual(refreshed, METRICS);
    assert.deepEqual(await rowsOf("user_metrics", { ids: [] }), []);
  });

  test("S3.22 user_metrics is live when it is asked to be", async () => {
    const live = { ids: ["u1", "u2", "nobody"], live: true, refresh: 1 };
    assert.deepEqual(await metrics(live), METRICS);
    await send([
      on("Model", "um3")("Download", { value: 50 }),
      user("u2")("Follow", { user_id: "f1" }),
    ]);
    const [, later] = await metrics(live);
    const { download_count, engagement_score, follower_count } = later;
    assert.deepEqual([download_count, engagement_score, follower_count], [150, 150.1, 2]);
    const [, minute] = await metrics({ ...live, live: false });
    assert.deepEqual([minute.download_count, minute.follower_count], [100, 2]);
  });

  const metrics = async (params) => {
    const found = await rowsOf("user_metrics", params);
    for (const row of found) row.engagement_score = Math.round(row.engagement_score * 1e6) / 1e6;
    return found;
  };
  const METRICS = [
    {
      user_id: "u1",
      follower_count: 7,
      following_count: 1,
      upload_count: 5,
      model_count: 2,
      post_count: 1,
      image_count: 2,
      reaction_count: 5,
      download_count: 2 + 7 + 11 + 13 + 17 + 1,
      generation_count: 3,
      engagement_score: SCORE,
      rank: 3,
    },
    {
      user_id: "u2",
      follower_count: 1,
      following_count: 0,
      upload_count: 1,
      model_count: 1,
      post_count: 0,
      image_count: 0,
      reaction_count: 0,
      download_count: 100,
      generation_count: 0,
      engagement_score: 100.1,
      rank: 1,
    },
  ];

  test("S3.13 the owner is the one known when the query runs", async () => {
    const earned = () =>
      Promise.all(["old", "new"].map((id) => valueOf("engagement_score", { id, days: 1 })));
    await send([on("Model", "moved")("Download", { value: 10 })]);
    assert.deepEqual(await earned(), [0, 0]);
    await send([upload("Model", "moved", "old", { occurred_at: NOW - 2000, value: 0 })]);
    assert.deepEqual(await earned(), [10, 0]);
    await send([upload("Model", "moved", "new", { occurred_at: NOW - 1000, value: 0 })]);
    assert.deepEqual(await earned(), [0, 10]);
  });

  test("S3.26 a user's growth by day", async () => {
    const found = await rowsOf("user_growth", { id: "u1", days: 2, refresh: 1 });
    const [first, last] = [found[0], found.at(-1)];
    assert.equal(found.length, 3);
    assert.deepEqual(first, { date: date(2), new_followers: 0, followers: 1, uploads: 0 });
    assert.deepEqual(last, { date: date(0), new_followers: 6, followers: 7, uploads: 6 });
  });

  test("S3.26 the trend of a user's engagement", async () => {
    const found = await rowsOf("engagement_trend", { id: "u1", days: 30, refresh: 1 });
    assert.equal(found.length, 31);
    assert.equal(found.find((row) => row.date === date(29)).score, 17);
    assert.equal(found.find((row) => row.date === date(5)).score, 0);
  });

  test("S3.27 how many of a week's new users came back", async () => {
    const did = (user_id, ago) => ({
      ...on("post", "r")("view", { user_id }),
      at: NOW - ago * DAY,
    });
    await insertOld([did("r1", 14), did("r1", 7), did("r2", 14), did("r2", 0)]);
    const monday = (ago) => {
      const day = new Date(NOW - ago * DAY);
      const back = (day.getUTCDay() + 6) % 7;
      return new Date(day.getTime() - back * DAY).toISOString().slice(0, 10);
    };
    const found = await reading("retention", { weeks: 2, refresh: 1 });
    const cohort = found.filter((row) => row.cohort === monday(14));
    assert.deepEqual(cohort, [
      { cohort: monday(14), week: 0, users: 2 },
      { cohort: monday(14), week: 1, users: 1 },
      { cohort: monday(14), week: 2, users: 1 },
    ]);
  });
});

describe("a page's loss", () => {
  test("is what its numbers expect, what is stored, and what it dropped itself", async () => {
    const page_id = uuidV7();
    const drop = (reason, value, seq) => ({
      name: "$dropped",
      entity_type: reason,
      entity_id: "",
      value,
      page_id,
      seq,
    });
    const view = (seq) => ({ name: "view", entity_type: "post", entity_id: "l", page_id, seq });
    await send([view(0), view(1), view(4), drop("queue_full", 3, 5), drop("queue_full", 8, 6)]);
    await send([drop("invalid", 1, 7)]);
    assert.deepEqual(await reading("loss", { page_id }), [
      { page_id, expected: 8, stored: 6, dropped: { queue_full: 8, invalid: 1 } },
    ]);
    const none = { page_id: "none", expected: 0, stored: 0, dropped: {} };
    assert.deepEqual(await reading("loss", { page_id: "none" }), [none]);
  });
});

describe("keys", () => {
  const sign = (payload) => {
    const signed = `tt1.${Buffer.from(JSON.stringify(payload)).toString("base64url")}`;
    return `${signed}.${createHmac("sha256", SECRET).update(signed).digest("base64url")}`;
  };
  const soon = Math.floor(NOW / 1000) + 600;
  const refused = async (name, params) => (await ask(name, params)).code;

  test("a public key asks public queries alone", async () => {
    assert.equal(await refused("loss", { page_id: "a" }), "forbidden");
  });

  test("a reader key asks those for readers, from anywhere, and is no parameter", async () => {
    assert.equal((await ask("loss", { page_id: "a", bearer: "rk_open" })).code, undefined);
    assert.equal(await refused("loss", { page_id: "a", k: "rk_open" }), "bad_key");
    assert.equal(await refused("loss", { page_id: "a", bearer: "rk_other" }), "bad_key");
  });

  test("a token asks what it names, about whom it names, until it ends", async () => {
    const token = sign({ site: "open", queries: ["summary", "loss"], ids: ["a"], exp: soon });
    assert.equal((await ask("summary", { id: "a", k: token })).data[0].views, 0);
    assert.equal((await ask("summary", { id: "a", bearer: token })).data[0].views, 0);
    assert.equal(await refused("summary", { id: "b", k: token }), "forbidden");
    assert.equal(await refused("loss", { page_id: "a", k: token }), "forbidden");
    assert.equal(await refused("top", { k: token }), "forbidden");
    const ended = sign({ site: "open", queries: ["summary"], exp: Math.floor(NOW / 1000) - 1 });
    assert.equal(await refused("summary", { id: "a", k: ended }), "bad_key");
    assert.equal(await refused("summary", { id: "a", k: `${token}A` }), "bad_key");
  });

  test("the admin asks everything of the site that k names", async () => {
    const { data } = await ask("loss", { page_id: "a", k: "pk_bound", bearer: ADMIN });
    assert.equal(data[0].stored, 0);
  });
});

describe("the cache", () => {
  const asked = () => proxy.requests.length;
  const params = { entity_type: "Cached" };

  test("S3.15 serves an answer again, and says when it was computed", async () => {
    await send([on("Cached", "c1")("View")]);
    const from = asked();
    const first = await ask("entity_counts", params);
    await send([on("Cached", "c1")("View")]);
    const again = await ask("entity_counts", params);
    assert.equal(asked(), from + 2, "one query, one insert");
    assert.deepEqual([first.cached_at, first.data[0].views], [null, 1]);
    assert.deepEqual(again.data, first.data);
    assert.ok(again.cached_at >= NOW && again.cached_at <= Date.now());
  });

  test("S3.15 refresh=1 computes it anew, for the others too", async () => {
    const fresh = await ask("entity_counts", { ...params, refresh: 1 });
    assert.deepEqual([fresh.cached_at, fresh.data[0].views], [null, 2]);
    assert.equal((await ask("entity_counts", params)).data[0].views, 2);
  });

  test("keeps parameters and sites apart", async () => {
    const from = asked();
    await ask("entity_counts", { ...params, days: 8 });
    await ask("entity_counts", { ...params, k: "pk_bound", origin: "https://bound.test" });
    await ask("entity_counts", { ...params, days: 7 });
    assert.equal(asked(), from + 2);
  });

  test("sends one request for many that ask at once", async () => {
    const once = { entity_type: "Once" };
    const from = asked();
    let release;
    proxy.next(holdUntil(new Promise((resolve) => (release = resolve))));
    const answers = [ask("entity_counts", once)];
    await proxy.seen(from + 1);
    answers.push(ask("entity_counts", once), ask("entity_counts", once));
    // A query without a cache goes its own way meanwhile.
    await ask("summary", { id: "a" });
    release();
    const [first, ...others] = await Promise.all(answers);
    assert.equal(asked(), from + 2);
    assert.equal(first.cached_at, null);
    for (const other of others) assert.deepEqual(other.data, first.data);
  });

  test("a request that fails leaves the next to try itself", async () => {
    proxy.next(refuse);
    assert.equal((await ask("entity_counts", { entity_type: "Failed" })).code, "upstream");
    assert.deepEqual((await ask("entity_counts", { entity_type: "Failed" })).data, []);
  });

  test("several at once come from it one by one", async () => {
    const url = new URL("/v1/query?k=pk_open", stack.site);
    const queries = [
      { name: "entity_counts", params },
      { name: "summary", params: { id: "c1" } },
    ];
    const answer = await fetch(url, { method: "POST", body: JSON.stringify({ queries }) });
    const [counts, summary] = await answer.json();
    assert.equal(counts.data[0].views, 2);
    assert.ok(counts.cached_at);
    assert.equal(summary.cached_at, null);
  });
});

describe("POST /v1/sql", () => {
  async function sql(statement, parameters = "", key = ADMIN) {
    const url = new URL(`/v1/sql${parameters}`, stack.site);
    const headers = { authorization: `Bearer ${key}` };
    const answer = await fetch(url, { method: "POST", headers, body: statement });
    return { status: answer.status, body: await answer.json() };
  }

  test("answers as a query does", async () => {
    const { status, body } = await sql("SELECT 1 AS one, 'a\nb' AS text, toUInt64(2) AS n");
    assert.equal(status, 200);
    assert.deepEqual(body, {
      data: [{ one: 1, text: "a\nb", n: 2 }],
      columns: [
        { name: "one", type: "UInt8" },
        { name: "text", type: "String" },
        { name: "n", type: "UInt64" },
      ],
      cached_at: null,
    });
    const none = await sql("SELECT 1 AS one WHERE 0");
    assert.deepEqual([none.status, none.body.data], [200, []]);
  });

  test("takes values beside the statement, whatever they hold", async () => {
    const value = "it's\ta\\b\nc";
    const parameters = `?param_a=${encodeURIComponent(value)}&param_n=5`;
    const { body } = await sql("SELECT {a:String} AS a, {n:UInt8} AS n", parameters);
    assert.deepEqual(body.data, [{ a: value, n: 5 }]);
  });

  const cases = [
    ["an insert", "INSERT INTO events (name) VALUES ('x')", 403, "forbidden"],
    ["a new table", "CREATE TABLE mine (a Int8) ENGINE = Memory", 403, "forbidden"],
    ["a setting", "SELECT 1 SETTINGS max_execution_time = 0", 403, "forbidden"],
    ["too long a result", "SELECT * FROM numbers(200000)", 403, "forbidden"],
    ["another database's users", "SELECT * FROM system.users", 403, "forbidden"],
    ["a file", "SELECT * FROM file('/etc/passwd', 'LineAsString')", 403, "forbidden"],
    ["another server", "SELECT * FROM url('http://127.0.0.1:1/', CSV, 'a Int8')", 403, "forbidden"],
    ["a typing error", "SELEC 1", 400, "bad_param"],
    ["two statements", "SELECT 1; SELECT 2", 400, "bad_param"],
    ["another format", "SELECT 1 FORMAT CSV", 400, "bad_param"],
    ["nothing", "", 400, "bad_param"],
  ];
  for (const [what, statement, status, code] of cases) {
    test(`${what} is ${status} ${code}`, async () => {
      const refused = await sql(statement);
      assert.deepEqual([refused.status, refused.body.code], [status, code], refused.body.message);
    });
  }

  test("parameters that are no values are 400 bad_param", async () => {
    for (const parameters of ["?readonly=0", "?user=default", "?query=SELECT", "?param_=1"]) {
      assert.equal((await sql("SELECT 1", parameters)).body.code, "bad_param", parameters);
    }
  });

  test("any other key is 401 bad_key, and the statement is not sent", async () => {
    const from = proxy.requests.length;
    for (const key of ["pk_open", "rk_open", ""]) {
      assert.equal((await sql("SELECT 1", "", key)).status, 401);
    }
    assert.equal(proxy.requests.length, from);
  });

  test("a statement over its cap is 413 too_large", async () => {
    const { status } = await sql(`SELECT '${"x".repeat(100_000)}'`);
    assert.equal(status, 413);
  });
});
