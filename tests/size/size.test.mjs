// What a visitor downloads against the budgets of the design: over one of them fails.

import assert from "node:assert/strict";
import { test } from "node:test";
import { stages, sum } from "./measure.mjs";

/** Bytes, brotli. */
const BUDGETS = {
  // It may stand in every page.
  snippet: 1_023,
  // The smallest tracker measured is 2,400.
  firstEvent: 2_000,
  // The smallest tracker that batches is 16,125.
  core: 16_000,
  everything: 20_000,
  // As everything: identity, consent and samples in place of the observers.
  people: 20_000,
  // About half of the core: a page that may not have WebAssembly does not pay for it either. What the
  // engine's script does for journal and compression comes along: it is there before the refusal.
  withoutWasm: 8_300,
};

for (const [stage, budget] of Object.entries(BUDGETS)) {
  test(`${stage} is within ${budget} bytes`, () => {
    const files = stages[stage];
    const bytes = sum(files);
    console.log(`${stage}: ${bytes} of ${budget} bytes brotli (${files.join(", ")})`);
    assert.ok(bytes <= budget, `${stage}: ${bytes} bytes brotli, the budget is ${budget}`);
  });
}
