// What the tracker without wasm decides, on a clock that the test moves: the same as the core.

import assert from "node:assert/strict";
import { beforeEach, describe, mock, test } from "node:test";
import { addressOf } from "../../src/effects/destination.js";
import { start } from "../../src/effects/fallback.js";
import { pack } from "../../src/effects/pack.js";
import { placeOf } from "../../src/effects/place.js";
import { codeOf, wordOf } from "../../src/effects/reasons.js";

const NOW = 1_795_435_200_000;
const OPTIONS = {
  endpoint: "https://edge.test",
  key: "pk",
  table: "events",
  maxRows: 500,
  maxBytes: 56_000,
  maxTimeMs: 10_000,
  maxWaitingRows: 20_000,
};

mock.timers.enable({ apis: ["setTimeout", "Date"], now: NOW });
mock.method(performance, "now", () => Date.now() - NOW + 1_000_000);
/** Half of every bound. */
mock.method(Math, "random", () => 0.5);
beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: NOW });
});
const pass = (ms) => mock.timers.tick(ms);

/** A tracker whose requests stay open until the test answers them. */
function tracker(options) {
  const queue = { calls: [], shed: 0 };
  const requests = [];
  const told = [];
  const send = (url, body, keepalive) => ({
    // A promise that answers at once: the tests move the clock by hand.
    then: (answered) =>
      requests.push({
        url: new URL(url),
        lines: new TextDecoder().decode(body).split("\n").map(JSON.parse),
        bytes: body.length,
        keepalive,
        answer: (status, text = "", { retryAfter = null, code = null, id = false } = {}) =>
          answered([status, text, retryAfter, code, id]),
        accept() {
          const { length } = this.lines;
          answered([202, `{"now":${NOW},"taken":${length},"refused":[]}`, null, null, false]);
        },
      }),
  });
  const config = { ...OPTIONS, onBatch: (batch) => told.push(batch), ...options };
  const tally = start(config, queue, pack, send, placeOf, addressOf, wordOf, codeOf);
  const track = (rows, fields) => {
    for (let row = 0; row < rows; row++) queue.calls.push(Date.now(), "view", fields);
    tally.drain();
  };
  const identity = ({ url, lines }) => [url.searchParams.get("id"), lines];
  return { tally, queue, requests, told, track, identity };
}

