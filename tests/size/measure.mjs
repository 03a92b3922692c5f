// What a visitor downloads: the files of pkg/ by when they are fetched, and their brotli bytes.

import { readFileSync, readdirSync } from "node:fs";
import { brotliCompressSync, constants } from "node:zlib";

const PKG = new URL("../../pkg/", import.meta.url);

const read = (file) => readFileSync(new URL(file, PKG));

const brotliBytes = (file) => {
  const params = { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY };
  return brotliCompressSync(read(file), { params }).length;
};

/** The file and all that it imports statically: fetched before its first line runs. */
function withImports(file, found = new Set()) {
  if (found.has(file)) return found;
  found.add(file);
  const source = read(file).toString();
  for (const [, name] of source.matchAll(/(?:\bfrom|\bimport)\s*"(\.\/[^"]+)"/g)) {
    withImports(name.slice(2), found);
  }
  return found;
}

/** Bytes on the wire of these downloads, headers not counted. */
export const sum = (files) => [...files].reduce((bytes, file) => bytes + brotliBytes(file), 0);

const entry = JSON.parse(read("package.json")).exports["."].default.slice(2);
const SNIPPET = "snippet.js";
// What lies in a folder is for bundlers, Node and workers.
const files = readdirSync(PKG).filter((file) => file !== SNIPPET);
const scripts = files.filter((file) => file.endsWith(".js"));
const wasm = files.filter((file) => file.endsWith(".wasm"));
// Fetched at the first query, for rows of a table, or when a receiver finds a batch too large.
const isOnDemand = (file) => /^(queries|table|split|tallymark_split)/.test(file);
// The entry in place of the usual one where a site knows people; its engine is the visits'.
const isPeople = (file) => file === "people.js";
// Fetched when they are turned on: the engine in place of the usual one.
const isObserver = (file) => /^(observe|watch|visit|tallymark_visit|tallymark_observe)/.test(file);
const isReplaced = (file) => file === "tallymark_bg.wasm";
// Fetched only where WebAssembly is refused, and then instead of it: no page has both.
const isFallback = (file) => /^fallback/.test(file);

const usual = scripts.filter((file) => !isOnDemand(file) && !isFallback(file) && !isPeople(file));
const all = [...usual, ...wasm.filter((file) => !isOnDemand(file))];

/** The files of each stage; a later one holds the earlier one's. */
export const stages = {
  snippet: [SNIPPET],
  firstEvent: [...withImports(entry)],
  core: all.filter((file) => !isObserver(file)),
  everything: all.filter((file) => !isReplaced(file) && !/^watch/.test(file)),
  people: [
    "people.js",
    ...all.filter(
      (file) =>
        file !== entry && !isReplaced(file) && !/^(observe|watch|tallymark_observe)/.test(file),
    ),
  ],
  withoutWasm: [...usual.filter((file) => !isObserver(file)), ...scripts.filter(isFallback)],
};
