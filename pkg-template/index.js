// The entry of a browser. Importing it touches nothing of the page.

import { makeTally } from "../src/effects/queue.js";
import { checkOptions } from "./parts/options.js";

/**
 * Checks the options and returns the tracker at once; throws one error that names an option. `now`
 * and `gone` are the snippet's: the time of a call, and how many it had to let go.
 */
export const init = (options, now, gone) => {
  const config = checkOptions(options);
  return makeTally(
    config,
    () => (config.auto ? import("./parts/observe.js") : import("./parts/engine.js")),
    () => import("./parts/queries.js"),
    () => import("./parts/table.js"),
    now,
    gone,
  );
};
