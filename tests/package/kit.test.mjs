// The kit for users' own tests: its clock, its network, and a receiver that keeps each batch once.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { batchUrl, block, eventBlock, eventColumns, uuidV7 } from "../e2e/blocks.mjs";
import { answer, late, lostAnswer, makeKit, makeReceiver, noAnswer } from "../../pkg/test/index.js";

const NOW = Date.UTC(2026, 0, 1);
const statuses = (kit) => kit.requests.map(({ status }) => status);
const ids = (kit) => kit.requests.map(({ url }) => new URL(url).searchParams.get("id"));

describe("a kit", () => {
  test("S0.14 tells what was tracked as it was stored, with the time of the call", async () => {
    const kit = makeKit();
    const tally = kit.init();
    tally.track("read", { entityType: "post", entityId: 42, value: 0.5, userId: "7", words: 300 });
    await kit.pass(1_234);
    tally.posts.trackLike("43");
    await kit.pass(8_765);
    assert.deepEqual(kit.events, []);
    await kit.pass(1);
    assert.deepEqual(kit.events, [
      {
        name: "read",
        entityType: "post",
        entityId: "42",
        value: 0.5,
        userId: "7",
        occurredAt: NOW,
        properties: { words: 300 },
      },
      {
        name: "like",
        entityType: "post",
        entityId: "43",
        value: 1,
        userId: "",
        occurredAt: NOW + 1_234,
        properties: {},
      },
    ]);
    assert.equal(kit.now(), NOW + 10_000);
    assert.deepEqual(
      kit.rows.map(({ seq, table }) => [seq, table]),
      [
        [0, "events"],
        [1, "events"],
      ],
    );
    assert.equal(tally.stats().engine, "wasm");
  });

  test("S4.20 counts once although the answer was lost, the server failed and had to be waited for", async () => {
    const kit = makeKit();
    const tally = kit.init();
    kit.next(lostAnswer, noAnswer, answer(429, { code: "rate_limited", retryAfter: 7 }));
    tally.track("view");
    const first = kit.until(tally.flush());
    assert.deepEqual(await first, { ok: false, delivered: 0, dropped: 0 }, "three tries");
    assert.equal(tally.queueLength(), 1);
    const refusedAt = kit.now();
    assert.deepEqual(await kit.until(tally.flush()), { ok: true, delivered: 1, dropped: 0 });
    assert.equal(kit.now() - refusedAt, 7_000);
    assert.deepEqual(statuses(kit), [0, 0, 429, 202]);
    assert.equal(new Set(ids(kit)).size, 1);
    assert.equal(kit.events.length, 1);
    assert.equal(tally.stats().delivered, 1);
  });

  test("a request that takes longer than 30 s has no answer, and counts once all the same", async () => {
    const kit = makeKit();
    const tally = kit.init();
    kit.next(late(30_001));
    tally.track("view");
    const flushed = tally.flush();
    await kit.pass(29_999);
    assert.equal(kit.requests.length, 1);
    assert.deepEqual(await kit.until(flushed), { ok: true, delivered: 1, dropped: 0 });
    assert.equal(kit.events.length, 1);
    assert.equal(kit.requests.length, 2);
  });

  test("a batch that is too large goes in two", async () => {
    const kit = makeKit();
    const tally = kit.init();
    kit.next(answer(413, { code: "too_large" }));
    for (let value = 1; value <= 4; value++) tally.track("view", { value });
    assert.deepEqual(await kit.until(tally.flush()), { ok: true, delivered: 4, dropped: 0 });
    assert.deepEqual(
      kit.events.map(({ value }) => value),
      [1, 2, 3, 4],
    );
    assert.deepEqual(statuses(kit), [413, 202, 202]);
  });

  test("S1.11 a refusal drops and is counted by its code", async () => {
    const kit = makeKit();
    const tally = kit.init();
    kit.always(answer(401, { code: "bad_key" }));
    tally.track("view");
    assert.deepEqual(await kit.until(tally.flush()), { ok: false, delivered: 0, dropped: 1 });
    assert.deepEqual(tally.stats().dropped, { refused_bad_key: 1 });
    assert.deepEqual(kit.events, []);
  });

  test("U6 straight to ClickHouse, a block counts once under its token", async () => {
    const kit = makeKit();
    const clickhouse = { url: "https://ch.test", database: "web", user: "page", site: "mine" };
    const tally = kit.init({ clickhouse });
    kit.next(lostAnswer);
    tally.track("view", { list: [1, "x"] });
    assert.equal((await kit.until(tally.flush())).ok, true);
    assert.equal(kit.requests.length, 2);
    const [{ site, batch_id, id, properties }, ...others] = kit.rows;
    assert.deepEqual([site, batch_id, properties, others], ["mine", id, { list: [1, "x"] }, []]);
  });

  test("answers queries by name, rows or a function of their parameters", async () => {
    const views = { a: 3 };
    const kit = makeKit({
      queries: {
        summary: ({ id }) => [{ views: views[id] ?? 0 }],
        summaries: ({ ids }) => ids.map((id) => ({ entity_id: id, views: views[id] })),
        mine: [{ value: 1 }],
      },
    });
    const tally = kit.init();
    assert.deepEqual(await kit.until(tally.posts.getSummary("a")), { views: 3 });
    assert.deepEqual((await kit.until(tally.query("mine"))).data, [{ value: 1 }]);
    const log = console.error;
    console.error = () => {};
    try {
      const asked = kit.until(tally.query("toString"));
      await assert.rejects(asked, { name: "TallyError", code: "unknown_query", status: 404 });
    } finally {
      console.error = log;
    }
    // Long enough to go as a POST.
    const many = ["a", ..."b".repeat(5)].map((id) => id.padEnd(1_000, "."));
    const bulk = await kit.until(tally.posts.getBulkSummaries(many));
    assert.deepEqual([...bulk.keys()], [...new Set(many)]);
  });

  test("gives the same ids and waits for the same seed, and others for another", async () => {
    const run = async (seed) => {
      const kit = makeKit({ seed });
      const tally = kit.init();
      kit.next(answer(500), answer(502));
      tally.track("view");
      await kit.until(tally.flush());
      return { ids: ids(kit), took: kit.now() - NOW };
    };
    const [first, again, other] = [await run(1), await run(1), await run(2)];
    assert.deepEqual(again, first);
    assert.notDeepEqual(other, first);
  });

  test("replaces nothing global and waits for nothing real", async () => {
    const before = Reflect.ownKeys(globalThis).map((name) => [
      name,
      Object.getOwnPropertyDescriptor(globalThis, name),
    ]);
    const kit = makeKit();
    const tally = kit.init();
    tally.track("view", { at: new Date(5) });
    await kit.pass(3_600_000);
    const after = Reflect.ownKeys(globalThis).map((name) => [
      name,
      Object.getOwnPropertyDescriptor(globalThis, name),
    ]);
    assert.deepEqual(after, before);
    assert.deepEqual(kit.events[0].properties, { at: "1970-01-01T00:00:00.005Z" });
  });

  test("says so when a promise waits for what can never come", async () => {
    const kit = makeKit();
    await assert.rejects(kit.until(new Promise(() => {})), /never settles/);
  });
});

