// Who the visitor is: the user, registered properties, and what of them is kept over pages and tabs.

import assert from "node:assert/strict";
import { beforeEach, describe, mock, test } from "node:test";
import { NOW, UUID, flush, page, pass, setClock, storage, tracker } from "./people.mjs";

beforeEach(setClock);

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
