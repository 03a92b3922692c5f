// How an organisation moves its users' numbers here: its services record beside the database that
// they have, both are compared, then reads are switched. From Node, as services are, and from a page.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { init } from "../../pkg/node/people.js";
import { launchChromium, serveOrigin, startStack } from "./harness.mjs";

const scope = { after };
const PACKAGE = fileURLToPath(new URL("../../pkg", import.meta.url));
const { origin } = await serveOrigin(scope, {
  folder: PACKAGE,
  pages: { "/": "<!doctype html><title>A user's page</title>" },
});
const stack = await startStack(scope, {
  sites: [
    { site: "art", key: "pk_art", origins: ["*"], reader_keys: ["rk_art"] },
    { site: "art", key: "sk_art", kind: "server" },
  ],
  // What is accepted is in ClickHouse then: no group in between.
  vars: { SINK: "direct" },
});

/** A service's tracker. */
const service = (key = "sk_art") => init({ endpoint: stack.site, key });

const ask = async (name, params) => {
  const url = new URL(`/v1/query/${name}`, stack.site);
  url.search = new URLSearchParams(params);
  const answer = await fetch(url, { headers: { authorization: "Bearer rk_art" } });
  assert.equal(answer.status, 200, name);
  return (await answer.json()).data;
};

/** Names and counts of what happened to a type of entity. */
const happened = (type) =>
  stack.rows(
    "SELECT name, count() AS events, sum(value) AS total FROM events" +
      " WHERE site = 'art' AND entity_type = {type:String} GROUP BY name ORDER BY name",
    { params: { type } },
  );

/** What the organisation has today: follows and uploads, by user. */
const old = { followers: new Map(), uploads: new Map() };
const add = (map, id, by) => map.set(id, (map.get(id) ?? 0) + by);

describe("what the document's services do", () => {
  before(async () => {
    // Each of them writes to its own database, and tells the tracker.
    const users = service();
    const follow = (follower, user, isFollow) => {
      add(old.followers, user, isFollow ? 1 : -1);
      users.users.recordFollow(follower, user, isFollow);
    };
    follow("2", "1", true);
    follow("3", "1", true);
    follow("3", "1", false);
    follow("1", "2", true);
    await users.shutdown();

    for (const [type, ids] of [
      ["Model", [10, 11]],
      ["Post", [20]],
      ["Image", [30, 31, 32]],
    ]) {
      const creations = service();
      for (const id of ids) {
        add(old.uploads, "1", 1);
        creations.users.recordUpload("1", type, id);
      }
      await creations.shutdown();
    }

    const events = service();
    const on = (entityType, entityId, name, value) =>
      events.track(name, { entityType, entityId, value, userId: "2" });
    on("Model", 10, "Download");
    on("Model", 10, "Download");
    on("Model", 10, "Rating", 4);
    on("Post", 20, "ReactionHeart");
    on("Post", 20, "Comment");
    on("Collection", 40, "Item");
    on("Collection", 40, "Follow");
    on("Image", 30, "ReactionLaugh");
    on("Image", 30, "View");
    on("Image", 30, "a name of our own", 2.5);
    await events.shutdown();
  });

  test("S3.2 every source of events arrives under its own name", async () => {
    const row = (name, events, total = events) => ({ name, events, total });
    assert.deepEqual(await happened("Model"), [
      row("Download", 2),
      row("Rating", 1, 4),
      row("Upload", 2),
    ]);
    assert.deepEqual(await happened("Post"), [
      row("Comment", 1),
      row("ReactionHeart", 1),
      row("Upload", 1),
    ]);
    assert.deepEqual(await happened("Collection"), [row("Follow", 1), row("Item", 1)]);
    assert.deepEqual(await happened("Image"), [
      row("ReactionLaugh", 1),
      row("Upload", 3),
      row("View", 1),
      row("a name of our own", 1, 2.5),
    ]);
    assert.deepEqual(await happened("User"), [row("Follow", 4, 2)]);
  });

  test("S2.1 entities, users and events of one's own are aggregated as they come", async () => {
    const counts = await ask("entity_counts", { entity_type: "Model" });
    assert.deepEqual(counts, [
      { entity_id: "10", views: 0, downloads: 2, views_sum: 0, downloads_sum: 2 },
    ]);
    const today = new Date().toISOString().slice(0, 10);
    const own = { entity_type: "Image", id: "30", from: "2020-01-01", to: today };
    const { events, sum } = (await ask("period", own)).find(({ name }) =>
      name.startsWith("a name"),
    );
    assert.deepEqual([events, sum], [1, 2.5]);
    const activity = await ask("activity", { entity_type: "User", name: "Follow" });
    assert.equal(
      activity.reduce((sum, { events }) => sum + events, 0),
      4,
    );
  });

  test("S2.2 one client for all, and each type of entity is counted by itself", async () => {
    const ids = async (type) =>
      (await ask("entity_counts", { entity_type: type })).map(({ entity_id }) => entity_id);
    assert.deepEqual(await ids("Model"), ["10"]);
    assert.deepEqual(await ids("Image"), ["30"]);
    assert.deepEqual(await ids("Nothing"), []);
  });

  test("S3.16 uploads and follows that are written twice are the same in both places", async () => {
    const { uploads, followers } = old;
    const [metrics] = await ask("user_metrics", { ids: '["1"]' });
    assert.equal(metrics.upload_count, uploads.get("1"));
    const expected = JSON.stringify(Object.fromEntries(followers));
    const compared = await ask("compare_followers", { ids: '["1","2"]', expected });
    assert.deepEqual(compared, [
      { user_id: "1", by_rows: 1, by_last: 1, expected: 1, difference: 0 },
      { user_id: "2", by_rows: 1, by_last: 1, expected: 1, difference: 0 },
    ]);
  });

  test("S3.19 reads are switched, and what is lost or wrong shows itself", async () => {
    const tally = service("pk_art");
    // The old database is not asked any more.
    const metrics = await tally.users.getUserMetrics(["1", "2"]);
    assert.deepEqual(
      [...metrics].map(([id, { follower_count, upload_count }]) => [
        id,
        follower_count,
        upload_count,
      ]),
      [
        ["1", 1, 6],
        ["2", 1, 0],
      ],
    );
    const pages = await stack.rows("SELECT DISTINCT toString(page_id) AS page FROM events");
    assert.equal(pages.length, 5, "each service's tracker has one");
    for (const { page } of pages) {
      const [loss] = await ask("loss", { page_id: page });
      assert.deepEqual([loss.stored, loss.dropped], [loss.expected, {}]);
    }
    const health = await (await fetch(new URL("/v1/health", stack.site))).json();
    assert.deepEqual([health.ok, health.clickhouse], [true, "ok"]);
  });

  test("S3.29 a user's page shows what the services told", async (t) => {
    const browser = await launchChromium({ after: (end) => t.after(end) });
    const page = await browser.newPage();
    await page.goto(origin);
    const shown = await page.evaluate(
      async (options) => {
        const { init } = await import("/people.js");
        const { users } = init(options);
        const metrics = (await users.getUserMetrics([1])).get(1);
        return [metrics.upload_count, await users.getUserFollowerCount(1)];
      },
      { endpoint: stack.site, key: "pk_art" },
    );
    assert.deepEqual(shown, [6, 1]);
  });
});

