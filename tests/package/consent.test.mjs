// What is counted, by consent, Global Privacy Control and the sample; and what is kept where.

import assert from "node:assert/strict";
import { beforeEach, describe, mock, test } from "node:test";
import { NOW, UUID, around, page, pass, setClock, settle, storage, tracker } from "./people.mjs";

beforeEach(setClock);

const namesOf = (rows) => rows.map(({ name }) => name);

async function flush(tally) {
  const flushing = tally.flush();
  await pass(0);
  return flushing;
}

describe("consent pending", () => {
  test("fetches nothing and touches no storage, and keeps events with their times", async (t) => {
    const { localStorage } = page(t);
    const { tally, loads, rows } = tracker({ consent: "pending", visitor: true });
    tally.track("a");
    await pass(60_000);
    tally.capture("u1", "b");
    tally.track("c");
    await pass(60_000);
    assert.deepEqual(loads, []);
    assert.equal(localStorage.uses, 0);
    assert.deepEqual([tally.queueLength(), tally.stats().engine], [3, "loading"]);
    tally.consent("granted");
    await pass(10_000);
    assert.deepEqual(
      rows.map(({ name, occurred_at }) => [name, occurred_at - NOW]),
      [
        ["a", 0],
        ["b", 60_000],
        ["c", 60_000],
      ],
    );
  });

  test("a flush waits for the word", async (t) => {
    page(t);
    const { tally } = tracker({ consent: "pending" });
    tally.track("a");
    let result;
    tally.flush().then((flushed) => (result = flushed));
    await pass(60_000);
    assert.equal(result, undefined);
    tally.consent("granted");
    await pass(0);
    assert.deepEqual(result, { ok: true, delivered: 1, dropped: 0 });
  });

  test("then denied: everything is dropped as consent, and the engine is never fetched", async (t) => {
    const { localStorage } = page(t);
    const { tally, loads, rows } = tracker({ consent: "pending" });
    tally.track("a");
    tally.identify("u1");
    await tally.consent("denied");
    tally.track("b");
    assert.deepEqual(await flush(tally), { ok: false, delivered: 0, dropped: 3 });
    await pass(60_000);
    assert.deepEqual(await flush(tally), { ok: true, delivered: 0, dropped: 0 });
    const { engine, tracked, waiting, dropped } = tally.stats();
    assert.deepEqual(
      { engine, tracked, waiting, dropped },
      { engine: "none", tracked: 3, waiting: 0, dropped: { consent: 3 } },
    );
    assert.deepEqual([loads, rows], [[], []]);
    assert.deepEqual([...localStorage.items], [["tallymark", "denied"]]);
  });

  test("then granted, an earlier no is forgotten", async (t) => {
    const { localStorage } = page(t, { localStorage: storage({ tallymark: "denied" }) });
    const { tally, rows } = tracker({ consent: "pending" });
    tally.track("a");
    tally.consent("granted");
    await flush(tally);
    assert.deepEqual(namesOf(rows), ["a"]);
    assert.deepEqual([...localStorage.items], []);
  });
});

