// A tracker on a clock that the test moves, with what is around a page as far as a test wants it:
// the real tracker over the engine without wasm, so that what is sent can be read.

import { mock } from "node:test";
import { makeRows } from "../../pkg-template/parts/rows.js";
import { checkPeopleOptions } from "../../pkg-template/people/options.js";
import * as fallback from "../../src/effects/fallback.js";
import { pack } from "../../src/effects/pack.js";
import { addressOf } from "../../src/effects/destination.js";
import { placeOf } from "../../src/effects/place.js";
import { codeOf, wordOf } from "../../src/effects/reasons.js";
import { makePeople } from "../../src/effects/people/tally.js";

export const NOW = 1_795_435_200_000;
export const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Lets everything happen that waits for promises alone. */
export const settle = async () => {
  for (let turns = 0; turns < 50; turns++) await null;
};

/** Moves the clock, and lets happen what follows. */
export const pass = async (ms) => {
  await settle();
  mock.timers.tick(ms);
  await settle();
};

/** Sets the clock, for a file's `beforeEach`. */
export function setClock() {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: NOW });
}
mock.method(performance, "now", () => Date.now() - NOW + 1_000_000);

/** A localStorage; `throws` makes each use of it throw. */
export function storage(entries = {}) {
  const items = new Map(Object.entries(entries));
  const use = (act) => {
    if (store.throws) throw new Error("blocked");
    store.uses++;
    return act();
  };
  const store = {
    throws: false,
    uses: 0,
    items,
    getItem: (key) => use(() => items.get(key) ?? null),
    setItem: (key, text) => use(() => void items.set(key, text)),
    removeItem: (key) => use(() => void items.delete(key)),
    // As the entry asks.
    get tallymark() {
      return use(() => items.get("tallymark"));
    },
  };
  return store;
}

/** Puts `globals` in place for the test's time. */
export function around(t, globals) {
  for (const [name, value] of Object.entries(globals)) {
    const own = Object.getOwnPropertyDescriptor(globalThis, name);
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
    t.after(() =>
      own ? Object.defineProperty(globalThis, name, own) : Reflect.deleteProperty(globalThis, name),
    );
  }
}

/** A page: `{ localStorage, heard(event) }`, around the test. */
export function page(t, { localStorage = storage(), gpc, href = "https://site.test/" } = {}) {
  const listeners = [];
  const listen = (name, listener) => listeners.push([name, listener]);
  const document = { addEventListener: listen, referrer: "", visibilityState: "visible" };
  around(t, {
    window: { localStorage, addEventListener: listen },
    document,
    location: new URL(href),
    navigator: { globalPrivacyControl: gpc },
  });
  const heard = (name, event) => {
    for (const [of, listener] of listeners) if (of === name) listener(event);
  };
  return { localStorage, document, heard };
}

/**
 * A tracker and what it posts: `rows` are accepted ones, `urls` every try. `loads` says what was
 * fetched; `hold()` keeps the engine from coming until what it gives is called, with an error or not.
 * `watch` stands for the observers of a page.
 */
export function tracker(options = {}, watch) {
  const rows = [];
  const loads = [];
  const urls = [];
  let status = 202;
  let coming;
  const send = async (url, body) => {
    urls.push(url);
    if (status !== 202) return [status, "", 0, 0, false];
    const lines = new TextDecoder().decode(body).split("\n").map(JSON.parse);
    rows.push(...lines);
    return [202, `{"now":${Date.now()},"taken":${lines.length},"refused":[]}`, 0, 0, false];
  };
  const load = async (config, queue) => {
    const post = config.through?.(send) ?? send;
    return fallback.start(config, queue, pack, post, placeOf, addressOf, wordOf, codeOf);
  };
  const loadEngine = async () => {
    loads.push("engine");
    await coming;
    return { load };
  };
  const checked = checkPeopleOptions({ endpoint: "https://edge.test", key: "pk", ...options });
  return {
    tally: makePeople(
      checked,
      loadEngine,
      async () => ({}),
      async () => (loads.push("table"), { load: makeRows(load) }),
      undefined,
      watch && (async () => ({ watch })),
    ),
    loads,
    urls,
    rows,
    answer: (next) => (status = next),
    hold() {
      let come;
      coming = new Promise((resolve, reject) => {
        come = (error) => {
          coming = undefined;
          if (error) reject(error);
          else resolve();
        };
      });
      return come;
    },
  };
}

/** What an event says, without what every row has. */
export const said = ({
  name,
  user_id,
  value,
  occurred_at,
  properties,
  entity_type,
  entity_id,
}) => ({
  name,
  user_id,
  value,
  at: occurred_at - NOW,
  properties,
  ...(entity_type && { entity_type, entity_id }),
});

/** Flushes, and lets what the flush sends be answered. */
export async function flush(tally) {
  const flushing = tally.flush();
  await pass(0);
  return flushing;
}
