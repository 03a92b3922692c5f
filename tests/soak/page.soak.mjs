// One page under a million events on a line that loses, fails and cuts: each of them counted once,
// and nothing that grows. `cargo xtask soak page`.
//
// What is held at the end against the state after the first tenth: wasm memory, JavaScript heap after
// a collection, and the bytes of all records in the browser's storage, each once nothing waits.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { comes, openBrowser, waiting } from "../e2e/faults.mjs";
import {
  answer,
  loseAnswer,
  pass,
  refuse,
  serveOrigin,
  settled,
  startProxy,
  startStack,
} from "../e2e/harness.mjs";
import { rollupsSay } from "../e2e/rollups.mjs";
import { sleep } from "./load.mjs";

const EVENTS = Number(process.env.SOAK_EVENTS ?? 1_000_000);
/** Events tracked in one task, as a page that is busy does; a batch is 500. */
const BURST = 500;
const TENTHS = 10;
/** Every so many requests one fares ill, each way in turn. */
const EVERY = 7;
/** More rows than this do not wait in the page: beyond 20,000 it would drop them, and say so. */
const WAITING_MOST = 10_000;

/**
 * What may have grown from the first tenth to the end: a page of wasm memory, and what a heap varies
 * by from one collection to the next (measured: 43 kB at a million, 168 kB at 20,000, where the first
 * tenth still warms up).
 */
const WASM_BYTES = 65_536;
const HEAP_BYTES = 300_000;

const PACKAGE = fileURLToPath(new URL("../../pkg", import.meta.url));

const cleanups = [];
const scope = { after: (fn) => cleanups.unshift(fn) };

let failed = false;
function check(what, is) {
  console.log(`${is ? "ok    " : "FAILED"} ${what}`);
  if (!is) failed = true;
}

/** A behaviour for the proxy: most pass, every so many are lost, answered by others, or cut. */
function faulty() {
  const faults = [loseAnswer, answer(500, "<html>no"), refuse, answer(200, "<html>Log in")];
  const told = faults.map(() => 0);
  let count = 0;
  const behave = (request, forward) => {
    count += 1;
    if (count % EVERY) return pass(request, forward);
    const which = (count / EVERY) % faults.length;
    told[which] += 1;
    return faults[which](request, forward);
  };
  return { behave, told };
}

/** Starts a tracker, and keeps its wasm memory in sight: the package has it to itself. */
const begin = async (options) => {
  const { Instance } = WebAssembly;
  WebAssembly.Instance = function (...given) {
    const instance = new Instance(...given);
    if (instance.exports.engine_poll) window.memory = instance.exports.memory;
    return instance;
  };
  const { init } = await import("/index.js");
  window.tally = init(options);
  let value = 0;
  window.trackNext = async ({ count, burst, most }) => {
    for (let left = count; left > 0; left -= burst) {
      while (tally.queueLength() > most) await new Promise((done) => setTimeout(done, 20));
      for (let one = 0; one < burst; one++) {
        value++;
        tally.track(["read", "Follow", "Upload"][value % 3], {
          entityType: "soak",
          entityId: `${value % 50}`,
          userId: `u${value % 10}`,
          value,
          from: "feed",
        });
      }
      await new Promise((done) => setTimeout(done));
    }
  };
};

/** Bytes of all records in the storage of the page's origin. */
const journalBytes = async () => {
  const asked = (request) =>
    new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
  const db = await asked(indexedDB.open("tallymark", 1));
  const records = await asked(db.transaction("records").objectStore("records").getAll());
  db.close();
  return records.reduce((bytes, { length }) => bytes + length, 0);
};

/** What the page holds once nothing waits in it. */
async function stateOf(page, session) {
  while ((await waiting(page)) > 0) {
    await page.evaluate(() => tally.flush());
    await sleep(50);
  }
  // What the last batches left in storage is deleted behind their answers.
  let journal;
  await comes(async () => (journal = await page.evaluate(journalBytes)) === 0);
  for (let times = 0; times < 3; times++) await session.send("HeapProfiler.collectGarbage");
  const { usedSize } = await session.send("Runtime.getHeapUsage");
  const wasm = await page.evaluate(() => window.memory.buffer.byteLength);
  return { wasm, heap: usedSize, journal };
}

