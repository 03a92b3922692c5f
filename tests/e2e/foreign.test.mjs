// What is not ours: storage that somebody else on the origin has written under the tracker's name,
// records of another version, other bytes under an id that was taken, a portal in between.

import { after, test } from "node:test";
import assert from "node:assert/strict";

import { eventBlock, batchUrl, uuidV7 } from "./blocks.mjs";
import { flush, openBrowser, startFaults, storage, stored, trackNext } from "./faults.mjs";
import { answer, counted, everywhere, pass, refuse, settled } from "./harness.mjs";

const faults = await startFaults({ after });
const { proxy } = faults;

/** A page of the origin on which no tracker has begun. */
async function newPage(browser) {
  const page = await browser.newPage();
  await page.goto(`${faults.origin}/`);
  await page.evaluate(() => {
    window.asked = (request) =>
      new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
    /** The database as it is, or made by `upgrade`. */
    window.database = (version, upgrade) => {
      const opening = indexedDB.open("tallymark", version);
      if (upgrade) opening.onupgradeneeded = () => upgrade(opening.result);
      return asked(opening);
    };
    window.recordsOf = async () => {
      const db = await database();
      const store = db.transaction("records").objectStore("records");
      const [keys, values] = await Promise.all([asked(store.getAllKeys()), asked(store.getAll())]);
      db.close();
      return keys.map((key, at) => [key, values[at]]);
    };
  });
  return page;
}

/** A browser in whose storage a dead page has left 50 events, and the endpoint is there again. */
async function withOrphan(t, type) {
  const profile = faults.profile(t);
  const browser = await openBrowser(t, profile);
  const page = await faults.open(browser, type, "one");
  await trackNext(page, 1);
  await flush(page);
  proxy.always(refuse);
  await trackNext(page, 50);
  await stored(page, 50);
  await browser.kill();
  proxy.always(pass);
  return openBrowser(t, profile);
}

test("S1.15 foreign keys and values among the records hide no orphan, and stay as they are", async (t) => {
  const browser = await withOrphan(t, "foreign-records");
  const page = await newPage(browser);
  const before = await page.evaluate(async () => {
    const db = await database();
    const store = db.transaction("records", "readwrite").objectStore("records");
    const key = (byte, bytes = 32) => new Uint8Array(bytes).fill(byte);
    for (const foreign of [1e12, -1, 0.5, "text", new Date(0), [1, "a"], key(0, 5), key(255, 40)]) {
      store.put("a value", foreign);
    }
    // Before and behind every journal of ours.
    const values = [{ a: 1 }, null, "text", 7, new ArrayBuffer(9), [0x1f, 2]];
    for (const [at, value] of values.entries()) {
      store.put(value, key(at));
      store.put(value, key(255 - at));
    }
    await new Promise((done) => (store.transaction.oncomplete = done));
    db.close();
    return (await recordsOf()).length;
  });
  await faults.begin(page, "foreign-records", "next");
  await faults.exactlyOnce("foreign-records", { one: 51 }, [page]);
  // The orphan's record alone is gone.
  const left = await page.evaluate(async () => (await recordsOf()).length);
  assert.deepEqual([before, left], [21, 20]);
});

for (const [what, make] of [
  ["of a newer version", () => database(7, (db) => db.createObjectStore("theirs"))],
  ["without our store", () => database(1, (db) => db.createObjectStore("theirs"))],
  [
    "whose keys are made from its values",
    () => database(1, (db) => db.createObjectStore("records", { keyPath: "id" })),
  ],
]) {
  test(`S1.15 a foreign database ${what} leaves the page with memory`, async (t) => {
    const browser = await openBrowser(t, faults.profile(t));
    const page = await newPage(browser);
    await page.evaluate(`(${make})().then((db) => db.close())`);
    const type = `foreign-${what}`;
    await faults.begin(page, type, "one", { maxRows: 20 });
    proxy.next(refuse);
    await trackNext(page, 50);
    await flush(page);
    await faults.exactlyOnce(type, { one: 50 }, [page]);
    await storage(page, "memory");
    const stores = await page.evaluate(async () => [...(await database()).objectStoreNames]);
    assert.deepEqual(stores, [what.startsWith("whose") ? "records" : "theirs"]);
  });
}

