// What is kept of a visitor in localStorage, and how all that was ever stored is purged.
//
// Only with `visitor: true`; the one exception is the visitor's own no. Never a cookie. Storage that
// throws (blocked, full) is as none.

/** The visitor's no: the entry looks for it, too. */
const REFUSED = "tallymark";
const VISITOR = "tallymark visitor";
const SESSION = "tallymark session";

/** The trackers of this page: `storage` is not told to the window that wrote. */
const here = new Set();

const attempt = (act) => {
  try {
    return act(globalThis.window.localStorage);
  } catch {
    // As none.
  }
};
const put = (key, text) => attempt((storage) => storage.setItem(key, text));
const get = (key) => attempt((storage) => storage.getItem(key));
const remove = (key) => attempt((storage) => storage.removeItem(key));

/** A UUID of version 7 (RFC 9562, 5.7). */
export function uuid() {
  let hex = Date.now().toString(16).padStart(12, "0");
  for (const byte of crypto.getRandomValues(new Uint8Array(10))) {
    hex += byte.toString(16).padStart(2, "0");
  }
  return hex.replace(/(.{8})(.{4}).(.{3}).(.{3})/, "$1-$2-7$3-a$4-");
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The visitor's id; a new one if none is kept. */
export function visitorId() {
  const known = get(VISITOR);
  if (UUID.test(known)) return known;
  const id = uuid();
  put(VISITOR, id);
  return id;
}

/** The session that a page of this visitor was in last, `{ id, last, isIn }`, if there is one. */
export function keptSession() {
  const session = attempt((storage) => JSON.parse(storage.getItem(SESSION)));
  return UUID.test(session?.id) && Number.isFinite(session.last) ? session : undefined;
}

export const keepSession = (session) => put(SESSION, JSON.stringify(session));

export function forgetVisitor() {
  remove(VISITOR);
  remove(SESSION);
}

export const isRefused = () => !!get(REFUSED);
export function keepRefusal() {
  put(REFUSED, "denied");
  for (const refused of here) refused();
}
export const forgetRefusal = () => remove(REFUSED);

/** Hears of a no that another tracker is told, in this page, in another tab, or in the meantime. */
export function onRefusal(refused) {
  const { window } = globalThis;
  // A server has no visitor, and may have a tracker a request.
  if (!window) return;
  here.add(refused);
  for (const event of ["storage", "pageshow"]) {
    window.addEventListener(event, () => isRefused() && refused());
  }
}

/**
 * Empties the database of src/effects/journal.js: the records of all pages, dead or alive. The
 * database itself stays: its deletion would wait for the last page that has it open, and every
 * page that opens it would wait for the deletion.
 */
export function purge() {
  forgetVisitor();
  return new Promise((done) => {
    try {
      const opening = indexedDB.open("tallymark", 1);
      // There is none, and none is made.
      opening.onupgradeneeded = () => opening.transaction.abort();
      opening.onerror = done;
      opening.onsuccess = () => {
        const db = opening.result;
        const clearing = db.transaction("records", "readwrite");
        clearing.objectStore("records").clear();
        clearing.oncomplete = clearing.onabort = () => done(db.close());
      };
    } catch {
      done();
    }
  });
}
