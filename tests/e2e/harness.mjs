// A real stack for `node --test`: ClickHouse, the worker, the site, a proxy that misbehaves on
// demand, further origins, and Chromium.
//
// Each starter takes first whatever has `after(fn)`, the test context or node:test itself, and
// stops there what it started. For a whole file start at its top level, not in `before`: what is
// registered inside a hook ends with the hook.
//
//     import { after, test } from "node:test";
//     const stack = await startStack({ after });
//     test("…", async (t) => { const page = await (await launchChromium(t)).newPage(); … });

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer, request as httpRequest } from "node:http";
import { extname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/**
 * Starts the stack of `cargo xtask demo` on free ports with empty tables.
 *
 * `behindProxy` puts a {@link startProxy} between the worker and ClickHouse. `origins` are
 * further origins for the demo's key, `sites` further entries of SITES, `vars` variables of the
 * worker: `{ SINK: "direct" }` for one insert a batch. `shards` are so many servers that the tables
 * are spread over; the worker asks the first. `dataDir` keeps the data beyond the stack.
 * With `respawn`, what is killed is started again on the same data: `await stack.again()` waits for
 * that.
 *
 * @returns `{ site, clickhouse, shards, database, key, users, pids, dataDir, proxy, rows, query, stop,
 * again }`
 */
export async function startStack(
  scope,
  {
    behindProxy = false,
    origins = [],
    sites = [],
    vars = {},
    shards = 1,
    dataDir,
    respawn = false,
  } = {},
) {
  const proxy = behindProxy ? await startProxy(scope) : undefined;
  const args = ["stack"];
  if (proxy) args.push("--clickhouse-url", proxy.url);
  for (const origin of origins) args.push("--origin", origin);
  for (const site of sites) args.push("--site", JSON.stringify(site));
  // Node's fetch and a headless browser are bots by their user agents, which no query counts.
  const all = { USER_AGENT: "ignore", ...vars };
  for (const [name, value] of Object.entries(all)) args.push("--var", `${name}=${value}`);
  if (shards > 1) args.push("--shards", shards);
  if (dataDir) args.push("--data-dir", dataDir);
  if (respawn) args.push("--respawn");

  const stack = await startXtask(scope, args);
  if (proxy) proxy.target = stack.clickhouse;
  return Object.assign(stack, { proxy, ...queries(stack) });
}

/**
 * Starts ClickHouse alone, with its users and, unless `bare`, its tables.
 *
 * @returns `{ clickhouse, database, users, pids, rows, query, stop }`
 */
export async function startClickHouse(scope, { bare = false } = {}) {
  const server = await startXtask(scope, ["stack", bare ? "--bare" : "--clickhouse-only"]);
  return Object.assign(server, queries(server));
}

/** Starts a part of the stack; it ends when its stdin closes, so also when we are killed. */
async function startXtask(scope, args) {
  const child = spawn(xtask(), args, { stdio: ["pipe", "pipe", "pipe"] });
  const said = [];
  child.stderr.on("data", (chunk) => said.push(chunk));
  const exited = once(child, "exit");
  const lines = createInterface(child.stdout);
  const next = async () => {
    const [line] = await Promise.race([once(lines, "line"), exited]);
    if (typeof line !== "string") throw new Error(`no stack: ${Buffer.concat(said)}`);
    return JSON.parse(line);
  };
  const server = await next();
  const stop = async () => {
    child.stdin.end();
    const [code] = await exited;
    if (code !== 0) throw new Error(`the stack ended with ${code}: ${Buffer.concat(said)}`);
  };
  scope.after(stop);
  const again = async () => Object.assign(server, await next());
  return Object.assign(server, { stop, again });
}

/** `query` gives a statement's answer as text, `rows` a SELECT's as objects. */
function queries(server) {
  const query = (statement, options) => queryClickHouse(server, statement, options);
  const rows = async (statement, options) => {
    const text = await query(`${statement} FORMAT JSONEachRow`, options);
    return text
      .split("\n")
      .filter(Boolean)
      .map((row) => JSON.parse(row));
  };
  return { query, rows };
}

/** One of the stack's shards, to ask by itself. */
export const shard = (stack, at) => ({
  database: stack.database,
  ...queries({ ...stack, clickhouse: stack.shards[at].clickhouse }),
});

/** Between two looks at what waits, and looks until it counts as stuck: two minutes. */
const SETTLED_POLL_MS = 20;
const SETTLED_POLLS = 6_000;

/**
 * Waits until no batch waits in the group-maker, so that ClickHouse has all that was accepted, by
 * asking; each answer is a look at the real thing. Gives what the shards say, each of which has to
 * say it: one that does not start has settled nothing.
 */
export async function settled(stack) {
  let groups;
  for (let poll = 0; poll < SETTLED_POLLS; poll++) {
    ({ groups } = await (await fetch(new URL("/v1/health", stack.site))).json());
    const isSettled = ({ groups, batches }) => groups === 0 && batches === 0;
    if (groups.length > 0 && groups.every(isSettled)) return groups;
    await new Promise((resolve) => setTimeout(resolve, SETTLED_POLL_MS));
  }
  throw new Error(`never settled: ${JSON.stringify(groups)}`);
}

/** Posts a body; the answer's status, headers and JSON. */
export async function post(url, body, headers = {}) {
  const response = await fetch(url, { method: "POST", body, headers });
  return { status: response.status, headers: response.headers, body: await response.json() };
}

/** Rows of one entity: in events, and as its totals and its hours count them. */
export async function counted(stack, entityId) {
  const one = async (sql) => {
    const params = { id: entityId };
    return (await stack.rows(`${sql} WHERE entity_id = {id:String}`, { params }))[0].n;
  };
  return {
    events: await one("SELECT count() AS n FROM events"),
    totals: await one("SELECT sum(rows) AS n FROM entity_totals"),
    hours: await one("SELECT sum(rows) AS n FROM entity_hours"),
  };
}

/** What {@link counted} gives when all three agree. */
export const everywhere = (rows) => ({ events: rows, totals: rows, hours: rows });

/** `Promise.withResolvers`, which Node 20 has not. */
export function withResolvers() {
  let resolve;
  const promise = new Promise((settle) => (resolve = settle));
  return { promise, resolve };
}

/**
 * Runs one statement straight at ClickHouse, as `role` (of `server.users`), in another `database`
 * and with further `settings` if need be; answers its text.
 */
async function queryClickHouse(
  server,
  statement,
  { role = "admin", params = {}, database = server.database, settings = {} } = {},
) {
  const url = new URL(server.clickhouse);
  url.searchParams.set("database", database);
  url.searchParams.set("output_format_json_quote_64bit_integers", "0");
  for (const [name, value] of Object.entries(settings)) url.searchParams.set(name, value);
  for (const [name, value] of Object.entries(params)) url.searchParams.set(`param_${name}`, value);
  const { user, password } = server.users[role];
  const answer = await fetch(url, {
    method: "POST",
    body: statement,
    headers: { "X-ClickHouse-User": user, "X-ClickHouse-Key": password },
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(text.trim());
  return text;
}

/** Runs a command of `cargo xtask` to its end; what it printed. */
export async function runXtask(args, env = {}) {
  const child = spawn(xtask(), args, { env: { ...process.env, ...env } });
  const said = { stdout: [], stderr: [] };
  for (const name of ["stdout", "stderr"])
    child[name].on("data", (chunk) => said[name].push(chunk));
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`${Buffer.concat(said.stderr)}`);
  return `${Buffer.concat(said.stdout)}`;
}

function xtask() {
  const path = process.env.XTASK ?? join(ROOT, "target/debug/xtask");
  if (!existsSync(path)) throw new Error(`${path} is missing: run cargo xtask build`);
  return path;
}

// What a proxy can do with a request. A behaviour is `async (request, forward) => answer`, where
// an answer is `{ status, headers, body }`, or null to cut the connection.

/** Passes on, and passes the answer back. */
export const pass = (request, forward) => forward();

/** Answers by itself; the target never sees the request. */
export const answer =
  (status, body = "", headers = {}) =>
  () => ({ status, headers, body });

/** Cuts the connection; the target never sees the request. */
export const refuse = () => null;

/** The target gets the request, the caller never gets the answer. */
export const loseAnswer = async (request, forward) => {
  await forward();
  return null;
};

/** Waits for the promise, then passes on: how slow something is, is up to the test. */
export const holdUntil = (promise) => async (request, forward) => {
  await promise;
  return forward();
};

/**
 * An HTTP proxy before `target` (settable later as `proxy.target`) that misbehaves as told.
 *
 * `proxy.next(...behaviours)` is for the requests to come, one each; `proxy.always(behaviour)`
 * for all others. `proxy.only` is a filter: what it refuses passes untouched. `proxy.requests`
 * holds `{ method, url, headers, body, status }` of all that the filter took, in order; `status`
 * is null when the caller got no answer. `await proxy.seen(n)` waits for the n-th of them, and
 * `await proxy.idle()` until none is under way any more, whoever waits for its answer.
 */
export async function startProxy(scope, target) {
  const queue = [];
  const waiting = [];
  const underWay = new Set();
  let always = pass;
  const proxy = {
    target,
    only: () => true,
    requests: [],
    next: (...behaviours) => void queue.push(...behaviours),
    always: (behaviour) => void (always = behaviour),
    seen: (count) =>
      new Promise((resolve) => {
        waiting.push({ count, resolve });
        wake();
      }),
    idle: async () => {
      while (underWay.size) await Promise.allSettled(underWay);
    },
  };
  const wake = () => {
    for (const { count, resolve } of waiting) {
      if (proxy.requests.length >= count) resolve(proxy.requests[count - 1]);
    }
  };
  const server = await listen(scope, async (incoming, outgoing) => {
    const chunks = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const { method, url, headers } = incoming;
    const request = { method, url, headers, body: Buffer.concat(chunks), status: null };
    const taken = proxy.only(request);
    if (taken) {
      proxy.requests.push(request);
      wake();
    }
    const behaviour = taken ? (queue.shift() ?? always) : pass;
    // In its turn, so that what a behaviour throws is met by the handler's own end alone.
    const replying = (async () => behaviour(request, () => forward(proxy.target, request)))();
    underWay.add(replying);
    const reply = await replying.finally(() => underWay.delete(replying));
    if (!reply) return void incoming.socket.destroy();
    request.status = reply.status;
    outgoing.writeHead(reply.status, reply.headers).end(reply.body);
  });
  proxy.url = server.origin;
  return proxy;
}

/** Sends the request to the target byte for byte; a fetch would add and drop headers. */
function forward(target, { method, url, headers, body }) {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(new URL(url, target), { method, headers, agent: false });
    outgoing.on("error", reject);
    outgoing.on("response", async (incoming) => {
      const chunks = [];
      for await (const chunk of incoming) chunks.push(chunk);
      const kept = { ...incoming.headers };
      for (const hop of ["transfer-encoding", "connection", "keep-alive"]) delete kept[hop];
      resolve({ status: incoming.statusCode, headers: kept, body: Buffer.concat(chunks) });
    });
    outgoing.end(body);
  });
}

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

