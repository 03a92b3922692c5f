// Every query that a page may ask, over HTTP through the worker, at 20 million events: 200,000
// entities and a million users, both log-uniform, over 30 days.
//
// What is asked about is drawn as what happens is: the hot often, most of all somebody cold. The
// data is made inside ClickHouse, in 200 inserts that are merged as a server merges, on a tmpfs
// where there is one: on a disk, the many small reads measure the disk. DATA_DIR names a folder that
// keeps the data, so that the next run there has it at once; ONLY a text that a query's label has.

import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startStack } from "../e2e/harness.mjs";

const EVENTS = Number(process.env.EVENTS ?? 20_000_000);
const ENTITIES = 200_000;
const USERS = 1_000_000;
const DAYS = 30;
const INSERTS = 200;
const ROUNDS = 41;
const BUDGET_MS = 50;
const MERGE_LIMIT_MS = 120_000;

const { DATA_DIR, ONLY = "" } = process.env;
const dataDir =
  DATA_DIR ?? mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "tallymark-"));
const stops = [];
try {
  const stack = await startStack(
    { after: (stop) => stops.push(stop) },
    { dataDir, sites: [{ site: "bench", key: "pk_bench", origins: ["*"] }] },
  );
  await fill(stack);
  const found = [];
  for (const [label, name, params] of QUESTIONS().filter(([label]) => label.includes(ONLY))) {
    found.push(await measure(stack, label, name, params));
  }
  console.log(
    "| query | median, ms | p99, ms | cached, median | cached, p99 |\n|---|---|---|---|---|",
  );
  for (const { label, median, p99, cached } of found) {
    const times = [median, p99, cached?.median, cached?.p99];
    console.log(`| ${label} | ${times.map((ms) => ms?.toFixed(1) ?? "").join(" | ")} |`);
  }
  const asked = found.filter(({ label }) => !label.includes("hottest"));
  const worst = asked.toSorted((a, b) => b.median - a.median)[0];
  const over = asked.filter(({ median }) => median >= BUDGET_MS).map(({ label }) => label);
  const floor = (await measure(stack, "", "user_rank", () => ({ id: "none" }))).median;
  report(
    "queries",
    `${worst.median.toFixed(0)} ms (${worst.label})${over.length > 1 ? `; over: ${over.join(", ")}` : ""}`,
    `${floor.toFixed(1)} ms, one row by its key`,
    over.length === 0,
  );
} finally {
  for (const stop of stops.reverse()) await stop();
  if (!DATA_DIR) rmSync(dataDir, { recursive: true, force: true });
}

// A label, a query, and its parameters anew each time; "hottest" ones are told, not judged.
function QUESTIONS() {
  const random = mulberry32(7);
  const draw = (count) => `${Math.floor(Math.exp(random() * Math.log(count)))}`;
  const entity = () => draw(ENTITIES);
  const user = () => draw(USERS);
  const many = (one, count) => Array.from({ length: count }, one);
  const hottest = (count) => many(() => 0, count).map((_, index) => `${index + 1}`);
  const model = { entity_type: "Model" };
  const day = (ago) => new Date(Date.now() - ago * 86_400_000).toISOString().slice(0, 10);
  return [
    ["summary", "summary", () => ({ id: entity() })],
    ["summaries of 100", "summaries", () => ({ ids: many(entity, 100) })],
    ["summaries of the 100 first", "summaries", () => ({ ids: hottest(100) })],
    ["hourly_views", "hourly_views", () => ({ id: entity() })],
    ["hourly_views, filled week", "hourly_views", () => ({ id: entity(), hours: 168, fill: true })],
    ["top", "top", () => ({})],
    ["top, min_views 1", "top", () => ({ min_views: 1, limit: 100 })],
    ["entity_counts of 7 days", "entity_counts", () => model],
    ["daily", "daily", () => ({ ...model, id: entity() })],
    ["period", "period", () => ({ ...model, id: entity(), from: day(20), to: day(5) })],
    ["follower_count", "follower_count", () => ({ id: user() })],
    ["follower_count, last", "follower_count", () => ({ id: user(), mode: "last" })],
    ["user_rank", "user_rank", () => ({ id: user() })],
    ["user_standing", "user_standing", () => ({ id: user() })],
    ["engagement_score", "engagement_score", () => ({ id: user() })],
    ["engagement_trend", "engagement_trend", () => ({ id: user() })],
    ["user_growth", "user_growth", () => ({ id: user() })],
    ["user_metrics", "user_metrics", () => ({ ids: [user()] })],
    ["user_metrics of 100", "user_metrics", () => ({ ids: many(user, 100) })],
    ["user_metrics, live", "user_metrics", () => ({ ids: [user()], live: true })],
    ["engagement_score, hottest", "engagement_score", () => ({ id: "1" })],
    ["user_metrics, live, hottest", "user_metrics", () => ({ ids: ["1"], live: true })],
  ];
}

