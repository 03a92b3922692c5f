// What stands in the engine's place while nothing may be counted: takes the calls and drops them
// for one reason.

import { NOTHING as UNLOADED } from "../queue.js";

/** The counters of an engine that does nothing. */
export const NOTHING = { ...UNLOADED, engine: "none", tracked: 0, waiting: 0 };

/** `waiting` events of the engine in whose place it stands are dropped, too. */
export function standIn(queue, reason, waiting, log) {
  let tracked = 0;
  let lost = 0;
  /** Of those, how many a flush has told. */
  let told = 0;
  const drop = (rows) => {
    if (!rows) return;
    lost += rows;
    log(`${rows} events dropped: ${reason}`);
  };
  const drain = () => {
    const calls = queue.calls.splice(0);
    let rows = 0;
    const count = () => {
      tracked += rows;
      drop(rows);
      rows = 0;
    };
    for (let at = 0; at < calls.length; at += 3) {
      if (calls[at + 2] !== queue) rows++;
      else {
        count();
        calls[at + 1](host);
      }
    }
    rows += queue.shed;
    queue.shed = 0;
    count();
  };
  const flush = async () => {
    drain();
    const dropped = lost - told;
    told = lost;
    return { ok: !dropped, delivered: 0, dropped };
  };
  const host = {
    drain,
    flush,
    shutdown: flush,
    stats: () => ({ ...NOTHING, tracked, dropped: lost ? { [reason]: lost } : {} }),
    // For those who say where the visitor is.
    page() {},
    session: () => "",
    stop() {},
  };
  drop(waiting);
  return host;
}

/** Two stats of one page as one: what runs is the later. */
export function sum(before, now) {
  const all = { ...now, dropped: { ...now.dropped } };
  for (const key in before) {
    if (typeof before[key] === "number") all[key] += before[key];
  }
  for (const reason in before.dropped) {
    all.dropped[reason] = (all.dropped[reason] ?? 0) + before.dropped[reason];
  }
  return all;
}
