// Rows of a declared table from the tracker: each once, over lost answers, a page that leaves, and one
// that is killed; with and without wasm, and from Node.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, test } from "node:test";
import { fileURLToPath } from "node:url";

import { crash, everyThird, openBrowser, until } from "./faults.mjs";
import {
  launchChromium,
  loseAnswer,
  pass,
  refuse,
  serveOrigin,
  startProxy,
  startStack,
} from "./harness.mjs";

const PACKAGE = fileURLToPath(new URL("../../pkg", import.meta.url));
const EXAMPLE = new URL("../../worker/tables.example.json", import.meta.url);
const [FEATURE] = JSON.parse(readFileSync(EXAMPLE, "utf8"));

/** A page with a tracker as `tally`; its query's `options` are more of it, `before` runs first. */
const html = ({ searchParams }) => `<!doctype html>
  <script>${searchParams.get("before") ?? ""}</script>
  <script type="module">
    import { init } from "/index.js";
    const options = ${searchParams.get("options") ?? "{}"};
    window.tally = init({ endpoint: "${proxy.url}", key: "${stack.key}", maxTimeMs: 3_600_000, ...options });
    window.table = tally.table("my_feature_events");
  </script>`;
const { origin } = await serveOrigin(
  { after },
  { folder: PACKAGE, page: (url) => (url.pathname === "/" ? html(url) : undefined) },
);
const vars = { TABLES: JSON.stringify([FEATURE]), SINK: "direct" };
const sites = [{ site: "served", key: "sk_served", kind: "server" }];
const stack = await startStack({ after }, { origins: [origin], sites, vars });
const proxy = await startProxy({ after }, stack.site);
const browser = await launchChromium({ after });
beforeEach(() => {
  proxy.requests.length = 0;
  proxy.only = ({ method, url }) => method === "POST" && url.startsWith("/v1/");
  proxy.always(pass);
});

async function newContext(t) {
  const context = await browser.newContext();
  t.after(() => context.close());
  return context;
}

async function open(t, { options = {}, before = "", context } = {}) {
  const page = await (context ?? (await newContext(t))).newPage();
  await page.goto(
    `${origin}/?${new URLSearchParams({ options: JSON.stringify(options), before })}`,
  );
  await until("the tracker", () => page.evaluate(() => !!window.table));
  return page;
}
/** Tracks rows of the feature, one for each user. */
const track = (page, feature_id, users) =>
  page.evaluate(
    ([feature_id, users]) => {
      for (const user_id of users) table.track({ feature_id, user_id, action: "open" });
    },
    [feature_id, users],
  );
const range = (length) => Array.from({ length }, (_, at) => at);
const stored = async (feature) => {
  const found = await stack.rows(
    `SELECT user_id FROM my_feature_events WHERE feature_id = ${feature} ORDER BY user_id`,
  );
  return found.map(({ user_id }) => user_id);
};

test("S2.6 with every third answer lost, each row is stored once, the same bytes under the same id", async (t) => {
  const page = await open(t, { options: { maxRows: 3 } });
  proxy.always(everyThird(loseAnswer));
  await track(page, 1, range(30));
  await until("all are delivered", async () => {
    await page.evaluate(() => table.flush());
    return page.evaluate(() => table.stats().delivered === 30);
  });
  assert.deepEqual(await stored(1), range(30));
  const bodies = new Map();
  for (const { url, body, status } of proxy.requests) {
    const { pathname, searchParams } = new URL(url, origin);
    assert.deepEqual([pathname, searchParams.get("t")], ["/v1/events", "my_feature_events"]);
    const id = searchParams.get("id");
    if (bodies.has(id)) assert.equal(`${body}`, bodies.get(id));
    bodies.set(id, `${body}`);
  }
  assert.equal(bodies.size, 10);
  assert.equal(proxy.requests.length, 10 + proxy.requests.filter(({ status }) => !status).length);
  assert.ok(proxy.requests.length > 10, "an answer was lost");
});

