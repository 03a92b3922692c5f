// Posts one batch and hands the answer back; what it means is decided in src/answer.rs.

import { wordOf } from "./reasons.js";

/** REQUEST_TIMEOUT_MS and ANSWER_BYTES of src/limits.rs. */
const TIMEOUT_MS = 30_000;
const ANSWER_BYTES = 4_096;

/**
 * Posts `body`; what came of it, always: `[status, word, retryAfter, exceptionCode, hasQueryId]`
 * with status 0 for no answer, and 0 for a header that is missing or no number.
 */
export async function send(url, body, keepalive) {
  try {
    // No header of our own and no type: either would cost a preflight.
    const response = await fetch(url, {
      method: "POST",
      body,
      keepalive,
      credentials: "omit",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const { headers } = response;
    return [
      response.status,
      // A portal's page is none of ours.
      headers.get("Content-Length") < ANSWER_BYTES ? wordOf(await response.text()) : 0,
      headers.get("Retry-After"),
      headers.get("X-ClickHouse-Exception-Code"),
      headers.has("X-ClickHouse-Query-Id"),
    ];
  } catch {
    // Blocked, cut off or too slow. A `fetch` that a site has replaced may throw at once, while
    // the engine is in the middle of the call that brought us here.
    await null;
    return [0];
  }
}
