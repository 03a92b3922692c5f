// The engine: the tracker's core as wasm, and its place in the page. Fetched once, on first use.

import { addressOf } from "../../src/effects/destination.js";
import { start } from "../../src/effects/host.js";
import { pack } from "../../src/effects/pack.js";
import { placeOf } from "../../src/effects/place.js";
import { send } from "../../src/effects/send.js";

const wasm = new URL("tallymark_bg.wasm", import.meta.url);

/** In Node the file is read: its `fetch` knows no file. No bundler sees an import there. */
const compile = async (url) =>
  url.protocol === "file:"
    ? new WebAssembly.Module(globalThis.process.getBuiltinModule("fs").readFileSync(url))
    : WebAssembly.compileStreaming(fetch(url));

/**
 * All that is left of wasm-bindgen's glue where every export takes and returns numbers: it wants a
 * table for JavaScript's objects filled, and nobody puts one there.
 */
const instantiate = (module) =>
  new WebAssembly.Instance(module, {
    "./tallymark_bg.js": { __wbindgen_init_externref_table() {} },
  }).exports;

const inTwo = async (block) =>
  (await import("./split.js")).inTwo(block, (url) => compile(url).then(instantiate));

/** By address. */
const loaded = {};

/**
 * Starts a tracker on `queue`, in an instance of its own. A page that may not have WebAssembly gets
 * the one without.
 */
export async function load(config, queue) {
  // Where visits are measured, an engine of its own.
  const from = queue.wasm ?? wasm;
  let instance;
  try {
    instance = instantiate(await (loaded[from] ??= compile(from)));
  } catch (error) {
    delete loaded[from];
    // The network's failures are TypeErrors. A refusal by CSP is a CompileError, and a browser in
    // lockdown knows no WebAssembly: a ReferenceError.
    if (error instanceof TypeError) throw error;
    const fallback = await import("../../src/effects/fallback.js");
    return fallback.start(config, queue, pack, send, placeOf, addressOf);
  }
  return start(instance, config, queue, inTwo);
}
