// The entry of pages that know people: the usual one with identity, consent and samples. Importing
// it touches nothing of the page.

import { makePeople } from "../src/effects/people/tally.js";
import { checkPeopleOptions } from "./people/options.js";

/** As `init` of the usual entry. */
export const init = (options, now, gone) =>
  makePeople(
    checkPeopleOptions(options),
    () => import("./parts/engine.js"),
    () => import("./parts/queries.js"),
    () => import("./parts/table.js"),
    new URL("tallymark_visit_bg.wasm", import.meta.url),
    () => import("./parts/watch.js"),
    now,
    gone,
  );
