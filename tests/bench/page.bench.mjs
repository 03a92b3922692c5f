// What the page feels: the time of one `track()`, its main thread's work for an event from call to
// delivered batch, and for a start; beside the design's baseline in the same Chromium. Medians of
// several rounds, taken in turn.

import { launch } from "./chromium.mjs";
import { startReceiver } from "./receiver.mjs";

const EVENTS = 1_000;
const CHUNK = 100;
const CALLS = 400;
const ROUNDS = 31;
/** The first rounds run before the page's code is compiled for good. */
const WARM_ROUNDS = 8;
const STARTS = 25;

const ended = [];
const scope = { after: (end) => ended.push(end) };

/** The design's baseline, word for word, without its timer: the bench flushes both by hand. */
const BASELINE = `
  const queue = [];
  const send = () => fetch("/v1/baseline", { method: "POST", body: JSON.stringify(queue.splice(0)) });
  const baseline = {
    track(name, fields) {
      queue.push({ t: Date.now(), name, ...fields });
      if (queue.length >= 500) send();
    },
    flush: () => queue.length && send(),
  };`;

/** Pages that start a tracker, count one event, and say so. */
const starts = {
  "/nothing": "",
  "/baseline": `${BASELINE} baseline.track("view"); baseline.flush();`,
  "/tally": `import { init } from "/index.js";
    window.tally = init({ endpoint: location.origin, key: "k" });
    tally.track("view");`,
};
const asPage = (script) =>
  `<!doctype html><title>Bench</title><script type="module">${script}; window.began = true</script>`;
const receiver = await startReceiver(scope, {
  pages: Object.fromEntries(Object.entries(starts).map(([path, text]) => [path, asPage(text)])),
});
const browser = await launch(scope);

const median = (numbers) => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

/** Medians of `measure(name)`, the names taken in turn. */
async function compare(names, rounds, warm, measure) {
  const found = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round < warm + rounds; round++) {
    for (const name of names) {
      const measured = await measure(name);
      if (round >= warm) found[name].push(measured);
    }
  }
  return Object.fromEntries(names.map((name) => [name, median(found[name])]));
}

const page = await browser.open(`${receiver.origin}/`);
await page.run(`async () => {
  const { init } = await import("/index.js");
  ${BASELINE}
  const options = { endpoint: location.origin, key: "k" };
  window.trackers = {
    journal: init(options),
    memory: init({ ...options, journalBytes: 0 }),
    baseline,
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

/**
 * Milliseconds of main thread for a page that starts this tracker, in a browser that is new to it:
 * until its first event is accepted, the engine still on its way, or until that is delivered.
 */
async function start(path, settled) {
  const context = await browser.newContext();
  let letGo;
  receiver.held = new Promise((resolve) => (letGo = resolve));
  if (settled) letGo();
  const begun = await browser.open(`${receiver.origin}${path}`, { context });
  await begun.run(async (settled) => {
    while (!window.began) await new Promise((done) => setTimeout(done));
    if (settled) await window.tally?.flush();
    await new Promise((done) => requestIdleCallback(done));
  }, settled);
  const took = await begun.mainThreadMs();
  letGo();
  await browser.closeContext(context);
  return took;
}

const print = (budget, measured, baseline, within) =>
  console.log(JSON.stringify({ budget, measured, baseline, within }));

const calls = await compare(["memory", "baseline"], ROUNDS, WARM_ROUNDS, perCall);
const ns = (number) => `${number.toFixed(0)} ns`;
print("track", ns(calls.memory), ns(calls.baseline), calls.memory <= 150);

const events = await compare(
  ["journal", "memory", "baseline", "nothing"],
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

for (const [budget, settled, most] of [
  ["first-event-cpu", false, 1],
  ["settled-cpu", true, 4],
]) {
  const took = await compare(Object.keys(starts), STARTS, 2, (path) => start(path, settled));
  const more = (path) => took[path] - took["/nothing"];
  const ms = (path) => `${more(path).toFixed(1)} ms`;
  print(budget, ms("/tally"), ms("/baseline"), more("/tally") <= most);
}
for (const end of ended.reverse()) await end();
