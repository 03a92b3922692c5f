// What the core says to do next: plain objects, made in one crossing each. Bytes are copied out of
// wasm's memory here: that memory moves when it grows, is used again by the next request, and
// workerd's fetch reads a body's bytes in place, later.

export const read = (capBytes, atOnce) => ({ kind: "read", capBytes, atOnce });

export const fetch = (url, headers, body, timeoutMs, answerBytes, answerIsShort, flight) => ({
  kind: "fetch",
  url,
  headers: headersOf(headers),
  body: body.slice(),
  timeoutMs,
  answerBytes,
  answerIsShort,
  flight,
});

export const put = (shard, site, table, id, block) => ({
  kind: "put",
  shard,
  site,
  table,
  id,
  block: block.slice(),
});

export const ask = (shard, site, table, id) => ({ kind: "ask", shard, site, table, id });

export const shards = (count) => ({ kind: "shards", count });

export const admin = (shard, group, action) => ({
  kind: "admin",
  shard,
  group: group.slice(),
  action,
});
export const look = (name) => ({ kind: "look", name });

export const join = (name, timeoutMs) => ({ kind: "join", name, timeoutMs });

export const store = (name, at, seconds, rows) => ({ name, at, seconds, rows: rows.slice() });

export const asset = () => ({ kind: "asset" });

export const relay = (status, headers) => ({ kind: "relay", status, headers: headersOf(headers) });

export const respond = (status, headers, body, log) => ({
  kind: "respond",
  status,
  headers: headersOf(headers),
  body: body.slice(),
  log,
});

// Names and values come a line each, in turn. The same few texts come with every request, and a
// Headers is taken over by fetch and Response at a quarter of the cost of an array of pairs
// (1.6 against 5.5 µs for three in workerd), so each is made once.
const KNOWN = 64;
const known = new Map();

function headersOf(text) {
  let headers = known.get(text);
  if (headers) return headers;
  headers = new Headers();
  const lines = text.split("\n");
  for (let at = 0; at + 1 < lines.length; at += 2) headers.append(lines[at], lines[at + 1]);
  if (known.size === KNOWN) known.clear();
  known.set(text, headers);
  return headers;
}
