// One tracker's place in the page: gives the engine what happens, and does what it asks.

import { addressOf, nameOf } from "./destination.js";
import { makeJournal, squeezed } from "./journal.js";
import { putInbox } from "./memory.js";
import { pack } from "./pack.js";
import { placeOf } from "./place.js";
import { BEFORE_SEND, INVALID, QUEUE_FULL, codeOf, reasonOf, wordOf } from "./reasons.js";

/** What `engine_handle` of src/js/mod.rs is told. */
const LEAVE = 0;
const TIMEOUT = 1;
const FLUSH = 2;
const SHUTDOWN = 3;
const PAGEHIDE = 4;
const RESTORE = 5;
const OPENED = 6;
const STORED = 7;
/** Plus what was found. */
const ADOPTED = 8;

/** What `engine_poll` says for "never". */
const NEVER = 2 ** 32 - 1;

const OUTCOMES = ["accepted", "again"];

/**
 * Starts an engine of `wasm`, the exports of src/js/mod.rs, on the calls that wait in
 * `queue.calls`.
 *
 * `config` are the checked options. `queue.shed` counts calls that the queue had to let go.
 * `inTwo(block)` cuts a batch in two, later; `post` is as `send`.
 */
export function start(wasm, config, queue, inTwo, post) {
  const { debug, onBatch, clickhouse } = config;
  const flushes = new Map();
  // Totals of this page view by reason, and those that changed since they were told.
  const drops = new Map();
  const untold = new Set();
  // What sends bodies that are being compressed at once, as they are.
  const hurries = [];
  let timer;
  let mainThreadMs = 0;
  let droppedProperties = 0;

  const engine = (name, ...given) => wasm[`engine_${name}`](...given);
  const put = (strings, numbers) => putInbox(engine, wasm.memory, strings, numbers);
  const tell = (what, error) => debug && console.warn(`[tallymark] ${what}`, error ?? "");

  const bytesAt = (at, length) => new Uint8Array(wasm.memory.buffer, at, length);
  const keyAt = (at) => bytesAt(at, 32).slice();
  const uuidAt = (at) => {
    let hex = "";
    for (const byte of bytesAt(at, 16)) hex += (byte + 256).toString(16).slice(1);
    return hex.replace(/(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  };

  // What the engine may want done, by the number that `engine_poll` gives it.
  const effects = [
    function wake(ms) {
      clearTimeout(timer);
      if (ms < NEVER) timer = setTimeout(() => drainAnd(TIMEOUT), ms);
    },

    async function request(id, batch, rows, keepalive, at, bytes, squeeze) {
      const began = performance.now();
      const told = { id: uuidAt(batch), rows, bytes };
      let body = bytesAt(at, bytes);
      // What goes another way is read there.
      if (squeeze && !config.through) {
        const plain = body.slice();
        body = await new Promise((go) => {
          hurries.push(() => go(plain));
          squeezed(plain).then(go);
        });
        // The visitor said no meanwhile.
        if (journal.isStopped) return;
      }
      const [status, text, ...headers] = await post(addressOf(config, told.id), body, !!keepalive);
      let outcome;
      run((wall, tick) => {
        outcome = engine("answer", wall, tick, id, status, wordOf(text), ...headers);
      });
      told.ms = performance.now() - began;
      told.status = status;
      told.outcome = OUTCOMES[outcome] ?? "refused";
      if (outcome > 2) told.code = codeOf(outcome - 3);
      if (debug) console.debug(`[tallymark] ${rows} events ${told.outcome}`, told);
      if (onBatch && outcome !== 2) onBatch(told);
    },

    function flushed(id, ok, delivered, dropped) {
      flushes.get(id)?.({ ok: !!ok, delivered, dropped });
      flushes.delete(id);
    },

    function dropped(reason, rows) {
      const name = reasonOf(reason);
      drops.set(name, (drops.get(name) ?? 0) + rows);
      untold.add(name);
      tell(`${rows} events dropped: ${name}`);
    },

    (key) => journal.open(keyAt(key)),
    (write, key, squeeze, record, bytes) =>
      journal.store(write, keyAt(key), bytesAt(record, bytes).slice(), !!squeeze),
    (key) => journal.forget(keyAt(key)),
    () => journal.adopt(),
    () => journal.release(),

    async function split(batch, body, bytes) {
      const id = bytesAt(batch, 16).slice();
      const block = bytesAt(body, bytes).slice();
      // Without the module, the batch is dropped as too large.
      const halves = await inTwo(block).catch(() => []);
      run((wall, tick) => {
        putRecord(id, halves);
        engine("split", wall, tick);
      });
    },
  ];

  const putRecord = (key, record) => {
    const bytes = key.length + record.length;
    // Making room may move the memory.
    const at = engine("record", bytes);
    bytesAt(at, bytes).set(key);
    bytesAt(at, bytes).set(record, key.length);
  };

  const journal = makeJournal({
    opened: (ok) => handle(OPENED, ok),
    stored: (write, bytes) => handle(STORED, write, bytes),
    adopted: (found) => handle(ADOPTED + found),
    orphan(key, record, storedBytes) {
      let keep;
      run((wall, tick) => {
        putRecord(key, record);
        keep = engine("orphan", wall, tick, storedBytes);
      });
      return keep;
    },
  });

  /** Does what the engine wants done. */
  const poll = (tick) => {
    for (let at; (at = engine("poll", tick));) {
      const [kind, ...told] = new Uint32Array(wasm.memory.buffer, at, 8);
      effects[kind](...told);
      if (!kind) return;
    }
  };
  /** Runs `call(wall, tick)`, then does what follows from it. */
  const run = (call) => {
    const began = performance.now();
    call(Date.now(), began);
    poll(began);
    mainThreadMs += performance.now() - began;
  };

  const handle = (what, first, second) =>
    run((wall, tick) => engine("handle", wall, tick, what, first, second));

  const drop = (reason, rows) => rows && engine("dropped", reason, rows);
  const takeCalls = (wall, tick) => {
    const calls = queue.calls.splice(0);
    // Along with the page's own events: by themselves they would drop and tell for ever.
    // No table but `events` has a place for them. A turn may end their page view: it tells them.
    if (calls.length && !config.through && !calls.includes(queue)) {
      for (const entityType of untold) {
        calls.push(wall, "$dropped", { entityType, value: drops.get(entityType) });
      }
      untold.clear();
    }
    // Older than all of these.
    drop(QUEUE_FULL, queue.shed);
    queue.shed = 0;
    for (let at = 0; at < calls.length;) {
      const packed = pack(calls, at, queue, config.beforeSend, tell);
      const [strings, numbers, rows, next, invalid, hidden, unread] = packed;
      at = next;
      droppedProperties += unread;
      put(strings, numbers);
      engine("events", wall, tick, rows);
      drop(INVALID, invalid);
      drop(BEFORE_SEND, hidden);
      if (calls[at + 2] === queue) {
        poll(tick);
        calls[at + 1](engine, put, textsOf, putRecord, uuidAt, wall, tick, drops, untold, journal);
        at += 3;
      }
    }
  };

  /** Takes the calls, then tells the engine `what` happened; `returned` hears what that gives. */
  const drainAnd = (what, returned) => {
    // Whatever this is, it may be the page's last task.
    hurries.splice(0).forEach((hurry) => hurry());
    run((wall, tick) => {
      takeCalls(wall, tick);
      const value = what === undefined || engine("handle", wall, tick, what);
      returned?.(value);
    });
  };
  const settle = (what) =>
    new Promise((resolve) => drainAnd(what, (id) => flushes.set(id, resolve)));

  const textsOf = (place) => Object.values(placeOf(place)).map((text) => text ?? "");
  const seed = crypto.getRandomValues(new Uint32Array(8));
  engine("new");
  put(
    [nameOf(config), clickhouse?.site ?? "", ...textsOf()],
    [
      config.maxRows,
      config.maxBytes,
      config.maxTimeMs,
      config.maxWaitingRows,
      config.journalBytes,
      config.onFailure.charCodeAt(),
      +!!clickhouse,
      ...seed,
    ],
  );
  run((wall, tick) => engine("start", wall, tick));

  // `unload` would keep the page out of the bfcache; on phones often neither it nor `pagehide`
  // comes, but `hidden` always does. Timers of a hidden page are late: what is due is done when it
  // is seen again.
  const { document, window } = globalThis;
  document?.addEventListener("visibilitychange", () =>
    drainAnd(document.visibilityState === "hidden" ? LEAVE : TIMEOUT),
  );
  window?.addEventListener("pagehide", () => drainAnd(PAGEHIDE));
  // The last moment before the bfcache: the journal can be given up.
  document?.addEventListener("freeze", () => drainAnd(TIMEOUT));
  window?.addEventListener("pageshow", ({ persisted }) => persisted && drainAnd(RESTORE));
  drainAnd();

  return {
    drain: () => drainAnd(),
    flush: () => settle(FLUSH),
    shutdown: () => settle(SHUTDOWN),

    stats() {
      const at = engine("stats");
      const [length] = new Float64Array(wasm.memory.buffer, at, 1);
      const [tracked, sent, delivered, requests, bytes, waiting, stored, isStoring, ...counts] =
        new Float64Array(wasm.memory.buffer, at + 8, length);
      const queued = queue.calls.length / 3;
      const dropped = {};
      for (let at = 0; at < counts.length; at += 2) dropped[reasonOf(counts[at])] = counts[at + 1];
      return {
        engine: "wasm",
        storage: isStoring ? "indexeddb" : "memory",
        tracked: tracked + queued,
        sent,
        delivered,
        waiting: waiting + queued,
        stored,
        dropped,
        droppedProperties,
        requests,
        bytes,
        mainThreadMs,
      };
    },
  };
}
