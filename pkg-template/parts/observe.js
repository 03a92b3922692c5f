// Automatic events. Fetched in place of the engine, which it brings along, where `auto` names some.

import { pushTurn } from "../../src/effects/visit.js";
import { watch } from "./watch.js";

const engine = new URL("tallymark_visit_bg.wasm", import.meta.url);

/** Starts the tracker on `queue`, and the observers, which put their events there. */
export function load(config, queue) {
  queue.wasm = engine;
  const starting = import("./engine.js").then((parts) => parts.load(config, queue));
  return watch(config, queue, starting, pushTurn);
}
