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

/** Wait before the observers are fetched again, multiplied by how often that failed. */
const RELOAD_MS = 10_000;

/** So often they are; then the page is left to itself. */
const LOADS = 6;

/**
 * Observes what `config.auto` names for the tracker `host` on `queue`. `pushTurn` is that of
 * src/effects/visit.js: whoever calls this has it already. Resolves to what `observe` returns, if it
 * observes.
 */
export async function watch({ auto, debug }, queue, host, pushTurn) {
  const tell = (what, error) => debug && console.warn(`[tallymark] ${what}`, error ?? "");
  const push = (...call) => queue.calls.push(...call) === 3 && setTimeout(host.drain, BURST_MS);
  const beginPage = (place) => {
    pushTurn(queue, ({ page }) => page(place));
    // At once: the rest of the place is read from the page as it is now.
    host.drain();
  };
  for (let loads = 1; ; loads++) {
    let wasm;
    try {
      wasm = await instantiate();
    } catch (error) {
      tell("automatic events are off: no module", error);
      // As in load.js: the network's failures are TypeErrors.
      if (!(error instanceof TypeError) || loads === LOADS) return;
      await new Promise((resolve) => setTimeout(resolve, RELOAD_MS * loads));
      continue;
    }
    try {
      return observe(wasm, auto, push, beginPage, tell);
    } catch (error) {
      // What the page has done to its globals must not cost it its tracker.
      return tell("automatic events are off", error);
    }
  }
}
