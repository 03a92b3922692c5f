// Replaces functions of a wasm module by a trap: what a panic would format before it aborts. What it
// would say is blanked out of the data, where nobody reads it any more.
//
// Usage: node snip.mjs <module.wasm> <output.wasm> <part of a function's name>…
// Each part must be found: a toolchain that renames the function would else undo this silently.

import { readFileSync, writeFileSync } from "node:fs";
import binaryen from "binaryen";

/** The standard library's file that panics, and its only words. */
const SAYINGS = /\/rustc\/[0-9a-f]{40}\/[\w/.-]+\.rs|capacity overflow/g;

const [input, output, ...parts] = process.argv.slice(2);
const module = binaryen.readBinary(readFileSync(input));
module.setFeatures(binaryen.Features.All);
for (const part of parts) {
  const found = [];
  for (let at = 0; at < module.getNumFunctions(); at++) {
    const { name, params, results } = binaryen.getFunctionInfo(module.getFunctionByIndex(at));
    if (name.includes(part)) found.push({ name, params, results });
  }
  if (!found.length) throw new Error(`no function is named like ${part}`);
  for (const { name, params, results } of found) {
    module.removeFunction(name);
    module.addFunction(name, params, results, [], module.unreachable());
  }
}
let said = 0;
const binary = Buffer.from(module.emitBinary())
  .toString("latin1")
  .replace(SAYINGS, (text) => {
    said++;
    return "\0".repeat(text.length);
  });
if (!said) throw new Error("no panic says anything");
writeFileSync(output, binary, "latin1");
