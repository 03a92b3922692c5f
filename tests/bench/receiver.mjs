// An endpoint that takes every batch at once and counts what came, and serves the package and an
// empty page.

import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";

const PACKAGE = fileURLToPath(new URL("../../pkg", import.meta.url));
const TYPES = { ".js": "text/javascript", ".wasm": "application/wasm" };

const HEADERS = {
  // Isolated, a page's clock tells 5 µs instead of 100.
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
  "access-control-allow-origin": "*",
};

/**
 * Starts one on 127.0.0.1. `wire()` tells `{ bytes, requests }`: all bytes that came in over its
 * connections, heads included, and the requests in them. `rows()` counts the rows of all batches,
 * each id once. `refuse(true)` cuts every connection, until `refuse(false)`.
 *
 * `pages` maps a path to HTML. Every file but the package's entry waits for `held`.
 */
export async function startReceiver(scope, { pages = {}, port = 0 } = {}) {
  const sockets = [];
  const batches = new Map();
  let requests = 0;
  let refuses = false;
  const receiver = { held: undefined };
  const server = createServer({ keepAliveTimeout: 120_000 }, async (incoming, outgoing) => {
    const { pathname, searchParams } = new URL(incoming.url, "http://receiver");
    const reply = (status, type, body) =>
      outgoing
        .writeHead(status, { "content-type": type, "content-length": body.length, ...HEADERS })
        .end(body);
    if (incoming.method === "POST") {
      requests += 1;
      const chunks = [];
      for await (const chunk of incoming) chunks.push(chunk);
      if (pathname === "/v1/batch") {
        batches.set(searchParams.get("id"), rowsOf(Buffer.concat(chunks)));
      }
      return void reply(202, "application/json", `{"now":${Date.now()},"known":false}`);
    }
    const page = pathname === "/" ? "<!doctype html><title>Bench</title>" : pages[pathname];
    if (page !== undefined) return void reply(200, "text/html", page);
    if (pathname === "/nothing.js") return void reply(200, TYPES[".js"], "");
    if (pathname !== "/index.js") await receiver.held;
    const file = await readFile(join(PACKAGE, pathname)).catch(() => "");
    reply(file ? 200 : 404, TYPES[extname(pathname)] ?? "text/plain", file);
  });
  server.on("connection", (socket) => (refuses ? socket.destroy() : sockets.push(socket)));
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  receiver.origin = `http://127.0.0.1:${server.address().port}`;
  receiver.wire = () => ({
    bytes: sockets.reduce((bytes, socket) => bytes + socket.bytesRead, 0),
    requests,
  });
  receiver.rows = () => [...batches.values()].reduce((sum, rows) => sum + rows, 0);
  receiver.refuse = (yes) => {
    refuses = yes;
    if (yes) server.closeAllConnections();
  };
  scope.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return receiver;
}

/** A Native block begins with its counts of columns and rows, each a varint. */
function rowsOf(body) {
  const block = body[0] === 0x1f && body[1] === 0x8b ? gunzipSync(body) : body;
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = block[at++];
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  varint();
  return varint();
}
