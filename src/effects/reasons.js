// What the worker says, and why something was dropped: the names of the numbers that
// src/answer.rs and src/error.rs use.

/** The words that the worker answers with, by number: WORDS of src/answer.rs. */
const WORDS = (
  " now bad_block bad_request bad_key bad_origin bad_table not_found bad_method too_large" +
  " too_old rate_limited busy"
).split(" ");

/** The tracker's own reasons, by number: OWN of src/error.rs. */
const OWN = (
  "invalid before_send sampled consent queue_full storage_full too_old refused_uncertain" +
  " discarded"
).split(" ");
export const INVALID = 0;
export const BEFORE_SEND = 1;
export const QUEUE_FULL = 4;

/** The number of what a body says, 0 if it is nothing of ours. */
export function wordOf(body) {
  try {
    const { now, code } = JSON.parse(body);
    return now >= 0 ? 1 : Math.max(0, WORDS.indexOf(code, 2));
  } catch {
    return 0;
  }
}

/** The answer's own code: the worker's word, or the number of ClickHouse's exception. */
export const codeOf = (reason) =>
  OWN[reason] ?? (reason < 1_000 ? WORDS[reason - 30] : `${reason - 1_000}`);

/** The key in `stats().dropped`. */
export const reasonOf = (reason) => (reason < 32 ? "" : "refused_") + codeOf(reason);
