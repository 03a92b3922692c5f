// What the core says to do next: plain objects, made in one crossing each. Bytes are copied out of
// wasm's memory here, because that memory moves when it grows.

export const read = (capBytes) => ({ kind: "read", capBytes });

export const fetch = (url, headers, body, timeoutMs, answerBytes) => ({
  kind: "fetch",
  url,
  headers: pairs(headers),
  body: body.slice(),
  timeoutMs,
  answerBytes,
});

export const asset = () => ({ kind: "asset" });

export const relay = (status, headers) => ({ kind: "relay", status, headers: pairs(headers) });

export const respond = (status, headers, body, log) => ({
  kind: "respond",
  status,
  headers: pairs(headers),
  body: body.slice(),
  log,
});

// Names and values come a line each, in turn.
function pairs(text) {
  const lines = text.split("\n");
  const pairs = [];
  for (let at = 0; at + 1 < lines.length; at += 2) pairs.push([lines[at], lines[at + 1]]);
  return pairs;
}
