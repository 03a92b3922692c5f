// One tracker's place in the page: gives the engine what happens, and does what it asks.

import { putInbox } from "./memory.js";
import { pack } from "./pack.js";
import { BEFORE_SEND, INVALID, QUEUE_FULL, codeOf, nameOf } from "./reasons.js";
import { send } from "./send.js";

const OUTCOMES = ["accepted", "again", "refused"];

/** Where the page is and where its visitor came from; all empty outside a page. */
function pageStrings() {
  const { location, document } = globalThis;
  const query = new URLSearchParams(location?.search);
  const utm = ["utm_source", "utm_medium", "utm_campaign"].map((name) => query.get(name));
  return [location?.hostname, location?.pathname, document?.referrer, ...utm].map((it) => it ?? "");
}

/**
 * Starts `engine`, the wasm side, on the calls that wait in `queue.calls`.
 *
 * `config` are the checked options. `queue.shed` counts calls that the queue had to let go.
 */
export function start(engine, memory, config, queue) {
  const { beforeSend, debug, onBatch, clickhouse } = config;
  const flushes = new Map();
  let timer;
  let mainThreadMs = 0;
  let droppedProperties = 0;

  const put = (strings, numbers) => putInbox(engine, memory, strings, numbers);
  const tell = (what, error) => debug && console.warn(`[tallymark] ${what}`, error ?? "");

  /** Runs `call(wall, tick)`, then does what the engine wants done. */
  const run = (call) => {
    const began = performance.now();
    call(Date.now(), began);
    engine.poll(effects);
    mainThreadMs += performance.now() - began;
  };

  const drop = (reason, rows) => rows && engine.dropped(reason, rows);
  const takeCalls = (wall, tick) => {
    const calls = queue.calls.splice(0);
    for (let at = 0; at < calls.length;) {
      const packed = pack(calls, at, beforeSend, tell);
      at = packed.next;
      droppedProperties += packed.unread;
      put(packed.strings, packed.numbers);
      engine.events(wall, tick, packed.rows);
      drop(INVALID, packed.invalid);
      drop(BEFORE_SEND, packed.hidden);
    }
    drop(QUEUE_FULL, queue.shed);
    queue.shed = 0;
  };

  /** Takes the calls, then `call`s. */
  const drainAnd = (call) =>
    run((wall, tick) => {
      takeCalls(wall, tick);
      call?.(wall, tick);
    });

  const settle = (method) =>
    new Promise((resolve) =>
      drainAnd((wall, tick) => flushes.set(engine[method](wall, tick), resolve)),
    );

  const leave = () => drainAnd((wall, tick) => engine.leave(wall, tick));
  const onHide = () => document.visibilityState === "hidden" && leave();

  const host = {
    drain: () => drainAnd(),
    flush: () => settle("flush"),
    shutdown: () => settle("shutdown"),

    queueLength: () => queue.calls.length / 3 + engine.waiting(),

    stats() {
      const [tracked, sent, delivered, requests, bytes, ...counts] = engine.stats();
      const queued = queue.calls.length / 3;
      const dropped = {};
      for (let at = 0; at < counts.length; at += 2) dropped[nameOf(counts[at])] = counts[at + 1];
      return {
        engine: "wasm",
        storage: "memory",
        tracked: tracked + queued,
        sent,
        delivered,
        waiting: engine.waiting() + queued,
        stored: 0,
        dropped,
        droppedProperties,
        requests,
        bytes,
        mainThreadMs,
      };
    },
  };

  // What the engine may ask for, by the names of src/js/effects.rs.
  const ascii = (bytes) => String.fromCharCode(...bytes);
  const effects = {
    /** `body` is a view of the wasm memory: `fetch` copies it before anything else can run. */
    send(id, url, body, keepalive, timeoutMs) {
      send(ascii(url), body, keepalive, timeoutMs, (status, text, ...headers) =>
        run((wall, tick) => {
          put([text], []);
          engine.answer(wall, tick, id, status, ...headers);
        }),
      );
    },

    /** `tick` is of performance.now(); negative: never. It replaces every earlier wish. */
    wake(tick) {
      clearTimeout(timer);
      if (tick < 0) return;
      timer = setTimeout(
        () => drainAnd((wall, now) => engine.timeout(wall, now)),
        Math.ceil(tick - performance.now()),
      );
    },

    batch(id, rows, bytes, ms, status, outcome, reason) {
      const told = {
        id: ascii(id),
        rows,
        bytes,
        ms,
        status,
        code: outcome === 2 ? codeOf(reason) : undefined,
        outcome: OUTCOMES[outcome],
      };
      if (debug) console.debug(`[tallymark] ${rows} events ${told.outcome}`, told);
      // Later: the engine is in the middle of a call, and the site may want to flush.
      if (onBatch) queueMicrotask(() => onBatch(told));
    },

    flushed(id, ok, delivered, dropped) {
      flushes.get(id)?.({ ok, delivered, dropped });
      flushes.delete(id);
    },

    dropped: (reason, rows) => tell(`${rows} events dropped: ${nameOf(reason)}`),
  };

  const seed = crypto.getRandomValues(new Uint32Array(8));
  const strings = clickhouse
    ? [
        "",
        "",
        clickhouse.url,
        clickhouse.database,
        clickhouse.user,
        clickhouse.password,
        clickhouse.site,
      ]
    : [config.endpoint, config.key, "", "", "", "", ""];
  put(
    [config.table, ...strings, ...pageStrings()],
    [config.maxRows, config.maxBytes, config.maxTimeMs, config.maxWaitingRows, ...seed],
  );
  run((wall, tick) => engine.start(wall, tick));
  // `unload` would keep the page out of the bfcache; on phones often neither it nor `pagehide`
  // comes, but `hidden` always does.
  globalThis.document?.addEventListener("visibilitychange", onHide);
  globalThis.window?.addEventListener("pagehide", leave);
  host.drain();
  return host;
}