describe("consent denied", () => {
  test("on a running page: what waits is dropped, kept things are gone, nothing more is sent", async (t) => {
    const { localStorage } = page(t);
    const { tally, rows, urls, answer } = tracker({ visitor: true });
    tally.track("a");
    await flush(tally);
    answer(500);
    tally.track("b");
    await pass(10_000);
    const tries = urls.length;
    tally.track("c");
    await tally.consent("denied");
    tally.track("d");
    answer(202);
    await pass(120_000);
    assert.equal(urls.length, tries);
    assert.deepEqual(namesOf(rows), ["a"]);
    const { tracked, delivered, waiting, dropped } = tally.stats();
    assert.deepEqual(
      { tracked, delivered, waiting, dropped },
      { tracked: 4, delivered: 1, waiting: 0, dropped: { consent: 3 } },
    );
    assert.deepEqual([...localStorage.items], [["tallymark", "denied"]]);
  });

  test("a flush that waits ends", async (t) => {
    page(t);
    const { tally, answer } = tracker();
    tally.reset();
    await flush(tally);
    answer(500);
    tally.track("a");
    const flushing = tally.flush();
    await settle();
    tally.consent("denied");
    assert.deepEqual(await flushing, { ok: false, delivered: 0, dropped: 0 });
  });

  test("then granted: what comes after counts, and the counters go on", async (t) => {
    const { localStorage } = page(t);
    const { tally, rows } = tracker();
    tally.track("a");
    await flush(tally);
    tally.consent("denied");
    tally.track("b");
    await pass(0);
    tally.track("c");
    tally.consent("granted");
    tally.track("d");
    await pass(0);
    await flush(tally);
    assert.deepEqual(namesOf(rows), ["a", "d"]);
    const { tracked, delivered, waiting, dropped } = tally.stats();
    assert.deepEqual(
      { tracked, delivered, waiting, dropped },
      { tracked: 4, delivered: 2, waiting: 0, dropped: { consent: 2 } },
    );
    assert.deepEqual([...localStorage.items], []);
  });

  test("holds on the next page, and for a page that another tab tells", async (t) => {
    const { localStorage, heard } = page(t);
    const first = tracker({ visitor: true });
    first.tally.track("a");
    await flush(first.tally);
    localStorage.setItem("tallymark", "denied");
    heard("storage", { key: "tallymark", newValue: "denied" });
    first.tally.track("b");
    assert.deepEqual(await flush(first.tally), { ok: false, delivered: 0, dropped: 1 });

    const next = tracker();
    next.tally.track("c");
    assert.deepEqual(await flush(next.tally), { ok: false, delivered: 0, dropped: 1 });
    assert.deepEqual(next.loads, []);
  });

  test("is heard by the other trackers of the page, and by one out of the bfcache", async (t) => {
    const { heard, localStorage } = page(t);
    const [one, other] = [tracker(), tracker()];
    for (const { tally } of [one, other]) tally.track("a");
    await flush(one.tally);
    await flush(other.tally);
    await one.tally.consent("denied");
    other.tally.track("b");
    assert.deepEqual(await flush(other.tally), { ok: false, delivered: 0, dropped: 1 });

    one.tally.consent("granted");
    other.tally.consent("granted");
    localStorage.setItem("tallymark", "denied");
    heard("pageshow", { persisted: true });
    one.tally.track("c");
    assert.deepEqual(await flush(one.tally), { ok: false, delivered: 0, dropped: 1 });
  });

  test("after a try that failed, nothing is tried again", async (t) => {
    page(t);
    const { tally, urls, answer } = tracker();
    answer(503);
    tally.track("a");
    tally.flush();
    await pass(50);
    assert.equal(urls.length, 1);
    await tally.consent("denied");
    answer(202);
    await pass(3_600_000);
    assert.equal(urls.length, 1);
  });

  test("granted anew, an engine that cannot be fetched is fetched again", async (t) => {
    page(t);
    const { tally, loads, rows, hold } = tracker({ consent: "denied" });
    await pass(0);
    const come = hold();
    tally.consent("granted");
    tally.track("a");
    await pass(0);
    come(new Error("offline"));
    await pass(0);
    assert.deepEqual([loads.length, rows], [1, []]);
    await pass(10_000);
    await flush(tally);
    assert.deepEqual(namesOf(rows), ["a"]);
  });

  test("while the engine is fetched, it never runs; granted meanwhile, it is fetched once", async (t) => {
    const { localStorage } = page(t);
    const { tally, urls, loads, hold } = tracker({ visitor: true });
    const come = hold();
    tally.track("a");
    await pass(0);
    tally.consent("denied");
    tally.track("b");
    come();
    assert.deepEqual(await flush(tally), { ok: false, delivered: 0, dropped: 2 });
    assert.deepEqual([urls, loads], [[], ["engine"]]);
    assert.deepEqual([...localStorage.items], [["tallymark", "denied"]]);

    const granted = tracker();
    const comes = granted.hold();
    granted.tally.consent("granted");
    granted.tally.track("a");
    await pass(0);
    granted.tally.consent("granted");
    comes();
    await flush(granted.tally);
    assert.deepEqual([granted.loads, namesOf(granted.rows)], [["engine"], ["a"]]);
  });

  test("nothing is kept by a page that hides afterwards, and a granted one sends all it holds", async (t) => {
    const { localStorage, heard, document } = page(t);
    const { tally, rows } = tracker({ visitor: true });
    tally.track("a");
    await flush(tally);
    await tally.consent("denied");
    document.visibilityState = "hidden";
    heard("visibilitychange");
    await pass(0);
    assert.deepEqual([...localStorage.items], [["tallymark", "denied"]]);
    await tally.consent("granted");
    tally.track("b");
    heard("visibilitychange");
    await settle();
    assert.deepEqual(namesOf(rows), ["a", "b"]);
    assert.notEqual(rows[1].visitor_id, rows[0].visitor_id);
    assert.notEqual(rows[1].session_id, rows[0].session_id);
  });

  test("what the queue had to let go is dropped for the same reason", async (t) => {
    page(t);
    const { tally } = tracker({ consent: "denied", maxWaitingRows: 1, maxRows: 1 });
    for (let rows = 0; rows < 1_002; rows++) tally.track("a");
    assert.deepEqual(await flush(tally), { ok: false, delivered: 0, dropped: 1_002 });
    assert.deepEqual(tally.stats().dropped, { consent: 1_002 });
  });

  test("by option, it purges, and is the option's alone to remember", async (t) => {
    const { localStorage } = page(t, { localStorage: storage({ "tallymark visitor": "x" }) });
    const { tally, loads } = tracker({ consent: "denied" });
    tally.track("a");
    assert.deepEqual(await flush(tally), { ok: false, delivered: 0, dropped: 1 });
    assert.deepEqual([loads, [...localStorage.items]], [[], []]);
  });

  for (const [why, options, entries, user, gpc] of [
    ["by option", { consent: "denied" }, {}, "u1"],
    ["on an earlier page", {}, { tallymark: "denied" }, "u1"],
    ["by Global Privacy Control", { gpc: "deny" }, {}, "", true],
    ["by the visitor", {}, {}, "u1"],
  ]) {
    test(`${why}, then granted before the tracker has begun: only what comes after is sent`, async (t) => {
      page(t, { localStorage: storage(entries), gpc });
      const { tally, rows } = tracker(options);
      if (why === "by the visitor") tally.consent("denied");
      tally.track("before");
      tally.identify("u1");
      tally.consent("granted");
      tally.track("after");
      assert.deepEqual(await flush(tally), { ok: true, delivered: 1, dropped: 0 });
      assert.deepEqual(
        rows.map(({ name, user_id, seq }) => [name, user_id, seq]),
        [["after", user, 0]],
      );
      const { tracked, waiting, dropped } = tally.stats();
      assert.deepEqual(
        { tracked, waiting, dropped },
        { tracked: 3, waiting: 0, dropped: { consent: 2 } },
      );
    });
  }

  test("granted and denied again before the tracker has begun, nothing is sent", async (t) => {
    page(t);
    const { tally, loads } = tracker({ consent: "denied" });
    tally.track("a");
    tally.consent("granted");
    tally.track("b");
    tally.consent("denied");
    assert.deepEqual(await flush(tally), { ok: false, delivered: 0, dropped: 2 });
    assert.deepEqual([loads, tally.stats().dropped], [[], { consent: 2 }]);
  });

  test("a no said while it is pending resolves once the storage is empty", async (t) => {
    page(t);
    const done = [];
    const clearing = { objectStore: () => ({ clear: () => done.push("clearing") }) };
    const database = { transaction: () => clearing, close: () => done.push("closed") };
    const opening = { result: database };
    around(t, { indexedDB: { open: () => opening } });
    const { tally } = tracker({ consent: "pending" });
    tally.track("a");
    const denied = tally.consent("denied").then(() => done.push("denied"));
    await pass(0);
    opening.onsuccess();
    await pass(0);
    assert.deepEqual(done, ["clearing"]);
    clearing.oncomplete();
    await denied;
    assert.deepEqual(done, ["clearing", "closed", "denied"]);
  });

  test("what the observers measure until a yes is not told after it", async (t) => {
    page(t);
    let told = 0;
    const watch = async (_, queue) => () =>
      queue.calls.push(Date.now(), "engagement", { value: ++told });
    const { tally, rows } = tracker({ auto: { engagement: true } }, watch);
    tally.track("a");
    await flush(tally);
    await tally.consent("granted");
    assert.equal(told, 0);
    await tally.consent("denied");
    assert.equal(told, 0);
    await tally.consent("granted");
    assert.equal(told, 1);
    tally.track("b");
    await flush(tally);
    assert.deepEqual(namesOf(rows), ["a", "b"]);
    assert.deepEqual(tally.stats().dropped, { consent: 1 });
  });

  test("an awaited metric says that it was not counted", async (t) => {
    page(t);
    const { tally } = tracker({ consent: "denied" });
    const result = tally.entityMetric({ entityType: "Model", entityId: 1, metricType: "View" });
    await pass(0);
    assert.deepEqual(await result, { ok: false, delivered: 0, dropped: 1 });
  });
});

