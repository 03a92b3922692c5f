// Posts one batch and hands the answer back; what it means is decided in src/answer.rs.

/** REQUEST_TIMEOUT_MS of src/limits.rs. */
const TIMEOUT_MS = 30_000;

/** ANSWER_BYTES of src/limits.rs: a portal's page is not read to its end. */
const ANSWER_UNITS = 4_096;

/** The beginning of a response's body. */
async function beginningOf({ body }) {
  const reader = body?.getReader();
  const decoder = new TextDecoder();
  let text = "";
  while (reader && text.length < ANSWER_UNITS) {
    const { done, value } = await reader.read();
    if (done) return text;
    text += decoder.decode(value, { stream: true });
  }
  reader?.cancel();
  return text;
}

/**
 * Posts `body`; what came of it, always: `[status, text, retryAfter, exceptionCode, hasQueryId]`
 * with status 0 for no answer, 0 for a header that is missing and NaN for one that is no number.
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
      await beginningOf(response),
      +headers.get("Retry-After"),
      +headers.get("X-ClickHouse-Exception-Code"),
      headers.has("X-ClickHouse-Query-Id"),
    ];
  } catch {
    // Blocked, cut off or too slow. A `fetch` that a site has replaced may throw at once, while
    // the engine is in the middle of the call that brought us here.
    await null;
    return [0];
  }
}
