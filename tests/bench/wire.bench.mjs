// What a visit of 30 events in 60 s sends, heads included, counted by the receiver's sockets: by
// the defaults, with `maxTimeMs: 30000`, and by the design's baseline, all in one page and minute.

import { launch } from "./chromium.mjs";
import { BASELINE, endings, print } from "./compare.mjs";
import { startReceiver } from "./receiver.mjs";

const EVENTS = 30;
const VISIT_MS = 60_000;

const { scope, end } = endings();
const site = await startReceiver(scope);
const receivers = {
  wire: await startReceiver(scope),
  slow: await startReceiver(scope),
  baseline: await startReceiver(scope),
};
const browser = await launch(scope);
const page = await browser.open(`${site.origin}/`);
const origins = Object.entries(receivers).map(([name, { origin }]) => [name, origin]);
await page.run(
  `async ({ origins, events, visitMs }) => {
    const { wire, slow, baseline: elsewhere } = Object.fromEntries(origins);
    const { init } = await import("/index.js");
    ${BASELINE.replace(`"/v1/baseline"`, "`${elsewhere}/v1/baseline`")}
    // The rest of the baseline, word for word too.
    setInterval(baseline.flush, 10_000);
    addEventListener("pagehide", () =>
      navigator.sendBeacon(elsewhere + "/v1/baseline", JSON.stringify(queue.splice(0))));
    const trackers = [
      init({ endpoint: wire, key: "pk_site_wide" }),
      init({ endpoint: slow, key: "pk_site_wide", maxTimeMs: 30_000 }),
      baseline,
    ];
    for (let at = 0; at < events; at++) {
      const fields = { entityType: "post", entityId: \`\${at % 5}\`, words: at, from: "feed" };
      for (const tracker of trackers) tracker.track("read", fields);
      await new Promise((done) => setTimeout(done, visitMs / events));
    }
  }`,
  { origins, events: EVENTS, visitMs: VISIT_MS },
);
// The visit ends as visits do.
await page.goto("about:blank");
while (receivers.wire.rows() < EVENTS || receivers.slow.rows() < EVENTS)
  await new Promise((turn) => setImmediate(turn));

const perEvent = (name) => receivers[name].wire().bytes / EVENTS;
const told = (name) =>
  `${perEvent(name).toFixed(0)} B an event, ${receivers[name].wire().requests} requests`;
for (const [budget, name, bytes, requests] of [
  ["wire", "wire", 200, 7],
  ["wire-slow", "slow", 120, 3],
]) {
  const within = perEvent(name) <= bytes && receivers[name].wire().requests <= requests;
  print(budget, told(name), told("baseline"), within);
}
await end();
