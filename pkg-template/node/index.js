// The entry of Node, Bun and Deno. Importing it touches nothing.

import { makeTally } from "../../src/effects/queue.js";
import { checkOptions } from "../parts/options.js";

/** As the browser's. */
export const init = (options) =>
  makeTally(
    checkOptions(options),
    () => import("./engine.js"),
    () => import("../parts/queries.js"),
  );
