// The observers of a page: their wasm, and their place beside a tracker.

import { observe } from "../../src/effects/observe/observer.js";

/** As src/effects/queue.js has it. */
const BURST_MS = 50;

const observers = new URL("tallymark_observe_bg.wasm", import.meta.url);

/** As parts/load.js has it: nothing is imported. */
const instantiate = async () =>
  (
    await WebAssembly.instantiateStreaming(fetch(observers), {
      "./tallymark_bg.js": { __wbindgen_init_externref_table() {} },
    })
  ).instance.exports;

/**
 * Observes what `config.auto` names for the tracker that is `starting` on `queue`, and gives that
 * tracker back. `pushTurn` is that of src/effects/visit.js: whoever calls this has it already.
 */
export async function watch({ auto, debug }, queue, starting, pushTurn) {
  const tell = (what, error) => debug && console.warn(`[tallymark] ${what}`, error ?? "");
  const [host, wasm] = await Promise.all([
    starting,
    instantiate().catch((error) => tell("automatic events are off: no module", error)),
  ]);
  const push = (...call) => queue.calls.push(...call) === 3 && setTimeout(host.drain, BURST_MS);
  const beginPage = (place) => {
    pushTurn(queue, ({ page }) => page(place));
    // At once: the rest of the place is read from the page as it is now.
    host.drain();
  };
  if (wasm) {
    try {
      observe(wasm, auto, push, beginPage, tell);
    } catch (error) {
      // What the page has done to its globals must not cost it its tracker.
      tell("automatic events are off", error);
    }
  }
  return host;
}
