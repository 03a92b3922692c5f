// The engine for rows in workerd.

import { makeRows } from "../parts/rows.js";
import { load as engine } from "./engine.js";

export const load = makeRows(engine);