describe("its receiver", () => {
  const post = (receiver, url, body) => receiver.receive({ method: "POST", url: `${url}`, body });
  const codeOf = ({ status, body }) => [status, JSON.parse(body).code];
  const here = "http://receiver.test";

  test("reads the blocks that others write, column by column", () => {
    const receiver = makeReceiver({ now: () => 5 });
    const id = uuidV7();
    const columns = eventColumns([
      { entity_id: "é", user_id: "x".repeat(300), value: 2.5, properties: '{"a":{"b":[1]}}' },
      { entity_id: "", user_id: "", value: -1, properties: "{}" },
    ]);
    columns.name = ["LowCardinality(String)", ["view", "like"]];
    const url = batchUrl(here, { id });
    const accepted = post(receiver, url, block(columns));
    assert.deepEqual(JSON.parse(accepted.body), { now: 5, known: false });
    assert.equal(accepted.status, 202);
    assert.deepEqual(JSON.parse(post(receiver, url, block(columns)).body), { now: 5, known: true });
    const time = ([, values], row) => values[row];
    assert.deepEqual(
      receiver.rows,
      [0, 1].map((row) => ({
        name: ["view", "like"][row],
        entity_type: "post",
        entity_id: ["é", ""][row],
        occurred_at: time(columns.occurred_at, row),
        page_id: time(columns.page_id, row),
        seq: row,
        user_id: ["x".repeat(300), ""][row],
        value: [2.5, -1][row],
        properties: [{ a: { b: [1] } }, {}][row],
        id,
        table: "events",
      })),
    );
  });

  test("takes the same id once a key and table", () => {
    const receiver = makeReceiver();
    const id = uuidV7();
    const body = eventBlock([{}]);
    for (const more of [{}, {}, { k: "other" }, { t: "others" }, { id: uuidV7() }]) {
      assert.equal(post(receiver, batchUrl(here, { id, ...more }), body).status, 202);
    }
    assert.equal(receiver.rows.length, 4);
  });

  test("refuses what is no block, and keeps nothing of it", () => {
    const receiver = makeReceiver();
    const good = eventBlock([{}, {}]);
    const bad = [
      Buffer.alloc(0),
      good.subarray(0, -1),
      Buffer.concat([good, Buffer.alloc(1)]),
      block(eventColumns([{}]), { rows: 2 ** 40 }),
      block({ name: ["String", ["x"]] }, { count: 2 }),
      block({ properties: ["String", ["no JSON"]] }),
    ];
    for (const body of bad) {
      assert.deepEqual(codeOf(post(receiver, batchUrl(here), body)), [400, "bad_block"]);
    }
    for (const wrong of [{ v: 2 }, { id: "x" }, { at: 0 }, { at: undefined }]) {
      const refused = post(receiver, batchUrl(here, wrong), good);
      assert.deepEqual(codeOf(refused), [400, "bad_request"], JSON.stringify(wrong));
    }
    assert.deepEqual(codeOf(post(receiver, `${here}/elsewhere`, good)), [404, "not_found"]);
    assert.deepEqual(codeOf(receiver.receive({ method: "PUT", url: here })), [405, "bad_method"]);
    assert.deepEqual(receiver.rows, []);
  });

  test("takes JSON as an array and by lines, with an id once", () => {
    const receiver = makeReceiver({ now: () => 5 });
    const url = `${here}/v1/events?k=pk&id=${uuidV7()}`;
    for (const body of ['{"name":"a"}\n{"name":"b"}\n', '[{"name":"a"},{"name":"b"}]']) {
      assert.deepEqual(JSON.parse(post(receiver, url, body).body), {
        now: 5,
        taken: 2,
        refused: [],
      });
    }
    assert.deepEqual(
      receiver.rows.map(({ name, value }) => [name, value]),
      [
        ["a", 1],
        ["b", 1],
      ],
    );
    assert.deepEqual(codeOf(post(receiver, url, "{")), [400, "bad_request"]);
  });
});
