// Automatic events where tabs really hide and pages really are prerendered. The page's clock is the
// test's: what was measured is exact.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { startSite } from "./auto.mjs";
import { until } from "./faults.mjs";
import { listen } from "./harness.mjs";
import { startTabs } from "./tabs.mjs";

const site = await startSite({ after });
const tabs = await startTabs({ after });

/** A clock that only `pass(ms)` moves; whole milliseconds, as ticks are. */
const CLOCK = `{
  let now = 1_000;
  performance.now = () => now;
  window.pass = (ms) => (now += ms);
}`;

/** A tab with the page of the test `name` on that clock, and the tracker there. */
async function open(name, options) {
  const tab = await tabs.open(site.url(name, { before: CLOCK }), options);
  await until("the tracker", () => tab.evaluate("window.tally?.stats().engine === 'wasm'"));
  return tab;
}
/** Waits until so many events were tracked: a view is told a moment after it began. */
const tracked = (tab, count) =>
  until(`${count} events`, () => tab.evaluate(`pass(250), tally.stats().tracked === ${count}`));
/** The same, with its observers there and all told that they have measured until now. */
async function openRead(name) {
  const tab = await open(name);
  await tracked(tab, 1);
  await tab.minimise();
  await is(tab, "hidden", false);
  await tab.restore();
  await tab.activate();
  await is(tab, "visible", true);
  return tab;
}
const is = (tab, visibility, hasFocus) =>
  until(`${visibility}, ${hasFocus}`, () =>
    tab.evaluate(
      `document.visibilityState === "${visibility}" && document.hasFocus() === ${hasFocus}`,
    ),
  );
const engagedOf = async (tab, name) => {
  await tab.evaluate("tally.flush()");
  const rows = await site.rowsOf(name);
  const [, ...engaged] = rows.filter((row) => row.name === "engagement");
  return engaged.map(({ value }) => value);
};

test("a tab that is hidden by another one, and a window that is minimised, are not read", async () => {
  const tab = await openRead("hidden");
  await tab.evaluate("pass(2_000)");
  const other = await tabs.open("about:blank");
  await is(tab, "hidden", false);
  await tab.evaluate("pass(5_000)");
  await tab.activate();
  await is(tab, "visible", true);
  await tab.evaluate("pass(1_500)");
  await tab.minimise();
  await is(tab, "hidden", false);
  await tab.evaluate("pass(60_000)");
  await tab.restore();
  await tab.activate();
  await is(tab, "visible", true);
  await tab.evaluate("pass(250)");
  await other.activate();
  await is(tab, "hidden", false);
  assert.deepEqual(await engagedOf(tab, "hidden"), [2_000, 1_500, 250]);
});

test("a tab that is opened in the background is a view once it is seen", async () => {
  const tab = await open("background", { isBehind: true });
  await is(tab, "hidden", false);
  await until("the observers", () =>
    tab.evaluate(
      "performance.getEntriesByType('resource').some(({ name }) => /observe_bg/.test(name))",
    ),
  );
  await tab.evaluate("tally.track('before')");
  await tab.evaluate("tally.flush()");
  const told = async () => (await site.rowsOf("background")).map(({ name }) => name);
  assert.deepEqual(await told(), ["before"]);
  await tab.activate();
  await tracked(tab, 2);
  await tab.evaluate("tally.flush()");
  assert.deepEqual(await told(), ["before", "page_view"]);
});

test("a prerendered page is a view once it is activated", async (t) => {
  // The page says how far it is, and is told to go on: nobody may be attached to it.
  const heard = {};
  const is = (what) => new Promise((resolve) => (heard[what] = resolve));
  const [isPrerendered, isSeen] = ["prerendered", "seen"].map(is);
  let activate;
  const isActivated = new Promise((resolve) => (activate = resolve));
  const { origin } = await listen(t, async ({ url }, answer) => {
    heard[url.slice(1)]?.();
    if (url === "/activate") await isActivated;
    answer.writeHead(204, { "access-control-allow-origin": "*" }).end();
  });
  const says = (what) => `fetch("${origin}/${what}")`;
  const next = site.url("prerendered", {
    before: `const isPrerendered = document.prerendering;
      const comes = async (condition) => {
        while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20));
      };
      addEventListener("DOMContentLoaded", async () => {
        await comes(() => window.tally?.stats().engine === "wasm");
        tally.track("before", { isPrerendered });
        await tally.flush();
        ${says("prerendered")};
        await comes(() => tally.stats().tracked === 2);
        await tally.flush();
        ${says("seen")};
      });`,
  });
  const rules = JSON.stringify({ prerender: [{ urls: [next], eagerness: "immediate" }] });
  await tabs.visit(
    site.url("prerenders", {
      body: `<script type="speculationrules">${rules}</script>
        <script>${says("activate")}.then(() => (location.href = ${JSON.stringify(next)}))</script>`,
    }),
  );
  await isPrerendered;
  const told = async () =>
    (await site.rowsOf("prerendered")).map((row) => [row.name, row.properties, row.page]);
  const [[, , page], ...others] = await told();
  assert.deepEqual(others, []);
  activate();
  await isSeen;
  assert.deepEqual(await told(), [
    ["before", { isPrerendered: true }, page],
    ["page_view", { navigation: "load", title: "/t/prerendered" }, page],
  ]);
});
