// A tracker that knows people: what they do under a name, who they are, what they consent to.
//
// It stands between the usual tracker and its engine. The tracker's queue takes every call in its
// order; the engine gets a queue of its own, which is filled here.
//
// The second place outside Rust that decides (the first is src/effects/fallback.js): what is decided
// here is decided before there is an engine, or so that there is none.

import { RELOAD_MS, makeTally } from "../queue.js";
import { pushTurn } from "../visit.js";
import { makeConsent, stop } from "./consent.js";
import { makeDress } from "./dress.js";
import * as verbs from "./verbs.js";

/** Drops that are decided while an event is handed over. */
const AT_ONCE = ["invalid", "before_send", "consent", "sampled"];
const lostOf = ({ dropped }) => AT_ONCE.reduce((sum, reason) => sum + (dropped[reason] ?? 0), 0);

/** What a row is given: nothing. */
const PLAIN = { greet() {}, end() {} };

/** How a flush of one event ends that was never handed over. */
const LOST = { ok: false, delivered: 0, dropped: 1 };

/**
 * A tracker with checked options; `loadEngine()`, `loadQueries()` and `loadTable()` as `makeTally` takes them. `wasm`
 * is the engine that knows of visits: its address, or itself. `loadWatch()` imports what observes a page,
 * where there is one; `now` and `gone` are as `makeTally` takes them.
 */
