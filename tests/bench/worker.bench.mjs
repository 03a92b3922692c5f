// CPU of the edge worker a request, beside three workers in the same run: one that reads a body and
// forwards it as it is, one that parses, checks and enriches JSON, and, as the floor under ours,
// one with all of our entry's effects that never looks at the body. Each is a workerd of its own;
// all are asked under the same URL, before one sink that answers as ClickHouse does, with an empty
// body in chunks. What is compared is the time that all threads of a process were on a CPU, in
// nanoseconds by the kernel's scheduler, garbage collection included. The rounds take turns, and a
// ratio is the median of those within each round: what else the machine does hits both.
//
// The events are what the tracker sends for a visitor who is not logged in: the Native block has
// its columns, its types and its order, the JSON the same fields by the same names.

import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { Agent, createServer, request as httpRequest } from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { batchUrl, block, uuidV7 } from "../e2e/blocks.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const WORKERD = join(ROOT, "node_modules/@cloudflare/workerd-linux-64/bin/workerd");
const ROUNDS = 11;
// V8 compiles wasm and JavaScript anew for some ten thousand requests; an isolate lives for millions.
const WARM_UP_ROUNDS = 8;
const REQUESTS = { 30: 1500, 500: 1000 };
const HOSTILE_REQUESTS = 50;

const FORWARD = `export default {
  async fetch(request, env) {
    const body = await request.arrayBuffer();
    const answer = await fetch(env.CLICKHOUSE_URL, { method: "POST", body });
    await answer.arrayBuffer();
    return Response.json({ now: Date.now() }, { status: 202 });
  },
};`;

// Our entry's effects by hand: the request's headers and place, a token in the URL, credentials, a
// time-out, headers for the page.
const EFFECTS = `const up = new Headers({ "x-clickhouse-user": "u", "x-clickhouse-key": "",
  "content-encoding": "zstd" });
const down = new Headers({ "access-control-allow-origin": "*", "cache-control": "no-store",
  "content-type": "application/json" });
const insert = "/?database=tallymark&query=INSERT%20INTO%20events%20FORMAT%20Native" +
  "&async_insert=0&input_format_skip_unknown_fields=0&insert_deduplication_token=";
export default {
  async fetch(request, env) {
    const { headers, cf, url } = request;
    const said = [headers.get("origin"), headers.get("sec-fetch-site"),
      headers.get("content-length"), headers.has("transfer-encoding"), cf?.country];
    const id = /[?&]id=([^&]*)/.exec(url)[1];
    const body = new Uint8Array(await request.arrayBuffer());
    const answer = await fetch(env.CLICKHOUSE_URL + insert + id, { method: "POST", headers: up,
      body, redirect: "manual", signal: AbortSignal.timeout(10_000) });
    await answer.arrayBuffer();
    const stored = answer.status === 200 && answer.headers.has("x-clickhouse-query-id") &&
      !answer.headers.get("x-clickhouse-exception-code");
    const text = JSON.stringify({ now: Date.now(), known: said.length === 0 });
    return new Response(text, { status: stored ? 202 : 503, headers: down });
  },
};`;

const JSON_WORKER = `export default {
  async fetch(request, env) {
    const rows = JSON.parse(await request.text());
    const received_at = Date.now();
    const lines = [];
    for (const row of rows) {
      if (typeof row.name !== "string" || typeof row.entity_type !== "string" ||
          typeof row.entity_id !== "string" || typeof row.occurred_at !== "number" ||
          typeof row.page_id !== "string" || typeof row.seq !== "number") {
        return Response.json({ code: "bad_block" }, { status: 400 });
      }
      row.ip = "203.0.113.0";
      row.country = "DE";
      row.received_at = received_at;
      lines.push(JSON.stringify(row));
    }
    const answer = await fetch(env.CLICKHOUSE_URL, { method: "POST", body: lines.join("\\n") });
    await answer.arrayBuffer();
    return Response.json({ now: Date.now() }, { status: 202 });
  },
};`;

// In the tracker's order (src/buffer.rs).
const COLUMN_TYPES = {
  entity_id: "String",
  page_id: "UUID",
  seq: "UInt32",
  occurred_at: "DateTime64(3, 'UTC')",
  name: "LowCardinality(String)",
  entity_type: "LowCardinality(String)",
  hostname: "LowCardinality(String)",
  pathname: "LowCardinality(String)",
  referrer: "LowCardinality(String)",
  session_id: "UUID",
  properties: "String",
};

