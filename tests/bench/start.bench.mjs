// What a start costs the page's main thread, in a browser that is new to the tracker: until the
// first event is accepted, and until it is delivered and all is quiet.

import { launch } from "./chromium.mjs";
import { BASELINE, compare, endings, print } from "./compare.mjs";
import { startReceiver } from "./receiver.mjs";

const ROUNDS = 25;
const WARM_ROUNDS = 2;

/**
 * Pages that start a tracker and count one event. Each loads a module, as the site's own would be
 * there: a tracker's entry is bundled with it.
 */
const starts = {
  "/nothing": `import "/nothing.js";`,
  "/baseline": `import "/nothing.js"; ${BASELINE} window.tracker = baseline; tracker.track("view");`,
  "/tally": `import { init } from "/index.js";
    window.tracker = init({ endpoint: location.origin, key: "k" });
    tracker.track("view");`,
};
const asPage = (script) =>
  `<!doctype html><title>Bench</title><script type="module">${script}; window.began = true</script>`;
const { scope, end } = endings();
const receiver = await startReceiver(scope, {
  pages: Object.fromEntries(Object.entries(starts).map(([path, text]) => [path, asPage(text)])),
});
const browser = await launch(scope);

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
    if (settled) await window.tracker?.flush();
    await new Promise((done) => requestIdleCallback(done));
  }, settled);
  const took = await begun.mainThreadMs();
  letGo();
  await browser.closeContext(context);
  return took;
}

for (const [budget, settled, most] of [
  ["first-event-cpu", false, 1],
  ["settled-cpu", true, 4],
]) {
  const took = await compare(Object.keys(starts), ROUNDS, WARM_ROUNDS, (path) =>
    start(path, settled),
  );
  const more = (path) => took[path] - took["/nothing"];
  const ms = (path) => `${more(path).toFixed(1)} ms`;
  print(budget, ms("/tally"), ms("/baseline"), more("/tally") <= most);
}
await end();