export function makePeople(config, loadEngine, loadQueries, loadTable, wasm, loadWatch, now, gone) {
  const log = (what) => config.debug && console.debug(`[tallymark] ${what}`);
  const seat = { engine: undefined, queue: undefined };
  /** The tracker's, once it has started. */
  let outer;
  /** As the fields of a call: its name is to be called in its place. */
  const TURN = {};
  /** Its place in the queue is the visitor's yes, said before the tracker has started, after a no. */
  let yes;

  let decide;
  const isDecided = config.consent === "pending" && new Promise((resolve) => (decide = resolve));
  const dress = config.isPlain ? PLAIN : makeDress(config, log);
  const consent = makeConsent(config, seat, dress, log);
  /** Trackers for rows: each under the same word and the same lot. */
  const tables = {};

  const isTurn = (fields) => fields === TURN || fields === outer;
  /** Hands on what the tracker's queue holds, up to `end`, if there is somebody to take it. */
  const forward = (end) => {
    const { queue } = seat;
    if (!queue) return;
    const calls = outer.calls.splice(0, end);
    for (let at = 0; at < calls.length; at += 3) {
      const [time, name, fields] = calls.slice(at, at + 3);
      // The turn of another part: it, too, says where the visitor is.
      const act = fields === outer ? (...tools) => name(dress.hostOf(tools)) : name;
      queue.calls.push(time, act, isTurn(fields) ? queue : fields);
    }
    queue.shed += outer.shed;
    outer.shed = 0;
  };

  const noEngine = (error) => {
    console.error("[tallymark] cannot load its engine", error);
    setTimeout(host.drain, RELOAD_MS);
  };
  /** The options of one engine: stopped, it knows nothing of the answers that still come. */
  const untilStopped = (queue) => {
    const { onBatch } = config;
    if (!onBatch) return config;
    const value = (batch) => seat.queue === queue && onBatch(batch);
    // `beforeSend` is read anew each time.
    return Object.create(config, { onBatch: { value } });
  };

  let loading;
  const loadSeat = async () => {
    const queue = { calls: [], shed: 0, wasm };
    // Not after a refusal that came meanwhile.
    const greet = (...tools) => seat.engine || dress.greet(tools);
    queue.calls.push(Date.now(), greet, queue);
    const engine = await (await loadEngine()).load(untilStopped(queue), queue);
    if (seat.engine) return stop(engine, queue);
    Object.assign(seat, { engine, queue });
    engine.drain();
  };
  /** Sees that somebody takes the calls, and gives them what there is. */
  const run = async () => {
    if (!seat.engine) await (loading ??= loadSeat().finally(() => (loading = undefined)));
    host.drain();
  };
  const settle = (method) => () => {
    if (!seat.engine) return run().then(settle(method));
    forwardAll();
    return consent.until(seat.engine[method]());
  };

  const forwardAll = () => forward(Infinity);

  const host = {
    drain() {
      forwardAll();
      if (seat.engine) seat.engine.drain();
      // Granted anew, with an engine that could not be fetched.
      else if (!loading) run().catch(noEngine);
    },
    flush: settle("flush"),
    shutdown: settle("shutdown"),
    stats() {
      const stats = consent.stats();
      for (let at = 2; at < outer.calls.length; at += 3) {
        if (isTurn(outer.calls[at])) continue;
        stats.tracked++;
        stats.waiting++;
      }
      return stats;
    },
  };

  let isWatching = false;
  /** Tracks what has been measured until now. */
  let measure;
  /** Observes the page once something of it may be counted. */
  const watch = async () => {
    if (!config.auto || !loadWatch || isWatching || consent.isOut()) return;
    isWatching = true;
    try {
      measure = await (await loadWatch()).watch(config, outer, host, pushTurn);
    } catch (error) {
      isWatching = false;
      log(error);
    }
  };
  const load = async (_, queue) => {
    if (!outer) {
      outer = queue;
      // Before the engine hears of them: what it takes then has to be there.
      const { document, window } = globalThis;
      document?.addEventListener("visibilitychange", forwardAll);
      document?.addEventListener("freeze", forwardAll);
      window?.addEventListener("pagehide", forwardAll);
      consent.begin();
      if (yes && !consent.isOut()) consent.before(() => forward(outer.calls.indexOf(yes) - 1));
    }
    await run();
    watch();
    return host;
  };
  const tally = makeTally(
    config,
    async () => {
      await isDecided;
      return { load };
    },
    loadQueries,
    undefined,
    now,
    gone,
  );

  const turn = (act) => tally.track(act, TURN);
  /** As `track`, none of them throws: what cannot be read counts as an event that is invalid. */
  const safely =
    (act) =>
    (...args) => {
      try {
        act(...args);
      } catch (error) {
        log(`left out: ${error}`);
        tally.track();
      }
    };
  const says = (verb) => safely((...args) => tally.track(...verb(...args)));
  const asks =
    (name) =>
    async (...args) =>
      (await loadQueries())[name](config, ...args);

  let flushing;
  const flushSoon = () =>
    (flushing ??= Promise.resolve().then(() => {
      flushing = undefined;
      return tally.flush();
    }));
  const identified = says(verbs.identified);
  const measured = says(verbs.measured);

  return Object.assign(tally, {
    capture: says((...args) => verbs.captured(config.groupTypeIndex, ...args)),
    groupIdentify: says(verbs.groupIdentified),
    alias: says(verbs.aliased),

    identify(userId, properties) {
      turn(() => dress.identify(userId));
      identified(userId, properties);
    },
    register: safely((properties) => {
      const copy = { ...properties };
      turn(() => dress.register(copy));
    }),
    reset: () => turn((...tools) => dress.reset(tools)),

    entityMetric(metric) {
      let before;
      let isLost;
      turn(() => (before = lostOf(seat.engine.stats())));
      measured(metric);
      turn(() => (isLost = lostOf(seat.engine.stats()) > before));
      return flushSoon().then((flushed) => (isLost ? LOST : flushed));
    },

    table(table) {
      // What has been said until now stands in `config`.
      consent.begin();
      return (tables[table] ??= makePeople(
        {
          ...config,
          table,
          isPlain: true,
          // Drawn when it is asked for.
          get sample() {
            return +consent.isIn();
          },
        },
        loadTable,
        undefined,
        undefined,
        wasm,
      ));
    },

    users: {
      recordFollow: says(verbs.followed),
      recordUpload: says(verbs.uploaded),
      recordEngagement: says(verbs.engaged),
      getUserMetrics: asks("getUserMetrics"),
      getUserFollowerCount: asks("getUserFollowerCount"),
      getUserRank: asks("getUserRank"),
      calculateEngagementScore: asks("calculateEngagementScore"),
    },

    async consent(state) {
      consent.begin();
      // What was tracked, or measured, under the old word goes under it.
      if (consent.isOut()) {
        if (outer) measure?.();
        else turn((yes = () => {}));
      }
      if (outer) host.drain();
      const done = consent.decide(state);
      for (const table in tables) tables[table].consent(state);
      decide?.();
      if (outer) await run().then(() => void watch(), noEngine);
      return done;
    },
  });
}
