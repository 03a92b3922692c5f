// The Rust example in Chromium against the real stack, under the site's own policy.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { launchChromium, startStack } from "./harness.mjs";

const stack = await startStack({ after });
const browser = await launchChromium({ after });

async function openExample(t, errors) {
  const context = await browser.newContext({
    // Headless Chromium says so in its name, and is counted as a bot then.
    userAgent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/156.0.0.0 Safari/537.36",
  });
  t.after(() => context.close());
  context.setDefaultTimeout(10_000);
  const page = await context.newPage();
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  await page.goto(`${stack.site}/rust/`);
  await page.getByText("Nothing was clicked yet.").waitFor();
  return page;
}

test("U7 U8 U12 a click in the Rust example is a typed row and comes back as a count", async (t) => {
  const errors = [];
  const page = await openExample(t, errors);
  const seen = page.getByRole("button", { name: "Seen" });
  const count = page.locator("[data-count=kestrel]");
  for (const total of ["1", "2"]) {
    await seen.nth(1).click();
    await count.getByText(total, { exact: true }).waitFor();
  }
  assert.deepEqual(
    await stack.rows(
      `SELECT name, toString(properties.bird) AS bird, toInt64(properties.click) AS click, pathname
       FROM events WHERE entity_id = 'rust-kestrel' ORDER BY seq`,
    ),
    [1, 2].map((click) => ({ name: "like", bird: "kestrel", click, pathname: "/rust/" })),
  );
  assert.deepEqual(errors, []);

  const later = await openExample(t, errors);
  await later.locator("[data-count=kestrel]").getByText("2", { exact: true }).waitFor();
  assert.deepEqual(errors, []);
});
