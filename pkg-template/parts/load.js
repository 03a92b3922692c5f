// Starts an engine, however its wasm is got.

import { addressOf } from "../../src/effects/destination.js";
import { start } from "../../src/effects/host.js";
import { pack } from "../../src/effects/pack.js";
import { placeOf } from "../../src/effects/place.js";
import { codeOf, wordOf } from "../../src/effects/reasons.js";
import { send } from "../../src/effects/send.js";

/**
 * All that is left of wasm-bindgen's glue where every export takes and returns numbers: it wants a
 * table for JavaScript's objects filled, and nobody puts one there.
 */
export const instantiate = (module) =>
  new WebAssembly.Instance(module, {
    "./tallymark_bg.js": { __wbindgen_init_externref_table() {} },
  }).exports;

/**
 * What starts a tracker on a queue, each in an instance of its own: `compile(usual)` gives the
 * engine's module, `inTwo(block)` the halves of a batch that a receiver finds too large. Where
 * WebAssembly is refused, the tracker without it starts.
 */
export function makeLoad(compile, usual, inTwo) {
  /** By what was compiled. */
  const loaded = {};
  return async (config, queue) => {
    // Rows go another way: rows.js.
    const post = config.through?.(send) ?? send;
    // Where visits are measured, an engine of its own.
    const from = queue.wasm ?? usual;
    let instance;
    try {
      instance = instantiate(await (loaded[from] ??= compile(from)));
    } catch (error) {
      delete loaded[from];
      // The network's failures are TypeErrors. A refusal by CSP is a CompileError, and a browser in
      // lockdown knows no WebAssembly: a ReferenceError.
      if (error instanceof TypeError) throw error;
      const fallback = await import("../../src/effects/fallback.js");
      return fallback.start(config, queue, pack, post, placeOf, addressOf, wordOf, codeOf);
    }
    return start(instance, config, queue, inTwo, post);
  };
}
