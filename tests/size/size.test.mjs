// What a visitor downloads, brotli, against the budgets of the design: over one of them fails.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { brotliCompressSync, constants } from "node:zlib";

const PKG = new URL("../../pkg/", import.meta.url);

/** Bytes on the wire of each download, header bytes not counted. */
const BUDGETS = {
  // The smallest tracker measured is 2,400.
  firstEvent: 2_000,
  // The smallest tracker that batches is 16,125.
  core: 16_000,
  everything: 20_000,
};

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

const sum = (files) => [...files].reduce((bytes, file) => bytes + brotliBytes(file), 0);

function check(what, files, budget) {
  const bytes = sum(files);
  console.log(`${what}: ${bytes} of ${budget} bytes brotli (${[...files].join(", ")})`);
  assert.ok(bytes <= budget, `${what}: ${bytes} bytes brotli, the budget is ${budget}`);
}

const entry = JSON.parse(read("package.json")).exports["."].default.slice(2);
const files = readdirSync(PKG);
const scripts = files.filter((file) => file.endsWith(".js"));
const wasm = files.filter((file) => file.endsWith(".wasm"));
// Queries are fetched at the first query, observers when they are turned on: neither is core.
const optional = (file) => /^(queries|observe)/.test(file);

test("the path to the first event is within its budget", () => {
  check("path to the first event", withImports(entry), BUDGETS.firstEvent);
});

test("the tracker is within its budget", () => {
  const core = [...scripts.filter((file) => !optional(file)), ...wasm];
  check("tracker", core, BUDGETS.core);
});

test("the tracker with everything on is within its budget", () => {
  check("everything", [...scripts, ...wasm], BUDGETS.everything);
});
