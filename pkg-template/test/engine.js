// The engine of the kit, compiled at once: what takes its own time would be no part of its world.

import engine from "#engine.wasm";
import split from "#split.wasm";
import { cut } from "../parts/cut.js";
import { instantiate, makeLoad } from "../parts/load.js";

export const load = makeLoad(
  () => new WebAssembly.Module(engine),
  "inline",
  async (block) => cut(block, instantiate(new WebAssembly.Module(split))),
);
