// The functions about people: exactly which events they are, and their place among the others.

import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { checkPeopleOptions } from "../../pkg-template/people/options.js";
import { page, pass, said, setClock, settle, tracker } from "./people.mjs";

beforeEach(setClock);

/** What the tracker has said once all of it has left. */
async function flushed({ tally, rows }) {
  const flushing = tally.flush();
  await pass(0);
  await flushing;
  return rows.map(said);
}

/** The one event of `call(tally)`, but for its time. */
async function eventOf(call, options) {
  const tracked = tracker(options);
  call(tracked.tally);
  const [{ at, ...event }, ...others] = await flushed(tracked);
  assert.deepEqual([at, others], [0, []]);
  return event;
}

describe("capture", () => {
  test("S4.2 is one event of the user, with its properties as they are", async () => {
    const event = await eventOf((tally) =>
      tally.capture("u1", "signed up", { plan: "pro", value: 7 }),
    );
    assert.deepEqual(event, {
      name: "signed up",
      user_id: "u1",
      value: 1,
      properties: { plan: "pro", value: 7 },
    });
  });

  test("S4.2 needs neither properties nor groups, and returns at once", async () => {
    const { tally } = tracker();
    tally.reset();
    await pass(0);
    assert.equal(tally.capture("u1", "a"), undefined);
    const event = await eventOf((tally) => tally.capture("u1", "a"));
    assert.deepEqual(event, { name: "a", user_id: "u1", value: 1, properties: {} });
  });

  test("S4.3 with groups, the properties gain $groups; without, they are unchanged", async () => {
    const groups = { company: "acme", team: 5 };
    const event = await eventOf((tally) => tally.capture("u1", "a", { b: 1 }, groups));
    assert.deepEqual(event.properties, { b: 1, $groups: groups });
    const none = await eventOf((tally) => tally.capture("u1", "a", { b: 1 }, {}));
    assert.deepEqual(none.properties, { b: 1 });
  });

  for (const option of ["groupTypeIndex", "group_type_index"]) {
    test(`S4.4 with ${option}, a group whose index is 0 to 4 also sets $group_<index>`, async () => {
      const groupTypeIndex = { company: 0, team: 4, five: 5, minus: -1, half: 0.5, text: "1" };
      const groups = {
        company: "acme",
        team: "red",
        five: "f",
        minus: "m",
        half: "h",
        text: "t",
        no: "n",
      };
      const event = await eventOf((tally) => tally.capture("u1", "a", {}, groups), {
        [option]: groupTypeIndex,
      });
      assert.deepEqual(event.properties, { $groups: groups, $group_0: "acme", $group_4: "red" });
    });
  }
});

test("S4.5 identify is $identify with the properties, and all of them as $set", async () => {
  const event = await eventOf((tally) => tally.identify("u1", { email: "a@b.c", age: 5 }));
  assert.deepEqual(event, {
    name: "$identify",
    user_id: "u1",
    value: 1,
    properties: { email: "a@b.c", age: 5, $set: { email: "a@b.c", age: 5 } },
  });
  const bare = await eventOf((tally) => tally.identify("u1"));
  assert.deepEqual(bare.properties, { $set: {} });
});

test("D14 a property of the user's named $set does not replace the nested one", async () => {
  const event = await eventOf((tally) => tally.identify("u1", { $set: "mine", a: 1 }));
  assert.deepEqual(event.properties, { a: 1, $set: { $set: "mine", a: 1 } });
});

test("S4.6 groupIdentify is $groupidentify, its user the group's key", async () => {
  const event = await eventOf((tally) => tally.groupIdentify("company", "acme", { size: 3 }));
  assert.deepEqual(event, {
    name: "$groupidentify",
    user_id: "acme",
    value: 1,
    properties: { $group_type: "company", $group_key: "acme", $group_set: { size: 3 } },
  });
  const bare = await eventOf((tally) => tally.groupIdentify("company", "acme"));
  assert.deepEqual(bare.properties.$group_set, {});
});

test("S4.7 alias is $create_alias with both names", async () => {
  const event = await eventOf((tally) => tally.alias("u1", "visitor 7"));
  assert.deepEqual(event, {
    name: "$create_alias",
    user_id: "u1",
    value: 1,
    properties: { alias: "visitor 7", distinct_id: "u1" },
  });
});

