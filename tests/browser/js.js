// The npm package's tracker around the engine of this test's own wasm.

import { start } from "../../src/effects/host.js";
import { makeTally } from "../../src/effects/queue.js";
import { checkOptions } from "../../pkg-template/parts/options.js";
import * as queries from "../../pkg-template/parts/queries.js";

/** As `init` of the entry; the engine, of the exports `wasm`, comes once `gate` is resolved. */
export function init(options, wasm, gate) {
  const load = async (config, queue) => {
    await gate;
    return start(wasm, config, queue);
  };
  return makeTally(
    checkOptions(options),
    async () => ({ load }),
    async () => queries,
  );
}

/** Evaluates the text of a JavaScript expression: odd values have no name in Rust. */
export const evaluate = (expression) => new Function(`return (${expression})`)();
