// Requests that lie about their own length, byte for byte, and the answer's status.

import { eventBlock, uuidV7 } from "../blocks.mjs";
import { BODY_BYTES, query } from "./setup.mjs";

// What workerd itself answers to lengths that HTTP forbids; the worker never sees the request.
const RUNTIME = 500;

export function lyingRows(host) {
  const good = eventBlock([{ entity_id: "hostile" }]);
  const head = query({ v: 1, k: "pk_open", id: uuidV7(), t: "events", at: Date.now() });
  const raw = (what, headers, body, status) => ({
    what,
    status,
    raw: Buffer.concat([
      Buffer.from(`POST /v1/batch?${head} HTTP/1.1\r\nhost: ${host}\r\n${headers}\r\n\r\n`),
      ...body.map((part) => Buffer.from(part)),
    ]),
  });
  const large = Buffer.alloc(BODY_BYTES * 2);
  const chunk = (bytes) => [bytes.length.toString(16), "\r\n", bytes, "\r\n"];
  return [
    raw("a length below the body's", `content-length: ${good.length - 1}`, [good], 400),
    raw("a length of nothing", "content-length: 0", [good], 400),
    raw("a length far over the cap, and nothing behind it", "content-length: 99999999", [], 413),
    raw("a length beyond every number", `content-length: ${"9".repeat(30)}`, [good], 413),
    raw("a length below nothing", "content-length: -5", [good], RUNTIME),
    raw("a length that is none", "content-length: five", [good], RUNTIME),
    raw("a length with a sign", `content-length: +${good.length}`, [good], RUNTIME),
    raw("two lengths", `content-length: 5\r\ncontent-length: ${good.length}`, [good], RUNTIME),
    raw("two lengths in one", `content-length: 5, ${good.length}`, [good], RUNTIME),
    raw(
      "a small length beside chunks over the cap",
      "content-length: 5\r\ntransfer-encoding: chunked",
      [...chunk(large), "0\r\n\r\n"],
      413,
    ),
    raw("chunks over the cap", "transfer-encoding: chunked", [...chunk(large), "0\r\n\r\n"], 413),
    raw(
      "chunks of bytes that are no block",
      "transfer-encoding: chunked",
      [...chunk(Buffer.from("x")), "0\r\n\r\n"],
      400,
    ),
    raw("no chunks at all", "transfer-encoding: chunked", ["0\r\n\r\n"], 400),
    raw("an unknown transfer encoding", "transfer-encoding: cow", [good], RUNTIME),
    raw("a gzip body under another name", "content-encoding: identity", [], 400),
    raw("an expectation", `expect: 200-maybe\r\ncontent-length: 1`, ["x"], 400),
    raw("a header without an end", `x-${"a".repeat(100_000)}: 1`, [], 400),
    raw("a name with a space", "content-length : 5", [good], 400),
    raw("a folded header", "x-a: 1\r\n content-length: 5", [good], 400),
  ];
}