describe("identity", () => {
  test("after identify, events carry the user until reset; a user that is named counts more", async () => {
    const { tally, rows } = tracker();
    tally.track("before");
    tally.identify("u1");
    tally.track("mine");
    tally.track("other's", { userId: "u2" });
    tally.posts.trackLike("42");
    tally.reset();
    tally.track("after");
    await flush(tally);
    assert.deepEqual(
      rows.map(({ name, user_id, seq }) => [name, user_id, seq]),
      [
        ["before", "", 0],
        ["$identify", "u1", 1],
        ["mine", "u1", 2],
        ["other's", "u2", 3],
        ["like", "u1", 4],
        ["after", "", 0],
      ],
    );
    const [before, , mine, , , after] = rows;
    assert.equal(mine.session_id, before.session_id);
    assert.equal(mine.page_id, before.page_id);
    assert.notEqual(after.session_id, mine.session_id);
    assert.notEqual(after.page_id, mine.page_id);
    for (const id of [after.session_id, after.page_id]) assert.match(id, UUID);
  });

  test("registered properties are on every event until reset, and give way to its own", async () => {
    const { tally, rows } = tracker();
    tally.register({ plan: "pro", theme: "dark" });
    tally.register({ theme: "light" });
    tally.track("a", { plan: "free" });
    tally.capture("u1", "b", { c: 1 });
    tally.reset();
    tally.track("d");
    await flush(tally);
    assert.deepEqual(
      rows.map(({ properties }) => properties),
      [{ plan: "free", theme: "light" }, { plan: "pro", theme: "light", c: 1 }, {}],
    );
  });

  test("the engine's own count of what was dropped is nobody's", async () => {
    const { tally, rows } = tracker();
    tally.register({ plan: "pro" });
    tally.identify("u1");
    tally.track("$dropped", { entityType: "invalid", value: 3 });
    await flush(tally);
    assert.deepEqual([rows[1].user_id, rows[1].properties], ["", {}]);
  });

  test("by default nothing about the visitor is kept, and no cookie is ever set", async (t) => {
    const { localStorage, document } = page(t);
    Object.defineProperty(document, "cookie", {
      set() {
        throw new Error("a cookie");
      },
    });
    const { tally, rows } = tracker();
    tally.identify("u1");
    tally.track("a");
    await flush(tally);
    assert.deepEqual([...localStorage.items], []);
    assert.deepEqual(
      rows.map(({ visitor_id }) => visitor_id),
      ["", ""],
    );
  });
});

