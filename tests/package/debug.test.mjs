// What the tracker says in the console, if asked to.

import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { flush, pass, setClock, tracker } from "./people.mjs";

beforeEach(setClock);

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
