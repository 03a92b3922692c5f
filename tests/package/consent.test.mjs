// What is counted, by the visitor's word, the option, and Global Privacy Control.

import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { NOW, around, flush, page, pass, setClock, settle, storage, tracker } from "./people.mjs";

beforeEach(setClock);

const namesOf = (rows) => rows.map(({ name }) => name);

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