test("S2.6 a row that the worker refuses is counted, and the others are stored", async (t) => {
  const page = await open(t);
  await track(page, 2, [1, "x", 2]);
  await page.evaluate(() => table.track([5]));
  const flushed = await page.evaluate(() => table.flush());
  assert.deepEqual(flushed, { ok: false, delivered: 2, dropped: 1 });
  const { engine, tracked, delivered, waiting, dropped } = await page.evaluate(() => table.stats());
  assert.deepEqual(
    { engine, tracked, delivered, waiting, dropped },
    { engine: "wasm", tracked: 4, delivered: 2, waiting: 0, dropped: { invalid: 2 } },
  );
  assert.deepEqual(await stored(2), [1, 2]);
});

test("S2.6 a page that leaves sends its rows", async (t) => {
  const page = await open(t);
  // The engine is there: what is tracked now waits in it.
  await page.evaluate(() => table.flush());
  await track(page, 3, range(5));
  await page.goto("about:blank");
  await until("the rows", async () => (await stored(3)).length === 5);
  assert.deepEqual(await stored(3), range(5));
});

test("S2.6 the rows of a page that was killed are sent by the next one that asks for the table", async (t) => {
  const profile = mkdtempSync(join(tmpdir(), "tallymark-rows-"));
  t.after(() => rmSync(profile, { recursive: true, force: true, maxRetries: 5 }));
  const context = await openBrowser(t, profile);
  const first = await open(t, { context });
  proxy.always(refuse);
  await track(first, 4, range(4));
  await until("they are in storage", () => first.evaluate(() => table.stats().stored === 4));
  await crash(first);
  proxy.always(pass);
  await open(t, { context });
  await until("the rows", async () => (await stored(4)).length === 4);
  assert.deepEqual(await stored(4), range(4));
});

test("S2.6 rows of a table never take what a killed page's events of it have left", async (t) => {
  const profile = mkdtempSync(join(tmpdir(), "tallymark-rows-"));
  t.after(() => rmSync(profile, { recursive: true, force: true, maxRetries: 5 }));
  const context = await openBrowser(t, profile);
  const first = await open(t, { context });
  proxy.always(refuse);
  await first.evaluate(() => {
    for (let at = 0; at < 4; at++) tally.track("read", { entityType: "left" });
  });
  await until("they are in storage", () => first.evaluate(() => tally.stats().stored === 4));
  await crash(first);
  proxy.always(pass);
  // No tracker of this page is for events of that table.
  const second = await open(t, { context, options: { table: "elsewhere" } });
  const flushed = await second.evaluate(async () => {
    const rows = tally.table("events");
    const answers = [];
    for (let at = 0; at < 5; at++) {
      rows.track({ name: "read", entityType: "row" });
      answers.push(await rows.flush());
    }
    return answers;
  });
  assert.deepEqual(flushed, Array(5).fill({ ok: true, delivered: 1, dropped: 0 }));
  await open(t, { context });
  const left = () =>
    stack.rows("SELECT seq, name FROM events WHERE entity_type = 'left' ORDER BY seq");
  await until("the events", async () => (await left()).length === 4);
  assert.deepEqual(
    await left(),
    range(4).map((seq) => ({ seq, name: "read" })),
  );
});

test("S2.6 without WebAssembly the same rows are stored", async (t) => {
  const before = `WebAssembly.compileStreaming = () =>
    Promise.reject(new WebAssembly.CompileError("refused"))`;
  const page = await open(t, { before });
  await track(page, 5, [1, "x", 2]);
  const flushed = await page.evaluate(() => table.flush());
  assert.deepEqual(flushed, { ok: false, delivered: 2, dropped: 1 });
  assert.equal(await page.evaluate(() => table.stats().engine), "fallback");
  assert.deepEqual(await stored(5), [1, 2]);
});

test("S2.6 from Node, events and rows each to their table", async () => {
  const { init } = await import("../../pkg/node/index.js");
  const tally = init({ endpoint: stack.site, key: "sk_served" });
  const table = tally.table("my_feature_events");
  tally.track("beside", { entityType: "post", entityId: "rows" });
  for (const user_id of range(3)) table.track({ feature_id: 6, user_id, action: "open" });
  assert.deepEqual(await table.shutdown(), { ok: true, delivered: 3, dropped: 0 });
  assert.deepEqual(await tally.shutdown(), { ok: true, delivered: 1, dropped: 0 });
  assert.deepEqual(await stored(6), range(3));
});
