// The engine with its wasm inside: xtask/src/build/package.rs says what these names stand for.

import engine from "#engine.wasm";
import { cut } from "../parts/cut.js";
import { instantiate, makeLoad } from "../parts/load.js";

export const load = makeLoad(
  () => WebAssembly.compile(engine),
  "inline",
  async (block) => {
    const { default: split } = await import("#split.wasm");
    return cut(block, instantiate(await WebAssembly.compile(split)));
  },
);
