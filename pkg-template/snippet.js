// A classic script that makes `window.tally` at once: it takes every call, and hands them on once
// the tracker itself is loaded. Inline or by `src`; its attributes say where to.

import { NOTHING } from "../src/effects/queue.js";

/** Calls that wait here at most; over it the oldest goes, counted as the tracker counts it. */
const MOST_CALLS = 20_000;

/** Wait before the tracker is fetched again, multiplied by how often that failed. */
const RETRY_MS = 10_000;

/** Calls that return nothing. Every other gives a promise. */
const NOTES = /^(track|capture|identify|alias|groupIdentify|register|record|reset)/;

/** Makes `window.tally` for the script element `script`. */
function queue({ dataset, src }) {
  const waiting = [];
  let tally;
  let at = 0;
  let isReady;
  const ready = new Promise((resolve) => (isReady = resolve));
  /** How many calls were let go. */
  let gone = 0;

  /** A step of a path is a name, or what the function there is called with. */
  const call = (path, given) =>
    path.reduce((of, step) => (Array.isArray(step) ? of(...step) : of[step]), tally)(...given);
  const instead = {
    queueLength: () => waiting.length,
    stats: () => ({
      ...NOTHING,
      tracked: waiting.length + gone,
      waiting: waiting.length,
      dropped: gone ? { queue_full: gone } : {},
    }),
  };
  const note = (path, given) => {
    waiting.push([Date.now(), path, given]);
    if (waiting.length > MOST_CALLS) {
      waiting.shift();
      gone++;
    }
  };
  /** Whatever lies at `path` of the tracker; no `then`, or a promise would wait for it for ever. */
  const standIn = (path) =>
    new Proxy(() => {}, {
      get: (_, name) => (name === "then" ? undefined : standIn([...path, name])),
      apply(_, __, given) {
        const name = path.at(-1);
        if (tally) return call(path, given);
        if (instead[name]) return instead[name]();
        if (name === "table") return standIn([...path, given]);
        if (NOTES.test(name)) return note(path, given);
        // In its place among them, and a promise all the same.
        if (name === "consent") return (note(path, given), ready);
        return ready.then(() => call(path, given));
      },
    });

  const start = ({ init }) => {
    const options = { key: dataset.key, ...JSON.parse(dataset.options ?? "{}") };
    if (!options.clickhouse) options.endpoint ??= endpoint;
    window.tally = tally = init(options, () => at || Date.now(), gone);
    for (const [time, path, given] of waiting.splice(0)) {
      at = time;
      try {
        call(path, given);
      } catch (error) {
        console.error(`[tallymark] ${path.join(".")}`, error);
      }
    }
    at = 0;
    isReady();
  };
  const endpoint = dataset.endpoint ?? new URL("..", src).href;
  const from = dataset.module ?? `${endpoint.replace(/\/+$/, "")}/tallymark/index.js`;
  // The same address would be answered from memory, as it failed.
  const load = (failures) =>
    import(failures ? `${from}?again=${failures}` : from).then(start, () =>
      setTimeout(load, RETRY_MS * (failures + 1), failures + 1),
    );
  window.tally = standIn([]);
  load(0).catch((error) => console.error("[tallymark]", error));
}

// Nothing on a server, as a module, or when it is there already.
const script = globalThis.document?.currentScript;
if (script && !window.tally?.track) queue(script);
