// What the page feels: the time of one `track()`, and of an event from call to delivered batch,
// beside the design's baseline in the same Chromium. The medians of several rounds, taken in turn.

import { fileURLToPath } from "node:url";
import { launchChromium, serveOrigin } from "../e2e/harness.mjs";

const EVENTS = 1_000;
const CHUNK = 100;
const ROUNDS = 15;
const TRACK_BUDGET_NS = 150;
const MEMORY_BUDGET = 0.75;

const ended = [];
const scope = { after: (end) => ended.push(end) };
const { origin } = await serveOrigin(scope, {
  folder: fileURLToPath(new URL("../../pkg", import.meta.url)),
  pages: { "/": "<!doctype html><title>Bench</title>" },
  // Isolated, a page's clock tells 5 µs instead of 100.
  headers: {
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
  },
});
const browser = await launchChromium(scope);
const page = await browser.newPage();
const session = await page.context().newCDPSession(page);
await session.send("Performance.enable");
// Every request is answered at once and the same for both: what is measured is the page.
await page.route("**/v1/**", (route) =>
  route.fulfill({ status: 202, body: `{"now":${Date.now()},"known":false}` }),
);
await page.goto(origin);
await page.evaluate(async () => {
  const { init } = await import("/index.js");
  window.tally = init({ endpoint: location.origin, key: "k" });
  window.tally.track("warm");
  await window.tally.flush();

  // The design's baseline, word for word, without its timer: the bench flushes both by hand.
  const queue = [];
  const url = `${location.origin}/v1/baseline`;
  const send = () => fetch(url, { method: "POST", body: JSON.stringify(queue.splice(0)) });
  window.baseline = {
    track(name, fields) {
      queue.push({ t: Date.now(), name, ...fields });
      if (queue.length >= 500) send();
    },
    flush: () => queue.length && send(),
  };
  window.fieldsOf = (at) => ({
    entityType: "post",
    entityId: `${at % 50}`,
    words: at,
    from: "feed",
  });
});

/** Seconds that the page's main thread has worked so far. */
async function taskSeconds() {
  const { metrics } = await session.send("Performance.getMetrics");
  return metrics.find(({ name }) => name === "TaskDuration").value;
}

/** Microseconds of main thread an event, from the first call until everything is delivered. */
async function perEvent(tracker) {
  const before = await taskSeconds();
  await page.evaluate(
    async ({ tracker, events, chunk }) => {
      for (let at = 0; at < events; at += chunk) {
        for (let one = at; one < at + chunk; one++) {
          window[tracker].track("read", window.fieldsOf(one));
        }
        await new Promise((done) => setTimeout(done));
      }
      await window[tracker].flush();
    },
    { tracker, events: EVENTS, chunk: CHUNK },
  );
  return ((await taskSeconds()) - before) * (1e6 / EVENTS);
}

/** Nanoseconds of one call, the fields made before. */
const perCall = (tracker) =>
  page.evaluate(
    async ({ tracker, calls }) => {
      const fields = Array.from({ length: calls }, (_, at) => window.fieldsOf(at));
      const began = performance.now();
      for (const field of fields) window[tracker].track("read", field);
      const took = performance.now() - began;
      await window[tracker].flush();
      return (took * 1e6) / calls;
    },
    { tracker, calls: 400 },
  );

const median = (numbers) => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

/** The medians of both, measured in turn. */
async function compare(measure) {
  const found = { tally: [], baseline: [] };
  for (let round = 0; round < ROUNDS; round++) {
    for (const tracker of ["tally", "baseline"]) found[tracker].push(await measure(tracker));
  }
  return { tally: median(found.tally), baseline: median(found.baseline) };
}

const calls = await compare(perCall);
const events = await compare(perEvent);
const ratio = events.tally / events.baseline;
for (const line of [
  {
    budget: "track",
    measured: `${calls.tally.toFixed(0)} ns`,
    baseline: `${calls.baseline.toFixed(0)} ns`,
    within: calls.tally <= TRACK_BUDGET_NS,
  },
  {
    budget: "main-thread-memory",
    measured: `${events.tally.toFixed(1)} µs, ${ratio.toFixed(2)} × baseline`,
    baseline: `${events.baseline.toFixed(1)} µs`,
    within: ratio <= MEMORY_BUDGET,
  },
]) {
  console.log(JSON.stringify(line));
}
for (const end of ended.reverse()) await end();
