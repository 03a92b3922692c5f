// Automatic events. Fetched in place of the engine, which it brings along, where `auto` names some.

import { pushTurn } from "../../src/effects/visit.js";
import { watch } from "./watch.js";

const engine = new URL("tallymark_visit_bg.wasm", import.meta.url);

/** Starts the tracker on `queue`, and behind it the observers, which put their events there. */
export async function load(config, queue) {
  queue.wasm = engine;
  const host = await (await import("./engine.js")).load(config, queue);
  watch(config, queue, host, pushTurn);
  return host;
}
