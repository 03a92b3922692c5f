// The entry of workerd, where a tracker belongs to the request that made it: timers and requests of
// one end with it. Importing it touches nothing.

import { makeTally } from "../../src/effects/queue.js";
import { checkOptions } from "../parts/options.js";

/** As the browser's. */
export const init = (options) =>
  makeTally(
    checkOptions(options),
    () => import("./engine.js"),
    () => import("../parts/queries.js"),
    () => import("./table.js"),
  );