describe("visitor: true", () => {
  const MINUTE = 60_000;
  const visit = async (options) => {
    const { tally, rows } = tracker({ visitor: true, ...options });
    tally.track("a");
    await flush(tally);
    await pass(0);
    return { tally, rows, row: rows[0] };
  };

  test("visitor and session outlive the page, the session for half an hour", async (t) => {
    const { localStorage } = page(t);
    const first = await visit();
    assert.match(first.row.visitor_id, UUID);
    assert.deepEqual([...localStorage.items.keys()], ["tallymark visitor", "tallymark session"]);
    mock.timers.setTime(NOW + 30 * MINUTE);
    const second = await visit();
    mock.timers.setTime(NOW + 60 * MINUTE + 1);
    const third = await visit();
    const visitors = [first, second, third].map(({ row }) => row.visitor_id);
    assert.deepEqual(new Set(visitors).size, 1);
    assert.equal(second.row.session_id, first.row.session_id);
    assert.notEqual(third.row.session_id, first.row.session_id);
    assert.notEqual(second.row.page_id, first.row.page_id);
  });

  test("a tab goes on with the session that another one has kept alive", async (t) => {
    page(t);
    const idle = await visit();
    await pass(29 * MINUTE);
    const other = await visit();
    await pass(29 * MINUTE);
    idle.tally.track("b");
    await flush(idle.tally);
    assert.equal(other.row.session_id, idle.row.session_id);
    assert.equal(idle.rows[1].session_id, idle.row.session_id);
  });

  test("a page that hides keeps the time of its last event", async (t) => {
    const { localStorage, heard } = page(t);
    const { tally } = await visit();
    const lastOf = () => JSON.parse(localStorage.items.get("tallymark session")).last - NOW;
    await pass(30_000);
    tally.track("b");
    await flush(tally);
    assert.equal(lastOf(), 0);
    heard("visibilitychange");
    assert.equal(lastOf(), 30_000);
  });

  test("reset begins another visitor's session", async (t) => {
    const { localStorage } = page(t);
    const { tally, rows } = await visit();
    tally.reset();
    tally.track("b");
    await flush(tally);
    await pass(0);
    assert.notEqual(rows[1].visitor_id, rows[0].visitor_id);
    assert.notEqual(rows[1].session_id, rows[0].session_id);
    assert.equal(localStorage.items.get("tallymark visitor"), rows[1].visitor_id);
    assert.equal(JSON.parse(localStorage.items.get("tallymark session")).id, rows[1].session_id);
  });

  test("storage that throws is as none", async (t) => {
    const { localStorage } = page(t);
    localStorage.throws = true;
    const { row, tally } = await visit();
    assert.match(row.visitor_id, UUID);
    tally.consent("denied");
    tally.track("b");
    assert.deepEqual(await flush(tally), { ok: false, delivered: 0, dropped: 1 });
  });

  test("what stands in the storage and is nonsense is not taken", async (t) => {
    const localStorage = storage({ "tallymark visitor": "<script>", "tallymark session": "{" });
    page(t, { localStorage });
    const { row } = await visit();
    assert.match(row.visitor_id, UUID);
    assert.match(row.session_id, UUID);
  });
});

