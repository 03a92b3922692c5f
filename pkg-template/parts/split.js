// The module that cuts, in a browser: fetched when it is needed.

import { cut } from "./cut.js";

export const inTwo = async (block, instanceAt) =>
  cut(block, await instanceAt(new URL("tallymark_split_bg.wasm", import.meta.url)));
