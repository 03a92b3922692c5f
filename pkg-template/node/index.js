// The entry of Node, Bun and Deno. Importing it touches nothing.

import { makeTally } from "../../src/effects/queue.js";
import { checkOptions } from "../parts/options.js";
import { untilShutdown } from "./env.js";

/** As the browser's. */
export const init = (options) =>
  untilShutdown(
    makeTally(
      checkOptions(options),
      () => import("./engine.js"),
      () => import("../parts/queries.js"),
      () => import("./table.js"),
    ),
  );
