// What waits while nobody answers: its memory, beside an empty tracker's, and whether all of it
// arrives once a page is there again.

import { launch } from "./chromium.mjs";
import { endings, print } from "./compare.mjs";
import { startReceiver } from "./receiver.mjs";

const EVENTS = 10_000;
const CHUNK = 100;
/** How long the page may take to bring it all out: the longest backoff. */
const PATIENCE_MS = 60_000;

const { scope, end } = endings();
const site = await startReceiver(scope);
const receiver = await startReceiver(scope);
const browser = await launch(scope);

/** Starts a tracker and sees that it delivers; the package keeps its wasm memory to itself. */
const begin = async (options) => {
  const { Instance } = WebAssembly;
  WebAssembly.Instance = function (...given) {
    const instance = new Instance(...given);
    window.memory = instance.exports.memory;
    return instance;
  };
  const { init } = await import("/index.js");
  window.tally = init(options);
  tally.track("warm");
  await tally.flush();
};

const trackAll = async ({ events, chunk }) => {
  for (let at = 0; at < events; at += chunk) {
    for (let one = at; one < at + chunk; one++) {
      const entityId = `${one % 50}`;
      tally.track("read", { entityType: "post", entityId, words: one, from: "feed" });
    }
    await new Promise((done) => setTimeout(done));
  }
};

/** Waits in the page until `tally.stats()[counter]` is `count`, or for so long. */
const reached = async ({ counter, count, patienceMs }) => {
  const until = performance.now() + patienceMs;
  while (tally.stats()[counter] !== count && performance.now() < until)
    await new Promise((done) => setTimeout(done, 50));
};

/** Bytes of JavaScript objects and of wasm memory. */
async function bytesOf(page) {
  await page.cdp("HeapProfiler.collectGarbage");
  await page.cdp("HeapProfiler.collectGarbage");
  const { usedSize } = await page.cdp("Runtime.getHeapUsage");
  return usedSize + (await page.run(() => window.memory.buffer.byteLength));
}

/** A page with a tracker that has delivered once, and then found its endpoint gone. */
async function openOffline(options) {
  receiver.refuse(false);
  const page = await browser.open(`${site.origin}/`, { context: await browser.newContext() });
  await page.run(begin, { endpoint: receiver.origin, key: "k", ...options });
  const empty = await bytesOf(page);
  receiver.refuse(true);
  await page.run(trackAll, { events: EVENTS, chunk: CHUNK });
  return { page, empty };
}

const memory = await openOffline({ journalBytes: 0 });
// The last burst has left the queue, and what was sent has failed.
await memory.page.run(() => new Promise((done) => setTimeout(done, 1_000)));
const each = ((await bytesOf(memory.page)) - memory.empty) / EVENTS;
print("offline-bytes", `${each.toFixed(0)} B`, "1,052 B (best peer)", each <= 150);
await memory.page.close();

const journal = await openOffline({});
const before = receiver.rows();
await journal.page.run(reached, { counter: "stored", count: EVENTS, patienceMs: 5_000 });
await journal.page.goto("about:blank");
receiver.refuse(false);
await journal.page.goto(`${site.origin}/`);
await journal.page.run(begin, { endpoint: receiver.origin, key: "k" });
const until = Date.now() + PATIENCE_MS;
while (receiver.rows() < before + 1 + EVENTS && Date.now() < until)
  await new Promise((turn) => setTimeout(turn, 100));
const arrived = receiver.rows() - before - 1;
print("offline-events", `${arrived} arrive`, "1,000 (best peer)", arrived === EVENTS);
await end();
