// The queue that takes events from the first moment on, and the tracker around it.
//
// The engine, which is everything else, is fetched after the page's first task; the queries when
// one is asked.

/**
 * The first event of a burst waits at most this long for others before it goes to the engine, which
 * writes it into storage after as long again (JOURNAL_DELAY_MS of src/limits.rs): 100 ms together.
 */
const BURST_MS = 50;

/** Wait before the engine is fetched again, multiplied by how often that failed. */
export const RELOAD_MS = 10_000;

/** Calls over `maxWaitingRows` that are let go at once: one by one would move the array each time. */
const SHED_ROWS = 1_000;

/** Each is also a function: `trackView`, …, `trackDeleteComment`. */
const POST_EVENTS = "view like unlike comment share post delete_post delete_comment".split(" ");

/** `stats()` before the engine is there, but for what waits. */
export const NOTHING = {
  engine: "loading",
  storage: "memory",
  sent: 0,
  delivered: 0,
  stored: 0,
  dropped: {},
  droppedProperties: 0,
  requests: 0,
  bytes: 0,
  mainThreadMs: 0,
};

/**
 * A tracker with checked options. `loadEngine()`, `loadQueries()` and `loadTable()`, the engine for
 * rows, import the parts that are fetched later. `now()` is the time of a call, `gone` how many were
 * let go before.
 */
export function makeTally(config, loadEngine, loadQueries, loadTable, now = Date.now, gone = 0) {
  // time, name, fields, time, name, fields, …: an object for each call would double the cost.
  const calls = [];
  const queue = { calls, shed: gone };
  const tables = {};
  const full = 3 * config.maxRows;
  const most = 3 * (config.maxWaitingRows + SHED_ROWS);
  let engine;
  let loading;
  let failures = 0;

  const load = () =>
    (loading ??= loadEngine()
      .then((parts) => parts.load(config, queue))
      .then((loaded) => (engine = loaded))
      .catch((error) => {
        loading = undefined;
        console.error("[tallymark] cannot load its engine", error);
        setTimeout(drain, RELOAD_MS * ++failures);
        throw error;
      }));
  const drain = () => (engine ? engine.drain() : load().catch(() => {}));

  const shed = () => {
    calls.splice(0, 3 * SHED_ROWS);
    queue.shed += SHED_ROWS;
  };
  const track = (name, fields) => {
    const length = calls.push(now(), name, fields);
    if (length === 3 || length === full) setTimeout(drain, length === full ? 0 : BURST_MS);
    if (length > most) shed();
  };

  const queries =
    (name) =>
    async (...args) =>
      (await loadQueries())[name](config, ...args);
  const posts = {
    getSummary: queries("getSummary"),
    getHourlyViews: queries("getHourlyViews"),
    getTopPosts: queries("getTopPosts"),
    getBulkSummaries: queries("getBulkSummaries"),
  };
  for (const name of POST_EVENTS) {
    const method = `_${name}`.replace(/_./g, ([, letter]) => letter.toUpperCase());
    posts[`track${method}`] = (entityId, by) =>
      track(name, { entityType: "post", entityId, userId: by?.userId, ipAddress: by?.ipAddress });
  }

  const waiting = () => calls.length / 3;
  const stats = () =>
    engine ? engine.stats() : { ...NOTHING, tracked: waiting(), waiting: waiting() };
  // At once when it can be: the page may be about to go.
  const whenLoaded = (method) => () =>
    engine ? engine[method]() : load().then(() => engine[method]());

  // A task of its own: the start of the page comes first.
  setTimeout(drain, 0);
  return {
    track,
    posts,
    query: queries("query"),
    table: (table) => (tables[table] ??= makeTally({ ...config, table }, loadTable)),
    flush: whenLoaded("flush"),
    shutdown: whenLoaded("shutdown"),
    queueLength: () => stats().waiting,
    stats,
  };
}
