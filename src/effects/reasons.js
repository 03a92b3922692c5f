// The names of the numbers by which src/error.rs tells why something was dropped.

const OWN = [
  "invalid",
  "before_send",
  "sampled",
  "consent",
  "queue_full",
  "storage_full",
  "too_old",
  "refused_uncertain",
  "discarded",
];
export const [INVALID, BEFORE_SEND, QUEUE_FULL] = [0, 1, 4];

const REFUSALS = [
  "bad_block",
  "bad_request",
  "bad_key",
  "bad_origin",
  "bad_table",
  "not_found",
  "bad_method",
  "too_large",
];

/** The answer's own code: the worker's word, or the number of ClickHouse's exception. */
export const codeOf = (reason) =>
  OWN[reason] ?? (reason < 1_000 ? REFUSALS[reason - 32] : `${reason - 1_000}`);

/** The key in `stats().dropped`. */
export const nameOf = (reason) => (reason < 32 ? "" : "refused_") + codeOf(reason);
