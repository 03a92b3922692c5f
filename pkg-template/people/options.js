// The options of `tallymark/people` that the usual entry does not have (API.md).

import { checkOptions, is, oneOf } from "../parts/options.js";

const flag = is("boolean");
const indexes = ["an object", (value) => value && typeof value === "object"];

/** name: [[what it must be, check], default]. */
const OPTIONS = {
  consent: [oneOf("granted", "pending", "denied"), "granted"],
  gpc: [oneOf("anonymous", "deny", "ignore"), "anonymous"],
  visitor: [flag, false],
  sample: [["a number from 0 to 1", (value) => value >= 0 && value <= 1 && +value === value], 1],
  redact: [flag, false],
  groupTypeIndex: [indexes],
  group_type_index: [indexes],
};

/** As `checkOptions`, with these. */
export function checkPeopleOptions(given) {
  const { group_type_index, ...config } = checkOptions(given, OPTIONS);
  config.groupTypeIndex ??= group_type_index;
  return config;
}