describe("Global Privacy Control", () => {
  const KEPT = { "tallymark visitor": "11111111-1111-7111-a111-111111111111" };

  test("by default it makes the visitor anonymous: nothing is kept, no user is remembered", async (t) => {
    const { localStorage } = page(t, { gpc: true, localStorage: storage(KEPT) });
    const { tally, rows } = tracker({ visitor: true });
    tally.identify("u1");
    tally.track("a");
    await flush(tally);
    assert.deepEqual(
      rows.map(({ name, user_id, visitor_id }) => [name, user_id, visitor_id]),
      [
        ["$identify", "u1", ""],
        ["a", "", ""],
      ],
    );
    assert.deepEqual([...localStorage.items], []);
  });

  test("with deny it is a no, until the visitor's own yes", async (t) => {
    page(t, { gpc: true });
    const { tally, rows } = tracker({ gpc: "deny" });
    tally.track("a");
    assert.deepEqual(await flush(tally), { ok: false, delivered: 0, dropped: 1 });
    tally.consent("granted");
    tally.track("b");
    await pass(0);
    await flush(tally);
    assert.deepEqual(namesOf(rows), ["b"]);
  });

  test("with ignore, or where it is off, it changes nothing", async (t) => {
    page(t, { gpc: true, localStorage: storage(KEPT) });
    const ignoring = tracker({ visitor: true, gpc: "ignore" });
    ignoring.tally.track("a");
    await flush(ignoring.tally);
    assert.equal(ignoring.rows[0].visitor_id, KEPT["tallymark visitor"]);
    globalThis.navigator.globalPrivacyControl = false;
    const off = tracker({ gpc: "deny" });
    off.tally.track("a");
    assert.deepEqual(await flush(off.tally), { ok: true, delivered: 1, dropped: 0 });
  });
});

