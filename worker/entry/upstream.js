// A request to ClickHouse, and what came of it.

import { readUnder } from "./body.js";

// Posts, then calls `answered(status, exceptionCode, hasQueryId, body)` or `lost(timedOut)`, and
// gives what that gives.
export async function post({ url, headers, body, timeoutMs, answerBytes }, { answered, lost }) {
  let answer, bytes;
  try {
    answer = await fetch(url, {
      method: "POST",
      headers,
      body,
      // A redirect would carry the password to another host.
      redirect: "manual",
      signal: AbortSignal.timeout(timeoutMs),
    });
    bytes = await readUnder(answer, answerBytes);
  } catch (error) {
    return lost(error?.name === "TimeoutError");
  }
  if (!bytes) return lost(false);
  return answered(
    answer.status,
    answer.headers.get("x-clickhouse-exception-code") ?? undefined,
    answer.headers.has("x-clickhouse-query-id"),
    bytes,
  );
}
