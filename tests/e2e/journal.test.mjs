// What a dead page leaves is found and counted once: crashes, kills, tabs, the bfcache, and
// storage that is full, gone, or more than usual.

import { after, test } from "node:test";
import assert from "node:assert/strict";

import {
  comes,
  crash,
  flush,
  openBrowser,
  records,
  startFaults,
  storage,
  stored,
  trackNext,
  until,
  waiting,
} from "./faults.mjs";
import { holdUntil, loseAnswer, pass, refuse, withResolvers } from "./harness.mjs";

const faults = await startFaults({ after });
const { proxy } = faults;

/** A page whose tracker has started and delivered its first event. */
async function openWarm(browser, type, life, options) {
  const page = await faults.open(browser, type, life, options);
  await trackNext(page, 1);
  await flush(page);
  return page;
}

/** Not until `load`, which a page out of the bfcache does not have again. */
const goBack = (page) => page.goBack({ waitUntil: "commit" });

test("a renderer that crashes once its 50 events are stored", async (t) => {
  const profile = faults.profile(t);
  const browser = await openBrowser(t, profile);
  const page = await openWarm(browser, "crash", "one");
  await trackNext(page, 50);
  await stored(page, 50);
  await crash(page);
  await browser.close();
  const again = await openBrowser(t, profile);
  const next = await faults.open(again, "crash", "next");
  await faults.exactlyOnce("crash", { one: 51 }, [next]);
});

test("a browser that is killed once its 50 events are stored", async (t) => {
  const profile = faults.profile(t);
  const browser = await openBrowser(t, profile);
  const page = await openWarm(browser, "kill", "one");
  await trackNext(page, 50);
  await stored(page, 50);
  await browser.kill();
  const again = await openBrowser(t, profile);
  const next = await faults.open(again, "kill", "next");
  await faults.exactlyOnce("kill", { one: 51 }, [next]);
});

for (const [when, behaviour] of [
  ["before the server has it", refuse],
  ["after the server has it", loseAnswer],
]) {
  test(`a browser that is killed between a send and its answer, ${when}`, async (t) => {
    const profile = faults.profile(t);
    const browser = await openBrowser(t, profile);
    const type = `kill ${when}`;
    const page = await openWarm(browser, type, "one");
    const killed = withResolvers();
    const done = withResolvers();
    proxy.next(async (request, forward) => {
      const reply = await behaviour(request, forward);
      done.resolve();
      await killed.promise;
      return reply;
    });
    await trackNext(page, 50);
    flush(page).catch(() => {});
    await done.promise;
    await browser.kill();
    killed.resolve();
    const again = await openBrowser(t, profile);
    const next = await faults.open(again, type, "next");
    await faults.exactlyOnce(type, { one: 51 }, [next]);
  });
}

test("a request that is still under way when its page is dead and adopted", async (t) => {
  const profile = faults.profile(t);
  const browser = await openBrowser(t, profile);
  const page = await openWarm(browser, "under-way", "one");
  const held = withResolvers();
  const from = proxy.requests.length;
  proxy.next(holdUntil(held.promise));
  await trackNext(page, 50);
  flush(page).catch(() => {});
  await until("the request", () => proxy.requests.length >= from + 1);
  await crash(page);
  const next = await faults.open(browser, "under-way", "next");
  await until("the request", () => proxy.requests.length >= from + 2);
  held.resolve();
  await faults.exactlyOnce("under-way", { one: 51 }, [next]);
});

test("rows that came after the record that a dead page left", async (t) => {
  const profile = faults.profile(t);
  const browser = await openBrowser(t, profile);
  const page = await openWarm(browser, "growing", "one");
  // Each burst overwrites the open buffer's record under the same id.
  for (let burst = 0; burst < 5; burst++) {
    await trackNext(page, 10);
    await stored(page, 10 * (burst + 1));
  }
  await browser.kill();
  const again = await openBrowser(t, profile);
  const next = await faults.open(again, "growing", "next");
  await faults.exactlyOnce("growing", { one: 51 }, [next]);
});

test("an adopter that is killed as well", async (t) => {
  const profile = faults.profile(t);
  const browser = await openBrowser(t, profile);
  const page = await openWarm(browser, "twice-dead", "one", { maxRows: 10 });
  proxy.always(refuse);
  await trackNext(page, 50);
  await stored(page, 50);
  await browser.kill();
  const again = await openBrowser(t, profile);
  const adopter = await faults.open(again, "twice-dead", "two");
  proxy.always(loseAnswer);
  await until("it adopts", async () => (await waiting(adopter)) > 0);
  await trackNext(adopter, 20);
  await stored(adopter, 70);
  await again.kill();
  proxy.always(pass);
  const last = await openBrowser(t, profile);
  const next = await faults.open(last, "twice-dead", "next");
  await faults.exactlyOnce("twice-dead", { one: 51, two: 20 }, [next]);
});

