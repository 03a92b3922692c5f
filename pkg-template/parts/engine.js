// The engine: the tracker's core as wasm, and its place in the page. Fetched once, on first use.

import { start } from "../../src/effects/host.js";
import { pack } from "../../src/effects/pack.js";
import { send } from "../../src/effects/send.js";

const wasm = new URL("tallymark_bg.wasm", import.meta.url);

// wasm-bindgen's own glue fills a table for values of JavaScript; none crosses (src/js/mod.rs).
const imports = { "./tallymark_bg.js": { __wbindgen_init_externref_table() {} } };

/** In Node the file is read: its `fetch` knows no file. No bundler sees an import there. */
const instantiate = async () =>
  wasm.protocol === "file:"
    ? new WebAssembly.Instance(
        new WebAssembly.Module(globalThis.process.getBuiltinModule("fs").readFileSync(wasm)),
        imports,
      )
    : (await WebAssembly.instantiateStreaming(fetch(wasm), imports)).instance;

let loaded;

/**
 * Starts a tracker on `queue`; all trackers of a page share one module. A page that may not have
 * WebAssembly gets the one without.
 */
export async function load(config, queue) {
  let instance;
  try {
    instance = await (loaded ??= instantiate());
  } catch (error) {
    loaded = undefined;
    // The network's failures are TypeErrors. A refusal by CSP is a CompileError, and a browser in
    // lockdown knows no WebAssembly: a ReferenceError.
    if (error instanceof TypeError) throw error;
    return (await import("../../src/effects/fallback.js")).start(config, queue, pack, send);
  }
  return start(instance.exports, config, queue);
}