describe("users", () => {
  test("S3.3 S3.4 S3.5 recordFollow is +1 or -1 on the user, by the follower", async () => {
    const follow = {
      name: "Follow",
      user_id: "1",
      entity_type: "User",
      entity_id: "2",
      properties: {},
    };
    const on = await eventOf(({ users }) => users.recordFollow(1, 2, true));
    assert.deepEqual(on, { ...follow, value: 1 });
    const off = await eventOf(({ users }) => users.recordFollow(1, 2, false));
    assert.deepEqual(off, { ...follow, value: -1 });
  });

  test("S3.4 S3.6 D3 recordUpload is of the content, by the user", async () => {
    const event = await eventOf(({ users }) => users.recordUpload(7, "Model", 42));
    assert.deepEqual(event, {
      name: "Upload",
      user_id: "7",
      value: 1,
      entity_type: "Model",
      entity_id: "42",
      properties: {},
    });
  });

  test("S3.4 S3.7 recordEngagement is the user's own score", async () => {
    const event = await eventOf(({ users }) => users.recordEngagement(7, 12.5));
    assert.deepEqual(event, {
      name: "Engagement",
      user_id: "7",
      value: 12.5,
      entity_type: "User",
      entity_id: "7",
      properties: {},
    });
  });
});

describe("entityMetric", () => {
  const metric = {
    entityType: "Model",
    entityId: 1,
    metricType: "Download",
    metricValue: 3,
    userId: 7,
  };

  test("S2.3 leaves at once, and resolves when it is delivered", async () => {
    const { tally, rows } = tracker();
    const result = tally.entityMetric(metric);
    await pass(0);
    assert.deepEqual(await result, { ok: true, delivered: 1, dropped: 0 });
    assert.deepEqual(rows.map(said), [
      {
        name: "Download",
        user_id: "7",
        value: 3,
        at: 0,
        properties: {},
        entity_type: "Model",
        entity_id: "1",
      },
    ]);
  });

  for (const metricType of ["View", "Download", "Like", "Dislike", "Comment", "Share"]) {
    test(`S2.4 ${metricType} counts one unless a value is given`, async () => {
      const event = await eventOf((tally) =>
        tally.entityMetric({ entityType: "Model", entityId: 1, metricType }),
      );
      assert.deepEqual([event.name, event.value], [metricType, 1]);
    });
  }

  test("S2.3 those of one task leave in one request", async () => {
    const { tally, urls } = tracker();
    const results = [1, 2, 3].map((entityId) => tally.entityMetric({ ...metric, entityId }));
    await pass(0);
    for (const result of await Promise.all(results)) assert.equal(result.ok, true);
    assert.equal(urls.length, 1);
  });

  test("S2.3 says when it was refused, left out, or could not be delivered", async () => {
    const { tally, answer } = tracker({
      beforeSend: (event) => (event.value === 5 ? null : event),
    });
    const lost = { ok: false, delivered: 0, dropped: 1 };
    const results = [
      tally.entityMetric({ ...metric, metricValue: 5 }),
      tally.entityMetric({ ...metric, metricValue: NaN }),
      tally.entityMetric(null),
    ];
    const good = tally.entityMetric(metric);
    await pass(0);
    assert.deepEqual(await Promise.all(results), [lost, lost, lost]);
    assert.equal((await good).ok, true);
    answer(500);
    const failing = tally.entityMetric(metric);
    await pass(0);
    await pass(60_000);
    await pass(60_000);
    assert.deepEqual(await failing, { ok: false, delivered: 0, dropped: 0 });
  });
});

test("calls keep their order among those of track, and their times, until the engine is there", async () => {
  const tracked = tracker();
  const { tally, hold } = tracked;
  const come = hold();
  tally.track("before");
  tally.capture("u1", "first");
  await pass(50);
  tally.track("between");
  tally.alias("u1", "x");
  await pass(1_000);
  tally.track("after");
  assert.deepEqual(tracked.rows, []);
  assert.equal(tally.queueLength(), 5);
  come();
  const events = await flushed(tracked);
  assert.deepEqual(
    events.map(({ name, at }) => [name, at]),
    [
      ["before", 0],
      ["first", 0],
      ["between", 50],
      ["$create_alias", 50],
      ["after", 1_050],
    ],
  );
});

test("an engine that cannot be fetched is fetched again, and nothing is lost", async (t) => {
  t.mock.method(console, "error", () => {});
  const tracked = tracker();
  const { tally, loads, hold } = tracked;
  const come = hold();
  tally.identify("u1");
  tally.track("b");
  await pass(100);
  come(new Error("not today"));
  await pass(9_999);
  assert.deepEqual(loads, ["engine"]);
  await pass(1);
  assert.deepEqual(loads, ["engine", "engine"]);
  const events = await flushed(tracked);
  assert.deepEqual(
    events.map(({ name, user_id }) => [name, user_id]),
    [
      ["$identify", "u1"],
      ["b", "u1"],
    ],
  );
});