test("two pages that open at once over a dead one's journal", async (t) => {
  const profile = faults.profile(t);
  const browser = await openBrowser(t, profile);
  const page = await openWarm(browser, "race", "one", { maxRows: 10 });
  proxy.always(refuse);
  await trackNext(page, 50);
  await stored(page, 50);
  await browser.kill();
  proxy.always(loseAnswer);
  const again = await openBrowser(t, profile);
  const both = await Promise.all([
    faults.open(again, "race", "left"),
    faults.open(again, "race", "right"),
  ]);
  for (const page of both) await trackNext(page, 5);
  // One of them has the dead one's as well.
  await until("both have stored theirs", async () => {
    const counts = await Promise.all(both.map((page) => page.evaluate(() => tally.stats().stored)));
    return counts.sort((a, b) => a - b).join() === "5,55";
  });
  proxy.always(pass);
  await faults.exactlyOnce("race", { one: 51, left: 5, right: 5 }, both);
});

test("two tabs of which one crashes, the other goes on and takes over", async (t) => {
  const browser = await openBrowser(t, faults.profile(t));
  const dies = await openWarm(browser, "tabs", "dies");
  const lives = await openWarm(browser, "tabs", "lives");
  await trackNext(dies, 50);
  await trackNext(lives, 50);
  await stored(dies, 50);
  await crash(dies);
  // A page looks for dead ones when it tracks, at most once a minute.
  let tracked = 51;
  await comes(async () => {
    await trackNext(lives, 1);
    tracked += 1;
    await flush(lives);
    const [{ rows }] = await faults.stack.rows(
      "SELECT count() AS rows FROM events WHERE entity_type = 'tabs' AND entity_id = 'dies'",
    );
    return rows === 51;
  });
  await faults.exactlyOnce("tabs", { dies: 51, lives: tracked }, [lives]);
});

test("back and forward through the bfcache, a second tab open", async (t) => {
  const browser = await openBrowser(t, faults.profile(t));
  const page = await openWarm(browser, "bfcache", "one");
  await page.evaluate(() => {
    window.restored = 0;
    addEventListener("pageshow", ({ persisted }) => (window.restored += persisted));
  });
  let tracked = 1;
  const lives = {};
  for (let turn = 1; turn <= 3; turn++) {
    await trackNext(page, 50);
    tracked += 50;
    await page.goto(`${faults.origin}/other`);
    // A new page looks for journals that nobody holds; it must not put the other one out.
    const second = await openWarm(browser, "bfcache", `second ${turn}`);
    lives[`second ${turn}`] = 1;
    await goBack(page);
    await until("it came out of the bfcache", () =>
      page.evaluate((turn) => window.restored === turn, turn),
    );
    await trackNext(page, 10);
    tracked += 10;
    await second.close();
  }
  await flush(page);
  await faults.exactlyOnce("bfcache", { one: tracked, ...lives }, [page]);
});

test("a page in the bfcache while its tab dies", async (t) => {
  const profile = faults.profile(t);
  const browser = await openBrowser(t, profile);
  const page = await openWarm(browser, "bfcache-dead", "one");
  proxy.always(refuse);
  await trackNext(page, 50);
  await page.goto(`${faults.origin}/other`);
  await until("its record", async () => (await records(page)) > 0);
  await browser.kill();
  proxy.always(pass);
  const again = await openBrowser(t, profile);
  const next = await faults.open(again, "bfcache-dead", "next");
  await faults.exactlyOnce("bfcache-dead", { one: 51 }, [next]);
});

test("a page back from the bfcache, its journal adopted meanwhile", async (t) => {
  const browser = await openBrowser(t, faults.profile(t));
  const page = await openWarm(browser, "bfcache-adopted", "one");
  proxy.always(refuse);
  await trackNext(page, 50);
  await page.goto(`${faults.origin}/other`);
  const second = await faults.open(browser, "bfcache-adopted", "second");
  proxy.always(pass);
  await goBack(page);
  await trackNext(page, 10);
  await flush(page);
  await faults.exactlyOnce("bfcache-adopted", { one: 61 }, [page, second]);
});

