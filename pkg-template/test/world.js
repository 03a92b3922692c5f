// A world for trackers: a clock that only the test moves, a network that does what it is told, and
// randomness by a seed.

/** Timers that one call of `pass` may run: more is a loop. */
const TIMERS_AT_ONCE = 1_000_000;

/** Lets all promises that can go on do so. */
const turn = () =>
  new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(0);
  });

let current;

/** The world that trackers live in, by env.js. */
export function world() {
  if (!current) throw new Error("tallymark/test: make a kit first");
  return current;
}

/** Makes it the world from now on. `network(request)` resolves to an answer, or null for none. */
export function makeWorld(startsAt, seed, network) {
  let wall = startsAt;
  let state = seed >>> 0;
  let lastTimer = 0;
  const timers = new Map();

  /** The next one in time; of two for the same time the one that was set first. */
  const nextTimer = () => {
    let next;
    for (const [id, { at }] of timers) if (!next || at < next.at) next = { id, at };
    return next;
  };
  const runTimer = async ({ id, at }) => {
    const { run, given } = timers.get(id);
    timers.delete(id);
    wall = Math.max(wall, at);
    run(...given);
    await turn();
  };

  return (current = {
    now: () => wall,
    /** Milliseconds since the world began. */
    elapsed: () => wall - startsAt,

    setTimeout(run, ms = 0, ...given) {
      timers.set(++lastTimer, { run, given, at: wall + Math.max(0, ms) });
      return lastTimer;
    },
    clearTimeout: (id) => void timers.delete(id),

    /** mulberry32. */
    random() {
      state = (state + 0x6d2b79f5) | 0;
      let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
      mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    },

    /** As the page's `fetch`: rejects when there is no answer, or none in time. */
    fetch: (url, { method = "GET", body, signal } = {}) =>
      new Promise((resolve, reject) => {
        if (signal) current.setTimeout(() => reject(new Error("timed out")), signal.ms);
        // A copy: what is sent is what was there at the call.
        const request = { url: `${url}`, method, body: body?.slice() };
        Promise.resolve(network(request)).then((answer) =>
          answer ? resolve(responseOf(answer)) : reject(new TypeError("Failed to fetch")),
        );
      }),

    /** Lets `ms` go by, timer by timer. */
    async pass(ms) {
      const until = wall + ms;
      await turn();
      for (let ran = 0, next; (next = nextTimer())?.at <= until; ran++) {
        if (ran === TIMERS_AT_ONCE) throw new Error("tallymark/test: timers without end");
        await runTimer(next);
      }
      wall = until;
    },

    /** Lets time go by until the promise settles, and gives what it does. */
    async until(promise) {
      let isSettled = false;
      const settled = () => (isSettled = true);
      promise.then(settled, settled);
      await turn();
      for (let ran = 0; !isSettled; ran++) {
        const next = nextTimer();
        if (!next || ran === TIMERS_AT_ONCE) throw new Error("tallymark/test: it never settles");
        await runTimer(next);
      }
      return promise;
    },
  });
}

/** What of a `Response` is read, without a stream that takes its time. */
function responseOf({ status, body = "", headers = {} }) {
  const lower = new Map(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
  );
  const chunks = [new TextEncoder().encode(body)];
  const read = async () => ({ done: !chunks.length, value: chunks.pop() });
  return {
    status,
    ok: status >= 200 && status < 300,
    headers: {
      get: (name) => lower.get(name.toLowerCase()) ?? null,
      has: (name) => lower.has(name.toLowerCase()),
    },
    body: { getReader: () => ({ read, cancel: async () => {} }) },
    json: async () => JSON.parse(body),
  };
}