const OURS = {
  modules: [
    ["index.js", "esModule", join(ROOT, "worker/dist/index.js")],
    ["tallymark_worker_bg.wasm", "wasm", join(ROOT, "worker/dist/tallymark_worker_bg.wasm")],
  ],
  vars: {
    CLICKHOUSE_INSERT_USER: "u",
    CLICKHOUSE_READ_USER: "u",
    SITES: '[{"site":"open","key":"pk_open","origins":["*"]}]',
  },
};

const agent = new Agent({ keepAlive: true, maxSockets: 8 });
const bound = { port: 20_000 };
mkdirSync(join(ROOT, "target"), { recursive: true });
const folder = mkdtempSync(join(ROOT, "target/bench-"));
const sink = await startSink();
const children = [];
try {
  const ours = await startWorkerd("ours", OURS);
  const forward = await startWorkerd("forward", inline(FORWARD));
  const effects = await startWorkerd("effects", inline(EFFECTS));
  const json = await startWorkerd("json", inline(JSON_WORKER));

  const us = {};
  for (const events of [30, 500]) {
    const rows = eventRows(events);
    const native = nativeBlock(rows);
    const text = Buffer.from(JSON.stringify(rows));
    const runs = {
      ours: () => drive(ours, native, REQUESTS[events]),
      forward: () => drive(forward, native, REQUESTS[events]),
      effects: () => drive(effects, native, REQUESTS[events]),
      json: () => drive(json, text, REQUESTS[events]),
    };
    for (let round = 0; round < WARM_UP_ROUNDS; round++) {
      for (const run of Object.values(runs)) await run();
    }
    const found = { ours: [], forward: [], effects: [], json: [] };
    for (let round = 0; round < ROUNDS; round++) {
      for (const [name, run] of Object.entries(runs)) found[name].push(await run());
    }
    us[events] = found;
    console.log(`${events} events, ${native.length} B native, ${text.length} B JSON`);
    for (const [name, all] of Object.entries(found)) {
      const [least, middle, most] = [Math.min(...all), median(all), Math.max(...all)];
      const times = [least, middle, most].map(Math.round).join(" / ");
      console.log(`  ${name}: ${times} µs, ours is ${ratio(found, name).toFixed(2)} ×`);
    }
  }
  const [to30, to500] = [ratio(us[30], "forward"), ratio(us[500], "forward")];
  const shown = (events, name) => `${Math.round(median(us[events][name]))} µs`;
  report(
    "edge-forward",
    `${to30.toFixed(2)} × at 30, ${to500.toFixed(2)} × at 500 events`,
    `${shown(30, "forward")}, ${shown(500, "forward")}`,
    to30 <= 1.25 && to500 <= 1.25,
  );
  const toJson = ratio(us[500], "json");
  report("edge-json", `${toJson.toFixed(2)} ×`, shown(500, "json"), toJson <= 0.25);
  // Its memory must not be that of the load before.
  await hostile(await startWorkerd("hostile", OURS));
} finally {
  for (const child of children) child.kill();
  sink.server.close();
  sink.server.closeAllConnections();
  rmSync(folder, { recursive: true });
}

// Bombs, lies and cuts: the longest time to a refusal, in the median of many, and the most memory
// over that of the process before its first request.
async function hostile(worker) {
  const idleKb = statusKb(worker.pid, "VmRSS");
  const good = nativeBlock(eventRows(500));
  const lying = gzipSync(Buffer.alloc(8_000_000));
  lying.writeUInt32LE(1_900_000, lying.length - 4);
  const cases = {
    bomb: gzipSync(Buffer.alloc(100_000_000)),
    "lying bomb": lying,
    truncated: good.subarray(0, -1),
    "lying counts": Buffer.from([0xff, 0x7f, 0xff, 0xff, 0x7f]),
    "type name of 2^30 bytes": Buffer.from("01010161ffffffff03", "hex"),
    "over the cap": Buffer.alloc(1_000_001),
  };
  let worst = 0;
  for (const [name, body] of Object.entries(cases)) {
    const times = [];
    for (let at = 0; at < HOSTILE_REQUESTS; at++) {
      const started = performance.now();
      const status = await post(batchUrl(worker.url), body);
      times.push(performance.now() - started);
      if (status !== 400 && status !== 413) throw new Error(`${name} was answered ${status}`);
    }
    console.log(`${name}, ${body.length} B: ${median(times).toFixed(2)} ms`);
    worst = Math.max(worst, median(times));
  }
  const grownMb = (statusKb(worker.pid, "VmHWM") - idleKb) / 1024;
  const measured = `${worst.toFixed(1)} ms, ${grownMb.toFixed(0)} MB over the idle process`;
  report("hostile", measured, "-", worst < 5 && grownMb < 64);
}

