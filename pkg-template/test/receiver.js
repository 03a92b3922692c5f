// A receiver in memory: understands what a tracker sends, keeps each row once, answers as the worker
// or ClickHouse does.

import { rowsOf } from "./block.js";

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** What a column holds that was not sent. */
const DEFAULTS = { entity_type: "", entity_id: "", value: 1, user_id: "", properties: {} };

const json = (status, body) => ({
  status,
  body: JSON.stringify(body),
  headers: { "content-type": "application/json" },
});
const refusal = (status, code, message = code) => json(status, { code, message });

/** A number as it is, a text as ClickHouse reads it: seconds with a fraction. */
const timeOf = (time) => (typeof time === "string" ? Math.round(Number(time) * 1_000) : time);

/** Rows that came as JSON: an array, or an object a line. */
function rowsOfJson(text) {
  const rows = text.startsWith("[")
    ? JSON.parse(text)
    : text
        .split("\n")
        .filter(Boolean)
        .map((line) => JSON.parse(line));
  // A row of a declared table is as it is.
  return rows.map((row) => (row.name ? { ...row, occurred_at: timeOf(row.occurred_at) } : row));
}

/**
 * `now()` is its clock, the real one unless given. `queries` maps a query's name to what answers it: rows, or a function of the
 * parameters that gives rows.
 *
 * `receive({ method, url, body })` gives `{ status, body, headers }`; `rows` are those that it keeps,
 * by column, each with the `id` of its batch and its `table`.
 */
export function makeReceiver({ now = () => globalThis.Date.now(), queries = {} } = {}) {
  const rows = [];
  /** What was kept, by key, table and id. */
  const known = new Set();

  /** Keeps what has not been seen; whether it had been. */
  const keep = (table, id, key, found) => {
    const name = JSON.stringify([key, table, id]);
    const isKnown = id !== null && known.has(name);
    const kept = found.map((row) => ({ ...(row.name && DEFAULTS), ...row, id, table }));
    for (const row of kept) {
      if (typeof row.properties === "string") row.properties = JSON.parse(row.properties);
    }
    known.add(name);
    if (!isKnown) rows.push(...kept);
    return isKnown;
  };

  const batch = (params, bytes) => {
    const id = params.get("id") ?? "";
    const isRight = params.get("v") === "1" && UUID_V7.test(id) && Number(params.get("at")) > 0;
    if (!isRight) return refusal(400, "bad_request");
    try {
      const isKnown = keep(params.get("t"), id, params.get("k"), rowsOf(bytes));
      return json(202, { now: now(), known: isKnown });
    } catch (error) {
      return refusal(400, "bad_block", error.message);
    }
  };

  const events = (params, bytes) => {
    try {
      const found = rowsOfJson(new TextDecoder().decode(bytes));
      keep(params.get("t") ?? "events", params.get("id"), params.get("k"), found);
      return json(202, { now: now(), taken: found.length, refused: [] });
    } catch (error) {
      return refusal(400, "bad_request", error.message);
    }
  };

  const insert = (params, bytes) => {
    const [, table, format] =
      /^INSERT INTO (\S+) FORMAT (Native|JSONEachRow)$/.exec(params.get("query")) ?? [];
    try {
      const found =
        format === "Native" ? rowsOf(bytes) : rowsOfJson(new TextDecoder().decode(bytes));
      keep(table, params.get("insert_deduplication_token"), "", found);
    } catch (error) {
      return { status: 400, body: error.message, headers: { "X-ClickHouse-Exception-Code": "33" } };
    }
    return { status: 200, body: "", headers: { "X-ClickHouse-Query-Id": "test" } };
  };

  const ask = (name, params) => {
    const answer = Object.hasOwn(queries, name) ? queries[name] : undefined;
    if (!answer) return { code: "unknown_query", message: `there is no query ${name}` };
    const data = typeof answer === "function" ? answer(params) : answer;
    return { data, columns: [], cached_at: null };
  };

  const receive = ({ method, url, body }) => {
    const { pathname, searchParams } = new URL(url, "http://receiver");
    const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
    const [, name] = /^\/v1\/query\/(.+)$/.exec(pathname) ?? [];
    if (method === "GET" && name) {
      const answer = ask(decodeURIComponent(name), Object.fromEntries(searchParams));
      return json(answer.code ? 404 : 200, answer);
    }
    if (method !== "POST") return refusal(405, "bad_method");
    if (searchParams.has("query")) return insert(searchParams, bytes);
    if (pathname === "/v1/batch") return batch(searchParams, bytes);
    if (pathname === "/v1/events") return events(searchParams, bytes);
    if (pathname === "/v1/query") {
      const asked = JSON.parse(new TextDecoder().decode(bytes)).queries;
      return json(
        200,
        asked.map(({ name, params }) => ask(name, params)),
      );
    }
    return refusal(404, "not_found");
  };

  return { rows, receive };
}
