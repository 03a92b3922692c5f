// A thousand hostile requests (listed in hostile/) at the worker before a real ClickHouse: each is answered
// as API.md says, none shows what is another site's, and no table changes by one row.

import assert from "node:assert/strict";
import { Agent, request } from "node:http";
import { connect } from "node:net";
import { readFileSync } from "node:fs";
import { once } from "node:events";
import { after, test } from "node:test";
import { batchUrl, eventBlock } from "./blocks.mjs";
import { startStack } from "./harness.mjs";
import { batchRows } from "./hostile/batches.mjs";
import { eventRows } from "./hostile/events.mjs";
import { keyRows } from "./hostile/keys.mjs";
import { lyingRows } from "./hostile/lengths.mjs";
import { queryRows } from "./hostile/queries.mjs";
import { routeRows } from "./hostile/routes.mjs";
import { serverRows } from "./hostile/servers.mjs";
import { ADMIN_KEY, BODY_BYTES, SITES, TOKEN_SECRET, TREASURE } from "./hostile/setup.mjs";

const RULES = readFileSync(new URL("../../worker/cdc.example.json", import.meta.url), "utf8");
const stack = await startStack(
  { after },
  {
    sites: SITES,
    vars: {
      ADMIN_KEY,
      TOKEN_SECRET,
      BODY_BYTES: `${BODY_BYTES}`,
      CDC_RULES: JSON.stringify(JSON.parse(RULES)),
      SINK: "direct",
    },
  },
);
// A connection each: one whose request is refused before its body was read is of no use any more.
const agent = new Agent({ keepAlive: false });

// Something to change, in two sites; then the tables as they were.
for (const [k, headers] of [
  ["pk_open", {}],
  ["pk_vault", { origin: "https://vault.test" }],
]) {
  const events = ["post", "User", "Model"].map((entity_type) => ({
    entity_type,
    entity_id: TREASURE.slice(0, k === "pk_open" ? 8 : undefined),
    user_id: k === "pk_open" ? "someone" : TREASURE,
  }));
  const sent = await fetch(batchUrl(stack.site, { k }), {
    method: "POST",
    headers,
    body: eventBlock(events),
  });
  assert.equal(sent.status, 202);
}
const tables = (
  await stack.rows(
    "SELECT name FROM system.tables WHERE database = currentDatabase() ORDER BY name",
  )
).map(({ name }) => name);
const before = await checksums();
const GROUPS = {
  "every parameter of every query": queryRows(),
  "keys, tokens and origins": keyRows(),
  "methods and paths": routeRows(),
  batches: batchRows(tables),
  "events as JSON": eventRows(tables),
  "changes, statements and migrations": serverRows(),
};

/** Rows and a sum over all values, of each table that holds any. */
async function checksums() {
  // Refreshed each minute from the others, as of then.
  const refreshed = ["user_ranks", "user_received"];
  const kept = await stack.rows(
    "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'" +
      " ORDER BY name",
  );
  const found = {};
  for (const { name } of kept.filter(({ name }) => !refreshed.includes(name))) {
    // What is merged and what is not yet count alike.
    const [row] = await stack.rows(
      `SELECT count() AS rows, toString(sum(cityHash64(formatRow('TSV', *)))) AS sum FROM ${name} SETTINGS final = 1`,
    );
    found[name] = row;
  }
  return found;
}

/** Sends one row as it stands: a fetch would put its path in order. */
async function send({ method, path, headers = {}, body }) {
  const { hostname, port } = new URL(stack.site);
  const bytes = body === undefined ? undefined : Buffer.from(body);
  const all = bytes ? { "content-length": bytes.length, ...headers } : headers;
  const outgoing = request({ hostname, port, method, path, headers: all, agent });
  outgoing.end(bytes);
  const [incoming] = await once(outgoing, "response");
  const chunks = [];
  for await (const chunk of incoming) chunks.push(chunk);
  return {
    status: incoming.statusCode,
    headers: incoming.headers,
    text: `${Buffer.concat(chunks)}`,
  };
}

