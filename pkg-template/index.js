// The entry of a browser. Importing it touches nothing of the page.

import { makeTally } from "../src/effects/queue.js";
import { checkOptions } from "./parts/options.js";

/**
 * Checks the options and returns the tracker at once; throws one error that names an option.
 * `early` is the snippet's: what was called before this was loaded.
 */
export const init = (options, early) =>
  makeTally(
    checkOptions(options),
    () => import("./parts/engine.js"),
    () => import("./parts/queries.js"),
    early,
  );
