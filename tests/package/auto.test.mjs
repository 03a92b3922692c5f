// The option `auto`: what it may be.

import assert from "node:assert/strict";
import { test } from "node:test";
import { checkOptions } from "../../pkg-template/parts/options.js";

const given = (auto) => ({ endpoint: "https://edge.test", key: "pk", auto });

test("an automatic event that nobody knows is refused, with the names of those that are", () => {
  const { auto } = checkOptions(given({ pageViews: true, clicks: false }));
  assert.deepEqual(auto, { pageViews: true, clicks: false });
  const message =
    "tallymark: option auto must be an object of pageViews,engagement,impressions,clicks";
  for (const auto of [true, "pageViews", 1, { pageviews: true }]) {
    assert.throws(() => checkOptions(given(auto)), { name: "TypeError", message });
  }
});

test("auto that is left out asks for nothing", () => {
  assert.equal(checkOptions(given(undefined)).auto, undefined);
});
