// What the page feels: the time of one `track()`, its main thread's work for an event from call to
// delivered batch; beside the design's baseline in the same Chromium. Medians of
// several rounds, taken in turn.

import { launch } from "./chromium.mjs";
import { BASELINE, compare, endings, print } from "./compare.mjs";
import { startReceiver } from "./receiver.mjs";

const EVENTS = 1_000;
const CHUNK = 100;
const CALLS = 400;
const ROUNDS = 31;
/** The first rounds run before the page's code is compiled for good. */
const WARM_ROUNDS = 8;

/**
 * What no tracker of this design can be without: for each 500 events one record put, committed and
 * complete, one request whose answer is read, and the record deleted. Neither events nor encoding.
 */
const BARE = `
  const opened = indexedDB.open("bare", 1);
  opened.onupgradeneeded = () => opened.result.createObjectStore("records");
  await new Promise((done) => (opened.onsuccess = done));
  const record = new Uint8Array(25_000);
  const write = (change) =>
    new Promise((done) => {
      const it = opened.result.transaction("records", "readwrite", { durability: "relaxed" });
      it.oncomplete = done;
      change(it.objectStore("records"));
      it.commit();
    });
  const under = [];
  let calls = 0;
  const deliver = async () => {
    await write((records) => records.put(record, "key"));
    const init = { method: "POST", body: record, keepalive: true, credentials: "omit" };
    await (await fetch("/v1/baseline", init)).text();
    write((records) => records.delete("key"));
  };
  const bare = {
    track: () => ++calls % 500 || under.push(deliver()),
    flush: () => Promise.all(under.splice(0)),
  };`;

const { scope, end } = endings();
const receiver = await startReceiver(scope);
const browser = await launch(scope);

const page = await browser.open(`${receiver.origin}/`);
await page.run(`async () => {
  const { init } = await import("/index.js");
  ${BASELINE}
  ${BARE}
  const options = { endpoint: location.origin, key: "k" };
  window.trackers = {
    journal: init(options),
    memory: init({ ...options, journalBytes: 0 }),
    baseline,
    bare,
    nothing: { track() {}, flush() {} },
  };
  window.fieldsOf = (at) => ({ entityType: "post", entityId: \`\${at % 50}\`, words: at, from: "feed" });
  await Promise.all([trackers.journal, trackers.memory].map((tally) => {
    tally.track("warm");
    return tally.flush();
  }));
}`);

/** Nanoseconds of one call, the fields made before. */
const perCall = (tracker) =>
  page.run(
    async ({ tracker, calls }) => {
      const fields = Array.from({ length: calls }, (_, at) => fieldsOf(at));
      const { track, flush } = trackers[tracker];
      const began = performance.now();
      for (const field of fields) track("read", field);
      const took = performance.now() - began;
      await flush();
      return (took * 1e6) / calls;
    },
    { tracker, calls: CALLS },
  );

/** Microseconds of main thread an event, from the first call until everything is delivered. */
async function perEvent(tracker) {
  const before = await page.mainThreadMs();
  await page.run(
    async ({ tracker, events, chunk }) => {
      for (let at = 0; at < events; at += chunk) {
        for (let one = at; one < at + chunk; one++) trackers[tracker].track("read", fieldsOf(one));
        await new Promise((done) => setTimeout(done));
      }
      await trackers[tracker].flush();
    },
    { tracker, events: EVENTS, chunk: CHUNK },
  );
  return ((await page.mainThreadMs()) - before) * (1e3 / EVENTS);
}

const calls = await compare(["memory", "baseline"], ROUNDS, WARM_ROUNDS, perCall);
const ns = (number) => `${number.toFixed(0)} ns`;
print("track", ns(calls.memory), ns(calls.baseline), calls.memory <= 150);

const events = await compare(
  ["journal", "memory", "baseline", "bare", "nothing"],
  ROUNDS,
  WARM_ROUNDS,
  perEvent,
);
const us = (number) => `${number.toFixed(2)} µs`;
console.log(`the bench itself: ${us(events.nothing)} an event, in each of the three`);
for (const [budget, tracker, most] of [
  ["main-thread", "journal", 1],
  ["main-thread-memory", "memory", 0.75],
]) {
  const ratio = events[tracker] / events.baseline;
  const measured = `${us(events[tracker])}, ${ratio.toFixed(2)} × baseline`;
  print(budget, measured, us(events.baseline), ratio <= most);
}
const floor = (events.bare / events.baseline).toFixed(2);
console.log(`the journal's platform calls alone: ${us(events.bare)}, ${floor} × baseline`);

await end();