async function measure({ site }, label, name, params) {
  const fresh = [];
  const cached = [];
  for (let round = 0; round < ROUNDS; round++) {
    const asked = params();
    fresh.push(await ask(site, name, { ...asked, refresh: 1 }));
    const again = await ask(site, name, asked);
    if (again.cachedAt !== null) cached.push(again);
  }
  return { label, ...shares(fresh), cached: cached.length ? shares(cached) : undefined };
}

function shares(answers) {
  const times = answers.map(({ ms }) => ms).sort((a, b) => a - b);
  const at = (share) => times[Math.floor(times.length * share)];
  return { median: at(0.5), p99: at(0.99) };
}

async function ask(site, name, params) {
  const url = new URL(`/v1/query/${name}`, site);
  url.searchParams.set("k", "pk_bench");
  for (const [key, value] of Object.entries(params)) {
    url.searchParams.set(key, typeof value === "object" ? JSON.stringify(value) : value);
  }
  const since = performance.now();
  const answer = await fetch(url);
  const body = await answer.json();
  const ms = performance.now() - since;
  if (!body.data) throw new Error(`${name}: ${body.message}`);
  return { ms, cachedAt: body.cached_at };
}

async function fill({ query, rows }) {
  const each = Math.ceil(EVENTS / INSERTS);
  const [{ kept }] = await rows("SELECT count() AS kept FROM events");
  // Of a filling that was broken off, the tokens drop what is there.
  for (let part = 0; part < INSERTS && kept < EVENTS; part++) await query(events(part, each));
  for (const view of ["user_ranks_view", "user_received_view"]) {
    await query(`SYSTEM REFRESH VIEW ${view}`);
    await query(`SYSTEM WAIT VIEW ${view}`);
  }
  const since = Date.now();
  for (;;) {
    const [{ merges }] = await rows("SELECT count() AS merges FROM system.merges");
    if (merges === 0 || Date.now() - since > MERGE_LIMIT_MS) break;
    await query("SELECT sleep(1)");
  }
  const parts = await rows(
    `SELECT table, count() AS parts, sum(rows) AS rows FROM system.parts
     WHERE active AND database = 'tallymark' GROUP BY table ORDER BY table`,
  );
  console.log(parts.map(({ table, parts, rows }) => `${table} ${rows}/${parts}`).join(", "));
}

// One insert's events, of its share of the days: 70 % on posts, 22.5 % on models, 6 % follows,
// 1.5 % uploads. 60 % have a user.
function events(part, count) {
  return `INSERT INTO events
    (site, name, entity_type, entity_id, value, user_id, session_id, page_id, seq, occurred_at,
     received_at, batch_id)
  WITH
    number + ${part * count} AS n,
    sipHash64(n, 1) / 18446744073709551616. AS r1,
    sipHash64(n, 2) / 18446744073709551616. AS r2,
    sipHash64(n, 3) / 18446744073709551616. AS r3,
    sipHash64(n, 4) / 18446744073709551616. AS r4,
    sipHash64(n, 5) / 18446744073709551616. AS r5,
    multiIf(r1 < 0.7, 'post', r1 < 0.925, 'Model', r1 < 0.985, 'User', 'Upload') AS kind,
    now64(3, 'UTC') - toIntervalMillisecond(
      toUInt64((${INSERTS - part} - r5) * ${(DAYS * 86_400_000) / INSERTS})) AS at,
    dateTimeToUUIDv7(toDateTime(at)) AS id
  SELECT
    'bench',
    multiIf(
      kind = 'post', multiIf(r2 < 0.8, 'view', r2 < 0.88, 'like', r2 < 0.89, 'unlike',
        r2 < 0.95, 'comment', r2 < 0.98, 'share', 'delete_comment'),
      kind = 'Model', multiIf(r2 < 0.5, 'View', r2 < 0.75, 'Download', r2 < 0.9, 'Generation',
        r2 < 0.97, 'ReactionHeart', 'Comment'),
      kind = 'User', 'Follow', 'Upload'),
    if(kind = 'Upload', multiIf(r2 < 0.6, 'Model', r2 < 0.8, 'Post', 'Image'), kind),
    toString(toUInt64(exp(r3 * log(if(kind = 'User', ${USERS}, ${ENTITIES}))))),
    if(kind = 'User' AND r2 < 0.1, -1, 1),
    multiIf(
      kind = 'User', toString(toUInt64(r4 * ${USERS})),
      kind = 'Upload', toString(toUInt64(exp(r4 * log(${USERS})))),
      r4 < 0.4, '', toString(toUInt64((r4 - 0.4) / 0.6 * ${USERS}))),
    id, id, toUInt32(n % 100), at, at, id
  FROM numbers(${count})
  SETTINGS async_insert = 0, max_threads = 2, insert_deduplication_token = 'bench-${part}'`;
}

function mulberry32(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function report(budget, measured, baseline, within) {
  console.log(JSON.stringify({ budget, measured, baseline, within }));
}
