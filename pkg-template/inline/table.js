// The engine for rows in the entry with the wasm inside.

import { makeRows } from "../parts/rows.js";
import { load as engine } from "./engine.js";

export const load = makeRows(engine);
