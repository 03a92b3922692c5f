// The npm package's tracker around the engine of this test's own wasm.

import { start } from "../../src/effects/host.js";
import { makeTally } from "../../src/effects/queue.js";
import { checkOptions } from "../../pkg-template/parts/options.js";
import * as queries from "../../pkg-template/parts/queries.js";

let owner;

/**
 * The exports for one tracker. There is one engine an instance of wasm, and all tests share one
 * instance: trackers of earlier tests still listen, and get nothing from it.
 */
function owned(wasm) {
  const me = (owner = {});
  const mine =
    (call) =>
    (...given) =>
      me === owner ? call(...given) : 0;
  const exports = Object.entries(wasm).filter(([name]) => name.startsWith("engine_"));
  return {
    ...Object.fromEntries(exports.map(([name, call]) => [name, mine(call)])),
    memory: wasm.memory,
  };
}

/** As `init` of the entry; the engine, of the exports `wasm`, comes once `gate` is resolved. */
export function init(options, wasm, gate) {
  const load = async (config, queue) => {
    await gate;
    return start(owned(wasm), config, queue);
  };
  return makeTally(
    checkOptions(options),
    async () => ({ load }),
    async () => queries,
  );
}

/** Evaluates the text of a JavaScript expression: odd values have no name in Rust. */
export const evaluate = (expression) => new Function(`return (${expression})`)();
