// The engine in a browser: the tracker's core as wasm, fetched once, on first use.

import { instantiate, makeLoad } from "./load.js";

const compile = (url) => WebAssembly.compileStreaming(fetch(url));

export const load = makeLoad(
  compile,
  new URL("tallymark_bg.wasm", import.meta.url),
  async (block) =>
    (await import("./split.js")).inTwo(block, (url) => compile(url).then(instantiate)),
);
