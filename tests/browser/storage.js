// The browser's storage as a test looks at it, beside the trackers that use it.

const STORE = "records";

const answer = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/** A test that takes storage away puts it back with this. */
const real = {
  open: IDBFactory.prototype.open,
  transaction: IDBDatabase.prototype.transaction,
  query: LockManager.prototype.query,
};
let opened;
let letGo;

/** As a tracker opens it, whoever comes first. */
async function database() {
  const opening = real.open.call(indexedDB, "tallymark", 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
  return (opened ??= await answer(opening));
}

async function store(mode) {
  return real.transaction.call(await database(), STORE, mode).objectStore(STORE);
}

const nameOf = (journal) => `tallymark ${journal}`;
const isOf = (batch) => (key) => `${new Uint8Array(key, 16)}` === `${batch}`;

/** Puts a record where a page that crashed has left it. */
export async function put(key, record) {
  await answer((await store("readwrite")).put(record, key));
}

/** The journal of the record of that batch, 16 bytes; `undefined` when there is none. */
export async function journalOf(batch) {
  const keys = await answer((await store("readonly")).getAllKeys());
  const key = keys.find(isOf(batch));
  return key && new Uint8Array(key, 0, 16);
}

/** Whether somebody answers for that journal. */
export async function isHeld(journal) {
  const { held } = await navigator.locks.query();
  return held.some(({ name }) => name === nameOf(journal));
}

/**
 * Resolves when everything that trackers have asked storage and locks for is done. Both answer in
 * the order of asking, so a request of our own comes after theirs; the longest chain of requests,
 * each begun by the answer to the last, is an adoption's.
 */
export async function quiet() {
  for (let link = 0; link < 8; link++) {
    await answer((await store("readwrite")).count());
    await navigator.locks.query();
    await navigator.locks.request("tallymark test", () => {});
  }
}

/** Takes a journal's lock as somebody does who comes between the look at the locks and the taking. */
export function snatch(journal) {
  LockManager.prototype.query = async () => ({ held: [], pending: [] });
  return new Promise((taken) => {
    const hold = (resolve) => taken((letGo = resolve));
    navigator.locks.request(nameOf(journal), () => new Promise(hold));
  });
}

/** Gives it back. */
export function giveBack() {
  LockManager.prototype.query = real.query;
  letGo();
}

/** From now on `what`, `open` or `transaction`, throws, until `repair`. */
export function damage(what) {
  const prototype = what === "open" ? IDBFactory.prototype : IDBDatabase.prototype;
  prototype[what] = () => {
    throw new DOMException("storage is blocked here", "SecurityError");
  };
}

export function repair() {
  IDBFactory.prototype.open = real.open;
  IDBDatabase.prototype.transaction = real.transaction;
}
