// The engine in workerd, which compiles wasm only itself, ahead, from a static import.

import engine from "../tallymark_bg.wasm";
import split from "../tallymark_split_bg.wasm";
import { cut } from "../parts/cut.js";
import { instantiate, makeLoad } from "../parts/load.js";

export const load = makeLoad(
  (module) => module,
  engine,
  async (block) => cut(block, instantiate(split)),
);