describe("sample", () => {
  test("a session that is drawn is sent, with the rate on each event", async (t) => {
    t.mock.method(Math, "random", () => 0.2499);
    const { tally, rows } = tracker({ sample: 0.25 });
    tally.track("a", { b: 1 });
    await flush(tally);
    assert.deepEqual(rows[0].properties, { b: 1, $sample_rate: 0.25 });
  });

  test("one that is not is counted as sampled, and no engine is fetched", async (t) => {
    t.mock.method(Math, "random", () => 0.25);
    const { tally, loads } = tracker({ sample: 0.25 });
    tally.track("a");
    tally.capture("u1", "b");
    assert.deepEqual(await flush(tally), { ok: false, delivered: 0, dropped: 2 });
    const { tracked, dropped } = tally.stats();
    assert.deepEqual([loads, tracked, dropped], [[], 2, { sampled: 2 }]);
  });

  test("a session that outlives its page keeps its lot", async (t) => {
    page(t);
    const draw = t.mock.method(Math, "random", () => 0.9);
    const out = tracker({ sample: 0.5, visitor: true });
    await flush(out.tally);
    draw.mock.mockImplementation(() => 0.1);
    const next = tracker({ sample: 0.5, visitor: true });
    next.tally.track("a");
    assert.equal((await flush(next.tally)).dropped, 1);
    mock.timers.setTime(NOW + 1_800_001);
    const later = tracker({ sample: 0.5, visitor: true });
    later.tally.track("b");
    assert.equal((await flush(later.tally)).delivered, 1);
  });
});

describe("redact", () => {
  const href = "https://site.test/u/ann@site.test/reset?token=1&utm_source=ann%40site.test";

  test("mails, addresses and tokens in the page's columns and in URLs are taken out", async (t) => {
    const { document } = page(t, { href });
    document.referrer = "https://203.0.113.7/find?q=ann#x";
    const { tally, rows } = tracker({ redact: true });
    tally.track("a", {
      url: "https://a.test/x?id=5&access_token=abc&mail=b%40c.de#at",
      text: "ann@site.test",
      jwt: "https://a.test/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc",
      uuid: "https://a.test/01a20846-fe00-7abc-a123-0123456789ab",
      long: `https://a.test/${"a1".repeat(16)}`,
    });
    // As automatic events name a page.
    tally.track("page_view", { entityType: "page", entityId: "/u/ann@site.test" });
    await flush(tally);
    const [{ pathname, referrer, utm_source, properties }] = rows;
    assert.deepEqual(
      { pathname, referrer, utm_source },
      { pathname: "/u/{mail}/reset", referrer: "https://{ip}/find", utm_source: "{mail}" },
    );
    assert.deepEqual(properties, {
      url: "https://a.test/x?id=5&access_token={removed}&mail={removed}#at",
      text: "ann@site.test",
      jwt: "https://a.test/{token}",
      uuid: "https://a.test/01a20846-fe00-7abc-a123-0123456789ab",
      long: "https://a.test/{token}",
    });
    assert.equal(rows[1].entity_id, "/u/{mail}");
  });

  test("unless it is on, they stay", async (t) => {
    page(t, { href });
    const { tally, rows } = tracker();
    tally.track("a", { url: href });
    await flush(tally);
    assert.deepEqual(
      [rows[0].pathname, rows[0].properties],
      ["/u/ann@site.test/reset", { url: href }],
    );
  });
});

describe("debug", () => {
  test("S4.19 true logs what was flushed, put back and dropped; false logs nothing", async (t) => {
    const said = [];
    for (const level of ["debug", "warn", "log", "info"]) {
      t.mock.method(console, level, (text) => said.push(text));
    }
    for (const debug of [true, false]) {
      const { tally, answer } = tracker({ debug, consent: "granted", sample: 1 });
      tally.track("a");
      await flush(tally);
      answer(500);
      tally.track("b");
      tally.flush();
      await pass(0);
      answer(202);
      await pass(60_000);
      tally.track(5);
      await flush(tally);
      tally.consent("denied");
      tally.track("c");
      await flush(tally);
      if (!debug) assert.deepEqual(said, []);
      else {
        assert.deepEqual(said.splice(0), [
          "[tallymark] 1 events accepted",
          "[tallymark] 1 events again",
          "[tallymark] 1 events accepted",
          "[tallymark] event 5 left out",
          "[tallymark] 1 events dropped: invalid",
          "[tallymark] consent denied: by the visitor",
          "[tallymark] 1 events dropped: consent",
        ]);
      }
    }
  });
});
