// How soon an event is in the browser's storage: the queue's wait and the core's together, on a clock
// that the test moves. The package is the built one; storage is as much of it as a write needs.

import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { setImmediate } from "node:timers/promises";

const puts = [];

/** An IndexedDB request, or a transaction, that succeeds. */
const succeeds = (result, heard = "onsuccess") => {
  const request = { result };
  queueMicrotask(() => request[heard]?.());
  return request;
};
const store = {
  put: (record, key) => puts.push(key),
  delete() {},
  getAllKeys: () => succeeds([]),
};
const transaction = () =>
  Object.assign(succeeds(undefined, "oncomplete"), { objectStore: () => store, commit() {} });
globalThis.indexedDB = { open: () => succeeds({ transaction }) };
const locks = {
  request: async (name, options, held) => void held({ name }),
  query: async () => ({ held: [] }),
};
Object.defineProperty(globalThis, "navigator", { value: { locks }, configurable: true });

mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_795_435_200_000 });
let tick = 0;
mock.method(performance, "now", () => tick);
/** A millisecond at a time: a timer that is set by another is due by when that one was. */
const pass = (ms) => {
  for (; ms > 0; ms--) {
    tick += 1;
    mock.timers.tick(1);
  }
};

test("S1.15 an event is written 100 ms after it was tracked, and with it all of its burst", async () => {
  const { init } = await import("../../pkg/node/index.js");
  const tally = init({ endpoint: "https://edge.test", key: "pk" });
  pass(1);
  while (tally.stats().storage !== "indexeddb") await setImmediate();
  tally.track("read", { entityId: "1" });
  pass(30);
  tally.track("read", { entityId: "2" });
  pass(69);
  assert.equal(puts.length, 0);
  pass(1);
  assert.equal(puts.length, 1);
  await setImmediate();
  assert.equal(tally.stats().stored, 2);
  pass(1_000);
  assert.equal(puts.length, 1);
});
