// `tallymark/people` in workerd, for which holds what index.js says. Importing it touches nothing.

import visit from "../tallymark_visit_bg.wasm";
import { makePeople } from "../../src/effects/people/tally.js";
import { checkPeopleOptions } from "../people/options.js";

/** As the browser's. */
export const init = (options) =>
  makePeople(
    checkPeopleOptions(options),
    () => import("./engine.js"),
    () => import("../parts/queries.js"),
    () => import("./table.js"),
    visit,
  );
