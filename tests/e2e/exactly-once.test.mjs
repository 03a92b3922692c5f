// Every event exactly once, whatever the network does: the sets of what pages tracked and of what
// the tables hold are the same.

import { after, test } from "node:test";
import assert from "node:assert/strict";

import { everyThird, flush, lasts, openBrowser, startFaults, trackNext, until } from "./faults.mjs";
import { answer, holdUntil, loseAnswer, pass, refuse } from "./harness.mjs";

const faults = await startFaults({ after });
const { proxy } = faults;

/** Tracks 30 bursts of 20 events, each a batch. */
async function manyBatches(t, type, behaviour) {
  const browser = await openBrowser(t, faults.profile(t));
  proxy.always(everyThird(behaviour));
  const page = await faults.open(browser, type, "one", { maxRows: 20 });
  const from = proxy.requests.length;
  for (let burst = 0; burst < 30; burst++) await trackNext(page, 20);
  await flush(page);
  await faults.exactlyOnce(type, { one: 600 }, [page]);
  // A third of them failed, and came again.
  assert.ok(proxy.requests.length - from >= 40, `${proxy.requests.length - from} requests`);
}

test("every third answer a 500", (t) => manyBatches(t, "third-500", answer(500, "<html>no")));

test("every third answer lost after the insert", (t) => manyBatches(t, "third-lost", loseAnswer));

test("every third answer a foreign 403", (t) => manyBatches(t, "third-403", answer(403, "denied")));

test("every third answer a portal's 200", (t) => manyBatches(t, "third-200", answer(200, "hi")));

test("a connection that dies before the answer, and Chromium sends by itself again", async (t) => {
  const browser = await openBrowser(t, faults.profile(t));
  const page = await faults.open(browser, "reused", "one");
  const from = proxy.requests.length;
  // The first request opens the connection; only on one that has served does Chromium repeat.
  await trackNext(page, 1);
  await flush(page);
  for (let burst = 0; burst < 5; burst++) {
    proxy.next(loseAnswer);
    await trackNext(page, 30);
    await flush(page);
  }
  await faults.exactlyOnce("reused", { one: 151 }, [page]);
  const { requests } = await page.evaluate(() => tally.stats());
  const seen = proxy.requests.length - from;
  assert.ok(seen > requests, `the page sent ${requests}, the proxy saw ${seen}`);
});

test("offline for 5 s", async (t) => {
  const browser = await openBrowser(t, faults.profile(t));
  const page = await faults.open(browser, "offline", "one", { maxRows: 20, maxTimeMs: 500 });
  await trackNext(page, 30);
  await browser.context.setOffline(true);
  for (let second = 0; second < 5; second++) {
    await trackNext(page, 30);
    await lasts(1_000);
  }
  await browser.context.setOffline(false);
  await trackNext(page, 30);
  await faults.exactlyOnce("offline", { one: 210 }, [page]);
});

test("a server that refuses for 5 s", async (t) => {
  const browser = await openBrowser(t, faults.profile(t));
  const page = await faults.open(browser, "refusing", "one", { maxRows: 20, maxTimeMs: 500 });
  proxy.always(refuse);
  for (let second = 0; second < 5; second++) {
    await trackNext(page, 30);
    await lasts(1_000);
  }
  proxy.always(pass);
  // Without another call: a queue that failed goes on by itself.
  await faults.exactlyOnce("refusing", { one: 150 }, [page]);
});

test("a page that is closed right after 50 events", async (t) => {
  const browser = await openBrowser(t, faults.profile(t));
  const page = await faults.open(browser, "closed", "one");
  await trackNext(page, 50);
  await page.close({ runBeforeUnload: true });
  const next = await faults.open(browser, "closed", "next");
  await faults.exactlyOnce("closed", { one: 50 }, [next]);
});

test("a page that is closed right after 50 events, every answer lost", async (t) => {
  const browser = await openBrowser(t, faults.profile(t));
  const page = await faults.open(browser, "closed-lost", "one");
  proxy.always(loseAnswer);
  await trackNext(page, 50);
  await page.close({ runBeforeUnload: true });
  proxy.always(pass);
  const next = await faults.open(browser, "closed-lost", "next");
  await faults.exactlyOnce("closed-lost", { one: 50 }, [next]);
});

for (const [where, url] of [
  ["elsewhere", () => faults.elsewhere],
  ["on its site", () => `${faults.origin}/other`],
]) {
  test(`a page that navigates right after 50 events, ${where}`, async (t) => {
    const browser = await openBrowser(t, faults.profile(t));
    const type = `navigated ${where}`;
    const page = await faults.open(browser, type, "one");
    await trackNext(page, 50);
    await page.goto(url());
    await page.goto(`${faults.origin}/`);
    await faults.begin(page, type, "next");
    await trackNext(page, 10);
    await flush(page);
    await faults.exactlyOnce(type, { one: 50, next: 10 }, [page]);
  });
}

test("a page that leaves while the server refuses", async (t) => {
  const browser = await openBrowser(t, faults.profile(t));
  const page = await faults.open(browser, "left-refused", "one");
  // The journal is open: until it is, a page that leaves has only its send.
  await trackNext(page, 1);
  await flush(page);
  proxy.always(refuse);
  await trackNext(page, 50);
  await page.goto(faults.elsewhere);
  proxy.always(pass);
  await page.goto(`${faults.origin}/`);
  await faults.begin(page, "left-refused", "next");
  await faults.exactlyOnce("left-refused", { one: 51 }, [page]);
});

test("a server that holds an answer while its page leaves", async (t) => {
  const browser = await openBrowser(t, faults.profile(t));
  const page = await faults.open(browser, "held", "one");
  let letGo;
  proxy.next(holdUntil(new Promise((resolve) => (letGo = resolve))));
  const from = proxy.requests.length;
  await trackNext(page, 50);
  const flushed = flush(page).catch(() => {});
  await until("the request", () => proxy.requests.length >= from + 1);
  await page.goto(faults.elsewhere);
  await flushed;
  await page.goto(`${faults.origin}/`);
  await faults.begin(page, "held", "next");
  // Adopted and sent again before the first try is through.
  await until("the request", () => proxy.requests.length >= from + 2);
  letGo();
  await faults.exactlyOnce("held", { one: 50 }, [page]);
});
