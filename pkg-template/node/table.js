// The engine for rows in Node, Bun and Deno.

import { makeRows } from "../parts/rows.js";
import { load as engine } from "./engine.js";

export const load = makeRows(engine);
