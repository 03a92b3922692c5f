// Named queries about users: followers, uploads, scores, ranks, growth.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { DAY, NOW, date, on, times, startAsking } from "./asking.mjs";

const { stack, send, insertOld, ask, rowsOf, reading, valueOf, refreshRanks } = await startAsking({
  after,
});
const { proxy } = stack;

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

  test("D7 S3.18 both ways beside what another database has, and a difference that is fixed", async () => {
    const expected = { u1: 6, u3: 1 };
    const found = await reading("compare_followers", { ids: ["u1", "u2", "u3", "none"], expected });
    assert.deepEqual(found, [
      { user_id: "u1", by_rows: 7, by_last: 6, expected: 6, difference: 0 },
      { user_id: "u2", by_rows: 1, by_last: 1, expected: null, difference: null },
      // Followed and left within a millisecond: the later number of the page decides.
      { user_id: "u3", by_rows: 0, by_last: 0, expected: 1, difference: -1 },
    ]);
    // What is missing is made good from the other database, and is no difference any more.
    await send([user("u3")("Follow", { user_id: "f9" })]);
    const [fixed] = await reading("compare_followers", { ids: ["u3"], expected, refresh: 1 });
    assert.deepEqual(fixed, { user_id: "u3", by_rows: 1, by_last: 1, expected: 1, difference: 0 });
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
    const { score, ...today } = found.at(-1);
    assert.deepEqual(today, { date: date(0) });
    // Of today: the score's own sum, less the downloads of earlier days.
    assert.ok(Math.abs(score - (SCORE - 11 - 17)) < 1e-9, `${score}`);
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
