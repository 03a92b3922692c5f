// The entry. Importing it touches nothing of the page, so that it may be imported on a server.

import { makeTally } from "../src/effects/queue.js";
import { checkOptions } from "./parts/options.js";

/** Checks the options and returns the tracker at once; throws one error that names an option. */
export const init = (options) => {
  const config = checkOptions(options);
  return makeTally(
    config,
    () => (config.auto ? import("./parts/observe.js") : import("./parts/engine.js")),
    () => import("./parts/queries.js"),
  );
};
