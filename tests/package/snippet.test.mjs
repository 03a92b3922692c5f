// The snippet in Chromium: by `src` and inline, before the tracker is there, and while it cannot be
// fetched. The page's own script is classic, as a site without a bundler has it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { launchChromium, listen } from "../e2e/harness.mjs";
import { consume, pack } from "./packed.mjs";
import { startReceiver } from "./receiver.mjs";

const scope = { after };
const receiver = await startReceiver(scope);
const browser = await launchChromium(scope);
const installed = join(consume(pack(scope), "snippet"), "node_modules/tallymark");
const snippet = readFileSync(join(installed, "snippet.js"), "utf8");

const TYPES = {
  js: "text/javascript; charset=utf-8",
  wasm: "application/wasm",
  html: "text/html; charset=utf-8",
};

/**
 * A site whose `/tallymark/…` are the package's files, as the worker serves them, and whose page is
 * `head`. `held` is waited for by the tracker's own entry; `missing` times it is not there.
 */
async function visit(t, head, { held, missing = 0, csp = "script-src 'self'" } = {}) {
  const asked = [];
  const { origin } = await listen(t, async ({ url }, outgoing) => {
    const { pathname } = new URL(url, "http://site");
    const answer = (status, type, body) =>
      outgoing
        .writeHead(status, {
          "content-type": TYPES[type],
          "content-security-policy": `${csp} 'wasm-unsafe-eval'`,
        })
        .end(body);
    if (pathname === "/")
      return answer(
        200,
        "html",
        `<!doctype html><link rel="icon" href="data:,"><title>x</title>${head}`,
      );
    const name = pathname.replace("/tallymark/", "");
    if (pathname === "/page.js") return answer(200, "js", PAGE);
    if (name === "index.js") {
      asked.push(url);
      await held;
      if (asked.length <= missing) return answer(404, "js", "");
    }
    const file = await readFile(join(installed, name)).catch(() => null);
    return answer(file ? 200 : 404, name.split(".").at(-1), file);
  });
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  await page.clock.install();
  await page.goto(origin, { waitUntil: "domcontentloaded" });
  return { page, asked };
}

/** What a page does at once, in a classic script. */
const PAGE = `
  const kept = tally;
  // Both at one moment of the page's clock.
  const { now } = Date;
  window.trackedAt = now();
  Date.now = () => window.trackedAt;
  tally.track("view", { entityType: document.title, entityId: "42" });
  tally.posts.trackLike("7", { userId: "u" });
  Date.now = now;
  window.early = { waiting: tally.queueLength(), ...tally.stats() };
  window.flushed = tally.flush();
  window.summary = tally.posts.getSummary("42");
  window.later = () => kept.track("later", { entityType: document.title });
`;

const bySource = (key, more = "") =>
  `<script src="/tallymark/snippet.js" data-key="${key}" data-endpoint="${receiver.origin}"` +
  ` data-module="/tallymark/index.js"${more}></script><script src="/page.js"></script>`;

const rowsOf = (key) => {
  const ids = receiver.requests
    .map(({ url }) => new URL(url, "http://receiver").searchParams)
    .filter((params) => params.get("k") === key)
    .map((params) => params.get("id"));
  return receiver.rows.filter(({ id }) => ids.includes(id));
};

test("takes the same calls before anything is loaded, with the time of each", async (t) => {
  let serve;
  const held = new Promise((resolve) => (serve = resolve));
  const { page } = await visit(t, bySource("pk_early"), { held });
  const early = await page.evaluate(() => window.early);
  assert.deepEqual(
    [early.waiting, early.engine, early.tracked, early.dropped],
    [2, "loading", 2, {}],
  );
  await page.clock.fastForward(5_000);
  serve();
  assert.deepEqual(await page.evaluate(() => window.flushed), {
    ok: true,
    delivered: 2,
    dropped: 0,
  });
  assert.deepEqual(await page.evaluate(() => window.summary), { views: 3, likes: 1 });
  const at = await page.evaluate(() => window.trackedAt);
  const kept = rowsOf("pk_early").map((row) => [row.name, row.entity_id, row.user_id]);
  assert.deepEqual(kept, [
    ["view", "42", ""],
    ["like", "7", "u"],
  ]);
  for (const { occurred_at } of rowsOf("pk_early")) assert.equal(occurred_at, at);
});

