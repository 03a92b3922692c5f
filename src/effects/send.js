// Posts one batch and hands the answer back; what it means is decided in src/answer.rs.

/** ANSWER_BYTES of src/limits.rs: a portal's page is not read to its end. */
const ANSWER_UNITS = 4_096;

/** The beginning of a response's body. */
async function beginningOf(response) {
  const reader = response.body?.getReader();
  const decoder = new TextDecoder();
  let text = "";
  while (reader && text.length < ANSWER_UNITS) {
    const { done, value } = await reader.read();
    if (done) return text;
    text += decoder.decode(value, { stream: true });
  }
  await reader?.cancel();
  return text.slice(0, ANSWER_UNITS);
}

/**
 * Posts `body` and calls `answered(status, text, retryAfter, exceptionCode, hasQueryId)`, always:
 * status 0 is no answer, NaN a header that is missing or no number.
 */
export async function send(url, body, keepalive, timeoutMs, answered) {
  let status = 0;
  let text = "";
  let headers;
  try {
    // No header of our own and no type: either would cost a preflight.
    const response = await fetch(url, {
      method: "POST",
      body,
      keepalive,
      credentials: "omit",
      signal: AbortSignal.timeout(timeoutMs),
    });
    text = await beginningOf(response);
    headers = response.headers;
    status = response.status;
  } catch {
    // Blocked, cut off or too slow. A `fetch` that a site has replaced may throw at once, while
    // the engine is in the middle of the call that brought us here.
    await null;
  }
  const number = (name) => Number(headers?.get(name) ?? NaN);
  answered(
    status,
    text,
    number("Retry-After"),
    number("X-ClickHouse-Exception-Code"),
    !!headers?.has("X-ClickHouse-Query-Id"),
  );
}