test("S1.3 each tracker has a buffer of its own", async () => {
  const [one, other] = [service(), service()];
  one.track("kept", { entityType: "apart", entityId: 1 });
  other.track("kept", { entityType: "apart", entityId: 2 });
  other.track("kept", { entityType: "apart", entityId: 2 });
  assert.deepEqual([one.queueLength(), other.queueLength()], [1, 2]);
  assert.deepEqual(await one.flush(), { ok: true, delivered: 1, dropped: 0 });
  assert.equal(other.queueLength(), 2);
  const [{ events }] = await happened("apart");
  assert.equal(events, 1);
  assert.deepEqual(await other.shutdown(), { ok: true, delivered: 2, dropped: 0 });
  await one.shutdown();
});

test("S0.2 a user is text or nobody, an address is text, numbers or none", async () => {
  const id = "0190b5a2-7c4e-7d3a-9f6e-2b8c1d4e5f60";
  const events = [
    { userId: id, ipAddress: "203.0.113.7" },
    { userId: null, ipAddress: [203, 0, 113, 7] },
    { ipAddress: [8193, 3512, 0, 0, 0, 0, 0, 1] },
    { userId: id, ipAddress: null },
  ].map((options, at) => ({ name: "view", entityType: "post", entityId: `${at}`, ...options }));
  const answer = await fetch(new URL("/v1/events?k=sk_art", stack.site), {
    method: "POST",
    body: JSON.stringify(events),
  });
  assert.deepEqual([answer.status, (await answer.json()).taken], [202, 4]);
  const rows = await stack.rows(
    "SELECT tweet_id, user_id, ip_address FROM post_events ORDER BY tweet_id",
  );
  assert.deepEqual(rows, [
    { tweet_id: "0", user_id: id, ip_address: "203.0.113.7" },
    { tweet_id: "1", user_id: null, ip_address: "203.0.113.7" },
    { tweet_id: "2", user_id: null, ip_address: "2001:DB8:0:0:0:0:0:1" },
    { tweet_id: "3", user_id: id, ip_address: null },
  ]);
});
