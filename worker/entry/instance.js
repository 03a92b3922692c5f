// The core's wasm instance, one for all of the isolate, and another after a trap: a panic leaves its
// frames on wasm's stack and what it held borrowed, so that nothing of that instance is called again.

import { __wbg_reset_state, initSync } from "#glue";
import module from "./tallymark_worker_bg.wasm";

initSync({ module });

let number = 0;

// The number of the instance that is in use; what was made in another one is dead.
export const instance = () => number;

// Another instance, if `error` came out of this one. A panic is a RuntimeError, a stack that is full
// a RangeError; what else throws one of these pays a millisecond for it.
export function replaceAfter(error, made) {
  const isTrap = error instanceof WebAssembly.RuntimeError || error instanceof RangeError;
  if (!isTrap || made !== number) return;
  number += 1;
  __wbg_reset_state();
}
