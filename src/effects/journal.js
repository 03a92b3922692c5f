// One page's place in the browser's storage: writes records, holds locks, finds what dead pages
// left. What any of it means is decided in src/tracker/storing.rs.
//
// Records are in IndexedDB under 32 bytes, 16 of their journal and 16 of their batch. Whoever holds
// a journal's Web Lock answers for its records.

const STORE = "records";

/** Locks are named after a journal's bytes: `tallymark 1,159,204,…`. */
const nameOf = (key) => `tallymark ${key.subarray(0, 16)}`;

/** All keys of a journal lie between its bytes followed by 16 lowest and by 16 highest. */
const rangeOf = (key) => IDBKeyRange.bound(key.slice().fill(0, 16), key.slice().fill(255, 16));

// Not from a `Blob`: that would be a way to the browser's process and back.
const piped = async (bytes, through) =>
  new Uint8Array(await new Response(new Response(bytes).body.pipeThrough(through)).arrayBuffer());

/** The bytes as gzip; as they are where the browser has none. */
export async function squeezed(bytes) {
  try {
    return await piped(bytes, new CompressionStream("gzip"));
  } catch {
    return bytes;
  }
}

const GZIP = 0x1f;

/** What `adopt` finds: no journal but this page's, others' that are held, one for this page. */
const NOTHING = 0;
const HELD = 1;
const ORPHANS = 2;

/** A record as it was before it was squeezed. */
const unsqueezed = (record) =>
  record?.[0] === GZIP
    ? piped(record, new DecompressionStream("gzip")).catch(() => record)
    : record;

const answer = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/**
 * `heard` is told what came of it, never while a call from outside is under way: `opened(ok)`,
 * `stored(write, bytes)`, `orphan(key, record, storedBytes)`, which says whether its journal is to be kept, and
 * `adopted(found)`.
 */
export function makeJournal(heard) {
  /** Locks by name, each as what lets it go. */
  const locks = new Map();
  /** The last write of each record that is there, by key. */
  const written = new Map();
  let db;

  const take = (name) =>
    new Promise((taken) =>
      navigator.locks
        .request(name, { ifAvailable: true }, (lock) => {
          taken(!!lock);
          return lock && new Promise((letGo) => locks.set(name, letGo));
        })
        .catch(() => taken(false)),
    );

  // Relaxed: what is written survives the browser's own end, not the machine's, and costs the
  // page a tenth.
  const transaction = (mode = "readonly") => db.transaction(STORE, mode, { durability: "relaxed" });

  const write = (change, done) => {
    let changes;
    try {
      changes = transaction("readwrite");
      changes.oncomplete = () => done(true);
      changes.onabort = () => done(false);
      change(changes.objectStore(STORE));
      // At once: the page may be about to go.
      changes.commit();
    } catch {
      // The database was closed under us, or the change itself failed.
      if (changes) changes.abort();
      else queueMicrotask(() => done(false));
    }
  };

  /** Writes at once as it is; `squeeze` writes it once more, compressed, before it tells. */
  const put = (id, key, record, squeeze) => {
    written.set(`${key}`, id);
    write(
      (store) => store.put(record, key),
      async (ok) => {
        if (ok && squeeze) {
          const small = await squeezed(record);
          // Unless it is gone or written anew meanwhile.
          if (written.get(`${key}`) === id) return put(id, key, small);
        }
        heard.stored(id, ok ? record.length : 0);
      },
    );
  };

  return {
    async open(key) {
      await null;
      let ok = false;
      try {
        const opening = indexedDB.open("tallymark", 1);
        opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
        db ??= await answer(opening);
        ok = await take(nameOf(key));
      } catch {
        // Storage is blocked, or this is no secure context.
      }
      heard.opened(ok);
    },

    store: put,

    forget(key) {
      written.delete(`${key}`);
      write(
        (store) => store.delete(key),
        () => {},
      );
    },

    async adopt() {
      await null;
      let found = NOTHING;
      try {
        const keys = await answer(transaction().objectStore(STORE).getAllKeys());
        // Asked for after the keys: a page locks its journal before it writes into it. A lock that
        // is held is never asked for: that would evict its page from the bfcache.
        const { held } = await navigator.locks.query();
        const others = new Set(held.map(({ name }) => name));
        const seen = new Set(locks.keys());
        // Somebody else on the origin may write here too, under keys and with values of any kind.
        for (const key of keys
          .filter((key) => key.byteLength === 32)
          .map((key) => new Uint8Array(key))) {
          const name = nameOf(key);
          if (seen.has(name)) continue;
          seen.add(name);
          // Or somebody else was faster, who may have no use for it.
          if (others.has(name) || !(await take(name))) {
            found = HELD;
            continue;
          }
          const store = transaction().objectStore(STORE);
          const range = rangeOf(key);
          const [its, stored] = await Promise.all([
            answer(store.getAllKeys(range)),
            answer(store.getAll(range)),
          ]);
          const records = await Promise.all(stored.map(unsqueezed));
          // Everything was let go meanwhile: it may be somebody else's.
          if (!locks.has(name)) break;
          records.forEach((record, at) => {
            const key = new Uint8Array(its[at]);
            if (record?.buffer && heard.orphan(key, record, stored[at].length)) found = ORPHANS;
          });
          if (found === ORPHANS) break;
          locks.get(name)();
          locks.delete(name);
        }
      } catch {
        // As above.
      }
      heard.adopted(found);
    },

    /** For good: what is being compressed is not written any more. */
    stop() {
      this.isStopped = true;
      written.clear();
    },

    release() {
      for (const letGo of locks.values()) letGo();
      locks.clear();
    },
  };
}