function eventRows(count) {
  const [page_id, session_id] = [uuidV7(), uuidV7()];
  const now = Date.now();
  return Array.from({ length: count }, (_, seq) => ({
    entity_id: String(1000 + (seq % 40)),
    page_id,
    seq,
    occurred_at: now - seq,
    name: seq % 5 ? "view" : "like",
    entity_type: "post",
    hostname: "example.com",
    pathname: "/posts/lake",
    referrer: "https://example.org/",
    session_id,
    properties: '{"position":3,"list":"feed"}',
  }));
}

function nativeBlock(rows) {
  const columns = Object.entries(COLUMN_TYPES).map(([name, type]) => [
    name,
    [type, rows.map((row) => row[name])],
  ]);
  return block(Object.fromEntries(columns));
}

// Sends `count` requests, eight at a time; CPU of the worker's process in microseconds each.
async function drive(worker, body, count) {
  const before = cpuNs(worker.pid);
  let left = count;
  const lane = async () => {
    while (left-- > 0) {
      const status = await post(batchUrl(worker.url), body);
      if (status !== 202) throw new Error(`answered ${status}`);
    }
  };
  await Promise.all(Array.from({ length: 8 }, lane));
  return (cpuNs(worker.pid) - before) / 1000 / count;
}

function post(url, body) {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(url, {
      method: "POST",
      agent,
      headers: { "content-length": body.length },
    });
    outgoing.on("error", reject);
    outgoing.on("response", (incoming) => {
      incoming.resume();
      incoming.on("end", () => resolve(incoming.statusCode));
    });
    outgoing.end(body);
  });
}

// Nanoseconds that the process's threads were on a CPU. Its threads are the same all the time: the
// times of one that had ended would be missing.
function cpuNs(pid) {
  const threads = readdirSync(`/proc/${pid}/task`);
  const times = threads.map((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" "),
  );
  return times.reduce((sum, [ns]) => sum + Number(ns), 0);
}

function statusKb(pid, name) {
  const line = new RegExp(`${name}:\\s+(\\d+)`);
  return Number(line.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]);
}

async function startSink() {
  const server = createServer((incoming, outgoing) => {
    incoming.resume();
    incoming.on("end", () => outgoing.writeHead(200, { "x-clickhouse-query-id": "1" }).end());
  });
  return { server, url: `http://127.0.0.1:${await listenBelow(server)}` };
}

// Ports above 32768 are the kernel's own.
async function listenBelow(server) {
  for (;;) {
    server.listen(bound.port++, "127.0.0.1");
    const [event] = await Promise.race([
      once(server, "listening").then(() => ["listening"]),
      once(server, "error").then(() => ["error"]),
    ]);
    if (event === "listening") return server.address().port;
  }
}

function inline(source) {
  const file = join(folder, `inline-${children.length}.js`);
  writeFileSync(file, source);
  return { modules: [["index.js", "esModule", file]], vars: {} };
}

async function startWorkerd(name, { modules, vars }) {
  if (!existsSync(WORKERD)) throw new Error(`${WORKERD} is missing`);
  const probe = createServer();
  const port = await listenBelow(probe);
  await new Promise((closed) => probe.close(closed));
  const list = (items) => items.join(", ");
  const bindings = Object.entries({ CLICKHOUSE_URL: sink.url, ...vars });
  const config = `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .main),
    (name = "internet", network = (allow = ["public", "private"]))],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")]);
const main :Workerd.Worker = (
  modules = [${list(modules.map(([module, kind, file]) => `(name = "${module}", ${kind} = embed "${file}")`))}],
  compatibilityDate = "2026-04-01",
  bindings = [${list(bindings.map(([key, value]) => `(name = "${key}", text = ${JSON.stringify(value)})`))}]);
`;
  const file = join(folder, `${name}.capnp`);
  writeFileSync(file, config);
  const child = spawn(WORKERD, ["serve", "--import-path=/", "--control-fd=3", file], {
    stdio: ["ignore", "ignore", "ignore", "pipe"],
  });
  children.push(child);
  await once(child.stdio[3], "data");
  return { pid: child.pid, url: `http://127.0.0.1:${port}` };
}

// How many times as much as `baseline` ours takes, in the median of the rounds.
function ratio(found, baseline) {
  return median(found.ours.map((us, round) => us / found[baseline][round]));
}

function median(numbers) {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];
}

function report(budget, measured, baseline, within) {
  console.log(JSON.stringify({ budget, measured, baseline, within }));
}
