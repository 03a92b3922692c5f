// A request to ClickHouse, and what came of it.

import { readAll, readUnder } from "./body.js";

// Posts, then calls `answered(status, exceptionCode, hasQueryId, body)` or `lost(timedOut)`, and
// gives what that gives.
export async function post(request, { answered, lost }) {
  const { url, headers, body, timeoutMs, answerBytes, answerIsShort } = request;
  let answer, isClickHouse, bytes;
  try {
    answer = await fetch(url, {
      method: "POST",
      headers,
      body,
      // A redirect would carry the password to another host.
      redirect: "manual",
      signal: AbortSignal.timeout(timeoutMs),
    });
    isClickHouse = answer.headers.has("x-clickhouse-query-id");
    // A reader and its reads take a tenth of a request's time.
    const isShort = answerIsShort && isClickHouse;
    bytes = isShort ? await readAll(answer) : await readUnder(answer, answerBytes);
  } catch (error) {
    return lost(error?.name === "TimeoutError");
  }
  if (!bytes) return lost(false);
  return answered(
    answer.status,
    answer.headers.get("x-clickhouse-exception-code") ?? undefined,
    isClickHouse,
    bytes,
  );
}
