// Run with --experimental-vm-modules: imports each file given in a world whose global object tells
// what is asked of it and done to it, and prints that as JSON. The language's own names
// (`Object`, `JSON`, …) are there and not told; reading anything else is.

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import vm from "node:vm";

const page = new Set(["console", "WebAssembly"]);
const language = vm
  .runInNewContext("Reflect.ownKeys(globalThis)")
  .filter((name) => !page.has(name));

const told = {};
for (const file of process.argv.slice(2)) {
  const touched = new Set();
  const target = Object.fromEntries(language.map((name) => [name, globalThis[name]]));
  const traps = {};
  for (const how of ["get", "has", "getOwnPropertyDescriptor"]) {
    traps[how] = (target, name, ...rest) => {
      if (!language.includes(name)) touched.add(`read ${String(name)}`);
      return Reflect[how](target, name, ...rest);
    };
  }
  for (const how of ["set", "defineProperty", "deleteProperty"]) {
    traps[how] = (target, name, ...rest) => {
      touched.add(`changed ${String(name)}`);
      return Reflect[how](target, name, ...rest);
    };
  }
  const context = vm.createContext(new Proxy(target, traps));
  target.globalThis = vm.runInContext("this", context);
  touched.clear();
  const moduleOf = (identifier) =>
    new vm.SourceTextModule(readFileSync(identifier, "utf8"), { context, identifier });
  const module = moduleOf(file);
  await module.link((name, { identifier }) => moduleOf(join(dirname(identifier), name)));
  await module.evaluate();
  told[file] = { exports: Object.keys(module.namespace), touched: [...touched] };
}
console.log(JSON.stringify(told));
