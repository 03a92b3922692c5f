// The engine in Node: its wasm is read from beside this file, for `fetch` knows no files there.

import { readFile } from "node:fs/promises";
import { cut } from "../parts/cut.js";
import { instantiate, makeLoad } from "../parts/load.js";

const compile = async (url) => WebAssembly.compile(await readFile(url));

export const load = makeLoad(
  compile,
  new URL("../tallymark_bg.wasm", import.meta.url),
  async (block) => {
    const module = await compile(new URL("../tallymark_split_bg.wasm", import.meta.url));
    return cut(block, instantiate(module));
  },
);
