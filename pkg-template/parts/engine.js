// The engine: the tracker's core as wasm, and its place in the page. Fetched once, on first use.

import { initSync } from "#glue";
import { start } from "../../src/effects/host.js";

const wasm = new URL("tallymark_bg.wasm", import.meta.url);

/** In Node the file is read: its `fetch` knows no file. No bundler sees an import there. */
const compile = async () =>
  wasm.protocol === "file:"
    ? new WebAssembly.Module(globalThis.process.getBuiltinModule("fs").readFileSync(wasm))
    : WebAssembly.compileStreaming(fetch(wasm));

let loaded;

/** Starts a tracker on `queue`; all trackers of a page share one module. */
export async function load(config, queue) {
  try {
    return start(
      await (loaded ??= compile().then((module) => initSync({ module }))),
      config,
      queue,
    );
  } catch (error) {
    loaded = undefined;
    throw error;
  }
}
