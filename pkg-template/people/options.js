// The options of `tallymark/people` that the usual entry does not have (API.md).

import { checkOptions } from "../parts/options.js";

const oneOf = (...values) => [
  values.map((value) => JSON.stringify(value)).join(" or "),
  (value) => values.includes(value),
];
const flag = ["a boolean", (value) => typeof value === "boolean"];

/** name: [[what it must be, check], default]. */
const OPTIONS = {
  consent: [oneOf("granted", "pending", "denied"), "granted"],
  gpc: [oneOf("anonymous", "deny", "ignore"), "anonymous"],
  visitor: [flag, false],
  sample: [["a number from 0 to 1", (value) => value >= 0 && value <= 1 && +value === value], 1],
  redact: [flag, false],
  groupTypeIndex: [["an object", (value) => value && typeof value === "object"]],
};

/** The options with their defaults; throws a TypeError that names the first one that is wrong. */
export function checkPeopleOptions(given) {
  const own = {};
  const others = {};
  for (const name in OPTIONS) own[name] = OPTIONS[name][1];
  for (const name of Object.keys(Object(given))) {
    const option = name === "group_type_index" ? "groupTypeIndex" : name;
    const value = given[name];
    if (!Object.hasOwn(OPTIONS, option)) {
      others[name] = value;
      continue;
    }
    if (value === undefined) continue;
    const [must, holds] = OPTIONS[option][0];
    if (!holds(value)) throw new TypeError(`tallymark: option ${name} must be ${must}`);
    own[option] = value;
  }
  return { ...checkOptions(others), ...own };
}
