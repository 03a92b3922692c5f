// Named queries about entities.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { DAY, NOW, date, on, times, startAsking } from "./asking.mjs";

const { stack, send, insertOld, ask, rowsOf, reading } = await startAsking({ after });

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

  test("S0.23 S0.25 D6 summaries have every column of a summary", async () => {
    const post = on("post", "sum1");
    const names = ["view", "view", "view", "like", "like", "unlike", "share", "post"];
    const comments = ["comment", "comment", "comment", "comment", "delete_comment"];
    await send([...names, ...comments].map((name) => post(name)));
    await send([on("post", "sum2")("delete_comment")]);
    const found = await rowsOf("summaries", { ids: ["sum2", "none", "sum1"] });
    found.sort((one, other) => (one.entity_id < other.entity_id ? -1 : 1));
    const one = {
      views: 3,
      likes: 2,
      unlikes: 1,
      comments: 4,
      shares: 1,
      deleted_comments: 1,
      net_comments: 3,
      net_likes: 1,
    };
    const none = Object.fromEntries(Object.keys(one).map((name) => [name, 0]));
    assert.deepEqual(found, [
      { entity_id: "sum1", ...one },
      { entity_id: "sum2", ...none, deleted_comments: 1, net_comments: -1 },
    ]);
  });

  test("S3.24 a metric that nobody has heard of is counted everywhere as it comes, beyond 2^32", async () => {
    const shelf = on("Shelf", "s1");
    await send([shelf("Dusted", { value: 2 }), shelf("Dusted"), on("Shelf", "s2")("Dusted")]);
    const about = { entity_type: "Shelf", id: "s1" };
    const compared = () => reading("compare", { ...about, name: "Dusted", refresh: 1 });
    const all = await compared();
    assert.deepEqual(
      all.map(({ events, sum }) => [events, sum]),
      Array(6).fill([2, 3]),
    );
    assert.deepEqual(await rowsOf("daily", about), [{ date: date(0), events: 2, sum: 3 }]);
    const period = await rowsOf("period", { ...about, from: date(1), to: date(0) });
    assert.deepEqual(period, [{ name: "Dusted", events: 2, sum: 3 }]);
    // Ten billion more, as its rollups would have counted them.
    await stack.query(
      "INSERT INTO entity_totals (site, entity_type, entity_id, name, rows, value_sum)" +
        " VALUES ('open', 'Shelf', 's1', 'Dusted', 10000000000, 10000000000)",
    );
    const totals = (await compared()).find(({ source }) => source === "entity_totals");
    assert.deepEqual([totals.events, totals.sum], [10_000_000_002, 10_000_000_003]);
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