/** What an answer comes to, as a row states it. */
function told({ status, text }) {
  const { code, taken, refused } = JSON.parse(text);
  const answer = { status };
  if (code !== undefined) answer.code = code;
  if (refused) answer.refused = refused.map((row) => row.code);
  if (taken) answer.taken = taken;
  return answer;
}

const secrets = [
  ADMIN_KEY,
  TOKEN_SECRET,
  ...Object.values(stack.users).map((user) => user.password),
];

/** What is wrong with the answer to this row; nothing when it is the documented one. */
async function wrong(row) {
  let answer;
  try {
    answer = await send(row);
    const found = told(answer);
    assert.deepEqual(found, row.expect);
    assert.equal(answer.headers["access-control-allow-origin"], "*");
    assert.equal(answer.headers["content-type"], "application/json");
    assert.ok(!answer.text.includes(TREASURE), "another site's");
    assert.ok(!secrets.some((secret) => answer.text.includes(secret)), "a secret");
    return [];
  } catch (error) {
    const got = answer ? `${answer.status} ${answer.text.slice(0, 150)}` : error;
    return [`${row.what}: ${JSON.stringify(row.expect)}, got ${got}`];
  }
}

for (const [name, rows] of Object.entries(GROUPS)) {
  test(`${name}: ${rows.length} hostile requests are answered as documented`, async () => {
    const queue = [...rows];
    const found = [];
    const worker = async () => {
      for (let row = queue.shift(); row; row = queue.shift()) found.push(...(await wrong(row)));
    };
    await Promise.all(Array.from({ length: 8 }, worker));
    assert.deepEqual(found, []);
  });
}

/** The status of the answer to these bytes; of a connection that is closed without one, 0. */
async function sendRaw(bytes) {
  const { hostname, port } = new URL(stack.site);
  const socket = connect(Number(port), hostname);
  let text = "";
  socket.on("data", (chunk) => (text += chunk));
  const told = new Promise((resolve) => {
    socket.on("error", resolve);
    socket.on("close", resolve);
    socket.on("data", () => /^HTTP\/1\.1 \d+/.test(text) && resolve());
  });
  socket.write(bytes);
  await told;
  socket.destroy();
  return Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0);
}

test("requests that lie about their length are answered by what they are", async () => {
  const rows = lyingRows(new URL(stack.site).host);
  const found = await Promise.all(rows.map(async ({ what, raw }) => [what, await sendRaw(raw)]));
  assert.deepEqual(
    found,
    rows.map(({ what, status }) => [what, status]),
  );
});

test("they are a thousand, and no two alike", () => {
  const all = Object.values(GROUPS).flat();
  const distinct = new Set(
    all.map(({ method, path, headers, body }) =>
      JSON.stringify([method, path, headers, body && Buffer.from(body).toString("base64")]),
    ),
  );
  assert.ok(all.length >= 1_000, `${all.length}`);
  assert.equal(distinct.size, all.length);
});

test("afterwards every table holds what it held, and there is no other", async () => {
  assert.deepEqual(await checksums(), before);
  const now = await stack.rows(
    "SELECT name FROM system.tables WHERE database = currentDatabase() ORDER BY name",
  );
  assert.deepEqual(
    now.map(({ name }) => name),
    tables,
  );
});

test("no header that a client sends itself says where it is or whose site it writes to", async () => {
  const headers = Object.fromEntries(
    [
      "x-forwarded-for",
      "x-real-ip",
      "cf-connecting-ip",
      "true-client-ip",
      "x-client-ip",
      "forwarded",
    ]
      .map((name) => [name, "203.0.113.77"])
      .concat([
        ["cf-ipcountry", "XX"],
        ["x-country", "XX"],
        ["x-site", "vault"],
        ["x-clickhouse-user", "admin"],
        ["x-clickhouse-database", "system"],
      ]),
  );
  const body = eventBlock([{ entity_id: "spoofed" }]);
  const sent = await fetch(batchUrl(stack.site), { method: "POST", headers, body });
  assert.equal(sent.status, 202);
  const [row] = await stack.rows(
    "SELECT site, toString(ip) AS ip, country, region, city FROM events WHERE entity_id = 'spoofed'",
  );
  assert.deepEqual(row, { site: "open", ip: "::", country: "", region: "", city: "" });
});
