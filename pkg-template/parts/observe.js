// Automatic events. Fetched in place of the engine, which it brings along, where `auto` names some.

import { observe } from "../../src/effects/observe/observer.js";
import { pushTurn } from "../../src/effects/visit.js";

/** As src/effects/queue.js has it. */
const BURST_MS = 100;

const observers = new URL("tallymark_observe_bg.wasm", import.meta.url);
const engine = new URL("tallymark_visit_bg.wasm", import.meta.url);

/** As parts/engine.js has it: nothing is imported, and there is no file to read outside a page. */
const instantiate = async () =>
  (
    await WebAssembly.instantiateStreaming(fetch(observers), {
      "./tallymark_bg.js": { __wbindgen_init_externref_table() {} },
    })
  ).instance.exports;

/** Starts the tracker on `queue`, and the observers, which put their events there. */
export async function load(config, queue) {
  const { auto, debug } = config;
  const tell = (what, error) => debug && console.warn(`[tallymark] ${what}`, error ?? "");
  queue.wasm = engine;
  const [host, wasm] = await Promise.all([
    import("./engine.js").then((parts) => parts.load(config, queue)),
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
