// `tallymark/people` in Node, Bun and Deno. Importing it touches nothing.

import { makePeople } from "../../src/effects/people/tally.js";
import { checkPeopleOptions } from "../people/options.js";
import { untilShutdown } from "./env.js";

/** As the browser's. */
export const init = (options) =>
  untilShutdown(
    makePeople(
      checkPeopleOptions(options),
      () => import("./engine.js"),
      () => import("../parts/queries.js"),
      () => import("./table.js"),
      new URL("../tallymark_visit_bg.wasm", import.meta.url),
    ),
  );
