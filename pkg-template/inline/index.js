// The entry with the wasm inside, for bundlers that copy no file named by
// `new URL(…, import.meta.url)`. Importing it touches nothing.

import { makeTally } from "../../src/effects/queue.js";
import { checkOptions } from "../parts/options.js";

/** As the browser's, but that it observes nothing by itself. */
export const init = (options) => {
  const config = checkOptions(options);
  if (config.auto)
    throw new TypeError("tallymark: option auto must be left out of tallymark/inline");
  return makeTally(
    config,
    () => import("./engine.js"),
    () => import("../parts/queries.js"),
    () => import("./table.js"),
  );
};
