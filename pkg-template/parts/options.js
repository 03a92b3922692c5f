// The options of `init`: what each may be, its default, its other names (API.md).

export const is = (type) => [`a ${type}`, (value) => typeof value === type];
const text = ["a text, not empty", (value) => value && typeof value === "string"];
const anyText = is("string");
export const oneOf = (...values) => [values.join(" or "), (value) => values.includes(value)];
const whole = (least, most) => [
  `a whole number from ${least} to ${most}`,
  (value) => Number.isInteger(value) && value >= least && value <= most,
];
const url = [
  "an http or https URL without user, query or fragment",
  (value) => /^https?:\/\/[^/?#@\s]+(\/[^?#\s]*)?$/.test(value) && isUrl(value),
];
const isUrl = (value) => {
  try {
    return new URL(value);
  } catch {}
};
const isObject = (value) => value === Object(value);
const AUTO = ["pageViews", "engagement", "impressions", "clicks"];
const someOf = [
  `an object of ${AUTO}`,
  (value) => isObject(value) && Object.keys(value).every((name) => AUTO.includes(name)),
];

/** name: [[what it must be, check], default]. */
const OPTIONS = {
  endpoint: [url],
  key: [text],
  clickhouse: [["an object", isObject]],
  table: [text, "events"],
  maxRows: [whole(1, 10_000), 500],
  maxBytes: [whole(1_000, 1_000_000), 56_000],
  maxTimeMs: [whole(100, 3_600_000), 10_000],
  maxWaitingRows: [whole(1, 10_000_000), 20_000],
  beforeSend: [is("function")],
  onBatch: [is("function")],
  debug: [is("boolean"), false],
  onFailure: [oneOf("persist", "requeue", "discard"), "persist"],
  // More of these: tallymark/people.
  consent: [oneOf("granted"), "granted"],
  sample: [oneOf(1), 1],
  auto: [someOf],
  journalBytes: [whole(0, 5_000_000), 524_288],
};

const ALIASES = {
  max_buffer_size: "maxRows",
  flush_at: "maxRows",
  flush_interval: "maxTimeMs",
  max_queue_size: "maxWaitingRows",
  enable_logging: "debug",
};

const CLICKHOUSE = {
  url: [url],
  database: [text, "default"],
  user: [text, "default"],
  password: [anyText, ""],
  site: [anyText, ""],
};

function fail(option, must) {
  throw new TypeError(`tallymark: option ${option} must be ${must}`);
}

/** Checks what `given` has and fills in what it has not. `undefined` counts as left out. */
function checked(given, known, prefix) {
  const config = {};
  for (const name in known) config[name] = known[name][1];
  for (const name of Object.keys(given)) {
    const option = (!prefix && ALIASES[name]) || name;
    const value = given[name];
    if (!Object.hasOwn(known, option))
      throw new TypeError(`tallymark: unknown option ${prefix}${name}`);
    if (value === undefined) continue;
    const [must, holds] = known[option][0];
    if (!holds(value)) fail(prefix + name, must);
    config[option] = value;
  }
  return config;
}

const withoutSlash = (address) => new URL(address).href.replace(/\/+$/, "");

/**
 * The options with their defaults; throws a TypeError that names the first one that is wrong. `more`
 * are those that an entry has besides, or in place of these.
 */
export function checkOptions(given, more) {
  const config = checked(Object(given), { ...OPTIONS, ...more }, "");
  if (config.clickhouse) {
    if (config.endpoint) fail("clickhouse", "left out with endpoint");
    config.clickhouse = checked(config.clickhouse, CLICKHOUSE, "clickhouse.");
    if (!config.clickhouse.url) fail("clickhouse.url", "given");
    config.clickhouse.url = withoutSlash(config.clickhouse.url);
  } else {
    if (!config.endpoint) fail("endpoint or clickhouse", "given");
    if (!config.key) fail("key", "given");
    config.endpoint = withoutSlash(config.endpoint);
  }
  return config;
}
