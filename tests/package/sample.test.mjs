// Which sessions are counted, by lot.

import assert from "node:assert/strict";
import { beforeEach, describe, mock, test } from "node:test";
import { NOW, flush, page, setClock, tracker } from "./people.mjs";

beforeEach(setClock);

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
