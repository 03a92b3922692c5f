// The engine for rows in a browser: fetched when a table is asked for, and the engine itself with it.

import { makeRows } from "./rows.js";

const visits = new URL("tallymark_visit_bg.wasm", import.meta.url);

export const load = makeRows(async (config, queue) => {
  // The one that the page has already.
  if (config.auto) queue.wasm = visits;
  return (await import("./engine.js")).load(config, queue);
});
