// The tracker where WebAssembly is refused: by a CSP without 'wasm-unsafe-eval', or by a browser in
// lockdown. It posts the same queue as JSON, from memory, and loses at a crash what the engine's
// journal would keep.
//
// The one place outside Rust that decides. It decides as the core does; the file that is named
// beside a rule has its reason. tests/package/fallback.test.mjs holds each decision, and
// tests/e2e/fallback.test.mjs that both store the same rows for the same calls.

/** src/limits.rs has the reason of each. */
const NAME_BYTES = 200;
const ID_BYTES = 512;
const STRING_BYTES = 32_768;
const BATCH_AGE_MS = 86_400_000;
const SESSION_IDLE_MS = 1_800_000;
const BACKOFF_BASE_MS = 1_000;
const BACKOFF_CAP_MS = 60_000;
const RETRY_AFTER_MAX_S = 3_600;
const BREAKER_FAILURES = 8;
const REQUESTS_IN_FLIGHT = 2;
const REQUESTS_AT_LEAVE = 9;
const WAITING_BYTES = 8_000_000;
const KEEPALIVE_BYTES = 60_000;
const FLUSH_TRIES = 3;
const FLUSHES_WAITING = 64;

/** Numbers of an event; src/effects/pack.js. */
const ROW = 7;

/** The statuses of the worker's final refusals, by the words of reasons.js (src/answer.rs). */
const FINAL = [, , 400, 400, 401, 403, 404, 404, 405, 413, 410];

/** ClickHouse's (src/error.rs, FINAL_CLICKHOUSE_CODES). */
const FINAL_CLICKHOUSE = [
  6, 10, 16, 27, 33, 47, 50, 53, 60, 62, 70, 73, 81, 115, 117, 131, 192, 193, 349, 497, 516,
];

/** Reasons of the tracker's own among the codes. */
const OWN = ["too_old", "discarded"];

const encoder = new TextEncoder();
const bytesOf = (text) => encoder.encode(text).length;

/** A UUID of version 7 (RFC 9562, 5.7). */
function uuidV7() {
  let hex = Date.now().toString(16).padStart(12, "0");
  for (const byte of crypto.getRandomValues(new Uint8Array(10))) {
    hex += byte.toString(16).padStart(2, "0");
  }
  return hex.replace(/(.{8})(.{4}).(.{3}).(.{3})/, "$1-$2-7$3-a$4-");
}

/**
 * Starts a tracker on the calls that wait in `queue.calls`, with the methods of the engine's.
 * The other functions are the engine's own: it has fetched them already.
 */
