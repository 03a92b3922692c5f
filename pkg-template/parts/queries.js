// Asks the worker's named queries. Fetched when the first one is asked.

/** Longer addresses are cut by some proxies; a query that needs one goes as a POST. */
const URL_UNITS = 4_000;

/** A refusal or failure: `code` is the answer's own, or `network`; `status` 0 is no answer. */
export class TallyError extends Error {
  constructor(message, code, status) {
    super(message);
    this.name = "TallyError";
    this.code = code;
    this.status = status;
  }
}

/** A parameter in an address: arrays and objects as JSON, everything else as its text. */
const asText = (value) => (typeof value === "object" ? JSON.stringify(value) : `${value}`);

async function ask({ endpoint, key }, name, params) {
  if (!endpoint) throw new TallyError("queries need the option endpoint", "no_endpoint", 0);
  const base = `${endpoint}/v1/query`;
  const address = new URLSearchParams({ k: key });
  for (const param in params) {
    if (params[param] !== undefined) address.set(param, asText(params[param]));
  }
  const short = `${base}/${encodeURIComponent(name)}?${address}`;
  const isShort = short.length <= URL_UNITS;
  let response;
  let answer;
  try {
    response = await (isShort
      ? fetch(short, { credentials: "omit" })
      : fetch(`${base}?k=${encodeURIComponent(key)}`, {
          method: "POST",
          body: JSON.stringify({ queries: [{ name, params }] }),
          credentials: "omit",
        }));
    answer = await response.json();
  } catch (error) {
    throw new TallyError(`no answer: ${error.message}`, "network", response?.status ?? 0);
  }
  if (!isShort && response.ok) [answer] = answer;
  if (!response.ok || answer?.code) {
    throw new TallyError(
      answer?.message ?? answer?.code,
      answer?.code ?? "upstream",
      response.status,
    );
  }
  return answer;
}

/** Logs what fails under the function's name, and throws it on. */
async function logged(what, answer) {
  try {
    return await answer();
  } catch (error) {
    console.error(`[tallymark] ${what} failed`, error);
    throw error;
  }
}

/** `value` is a whole number that fits `UInt32` and is not 0. */
function checkCount(name, value) {
  if (!Number.isInteger(value) || value < 1 || value > 0xffffffff) {
    throw new TallyError(`${name} must be a whole number from 1 to 4294967295`, "bad_param", 0);
  }
}

export const query = (config, name, params = {}) =>
  logged(`query ${name}`, () => ask(config, name, params));

export const getSummary = (config, id) =>
  logged(`getSummary ${id}`, async () => (await ask(config, "summary", { id })).data[0]);

export const getHourlyViews = (config, id, hours = 24, options) =>
  logged("getHourlyViews", async () => {
    checkCount("hours", hours);
    return (await ask(config, "hourly_views", { id, hours, ...options })).data;
  });

export const getTopPosts = (config, limit = 10, options) =>
  logged("getTopPosts", async () => {
    checkCount("limit", limit);
    return (await ask(config, "top", { limit, ...options })).data;
  });

export const getBulkSummaries = (config, ids) =>
  logged("getBulkSummaries", async () => {
    const summaries = new Map();
    if (!ids.length) return summaries;
    const { data } = await ask(config, "summaries", { ids: ids.map(String) });
    for (const { entity_id, ...summary } of data) summaries.set(entity_id, summary);
    return summaries;
  });

/** By user, each under the id that was asked for. */
export const getUserMetrics = (config, ids, options) =>
  logged("getUserMetrics", async () => {
    const metrics = new Map();
    if (!ids.length) return metrics;
    const { data } = await ask(config, "user_metrics", { ids: ids.map(String), ...options });
    const byUser = new Map(data.map(({ user_id, ...its }) => [user_id, its]));
    for (const id of ids) {
      const its = byUser.get(`${id}`);
      if (its) metrics.set(id, its);
    }
    return metrics;
  });

const number = (what, query) => (config, id, options) =>
  logged(`${what} ${id}`, async () => (await ask(config, query, { id, ...options })).data[0].value);

export const getUserFollowerCount = number("getUserFollowerCount", "follower_count");
export const getUserRank = number("getUserRank", "user_rank");
export const calculateEngagementScore = number("calculateEngagementScore", "engagement_score");