test("what the page holds when it hides leaves with it", async (t) => {
  const { heard, document } = page(t);
  const { tally, rows } = tracker();
  await flushed({ tally, rows });
  tally.identify("u1");
  tally.track("b");
  document.visibilityState = "hidden";
  heard("visibilitychange");
  await settle();
  assert.deepEqual(
    rows.map(({ name, user_id }) => [name, user_id]),
    [
      ["$identify", "u1"],
      ["b", "u1"],
    ],
  );
});

test("a call whose properties cannot be read throws nothing and is counted as invalid", async () => {
  const tracked = tracker();
  const { tally } = tracked;
  const hostile = Object.defineProperty({}, "a", {
    enumerable: true,
    get() {
      throw new Error("no");
    },
  });
  tally.identify("u1", hostile);
  tally.reset();
  await pass(0);
  tally.capture("u1", "a", hostile, { company: "acme" });
  tally.register(hostile);
  tally.track("b");
  const events = await flushed(tracked);
  assert.deepEqual(
    events.map(({ name, value }) => [name, value]),
    [
      ["$dropped", 1],
      ["b", 1],
    ],
  );
  assert.equal(tally.stats().dropped.invalid, 3);
});

test("an option that is wrong is named by the one error that init throws", () => {
  const wrong = {
    consent: "maybe",
    gpc: true,
    visitor: 1,
    sample: 1.01,
    redact: "yes",
    groupTypeIndex: null,
    group_type_index: 5,
    auto: { pageviews: true },
    unknown: 1,
  };
  for (const [name, value] of Object.entries(wrong)) {
    const options = { endpoint: "https://e.test", key: "k", [name]: value };
    assert.throws(
      () => checkPeopleOptions(options),
      new RegExp(`^TypeError: tallymark: .*${name}\\b`),
    );
  }
  for (const sample of [-0.01, NaN, "0.5"]) {
    const options = { endpoint: "https://e.test", key: "k", sample };
    assert.throws(() => checkPeopleOptions(options), /option sample must be a number from 0 to 1/);
  }
  const { sample, consent, visitor } = checkPeopleOptions({
    endpoint: "https://e.test",
    key: "k",
    sample: 0,
  });
  assert.deepEqual({ sample, consent, visitor }, { sample: 0, consent: "granted", visitor: false });
});

test("S4.1 the client's options are taken by its own names, and logging is off unless it is named", () => {
  const required = { endpoint: "https://e.test", key: "k" };
  const limits = { flush_at: 20, flush_interval: 5_000, max_queue_size: 1_000 };
  const { maxRows, maxTimeMs, maxWaitingRows, debug } = checkPeopleOptions({
    ...required,
    ...limits,
  });
  assert.deepEqual([maxRows, maxTimeMs, maxWaitingRows, debug], [20, 5_000, 1_000, false]);
  const optional = { group_type_index: { company: 0 }, enable_logging: true };
  const config = checkPeopleOptions({ ...required, ...optional });
  assert.deepEqual([config.groupTypeIndex, config.debug], [{ company: 0 }, true]);
  for (const missing of ["endpoint", "key"]) {
    const options = { ...required, [missing]: undefined };
    assert.throws(
      () => checkPeopleOptions(options),
      new RegExp(`option ${missing}.* must be given`),
    );
  }
});

test("S0.1 the functions of posts are exactly the eight events", async () => {
  const tracked = tracker();
  const { posts } = tracked.tally;
  for (const name of Object.keys(posts)) if (name.startsWith("track")) posts[name]("42");
  const events = await flushed(tracked);
  assert.deepEqual(events.map(({ name }) => name).sort(), [
    "comment",
    "delete_comment",
    "delete_post",
    "like",
    "post",
    "share",
    "unlike",
    "view",
  ]);
  for (const { entity_type, entity_id } of events) {
    assert.deepEqual([entity_type, entity_id], ["post", "42"]);
  }
});

test("a user that is no id is nobody, and costs no event", async () => {
  const tracked = tracker();
  const { tally } = tracked;
  for (const userId of [{ id: 7 }, NaN, "u".repeat(513), null]) {
    tally.identify("u1");
    tally.identify(userId);
    tally.track("kept");
  }
  const events = await flushed(tracked);
  const kept = events.filter(({ name }) => name === "kept");
  assert.deepEqual(
    kept.map(({ user_id }) => user_id),
    ["", "", "", ""],
  );
});