export function start(config, queue, pack, send, placeOf, addressOf, wordOf, codeOf) {
  const { clickhouse, maxRows, maxBytes, maxTimeMs, maxWaitingRows } = config;
  const { onFailure, debug, onBatch } = config;
  const tell = (what, error) => debug && console.warn(`[tallymark] ${what}`, error ?? "");
  const began = performance.now();
  const stats = {
    engine: "fallback",
    storage: "memory",
    tracked: 0,
    sent: 0,
    delivered: 0,
    waiting: 0,
    stored: 0,
    dropped: {},
    droppedProperties: 0,
    requests: 0,
    bytes: 0,
    mainThreadMs: 0,
  };
  let page;
  let seq;
  let session = uuidV7();
  /** Wall time, once there was one. */
  let lastEvent;
  /** The open batch: its id, drawn at its first event, and its events as lines of JSON. */
  let batchId;
  let edge;
  let lines = [];
  let lineBytes = 0;
  /** The sealed ones, oldest first: nobody has accepted or refused them yet. */
  const batches = [];
  /** Reasons whose totals the table has not been told, and what they were at the page view's begin (src/drops.rs). */
  const untold = new Set();
  let before = {};
  const flushes = [];
  let isShutDown = false;
  let tick;
  let retry;
  let failures = 0;
  let resumeAt = 0;
  let askedFor = 0;

  const drop = (reason, rows) => {
    if (!rows) return;
    stats.dropped[reason] = (stats.dropped[reason] ?? 0) + rows;
    untold.add(reason);
    tell(`${rows} events dropped: ${reason}`);
  };

  /** Takes a batch from those that wait; `delivered` of its rows are, the others are `reason`. */
  const settle = (batch, delivered, reason) => {
    const dropped = batch.rows - delivered;
    batches.splice(batches.indexOf(batch), 1);
    stats.waiting -= batch.rows;
    stats.delivered += delivered;
    drop(reason, dropped);
    for (const flush of flushes) {
      if (!flush.batches.delete(batch)) continue;
      flush.delivered += delivered;
      flush.dropped += dropped;
    }
  };
  const reportFlushes = () => {
    for (const flush of flushes.splice(0)) {
      const { batches, tries, delivered, dropped, resolve } = flush;
      if (batches.size && tries > 0) flushes.push(flush);
      else resolve({ ok: !batches.size && !dropped, delivered, dropped });
    }
  };

  const seal = () => {
    clearTimeout(tick);
    if (lines.length) {
      const body = encoder.encode(lines.join("\n"));
      batches.push({ id: batchId, rows: lines.length, body, failures: 0 });
    }
    lines = [];
    lineBytes = 0;
  };

  const open = () => {
    batchId = uuidV7();
    edge = clickhouse ? { site: clickhouse.site, batch_id: batchId } : {};
    if (!isShutDown) {
      const sinceTick = (performance.now() - began) % maxTimeMs;
      tick = setTimeout(() => run(seal), maxTimeMs - sinceTick);
    }
  };

  /** One event as it was packed for src/js/row.rs; whether it is one (src/event.rs). */
  const append = (strings, [time, value, ...places]) => {
    // A browser without `toWellFormed` has a row with a lone surrogate refused.
    const texts = places.map((place) => strings[place].toWellFormed?.() ?? strings[place]);
    const [name, entity_type, entity_id, user_id, json] = texts;
    const properties = json || "{}";
    const occurredAt = Math.trunc(time);
    const isEvent =
      name &&
      occurredAt >= 0 &&
      bytesOf(name) <= NAME_BYTES &&
      bytesOf(entity_type) <= NAME_BYTES &&
      bytesOf(entity_id) <= ID_BYTES &&
      bytesOf(user_id) <= ID_BYTES &&
      bytesOf(properties) <= STRING_BYTES;
    if (!isEvent) return false;

    const written = () => {
      const columns = {
        name,
        entity_type,
        entity_id,
        user_id,
        value,
        // As ClickHouse itself reads milliseconds; the worker takes a number.
        occurred_at: clickhouse ? (occurredAt / 1_000).toFixed(3) : occurredAt,
        session_id: session,
        seq,
        ...page,
        ...edge,
      };
      return `${JSON.stringify(columns).slice(0, -1)},"properties":${properties}}`;
    };
    if (occurredAt - lastEvent > SESSION_IDLE_MS) session = uuidV7();
    lastEvent = Math.max(lastEvent ?? Date.now(), occurredAt);
    if (!lines.length) open();
    let line = written();
    if (lineBytes + bytesOf(line) >= maxBytes) {
      seal();
      open();
      line = written();
      if (bytesOf(line) >= maxBytes) return false;
    }
    lines.push(line);
    lineBytes += bytesOf(line) + 1;
    seq++;
    stats.waiting++;
    if (lines.length >= maxRows) seal();
    return true;
  };

  const tellDrops = () => {
    for (const reason of untold) {
      const rows = stats.dropped[reason] - (before[reason] ?? 0);
      stats.tracked++;
      append(["", "$dropped", reason], [Date.now(), rows, 1, 2, 0, 0, 0]);
    }
    untold.clear();
  };

  const takeCalls = () => {
    const calls = queue.calls.splice(0);
    // Along with the page's own events: by themselves they would drop and tell for ever.
    // No table but `events` has a place for them.
    if (calls.length && !config.through) tellDrops();
    // Older than all of these.
    stats.tracked += queue.shed;
    drop("queue_full", queue.shed);
    queue.shed = 0;
    for (let at = 0; at < calls.length;) {
      const packed = pack(calls, at, queue, config.beforeSend, tell);
      const [strings, numbers, , next, invalid, hidden, unread] = packed;
      let unfit = invalid;
      for (let from = 0; from < numbers.length; from += ROW) {
        if (!append(strings, numbers.slice(from, from + ROW))) unfit++;
      }
      stats.tracked += (next - at) / 3;
      stats.droppedProperties += unread;
      drop("invalid", unfit);
      drop("before_send", hidden);
      at = next;
      if (calls[at + 2] === queue) {
        calls[at + 1](host);
        at += 3;
      }
    }
  };

  const bytesOfAll = (those) => those.reduce((sum, { body }) => sum + body.length, 0);

  /** What waits stays within its limits; the oldest that is not in flight goes first. */
  const tidy = () => {
    while (stats.waiting > maxWaitingRows || bytesOfAll(batches) > WAITING_BYTES) {
      const oldest = batches.find((batch) => !batch.flies);
      if (!oldest) return;
      settle(oldest, 0, "queue_full");
    }
  };

  const address = ({ id }) => {
    const url = addressOf(config, id);
    if (!clickhouse) return url.replace("/v1/batch?v=1&", "/v1/events?");
    // Without the rest a property's text that looks like a time becomes one, other than in a block.
    const rest = "&input_format_try_infer_dates=0&input_format_try_infer_datetimes=0";
    return url.replace("FORMAT+Native", "FORMAT+JSONEachRow") + rest;
  };

  /** What an answer means (src/answer.rs): a number of rows taken, a code, or nothing: again. */
  const verdictOf = (batch, status, text, exceptionCode, hasQueryId) => {
    if (clickhouse) {
      if (FINAL_CLICKHOUSE.includes(exceptionCode)) return `${exceptionCode}`;
      return !exceptionCode && status === 200 && hasQueryId ? batch.rows : undefined;
    }
    // A long list of refused rows is cut, so this is no JSON.parse.
    const [, taken] = /^\s*\{"now":\d+,"taken":(\d+)/.exec(text) ?? [];
    if (status === 202) return taken && +taken;
    const word = wordOf(text);
    return FINAL[word] === status ? codeOf(30 + word) : undefined;
  };

  const post = (batch, keepalive) => {
    const { id, rows, body } = batch;
    const since = performance.now();
    // Its first try.
    if (batch.keepalive === undefined) stats.sent += rows;
    batch.flies = true;
    batch.keepalive = keepalive;
    stats.requests++;
    stats.bytes += body.length;
    const answered = ([status, text, retryAfter, exceptionCode, hasQueryId]) =>
      run(() => {
        const now = performance.now();
        let verdict = verdictOf(batch, status, text, +exceptionCode, hasQueryId);
        batch.flies = false;
        if (verdict === undefined) {
          // Full jitter, and what the receiver asks for; src/retry.rs.
          const bound = Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** failures++);
          askedFor = now + 1_000 * Math.min(RETRY_AFTER_MAX_S, retryAfter || 0);
          resumeAt = Math.max(askedFor, now + Math.random() * bound);
          for (const flush of flushes) if (flush.batches.has(batch)) flush.tries--;
          if (++batch.failures >= FLUSH_TRIES && onFailure === "discard") verdict = "discarded";
        } else {
          failures = resumeAt = askedFor = 0;
        }
        const isAgain = verdict === undefined;
        const code = typeof verdict === "string" ? verdict : undefined;
        if (code) settle(batch, 0, OWN.includes(code) ? code : `refused_${code}`);
        else if (!isAgain) settle(batch, verdict, "invalid");
        const outcome = isAgain ? "again" : code ? "refused" : "accepted";
        const told = { id, rows, bytes: body.length, ms: now - since, status, code, outcome };
        if (debug) console.debug(`[tallymark] ${rows} events ${outcome}`, told);
        if (onBatch) queueMicrotask(() => onBatch(told));
      });
    send(address(batch), body, keepalive).then(answered);
  };

  /** Sends what may be sent now, and comes back for the rest. */
  const pump = (isLeaving) => {
    clearTimeout(retry);
    for (;;) {
      const flying = batches.filter((batch) => batch.flies);
      const lasting = bytesOfAll(flying.filter((batch) => batch.keepalive));
      const lasts = ({ body }) => lasting + body.length <= KEEPALIVE_BYTES;
      const next = batches.find((batch) => !batch.flies && (!isLeaving || lasts(batch)));
      const most = isLeaving ? REQUESTS_AT_LEAVE : failures ? 1 : REQUESTS_IN_FLIGHT;
      if (!next || flying.length >= most) {
        // A page that hides may live on: what is too large to outlive it goes by itself.
        if (isLeaving) retry = setTimeout(run);
        return;
      }
      // Its id begins with when it was opened.
      if (Date.now() - parseInt(next.id.replace("-", ""), 16) > BATCH_AGE_MS) {
        settle(next, 0, "too_old");
        continue;
      }
      const wait = resumeAt - performance.now();
      if (wait > 0) {
        retry = setTimeout(run, wait);
        return;
      }
      post(next, lasts(next));
    }
  };

  /** Does `what`, and then what follows from it. */
  let run = (what, isLeaving) => {
    const since = performance.now();
    const value = what?.();
    tidy();
    pump(isLeaving);
    reportFlushes();
    stats.mainThreadMs += performance.now() - since;
    return value;
  };
  const sealAll = () => {
    takeCalls();
    seal();
    // The site, or the page's end, does not wait for a backoff, only for what was asked for.
    if (failures < BREAKER_FAILURES) resumeAt = askedFor;
  };
  const leave = () => run(sealAll, true);
  const flush = () =>
    run(
      () =>
        new Promise((resolve) => {
          sealAll();
          if (flushes.length === FLUSHES_WAITING) flushes[0].tries = 0;
          const covered = new Set(batches);
          flushes.push({ batches: covered, tries: FLUSH_TRIES, delivered: 0, dropped: 0, resolve });
        }),
    );

  globalThis.document?.addEventListener(
    "visibilitychange",
    () => document.visibilityState === "hidden" && leave(),
  );
  globalThis.window?.addEventListener("pagehide", leave);

  const waiting = () => stats.waiting + queue.calls.length / 3;
  const host = {
    page(place) {
      tellDrops();
      before = { ...stats.dropped };
      page = { page_id: uuidV7(), ...placeOf(place) };
      seq = 0;
    },
    session(id, last) {
      if (id && !(last <= lastEvent)) {
        session = id;
        lastEvent = last;
      }
      return session;
    },
    drain: () => run(takeCalls),
    /** For good: what waits is the caller's to count. */
    stop() {
      // It was given the function that is replaced here.
      clearTimeout(retry);
      run = () => {};
    },
    flush,
    shutdown() {
      isShutDown = true;
      return flush();
    },
    stats: () => ({
      ...stats,
      dropped: { ...stats.dropped },
      tracked: stats.tracked + queue.calls.length / 3,
      waiting: waiting(),
    }),
  };
  host.page();
  run(takeCalls);
  return host;
}