describe("a batch leaves", () => {
  test("U4 S1.1 S4.11 at the tick after its first event, and ticks keep their grid", () => {
    const { requests, track } = tracker();
    pass(4_000);
    track(1);
    pass(5_999);
    assert.equal(requests.length, 0);
    pass(1);
    assert.equal(requests.length, 1);
    requests[0].accept();
    track(1);
    pass(9_999);
    assert.equal(requests.length, 1);
    pass(1);
    assert.equal(requests.length, 2);
    const [first, second] = requests.map(({ url }) => url.searchParams.get("id"));
    assert.notEqual(first, second, "each batch has an id of its own");
  });

  test("U5 S1.2 S4.10 at maxRows, the event included, in order", () => {
    const { requests, track } = tracker({ maxRows: 3 });
    track(2);
    assert.equal(requests.length, 0);
    track(1);
    assert.deepEqual(
      requests.map(({ lines }) => lines.map(({ seq }) => seq)),
      [[0, 1, 2]],
    );
  });

  test("before it is larger than maxBytes, and an event that is larger is invalid", () => {
    const { tally, requests, track } = tracker({ maxBytes: 1_000 });
    track(10, { text: "x".repeat(200) });
    track(1, { text: "x".repeat(1_000) });
    track(1, { text: "x".repeat(200) });
    tally.flush();
    while (requests.some((request) => !request.isDone)) {
      for (const request of requests) {
        if (!request.isDone) request.accept();
        request.isDone = true;
      }
    }
    assert.ok(requests.every(({ bytes }) => bytes <= 1_000));
    const seqs = requests.flatMap(({ lines }) => lines.map(({ seq }) => seq));
    // The invalid one is told along with the last.
    assert.deepEqual(seqs, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    assert.deepEqual(tally.stats().dropped, { invalid: 1 });
  });

  test("S4.13 by no tick after shutdown, but by a flush", async () => {
    const { tally, requests, track } = tracker();
    assert.deepEqual(await tally.shutdown(), { ok: true, delivered: 0, dropped: 0 });
    track(1);
    pass(60_000);
    assert.equal(requests.length, 0);
    const flushed = tally.flush();
    requests[0].accept();
    assert.deepEqual(await flushed, { ok: true, delivered: 1, dropped: 0 });
  });

  test("with the page's id, the session and a gapless seq, to the table under the key", () => {
    const { tally, requests, queue, track } = tracker();
    track(1, { entityType: "post", entityId: 42, userId: 7, value: 2, a: [1] });
    queue.calls.push(NOW, "", {});
    track(1, { occurredAt: NOW + 1_800_000 });
    track(1, { occurredAt: NOW + 3_600_001 });
    tally.flush();
    const [{ url, lines, keepalive }] = requests;
    const { id, ...parameters } = Object.fromEntries(url.searchParams);
    assert.equal(url.origin + url.pathname, "https://edge.test/v1/events");
    assert.deepEqual(parameters, { k: "pk", t: "events", at: `${NOW}` });
    assert.match(id, /^01a20846-fe00-7[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.equal(keepalive, true);
    const [first, second, told, third] = lines;
    assert.deepEqual([told.name, told.entity_type, told.value], ["$dropped", "invalid", 1]);
    assert.deepEqual(first, {
      name: "view",
      entity_type: "post",
      entity_id: "42",
      user_id: "7",
      value: 2,
      occurred_at: NOW,
      session_id: first.session_id,
      seq: 0,
      page_id: first.page_id,
      utm_source: null,
      utm_medium: null,
      utm_campaign: null,
      visitor_id: "",
      properties: { a: [1] },
    });
    assert.deepEqual([second.seq, told.seq, third.seq], [1, 2, 3]);
    assert.equal(second.session_id, first.session_id);
    assert.notEqual(third.session_id, first.session_id);
    assert.deepEqual(tally.stats().dropped, { invalid: 1 });
  });
});

describe("an answer", () => {
  const foreign = [
    ["nothing", 0, ""],
    ["a portal's 200", 200, "<html>"],
    ["a 202 that is not ours", 202, "{}"],
    ["a 200 that looks like ours", 200, '{"now":1,"taken":1,"refused":[]}'],
    ["a proxy's 403", 403, "<html>"],
    ["another's 400", 400, '{"error":"bad_request"}'],
    ["our code under another status", 403, '{"code":"bad_key","message":""}'],
    ["a code that nobody knows", 400, '{"code":"nonsense","message":""}'],
    ["busy", 503, '{"code":"busy","message":""}'],
    ["rate limited", 429, '{"code":"rate_limited","message":""}'],
    ["a 500", 500, ""],
  ];
  for (const [what, status, text] of foreign) {
    test(`S4.15 S4.20 of ${what} means again: the same events under the same id`, async () => {
      const { tally, requests, told, track, identity } = tracker();
      track(2);
      tally.flush();
      requests[0].answer(status, text);
      track(1);
      pass(500);
      assert.equal(requests.length, 2);
      assert.deepEqual(identity(requests[1]), identity(requests[0]));
      assert.equal(tally.stats().waiting, 3);
      await null;
      assert.deepEqual(
        [told[0].outcome, told[0].status, told[0].code],
        ["again", status, undefined],
      );
    });
  }

  const final = [
    [400, "bad_block"],
    [400, "bad_request"],
    [401, "bad_key"],
    [403, "bad_origin"],
    [404, "bad_table"],
    [404, "not_found"],
    [405, "bad_method"],
    [413, "too_large"],
    [410, "too_old"],
  ];
  for (const [status, code] of final) {
    test(`of ${status} ${code} drops the batch for good`, async () => {
      const { tally, requests, told, track } = tracker();
      track(2);
      const flushed = tally.flush();
      requests[0].answer(status, `{"code":"${code}","message":"m"}`);
      assert.deepEqual(await flushed, { ok: false, delivered: 0, dropped: 2 });
      const reason = code === "too_old" ? code : `refused_${code}`;
      assert.deepEqual(tally.stats().dropped, { [reason]: 2 });
      assert.deepEqual([told[0].outcome, told[0].code], ["refused", code]);
      pass(100_000);
      assert.equal(requests.length, 1);
    });
  }

  test("that takes some of the rows drops the others as invalid, however long its list is", async () => {
    const { tally, requests, track } = tracker();
    track(5);
    const flushed = tally.flush();
    requests[0].answer(202, `{"now":${NOW},"taken":3,"refused":[{"index":1,"code":"bad_ev`);
    assert.deepEqual(await flushed, { ok: false, delivered: 3, dropped: 2 });
    assert.deepEqual(tally.stats().dropped, { invalid: 2 });
  });

  test("of ClickHouse itself accepts by its query id alone, and refuses by a listed code", async () => {
    const { tally, requests, track } = tracker({
      endpoint: undefined,
      clickhouse: { url: "https://ch.test", database: "d", user: "u", password: "p", site: "s" },
    });
    track(1);
    const first = tally.flush();
    const { searchParams } = requests[0].url;
    assert.equal(searchParams.get("query"), "INSERT INTO events FORMAT JSONEachRow");
    const { site, batch_id, occurred_at } = requests[0].lines[0];
    const token = searchParams.get("insert_deduplication_token");
    assert.deepEqual([site, batch_id, occurred_at], ["s", token, "1795435200.000"]);
    requests[0].answer(200);
    pass(500);
    requests[1].answer(200, "", { id: true, code: 241 });
    pass(1_000);
    requests[2].answer(200, "", { id: true });
    assert.deepEqual(await first, { ok: true, delivered: 1, dropped: 0 });
    track(1);
    const second = tally.flush();
    requests[3].answer(500, "", { id: true, code: 60 });
    assert.deepEqual(await second, { ok: false, delivered: 0, dropped: 1 });
    assert.deepEqual(tally.stats().dropped, { refused_60: 1 });
  });
});

describe("after a failure", () => {
  test("S4.16 the wait is drawn below a bound that doubles up to a minute", () => {
    const { tally, requests, track } = tracker();
    track(1);
    tally.flush();
    for (const bound of [1, 2, 4, 8, 16, 32, 60, 60]) {
      const before = requests.length;
      requests.at(-1).answer(500);
      pass(bound * 500 - 1);
      assert.equal(requests.length, before, `${bound}`);
      pass(1);
      assert.equal(requests.length, before + 1, `${bound}`);
    }
  });

  test("Retry-After is kept even by a flush, up to an hour", () => {
    const { tally, requests, track } = tracker();
    track(1);
    tally.flush();
    requests[0].answer(503, '{"code":"busy"}', { retryAfter: 5 });
    tally.flush();
    pass(4_999);
    assert.equal(requests.length, 1);
    pass(1);
    assert.equal(requests.length, 2);
    requests[1].answer(503, '{"code":"busy"}', { retryAfter: 1e9 });
    pass(3_600_000 - 1);
    assert.equal(requests.length, 2);
    pass(1);
    assert.equal(requests.length, 3);
  });

  test("a flush skips the backoff, and one probe at a time goes until an answer counts", () => {
    const { tally, requests, track } = tracker({ maxRows: 1 });
    track(3);
    assert.equal(requests.length, 2);
    requests[0].answer(500);
    requests[1].answer(500);
    assert.equal(requests.length, 2);
    tally.flush();
    assert.equal(requests.length, 3);
    requests[2].accept();
    assert.equal(requests.length, 5);
  });

  test("S4.12 a flush reports failure after three tries, and what it covered stays", async () => {
    const { tally, requests, track } = tracker();
    track(2);
    const flushed = tally.flush();
    for (let tries = 0; tries < 3; tries++) {
      requests.at(-1).answer(500);
      pass(60_000);
    }
    assert.deepEqual(await flushed, { ok: false, delivered: 0, dropped: 0 });
    assert.equal(tally.stats().waiting, 2);
    requests.at(-1).accept();
    assert.deepEqual([tally.stats().waiting, tally.stats().delivered], [0, 2]);
  });

  test("the breaker holds against a flush after eight failures, until an answer counts", () => {
    const { tally, requests, track } = tracker();
    track(1);
    for (let failures = 1; failures <= 8; failures++) {
      tally.flush();
      assert.equal(requests.length, failures);
      requests.at(-1).answer(500);
    }
    tally.flush();
    assert.equal(requests.length, 8, "it waits for the backoff");
    pass(30_000);
    requests[8].accept();
    track(1);
    tally.flush();
    assert.equal(requests.length, 10);
  });

  test("a batch that is a day old is dropped", () => {
    const { tally, requests, track } = tracker();
    track(1);
    tally.flush();
    requests[0].answer(500);
    // A laptop that slept: its clock jumps, its timers do not.
    mock.timers.setTime(NOW + 86_400_001);
    pass(500);
    assert.deepEqual([requests.length, tally.stats().dropped], [1, { too_old: 1 }]);
  });
});

describe("onFailure", () => {
  /** Fails the next try, whenever it comes. */
  const failNext = ({ requests }) => {
    pass(60_000);
    requests.at(-1).answer(500);
  };

  test("D9 S1.11 discard drops a batch after its own three tries, and no other", async () => {
    const it = tracker({ onFailure: "discard" });
    it.track(3);
    const flushed = it.tally.flush();
    it.requests[0].answer(500);
    it.track(2);
    failNext(it);
    assert.deepEqual(it.tally.stats().dropped, {});
    failNext(it);
    assert.deepEqual(await flushed, { ok: false, delivered: 0, dropped: 3 });
    const { dropped, waiting } = it.tally.stats();
    assert.deepEqual([dropped, waiting], [{ discarded: 3 }, 2]);
    const outcomes = it.told.map(({ outcome, code }) => [outcome, code]);
    assert.deepEqual(outcomes, [
      ["again", undefined],
      ["again", undefined],
      ["refused", "discarded"],
    ]);
  });

  test("D9 S4.20 requeue, and persist without storage, keep a batch through 20 failures", () => {
    for (const onFailure of ["requeue", "persist"]) {
      const it = tracker({ onFailure });
      it.track(3);
      for (let tries = 0; tries < 20; tries++) failNext(it);
      pass(60_000);
      it.requests.at(-1).accept();
      const { delivered, dropped } = it.tally.stats();
      assert.deepEqual([it.requests.length, delivered, dropped], [21, 3, {}]);
    }
  });
});

describe("leaving", () => {
  /** As `visibilitychange` does it in a browser; `leave()` hides the page. */
  function page(t) {
    const hears = {};
    globalThis.document = {
      addEventListener: (name, hear) => (hears[name] = hear),
      visibilityState: "hidden",
    };
    t.after(() => delete globalThis.document);
    return { leave: () => hears.visibilitychange() };
  }

  test("S1.13 sends nine batches at once, and of a tenth nothing is lost", (t) => {
    const { leave } = page(t);
    const { tally, requests, track } = tracker({ maxRows: 1 });
    track(10);
    assert.equal(requests.length, 2);
    leave();
    assert.deepEqual(
      requests.map(({ keepalive }) => keepalive),
      Array(9).fill(true),
    );
    requests[0].accept();
    assert.equal(requests.length, 9, "two at once again, once it has left");
    for (const request of requests.slice(1)) request.accept();
    requests[9].accept();
    assert.equal(tally.stats().delivered, 10);
  });

  test("sends what outlives the page, the small ones before a large one", (t) => {
    const { leave } = page(t);
    const { requests, track } = tracker({ maxRows: 1, maxBytes: 100_000 });
    const texts = (bytes) => ({ a: "x".repeat(bytes), b: "x".repeat(bytes) });
    track(1, texts(14_000));
    track(1, texts(1));
    track(1, texts(16_000));
    track(1, texts(1));
    leave();
    assert.deepEqual(
      requests.map(({ lines, keepalive }) => [lines[0].seq, keepalive]),
      [
        [0, true],
        [1, true],
        [3, true],
      ],
    );
  });

  test("leaves what is too large to outlive the page to the page, if it lives on", (t) => {
    const { leave } = page(t);
    const { requests, track } = tracker({ maxRows: 3, maxBytes: 100_000 });
    track(3, { text: "x".repeat(30_000) });
    requests[0].answer(500);
    leave();
    assert.equal(requests.length, 1);
    pass(1);
    assert.deepEqual([requests.length, requests[1].keepalive], [2, false]);
  });

  test("tries more than one batch although the receiver is away: there is no journal", (t) => {
    const { leave } = page(t);
    const { requests, track } = tracker({ maxRows: 1 });
    track(3);
    requests[0].answer(500);
    requests[1].answer(500);
    leave();
    assert.equal(requests.length, 5);
  });
});

describe("limits", () => {
  test("S4.17 D10 above maxWaitingRows the oldest that are not in flight go", () => {
    const { tally, requests, track } = tracker({ maxRows: 2, maxWaitingRows: 5 });
    track(4);
    track(4);
    assert.equal(requests.length, 2);
    assert.deepEqual(tally.stats().dropped, { queue_full: 4 });
    assert.equal(tally.stats().waiting, 4);
    requests[0].accept();
    requests[1].accept();
    assert.equal(tally.stats().waiting, 0);
  });

  test("S4.17 D10 a batch that comes back is trimmed at once", () => {
    const { tally, requests, track } = tracker({ maxRows: 20, maxWaitingRows: 30 });
    track(20);
    track(15);
    assert.equal(tally.stats().waiting, 35, "what is in flight cannot be taken back");
    requests[0].answer(500);
    assert.deepEqual(tally.stats().dropped, { queue_full: 20 });
    assert.equal(tally.stats().waiting, 15);
  });

  test("S1.11 above 8,000,000 bytes the oldest batch that is not in flight goes", () => {
    const { tally, requests, track } = tracker({ maxRows: 1, maxBytes: 1_000_000 });
    const text = "x".repeat(32_000);
    while (!tally.stats().dropped.queue_full) track(1, { text });
    // Each batch is as large as the first; the two in flight stay.
    const { bytes } = requests[0];
    const fit = Math.floor(8_000_000 / bytes);
    assert.deepEqual([requests.length, tally.stats().waiting], [2, fit]);
  });

  test("calls that the queue let go are counted", () => {
    const { tally, queue } = tracker();
    queue.shed = 1_000;
    tally.drain();
    const { tracked, dropped } = tally.stats();
    assert.deepEqual([tracked, dropped, queue.shed], [1_000, { queue_full: 1_000 }, 0]);
  });

  test("bodies with keepalive stay within 60,000 bytes together", () => {
    const { requests, track } = tracker({ maxRows: 1 });
    const text = "x".repeat(30_000);
    track(2, { text });
    assert.deepEqual(
      requests.map(({ keepalive }) => keepalive),
      [true, false],
    );
  });

  test("more than 64 flushes at once end the oldest", async () => {
    const { tally, track } = tracker();
    track(1);
    const flushes = Array.from({ length: 65 }, () => tally.flush());
    assert.deepEqual(await flushes[0], { ok: false, delivered: 0, dropped: 0 });
  });

  test("each field is taken at its limit and refused one byte over it", () => {
    const { tally, requests, queue } = tracker({ maxBytes: 1_000_000 });
    const long = (bytes) => "é".repeat(bytes / 2) + "x".repeat(bytes % 2);
    for (const over of [0, 1]) {
      queue.calls.push(NOW, long(200 + over), {});
      queue.calls.push(NOW, "type", { entityType: long(200 + over) });
      queue.calls.push(NOW, "id", { entityId: long(512 + over) });
      queue.calls.push(NOW, "user", { userId: long(512 + over) });
      queue.calls.push(NOW, "properties", { a: long(32_760 + over) });
      queue.calls.push(NOW, "time", { occurredAt: -over });
    }
    tally.flush();
    assert.equal(requests[0].lines.length, 6);
    assert.deepEqual(tally.stats().dropped, { invalid: 6 });
  });
});

describe("what was dropped is told to the table", () => {
  /** The events of this name, of all requests. */
  const told = (requests) =>
    requests
      .flatMap(({ lines }) => lines)
      .filter(({ name }) => name === "$dropped")
      .map(({ entity_type, value, seq }) => [entity_type, value, seq]);

  test("along with the page's next events, as the page's running totals", () => {
    const { tally, requests, queue, track } = tracker();
    queue.calls.push(NOW, "", {}, NOW, "", {});
    tally.drain();
    tally.flush();
    assert.deepEqual(requests, [], "by itself it would drop and tell for ever");
    track(1);
    queue.shed = 1_000;
    track(1);
    track(1);
    queue.calls.push(NOW, "", {});
    tally.drain();
    track(1);
    tally.flush();
    assert.deepEqual(told(requests), [
      ["invalid", 2, 0],
      ["queue_full", 1_000, 3],
      ["invalid", 3, 5],
    ]);
  });

  test("on the page view that it was dropped on, which counts from 0", () => {
    const { tally, requests, queue } = tracker();
    const view = () => queue.calls.push(NOW, "view", {});
    const invalid = () => queue.calls.push(NOW, "", {});
    const page = () => queue.calls.push(NOW, (host) => host.page(), queue);
    queue.shed = 7;
    [view, invalid, page, invalid, invalid, page, view].forEach((call) => call());
    tally.flush();
    const lines = requests.flatMap(({ lines }) => lines);
    const pages = [...new Set(lines.map(({ page_id }) => page_id))];
    assert.deepEqual(
      lines.map((row) => [
        pages.indexOf(row.page_id),
        row.seq,
        row.name,
        row.entity_type,
        row.value,
      ]),
      [
        [0, 0, "view", "", 1],
        [0, 1, "$dropped", "queue_full", 7],
        [0, 2, "$dropped", "invalid", 1],
        [1, 0, "$dropped", "invalid", 2],
        [2, 0, "view", "", 1],
      ],
    );
    assert.deepEqual(tally.stats().dropped, { invalid: 3, queue_full: 7 });
    assert.equal(tally.stats().tracked, 15);
  });

  test("by its reason when the receiver refused it", async () => {
    const { tally, requests, track } = tracker();
    track(3);
    tally.flush();
    requests[0].answer(401, '{"code":"bad_key","message":""}');
    track(1);
    tally.flush();
    assert.deepEqual(told(requests), [["refused_bad_key", 3, 3]]);
  });
});

test("stats have the shape and the meaning of the engine's", async () => {
  const { tally, queue, requests, track } = tracker({
    beforeSend: ({ name }) => name !== "no" && { name },
  });
  queue.calls.push(NOW, "no", {});
  track(2);
  queue.calls.push(NOW, "view", undefined);
  assert.equal(tally.stats().waiting, 3);
  const flushed = tally.flush();
  requests[0].answer(500);
  pass(500);
  requests[1].accept();
  // The fourth tells what was dropped.
  assert.deepEqual(await flushed, { ok: true, delivered: 4, dropped: 0 });
  assert.deepEqual(tally.stats(), {
    engine: "fallback",
    storage: "memory",
    tracked: 5,
    sent: 4,
    delivered: 4,
    waiting: 0,
    stored: 0,
    dropped: { before_send: 1 },
    droppedProperties: 0,
    requests: 2,
    bytes: requests[0].bytes + requests[1].bytes,
    mainThreadMs: 0,
  });
});

describe("a turn has its place among the events", () => {
  const turn = (queue, act) => queue.calls.push(NOW, act, queue);

  test("a page view begins with an id and a seq of its own", () => {
    const { tally, queue, requests, track } = tracker();
    track(2);
    turn(queue, ({ page }) => page({ pathname: "/next", visitor_id: "v" }));
    track(1);
    tally.flush();
    const { lines } = requests[0];
    assert.deepEqual(
      lines.map(({ seq, pathname, visitor_id }) => [seq, pathname, visitor_id]),
      [
        [0, undefined, ""],
        [1, undefined, ""],
        [0, "/next", "v"],
      ],
    );
    assert.equal(lines[0].page_id, lines[1].page_id);
    assert.notEqual(lines[1].page_id, lines[2].page_id);
  });

  test("the session of another page is gone on with while it lasts", () => {
    const { tally, queue, requests, track } = tracker();
    const others = "01234567-89ab-7def-8123-456789abcdef";
    const sessions = [];
    const join = (last) => turn(queue, ({ session }) => sessions.push(session(others, last)));
    join(NOW - 1_800_000);
    track(1);
    pass(1_800_001);
    track(1);
    join(NOW + 1_800_000);
    track(1);
    tally.flush();
    const [first, second, third] = requests.flatMap(({ lines }) =>
      lines.map(({ session_id }) => session_id),
    );
    assert.equal(first, others);
    assert.notEqual(second, others);
    assert.equal(third, second);
    assert.deepEqual(sessions, [others, second]);
  });

  test("a function as a name is none", () => {
    const { tally, queue } = tracker();
    queue.calls.push(NOW, assert.fail, {});
    tally.flush();
    assert.deepEqual(tally.stats().dropped, { invalid: 1 });
  });
});
