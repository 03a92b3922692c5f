// One tracker's place in the page: gives the engine what happens, and does what it asks.

import { putInbox } from "./memory.js";
import { pack } from "./pack.js";
import { BEFORE_SEND, INVALID, QUEUE_FULL, codeOf, nameOf } from "./reasons.js";
import { send } from "./send.js";

/** What `engine_handle` of src/js/mod.rs is told. */
const LEAVE = 0;
const TIMEOUT = 1;
const FLUSH = 2;
const SHUTDOWN = 3;

const OUTCOMES = ["accepted", "again", "refused"];

/** Where the page is and where its visitor came from; nothing outside a page. */
function pageStrings() {
  const { location, document } = globalThis;
  const query = new URLSearchParams(location?.search);
  const utm = ["utm_source", "utm_medium", "utm_campaign"].map((name) => query.get(name));
  return [location?.hostname, location?.pathname, document?.referrer, ...utm];
}

/**
 * Starts an engine of `wasm`, the exports of src/js/mod.rs, on the calls that wait in
 * `queue.calls`.
 *
 * `config` are the checked options. `queue.shed` counts calls that the queue had to let go.
 */
export function start(wasm, config, queue) {
  const { beforeSend, debug, onBatch, clickhouse } = config;
  const flushes = new Map();
  const number = wasm.engine_new();
  let timer;
  let mainThreadMs = 0;
  let droppedProperties = 0;

  const engine = (name, ...given) => wasm[`engine_${name}`](number, ...given);
  const put = (strings, numbers) => putInbox(engine, wasm.memory, strings, numbers);
  const tell = (what, error) => debug && console.warn(`[tallymark] ${what}`, error ?? "");

  const bytesAt = (at, length) => new Uint8Array(wasm.memory.buffer, at, length);
  const asciiAt = (at, length) => String.fromCharCode(...bytesAt(at, length));

  // What the engine may want done, by the number that `engine_poll` gives it.
  const effects = [
    function wake(tick) {
      clearTimeout(timer);
      if (tick < 0) return;
      timer = setTimeout(() => drainAnd(TIMEOUT), Math.ceil(tick - performance.now()));
    },

    function post(id, keepalive, timeoutMs, url, urlLength, body, bodyLength) {
      send(
        asciiAt(url, urlLength),
        bytesAt(body, bodyLength),
        !!keepalive,
        timeoutMs,
        (status, text, ...headers) =>
          run((wall, tick) => {
            put([text], []);
            engine("answer", wall, tick, id, status, ...headers);
          }),
      );
    },

    function batch(id, rows, bytes, ms, status, outcome, reason) {
      const told = {
        id: asciiAt(id, 36),
        rows,
        bytes,
        ms,
        status,
        code: outcome === 2 ? codeOf(reason) : undefined,
        outcome: OUTCOMES[outcome],
      };
      if (debug) console.debug(`[tallymark] ${rows} events ${told.outcome}`, told);
      // Later: the engine is in the middle of its work, and the site may want to flush.
      if (onBatch) queueMicrotask(() => onBatch(told));
    },

    function flushed(id, ok, delivered, dropped) {
      flushes.get(id)?.({ ok: !!ok, delivered, dropped });
      flushes.delete(id);
    },

    function dropped(reason, rows) {
      tell(`${rows} events dropped: ${nameOf(reason)}`);
    },
  ];

  /** Runs `call(wall, tick)`, then does what the engine wants done. */
  const run = (call) => {
    const began = performance.now();
    call(Date.now(), began);
    for (let kind = 1; kind;) {
      // Its place first: the call may move the memory.
      const at = engine("poll");
      if (!at) break;
      const told = [...new Float64Array(wasm.memory.buffer, at, 8)];
      kind = told.shift();
      effects[kind](...told);
    }
    mainThreadMs += performance.now() - began;
  };

  const drop = (reason, rows) => rows && engine("dropped", reason, rows);
  const takeCalls = (wall, tick) => {
    const calls = queue.calls.splice(0);
    for (let at = 0; at < calls.length;) {
      const packed = pack(calls, at, beforeSend, tell);
      at = packed.next;
      droppedProperties += packed.unread;
      put(packed.strings, packed.numbers);
      engine("events", wall, tick, packed.rows);
      drop(INVALID, packed.invalid);
      drop(BEFORE_SEND, packed.hidden);
    }
    drop(QUEUE_FULL, queue.shed);
    queue.shed = 0;
  };

  /** Takes the calls, then tells the engine `what` happened; `returned` hears what that gives. */
  const drainAnd = (what, returned) =>
    run((wall, tick) => {
      takeCalls(wall, tick);
      const value = what === undefined || engine("handle", wall, tick, what);
      returned?.(value);
    });
  const settle = (what) =>
    new Promise((resolve) => drainAnd(what, (id) => flushes.set(id, resolve)));

  const seed = crypto.getRandomValues(new Uint32Array(8));
  const { url, database, user, password, site } = clickhouse ?? {};
  const destination = [config.endpoint, config.key, url, database, user, password, site];
  put(
    [config.table, ...destination, ...pageStrings()].map((text) => text ?? ""),
    [config.maxRows, config.maxBytes, config.maxTimeMs, config.maxWaitingRows, ...seed],
  );
  run((wall, tick) => engine("start", wall, tick));

  // `unload` would keep the page out of the bfcache; on phones often neither it nor `pagehide`
  // comes, but `hidden` always does.
  const leave = () => drainAnd(LEAVE);
  globalThis.document?.addEventListener(
    "visibilitychange",
    () => document.visibilityState === "hidden" && leave(),
  );
  globalThis.window?.addEventListener("pagehide", leave);
  drainAnd();

  const host = {
    drain: () => drainAnd(),
    flush: () => settle(FLUSH),
    shutdown: () => settle(SHUTDOWN),

    queueLength: () => host.stats().waiting,

    stats() {
      const at = engine("stats");
      const [length] = new Float64Array(wasm.memory.buffer, at, 1);
      const counts = [...new Float64Array(wasm.memory.buffer, at + 8, length)];
      const [tracked, sent, delivered, requests, bytes, waiting] = counts.splice(0, 6);
      const queued = queue.calls.length / 3;
      const dropped = {};
      for (let at = 0; at < counts.length; at += 2) dropped[nameOf(counts[at])] = counts[at + 1];
      return {
        engine: "wasm",
        storage: "memory",
        tracked: tracked + queued,
        sent,
        delivered,
        waiting: waiting + queued,
        stored: 0,
        dropped,
        droppedProperties,
        requests,
        bytes,
        mainThreadMs,
      };
    },
  };
  return host;
}