test("S1.15 a foreign database that is held open by an older version's page does not stop events", async (t) => {
  const browser = await openBrowser(t, faults.profile(t));
  const holder = await newPage(browser);
  await holder.evaluate(async () => void (window.held = await database(1, () => {})));
  const waits = await newPage(browser);
  // It asks for a newer version and waits for the holder; whoever opens after it waits too.
  await waits.evaluate(() => void indexedDB.open("tallymark", 2));
  const page = await newPage(browser);
  await faults.begin(page, "blocked", "one");
  await trackNext(page, 50);
  await flush(page);
  await faults.exactlyOnce("blocked", { one: 50 }, [page]);
});

test("S1.15 a record of a newer version is left as it is, and nothing of it is sent", async (t) => {
  const browser = await withOrphan(t, "newer");
  const page = await newPage(browser);
  const before = await page.evaluate(async () => {
    const [[key, record]] = await recordsOf();
    const db = await database();
    const store = db.transaction("records", "readwrite").objectStore("records");
    record[0] += 1;
    store.put(record, key);
    await new Promise((done) => (store.transaction.oncomplete = done));
    db.close();
    return [...new Uint8Array(key), ...record];
  });
  await faults.begin(page, "newer", "next");
  await trackNext(page, 10);
  await flush(page);
  await faults.exactlyOnce("newer", { one: 1, next: 10 }, [page]);
  const after = await page.evaluate(async () => {
    const records = await recordsOf();
    return records.map(([key, record]) => [...new Uint8Array(key), ...record]);
  });
  assert.deepEqual(after, [before]);
});

test("D13 other bytes under an id that was taken are known, and the first count once", async (t) => {
  const browser = await openBrowser(t, faults.profile(t));
  const page = await newPage(browser);
  const block = (rows, entity_id) =>
    eventBlock(Array.from({ length: rows }, () => ({ entity_id }))).toString("base64");
  const url = `${batchUrl(proxy.url, { id: uuidV7(), k: faults.stack.key })}`;
  const send = (body) =>
    page.evaluate(
      async ({ url, body }) => {
        const bytes = Uint8Array.from(atob(body), (unit) => unit.charCodeAt());
        const response = await fetch(url, { method: "POST", body: bytes });
        return [response.status, (await response.json()).known];
      },
      { url, body },
    );
  assert.deepEqual(await send(block(3, "first")), [202, false]);
  assert.deepEqual(await send(block(5, "second")), [202, true]);
  await settled(faults.stack);
  assert.deepEqual(await send(block(7, "third")), [202, true]);
  await settled(faults.stack);
  const found = await Promise.all(
    ["first", "second", "third"].map((id) => counted(faults.stack, id)),
  );
  assert.deepEqual(found, [everywhere(3), everywhere(0), everywhere(0)]);
});

test("S4.15 S4.20 a portal that answers everything with 200 is given nothing for good", async (t) => {
  const browser = await openBrowser(t, faults.profile(t));
  proxy.always(answer(200, "<html>Log in</html>", { "access-control-allow-origin": "*" }));
  const page = await faults.open(browser, "portal", "one");
  await trackNext(page, 50);
  assert.deepEqual(await flush(page), { ok: false, delivered: 0, dropped: 0 });
  const { delivered, waiting, dropped } = await page.evaluate(() => tally.stats());
  assert.deepEqual([delivered, waiting, dropped], [0, 50, {}]);
  proxy.always(pass);
  await faults.exactlyOnce("portal", { one: 50 }, [page]);
});