async function soak() {
  const proxy = await startProxy(scope);
  const pages = { "/": "<!doctype html><title>Soak</title>" };
  const { origin } = await serveOrigin(scope, { folder: PACKAGE, pages });
  const stack = await startStack(scope, { origins: [origin] });
  proxy.target = stack.site;
  proxy.only = ({ method }) => method === "POST";
  const { behave, told } = faulty();
  proxy.always(behave);

  const profile = mkdtempSync(join(tmpdir(), "tallymark-soak-"));
  scope.after(() => rmSync(profile, { recursive: true, force: true, maxRetries: 5 }));
  const browser = await openBrowser(scope, profile);
  const page = await browser.newPage();
  await page.goto(`${origin}/`);
  await page.evaluate(begin, { endpoint: proxy.url, key: stack.key });
  const session = await page.context().newCDPSession(page);
  await session.send("HeapProfiler.enable");

  console.log(`${EVENTS} events of one page, every ${EVERY}th request failing`);
  const began = performance.now();
  const states = [];
  let requests = 0;
  for (let tenth = 1; tenth <= TENTHS; tenth++) {
    const count = EVENTS / TENTHS;
    await page.evaluate((given) => trackNext(given), { count, burst: BURST, most: WAITING_MOST });
    const state = await stateOf(page, session);
    states.push(state);
    // What went through is not kept: the proxy's memory is not what is measured here.
    requests += proxy.requests.splice(0).length;
    console.log(`  ${tenth}/${TENTHS}: ${JSON.stringify(state)}`);
  }
  const seconds = (performance.now() - began) / 1_000;
  await proxy.idle();
  await settled(stack);

  const stats = await page.evaluate(() => tally.stats());
  const [first, last] = [states[0], states.at(-1)];
  const [lost, failures, cut, portal] = told;
  console.log(
    `  ${seconds.toFixed(0)} s, ${requests} requests seen, ${stats.requests} sent by the page;` +
      ` ${lost} answers lost, ${failures} failed, ${cut} cut, ${portal} a portal's;` +
      ` main thread ${stats.mainThreadMs.toFixed(0)} ms`,
  );
  check(`storage is in use: ${stats.storage}`, stats.storage === "indexeddb");
  check(
    `each way of failing came to pass: ${told}`,
    told.every((times) => times > 0),
  );
  check(
    `nothing was dropped: ${stats.delivered} delivered, ${JSON.stringify(stats.dropped)}`,
    stats.delivered === EVENTS && Object.keys(stats.dropped).length === 0,
  );
  const [found] = await stack.rows(
    "SELECT count() AS rows, uniqExact(page_id, seq) AS identities, uniqExact(value) AS values," +
      " max(value) AS most, uniqExact(page_id) AS pages, countIf(value != seq + 1) AS misplaced FROM events",
  );
  const expected = {
    rows: EVENTS,
    identities: EVENTS,
    values: EVENTS,
    most: EVENTS,
    pages: 1,
    misplaced: 0,
  };
  check(
    `each event once: ${JSON.stringify(found)}`,
    JSON.stringify(found) === JSON.stringify(expected),
  );
  const rollups = await rollupsSay(stack);
  check(`rollups: ${rollups}`, rollups === "all agree");
  const grown = (what) => last[what] - first[what];
  check(`wasm memory: ${first.wasm} B, then ${last.wasm} B`, grown("wasm") <= WASM_BYTES);
  check(`JavaScript heap: ${first.heap} B, then ${last.heap} B`, grown("heap") <= HEAP_BYTES);
  check(
    `records in storage: ${first.journal} B, then ${last.journal} B`,
    first.journal === 0 && last.journal === 0,
  );
}

try {
  await soak();
} finally {
  for (const cleanup of cleanups) await cleanup();
}
process.exit(failed ? 1 : 0);