test("takes rows of a table before anything is loaded, and others after", async (t) => {
  const script = `<script>
    tally.table("mine").track({ a: 1 });
    window.flushed = tally.table("mine").flush();
  </script>`;
  const csp = "script-src 'self' 'unsafe-inline'";
  const { page } = await visit(t, bySource("pk_rows") + script, { csp });
  const told = { ok: true, delivered: 1, dropped: 0 };
  assert.deepEqual(await page.evaluate(() => window.flushed), told);
  const later = await page.evaluate(() => {
    tally.table("mine").track({ a: 2 });
    return tally.table("mine").flush();
  });
  assert.deepEqual(later, told);
  const rows = rowsOf("pk_rows").filter(({ table }) => table === "mine");
  assert.deepEqual(
    rows.map(({ id, ...row }) => row),
    [
      { a: 1, table: "mine" },
      { a: 2, table: "mine" },
    ],
  );
});

test("what was kept of it before goes on working, and the tracker takes its place", async (t) => {
  const { page } = await visit(t, bySource("pk_later"));
  await page.evaluate(() => window.flushed);
  const told = await page.evaluate(async () => {
    window.later();
    window.tally.track("last", { entityType: "x" });
    return { flushed: await window.tally.flush(), ...window.tally.stats() };
  });
  assert.deepEqual([told.flushed.delivered, told.engine, told.delivered], [2, "wasm", 4]);
  assert.deepEqual(
    rowsOf("pk_later").map(({ name }) => name),
    ["view", "like", "later", "last"],
  );
});

test("inline, with options as JSON", async (t) => {
  const options = JSON.stringify({ maxRows: 1 }).replaceAll('"', "&quot;");
  const head =
    `<script data-key="pk_inline" data-endpoint="${receiver.origin}" data-options="${options}"` +
    ` data-module="/tallymark/index.js">${snippet}</script><script src="/page.js"></script>`;
  assert.doesNotMatch(snippet, /<\/script|<!--/);
  const { page } = await visit(t, head, { csp: "script-src 'self' 'unsafe-inline'" });
  await page.evaluate(() => window.flushed);
  const sent = receiver.requests.filter(({ url }) => url.includes("/v1/batch?v=1&k=pk_inline"));
  assert.equal(sent.length, 2, "a batch an event");
});

test("a tracker that cannot be fetched is asked for again, and nothing is lost", async (t) => {
  const { page, asked } = await visit(t, bySource("pk_again"), { missing: 2 });
  for (const ms of [10_000, 20_000]) {
    const before = asked.length;
    while (asked.length === before) await page.clock.runFor(ms);
  }
  assert.deepEqual((await page.evaluate(() => window.flushed)).delivered, 2);
  assert.deepEqual(asked, [
    "/tallymark/index.js",
    "/tallymark/index.js?again=1",
    "/tallymark/index.js?again=2",
  ]);
  assert.equal(rowsOf("pk_again").length, 2);
});

test("over 20,000 calls the oldest go, and are counted", async (t) => {
  let serve;
  const held = new Promise((resolve) => (serve = resolve));
  const { page } = await visit(t, bySource("pk_full"), { held });
  const early = await page.evaluate(() => {
    for (let value = 1; value <= 20_000; value++) window.tally.track("many", { value });
    return { waiting: window.tally.queueLength(), ...window.tally.stats() };
  });
  assert.deepEqual(
    [early.waiting, early.tracked, early.dropped],
    [20_000, 20_002, { queue_full: 2 }],
  );
  serve();
  await page.evaluate(() => window.flushed);
  const { tracked, dropped } = await page.evaluate(() => window.tally.stats());
  assert.deepEqual([tracked, dropped], [20_002, { queue_full: 2 }]);
});

test("a wrong option is named in the console, once", async (t) => {
  const options = JSON.stringify({ maxRow: 1 }).replaceAll('"', "&quot;");
  let serve;
  const held = new Promise((resolve) => (serve = resolve));
  const { page } = await visit(t, bySource("pk_wrong", ` data-options="${options}"`), { held });
  const said = page.waitForEvent("console", (message) => message.type() === "error");
  serve();
  assert.match((await said).text(), /unknown option maxRow/);
});

test("a second one leaves the first alone", async (t) => {
  const twice = bySource("pk_twice");
  const [first] = twice.split("</script>");
  const { page, asked } = await visit(t, `${first}</script>${twice}`);
  await page.evaluate(() => window.flushed);
  assert.equal(asked.length, 1);
});
