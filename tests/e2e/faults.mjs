// What the fault tests share: a browser with a profile that can be killed and opened again, pages
// that number what they track, and the comparison of that with the tables.
//
// A *life* is one page view under a name of its own. It tracks the values 1, 2, 3, … on the entity
// of that name, so that value and `seq` tell every event, and an event has one right place. Among
// them are follows and uploads, so that every rollup has something to count.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { pass, serveOrigin, settled, startProxy, startStack } from "./harness.mjs";
import { rollupsAgree } from "./rollups.mjs";

const PACKAGE = fileURLToPath(new URL("../../pkg", import.meta.url));

/** Between two looks at a condition. */
const POLL_MS = 50;
/** Looks until a condition counts as never met: longer than the backoffs after 5 s of failure. */
const POLLS = 800;

/** Asks until `condition()` holds; whether it does at last. */
export async function comes(condition, polls = POLLS) {
  for (let poll = 0; poll < polls; poll++) {
    if (await condition()) return true;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return false;
}

/** As {@link comes}, for what a test cannot go on without. */
export async function until(what, condition, polls) {
  assert.ok(await comes(condition, polls), `never came: ${what}`);
}

/** Lets so much of the browser's time go by: for faults that are defined by how long they last. */
export async function lasts(ms) {
  const end = Date.now() + ms;
  await until(`${ms} ms`, () => Date.now() >= end);
}

/** A behaviour for a proxy: every third request it gets fares so, the others pass. */
export function everyThird(behaviour) {
  let count = 0;
  return (request, forward) => (++count % 3 ? pass : behaviour)(request, forward);
}

/** The stack, a proxy before its worker, and an origin with the package; for a whole file. */
export async function startFaults(scope) {
  const proxy = await startProxy(scope);
  const page = "<!doctype html><title>A page</title>";
  const { origin } = await serveOrigin(scope, {
    folder: PACKAGE,
    pages: { "/": page, "/other": page },
  });
  const elsewhere = await serveOrigin(scope, { pages: { "/": page } });
  const stack = await startStack(scope, { origins: [origin] });
  proxy.target = stack.site;
  proxy.only = ({ method }) => method === "POST";
  // At the end of the file: no browser writes into one any more.
  const profiles = [];
  scope.after(() => {
    for (const folder of profiles) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });
  return {
    proxy,
    stack,
    origin,
    elsewhere: elsewhere.origin,
    /** A profile for one test, which begins with a network that behaves. */
    profile(t) {
      t.after(() => proxy.always(pass));
      const folder = mkdtempSync(join(tmpdir(), "tallymark-profile-"));
      profiles.push(folder);
      return folder;
    },
    /** A tracker in `page`, which has loaded, on this type of entities. */
    async begin(page, type, life, options = {}) {
      await page.evaluate(
        async ({ type, life, options }) => {
          const { init } = await import("/index.js");
          window.tally = init(options);
          let value = 0;
          window.trackNext = (count) => {
            for (let one = 0; one < count; one++) {
              value++;
              const name = ["read", "Follow", "Upload"][value % 3];
              tally.track(name, { entityType: type, entityId: life, userId: life, value });
            }
          };
        },
        { type, life, options: { endpoint: proxy.url, key: stack.key, ...options } },
      );
      await until("the engine", () => page.evaluate(() => tally.stats().engine === "wasm"));
      return page;
    },
    /** The same in a new page of `browser`. */
    async open(browser, ...given) {
      const page = await browser.newPage();
      await page.goto(`${origin}/`);
      return this.begin(page, ...given);
    },
    exactlyOnce: (type, lives, pages) => exactlyOnce(stack, proxy, type, lives, pages),
  };
}

/**
 * Chromium on a profile, as its user starts it: Playwright's own launch turns the bfcache off.
 *
 * @returns `{ newPage, context, pid, kill, close }`; `kill` is `kill -9` of the whole browser
 */
export async function openBrowser(t, profile) {
  const { chromium } = await import("playwright-core");
  const flags = JSON.parse(readFileSync(new URL("../chromium-flags.json", import.meta.url)));
  const child = spawn(
    process.env.CHROMIUM ?? "/usr/bin/chromium",
    [...flags, `--user-data-dir=${profile}`, "--remote-debugging-port=0", "about:blank"],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  const exited = once(child, "exit");
  const address = await new Promise((resolve, reject) => {
    createInterface(child.stderr).on("line", (line) => {
      const [, found] = line.match(/^DevTools listening on (ws:.*)$/) ?? [];
      if (found) resolve(found);
    });
    exited.then(() => reject(new Error("Chromium does not start")));
  });
  const browser = await chromium.connectOverCDP(address);
  const end = async (how) => {
    if (child.exitCode === null && child.signalCode === null) {
      await how();
      await exited;
    }
    await browser.close();
  };
  const kill = () => end(() => process.kill(child.pid, "SIGKILL"));
  t.after(kill);
  return {
    newPage: () => browser.contexts()[0].newPage(),
    context: browser.contexts()[0],
    pid: child.pid,
    kill,
    close: () =>
      end(async () => {
        const session = await browser.newBrowserCDPSession();
        await session.send("Browser.close").catch(() => {});
      }),
  };
}

/** Ends the page's renderer as a crash does. */
export async function crash(page) {
  const session = await page.context().newCDPSession(page);
  const crashed = new Promise((resolve) => page.once("crash", resolve));
  session.send("Page.crash").catch(() => {});
  await crashed;
}

export const flush = (page) => page.evaluate(() => tally.flush());

/** Tracks the page's next `count` values. */
export const trackNext = (page, count) => page.evaluate((count) => trackNext(count), count);

/** What waits in the page, in memory and in storage. */
export const waiting = (page) =>
  page.evaluate(() => {
    const { waiting, stored } = tally.stats();
    return waiting + stored;
  });

/** Waits until so many of the page's events are in the browser's storage. */
export const stored = (page, count) =>
  until(`${count} events stored`, () =>
    page.evaluate((count) => tally.stats().stored === count, count),
  );

/** Waits until the page's `stats().storage` is this. */
export const storage = (page, is) =>
  until(`storage is ${is}`, () => page.evaluate((is) => tally.stats().storage === is, is));

/** How many records are in the storage of the page's origin, whoever left them. */
export const records = (page) =>
  page.evaluate(async () => {
    const asked = (request) =>
      new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
    const db = await asked(indexedDB.open("tallymark", 1));
    const count = await asked(db.transaction("records").objectStore("records").count());
    db.close();
    return count;
  });

/**
 * Waits until everything has arrived, nothing waits any more in `pages`, no request is under way and
 * ClickHouse has all that was accepted; then holds what the tables have, once, against `lives`: how
 * many events each life tracked.
 */
async function exactlyOnce(stack, proxy, type, lives, pages = []) {
  const params = { type };
  const expected = Object.values(lives).reduce((sum, count) => sum + count, 0);
  // What is missing is said below.
  await comes(async () => {
    const [{ rows }] = await stack.rows(
      "SELECT count() AS rows FROM events WHERE entity_type = {type:String}",
      { params },
    );
    return rows >= expected;
  });
  for (const page of pages) await until("nothing waits", async () => (await waiting(page)) === 0);
  // A try that is still under way is the one that would double.
  await proxy.idle();
  await settled(stack);
  const found = await stack.rows(
    "SELECT entity_id AS life, toString(page_id) AS page, seq, value FROM events" +
      " WHERE entity_type = {type:String} ORDER BY life, page, seq, value",
    { params },
  );
  const missing = [];
  const doubled = [];
  const times = new Map();
  const pagesOf = new Map();
  for (const { life, page, seq, value } of found) {
    const event = `${life} ${seq} ${value}`;
    if (times.has(event)) doubled.push(event);
    times.set(event, true);
    pagesOf.set(life, (pagesOf.get(life) ?? new Set()).add(page));
  }
  for (const [life, count] of Object.entries(lives)) {
    for (let value = 1; value <= count; value++) {
      const event = `${life} ${value - 1} ${value}`;
      if (!times.delete(event)) missing.push(event);
    }
  }
  assert.deepEqual(
    { missing: missing.length, doubled: doubled.length, strangers: [...times.keys()] },
    { missing: 0, doubled: 0, strangers: [] },
    `missing: ${missing.slice(0, 5)} … doubled: ${doubled.slice(0, 5)} …`,
  );
  for (const [life, views] of pagesOf) assert.equal(views.size, 1, `one page view: ${life}`);
  await rollupsAgree(stack);
}
