// The npm package's tracker around the engine of this test's own wasm.

import { start } from "../../src/effects/host.js";
import { makeTally } from "../../src/effects/queue.js";
import { send } from "../../src/effects/send.js";
import { pushTurn } from "../../src/effects/visit.js";
import { checkOptions } from "../../pkg-template/parts/options.js";
import * as queries from "../../pkg-template/parts/queries.js";

let owner;
const nowhere = new WebAssembly.Memory({ initial: 16 });
/** Of each tracker, once its engine is there. */
const queues = new WeakMap();

/**
 * The exports for one tracker. There is one engine an instance of wasm, and all tests share one
 * instance: trackers of earlier tests still listen, get nothing from it, and write into nowhere.
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
    get memory() {
      return me === owner ? wasm.memory : nowhere;
    },
  };
}

/** As `init` of the entry; the engine, of the exports `wasm`, comes once `gate` is resolved. */
export function init(options, wasm, gate) {
  const load = async (config, queue) => {
    await gate;
    queues.set(tally, queue);
    return start(owned(wasm), config, queue, undefined, send);
  };
  const tally = makeTally(
    checkOptions(options),
    async () => ({ load }),
    async () => queries,
  );
  return tally;
}

/** Puts a turn between a tracker's events. */
export const turn = (tally, act) => pushTurn(queues.get(tally), act);

/** Evaluates the text of a JavaScript expression: odd values have no name in Rust. */
export const evaluate = (expression) => new Function(`return (${expression})`)();
