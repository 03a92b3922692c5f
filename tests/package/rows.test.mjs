// Rows of declared tables: what leaves, what is refused, and under which word.

import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { page, pass, setClock, storage, tracker } from "./people.mjs";

beforeEach(setClock);

/** The result of the flush of `tally`, or of a table of it. */
async function flush(tally) {
  const flushing = tally.flush();
  await pass(0);
  return flushing;
}

describe("rows", () => {
  test("leave alone, as they are, to their table", async () => {
    const { tally, rows, urls } = tracker();
    tally.register({ plan: "pro" });
    tally.identify("u1");
    const table = tally.table("mine");
    assert.equal(tally.table("mine"), table);
    table.track({ a: 1, name: "x", properties: { b: [2] }, at: new Date(0) });
    table.track({ big: 9_007_199_254_740_993n, lone: "a\ud800", nothing: undefined });
    assert.deepEqual(await flush(table), { ok: true, delivered: 2, dropped: 0 });
    assert.deepEqual(rows, [
      { a: 1, name: "x", properties: { b: [2] }, at: "1970-01-01T00:00:00.000Z" },
      { big: "9007199254740993", lone: "a\ufffd" },
    ]);
    const url = new URL(urls[0]);
    assert.deepEqual([url.pathname, url.searchParams.get("t")], ["/v1/events", "mine"]);
    await flush(tally);
    assert.deepEqual(
      rows.slice(2).map(({ name, properties }) => [name, properties]),
      [["$identify", { plan: "pro", $set: {} }]],
    );
  });

  test("what is no row, cannot be read or is too long is counted as invalid", async () => {
    const { tally, rows } = tracker();
    const table = tally.table("mine");
    const cyclic = Object.create(null);
    cyclic.self = cyclic;
    for (const row of [undefined, null, 5, "a", [1], cyclic, { long: "x".repeat(32_760) }])
      table.track(row);
    table.track({ fits: 1 });
    await flush(table);
    table.track({ next: 1 });
    await flush(table);
    assert.deepEqual(rows, [{ fits: 1 }, { next: 1 }], "nor is it told to the table");
    const { tracked, delivered, waiting, dropped } = table.stats();
    assert.deepEqual(
      { tracked, delivered, waiting, dropped },
      { tracked: 9, delivered: 2, waiting: 0, dropped: { invalid: 7 } },
    );
    assert.deepEqual(tally.stats().dropped, {});
  });

  test("wait for the visitor's word as events do", async (t) => {
    page(t);
    const { tally, rows, loads } = tracker({ consent: "pending" });
    tally.table("mine").track({ a: 1 });
    await pass(60_000);
    assert.deepEqual([loads, rows], [[], []]);
    tally.consent("granted");
    assert.deepEqual(await flush(tally.table("mine")), { ok: true, delivered: 1, dropped: 0 });
    tally.table("mine").track({ a: 2 });
    await tally.consent("denied");
    tally.table("mine").track({ a: 3 });
    tally.table("other").track({ a: 4 });
    assert.deepEqual(await flush(tally.table("other")), { ok: false, delivered: 0, dropped: 1 });
    await flush(tally.table("mine"));
    assert.deepEqual(rows, [{ a: 1 }]);
    assert.deepEqual(tally.table("mine").stats().dropped, { consent: 2 });
    await tally.consent("granted");
    tally.table("mine").track({ a: 5 });
    await flush(tally.table("mine"));
    assert.deepEqual(rows, [{ a: 1 }, { a: 5 }]);
  });

  test("a no on an earlier page holds for them, and the visitor's id stays", async (t) => {
    const refused = page(t, { localStorage: storage({ tallymark: "denied" }) });
    const denied = tracker();
    denied.tally.table("mine").track({ a: 1 });
    await flush(denied.tally.table("mine"));
    assert.deepEqual([denied.rows, denied.loads], [[], []]);
    refused.localStorage.items.clear();
    const visited = tracker({ visitor: true });
    visited.tally.track("a");
    await flush(visited.tally);
    const kept = refused.localStorage.items.get("tallymark visitor");
    visited.tally.table("mine").track({ a: 1 });
    await flush(visited.tally.table("mine"));
    assert.equal(refused.localStorage.items.get("tallymark visitor"), kept);
  });

  test("are in the sample if their page is", async (t) => {
    for (const [lot, sent] of [
      [0.1, [{ a: 1 }]],
      [0.9, []],
    ]) {
      const draw = t.mock.method(Math, "random", () => lot);
      const { tally, rows } = tracker({ sample: 0.5 });
      tally.table("mine").track({ a: 1 });
      await pass(0);
      draw.mock.mockImplementation(() => 1 - lot);
      tally.track("a");
      await flush(tally);
      await flush(tally.table("mine"));
      assert.deepEqual(
        rows.filter(({ name }) => !name),
        sent,
      );
      assert.equal(rows.length, 2 * sent.length);
    }
  });
});
