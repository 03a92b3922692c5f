// Whether anything may be counted: by the visitor's word, by their browser's, by the draw of the
// sample. What stands in the engine's place follows from it.

import {
  forgetRefusal,
  isRefused,
  keepRefusal,
  keepSession,
  onRefusal,
  purge,
  uuid,
} from "./kept.js";
import { NOTHING, standIn, sum } from "./stand-in.js";
import { runningSession } from "./visit.js";

/** What a flush ends with whose engine was stopped. */
const STOPPED = { ok: false, delivered: 0, dropped: 0 };

/**
 * Ends an engine that reads `queue`: a new one in its memory knows nothing of the old one's batches.
 * Whatever it still hears of the page, it does nothing.
 */
export function stop(engine, queue) {
  if (engine.stop) return engine.stop();
  const end = (engine, ...tools) => {
    tools.at(-1).stop();
    engine("new");
  };
  queue.calls = [0, end, queue];
  engine.drain();
}

/**
 * `seat` has the engine that runs, or what stands in its place, and the queue that it reads: each
 * has one of its own, so that one that was ended takes nothing from the next. Nothing is decided,
 * and no storage touched, before `begin()`.
 */
export function makeConsent(config, seat, dress, log) {
  let isBegun = false;
  let isDenied = false;
  let isIn;
  /** What `stats()` told of engines that are no more. */
  let before;
  /** What resolves the flushes of the engine that runs. */
  const flushes = new Set();

  const total = (stats) => (before ? sum(before, stats) : stats);
  const end = () => {
    const { engine, queue } = seat;
    if (!engine) return;
    before = total(engine.stats());
    stop(engine, queue);
    seat.engine = seat.queue = undefined;
    dress.end();
    for (const resolve of flushes) resolve(STOPPED);
    flushes.clear();
  };
  const replace = (reason) => {
    end();
    const waiting = before?.waiting ?? 0;
    if (before) before.waiting = before.stored = 0;
    seat.queue = { calls: [], shed: 0 };
    seat.engine = standIn(seat.queue, reason, waiting, log);
  };

  /** Whether this page is in the sample: as the session that it goes on with, or else by lot. */
  const drawn = () => {
    const running = dress.isKept && runningSession();
    const isIn = running?.isIn ?? Math.random() < config.sample;
    if (dress.isKept && !isIn) keepSession({ id: running?.id ?? uuid(), last: Date.now(), isIn });
    return isIn;
  };

  const draw = () => (isIn ??= config.sample === 1 || drawn());
  const run = () => draw() || replace("sampled");

  const deny = (why) => {
    log(`consent denied: ${why}`);
    isDenied = true;
    config.consent = "denied";
    replace("consent");
    return purge();
  };
  /** The visitor's own word: it holds on their next page, too. */
  const refuse = () => {
    const purged = deny("by the visitor");
    keepRefusal();
    return purged;
  };
  const grant = () => {
    log("consent granted");
    forgetRefusal();
    if (isDenied) end();
    else if (isIn !== undefined) return;
    isDenied = false;
    config.consent = "granted";
    run();
  };
  const begin = () => {
    if (isBegun) return;
    isBegun = true;
    onRefusal(() => isDenied || deny("elsewhere"));
    // It begins with the visitor's word.
    if (config.consent === "pending") return;
    if (config.consent === "denied") deny("by option");
    else if (isRefused()) deny("on an earlier page");
    else if (dress.isPrivate && config.gpc === "deny") deny("Global Privacy Control");
    else run();
  };

  return {
    begin,
    isIn: draw,

    /** Whether nothing of this page may be counted. */
    isOut: () => isDenied || isIn === false,

    /** What the running engine's flush comes to; if it is stopped meanwhile, it does not answer. */
    until: (flushed) =>
      new Promise((resolve) => {
        flushes.add(resolve);
        flushed.then((result) => {
          flushes.delete(resolve);
          resolve(result);
        });
      }),

    stats: () =>
      total(seat.engine ? seat.engine.stats() : { ...NOTHING, engine: "loading", dropped: {} }),

    /** Whatever is not `granted` denies; once a no is carried out, and its storage empty, it resolves. */
    decide: (state) => (state === "granted" ? grant() : refuse()),

    /** What `act` hands on was tracked before the yes that ended a no. */
    before(act) {
      replace("consent");
      act();
      seat.engine.drain();
      end();
    },
  };
}