/**
 * A further origin. `pages` maps a path to HTML text, and `page(url)` gives that of others; any
 * other path is a file of `folder`, for example the built package. `headers` go with every answer: a
 * CSP.
 *
 * @returns `{ origin }`
 */
export function serveOrigin(scope, { pages = {}, page: other, folder, headers = {} } = {}) {
  return listen(scope, async (incoming, outgoing) => {
    const url = new URL(incoming.url, "http://origin");
    const { pathname } = url;
    const page = pages[pathname] ?? other?.(url);
    if (page !== undefined) {
      return void outgoing.writeHead(200, { "content-type": TYPES[".html"], ...headers }).end(page);
    }
    const type = TYPES[extname(pathname)];
    const body = folder && type ? await readFile(join(folder, pathname)).catch(() => null) : null;
    if (body === null) return void outgoing.writeHead(404, headers).end();
    outgoing.writeHead(200, { "content-type": type, ...headers }).end(body);
  });
}

/** Chromium as every test here uses it. */
export async function launchChromium(scope) {
  const { chromium } = await import("playwright-core");
  const args = JSON.parse(readFileSync(new URL("../chromium-flags.json", import.meta.url), "utf8"));
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  const browser = await chromium.launch({ executablePath, args });
  scope.after(() => browser.close());
  return browser;
}

/** Listens on a free port below 32768: the kernel itself gives away those above. */
export async function listen(scope, handler) {
  for (let tries = 0; tries < 100; tries += 1) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const server = createServer((incoming, outgoing) => {
      // A handler that throws cuts the connection, as a broken server would.
      Promise.resolve(handler(incoming, outgoing)).catch(() => incoming.socket.destroy());
    });
    server.listen(port, "127.0.0.1");
    try {
      await once(server, "listening");
    } catch {
      continue;
    }
    scope.after(() => {
      server.closeAllConnections();
      server.close();
    });
    return { origin: `http://127.0.0.1:${port}` };
  }
  throw new Error("no free port between 20000 and 32000");
}