test("storage that is full goes on from memory, and is used again when there is room", async (t) => {
  const profile = faults.profile(t);
  const browser = await openBrowser(t, profile);
  // Chromium asks for the quota seldom: it has to be small before the first write.
  const page = await browser.newPage();
  await page.goto(`${faults.origin}/`);
  const session = await page.context().newCDPSession(page);
  const quota = (quotaSize) =>
    session.send("Storage.overrideQuotaForOrigin", { origin: faults.origin, quotaSize });
  // 0 would be no override.
  await quota(1);
  await faults.begin(page, "full", "one");
  for (let burst = 0; burst < 5; burst++) {
    await trackNext(page, 50);
    await storage(page, "memory");
  }
  await flush(page);
  await faults.exactlyOnce("full", { one: 250 }, [page]);
  await quota(undefined);
  await trackNext(page, 50);
  await storage(page, "indexeddb");
  await stored(page, 50);
  await browser.kill();
  const again = await openBrowser(t, profile);
  const next = await faults.open(again, "full", "next");
  await faults.exactlyOnce("full", { one: 300 }, [next]);
});

for (const [what, breakIt] of [
  ["is not there", () => delete window.indexedDB],
  [
    "throws",
    () => {
      IDBFactory.prototype.open = () => {
        throw new DOMException("blocked", "SecurityError");
      };
    },
  ],
  ["never answers", () => void (IDBFactory.prototype.open = () => new EventTarget())],
  ["has no locks", () => delete Navigator.prototype.locks],
  [
    "fails every write",
    () => {
      IDBObjectStore.prototype.put = () => {
        throw new DOMException("broken", "UnknownError");
      };
    },
  ],
  [
    "never ends a write",
    () =>
      Object.defineProperty(IDBTransaction.prototype, "oncomplete", { set() {}, get: () => null }),
  ],
]) {
  test(`storage that ${what} leaves the page with memory`, async (t) => {
    const browser = await openBrowser(t, faults.profile(t));
    const type = `storage ${what}`;
    await browser.context.addInitScript(breakIt);
    const page = await faults.open(browser, type, "one", { maxRows: 20 });
    proxy.next(loseAnswer, refuse);
    await trackNext(page, 50);
    await flush(page);
    await faults.exactlyOnce(type, { one: 50 }, [page]);
    assert.equal(await page.evaluate(() => tally.stats().storage), "memory");
  });
}

test("a site's data that is cleared under its page", async (t) => {
  const browser = await openBrowser(t, faults.profile(t));
  const page = await openWarm(browser, "cleared", "one");
  const session = await page.context().newCDPSession(page);
  proxy.always(refuse);
  await trackNext(page, 50);
  await stored(page, 50);
  await session.send("Storage.clearDataForOrigin", {
    origin: faults.origin,
    storageTypes: "indexeddb",
  });
  await trackNext(page, 50);
  await storage(page, "memory");
  proxy.always(pass);
  await flush(page);
  await faults.exactlyOnce("cleared", { one: 101 }, [page]);
});

test("a page that is frozen in mid-burst and goes on", async (t) => {
  const browser = await openBrowser(t, faults.profile(t));
  const page = await openWarm(browser, "frozen", "one");
  const session = await page.context().newCDPSession(page);
  await trackNext(page, 50);
  await session.send("Page.setWebLifecycleState", { state: "frozen" });
  const second = await openWarm(browser, "frozen", "second");
  await session.send("Page.setWebLifecycleState", { state: "active" });
  await trackNext(page, 50);
  await flush(page);
  await faults.exactlyOnce("frozen", { one: 101, second: 1 }, [page, second]);
});

for (const how of ["reload", "kill"]) {
  test(`10,000 events tracked offline, then a ${how}`, async (t) => {
    const profile = faults.profile(t);
    let browser = await openBrowser(t, profile);
    const type = `many-${how}`;
    let page = await openWarm(browser, type, "one");
    const from = proxy.requests.length;
    await browser.context.setOffline(true);
    for (let burst = 0; burst < 100; burst++) await trackNext(page, 100);
    await stored(page, 10_000);
    assert.equal(proxy.requests.length, from, "no request leaves the browser");
    if (how === "reload") {
      // Online again for the page itself; its endpoint is away until it has gone.
      proxy.always(refuse);
      await browser.context.setOffline(false);
      await page.reload();
    } else {
      await browser.kill();
      browser = await openBrowser(t, profile);
      page = await browser.newPage();
      await page.goto(`${faults.origin}/`);
    }
    await faults.begin(page, type, "next");
    proxy.always(pass);
    await faults.exactlyOnce(type, { one: 10_001 }, [page]);
  });
}
