// A trap in the worker's wasm, in a real workerd: the request that meets it is answered "again", and
// the next one meets another instance.
//
// The wasm is the built one, with two changes: what serves the tracker's files traps, and a call into
// an instance that has trapped traps too. A panic is a trap that leaves its instance in any state.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import binaryen from "binaryen";
import workerd from "workerd";

import { batchUrl, eventBlock, uuidV7 } from "./blocks.mjs";

const DIST = fileURLToPath(new URL("../../worker/dist/", import.meta.url));
const WASM = "tallymark_worker_bg.wasm";
const TRAPS = "exchange_asset";

/** The module, with every export behind a look at whether the instance has trapped. */
function poisoned(bytes) {
  const module = binaryen.readBinary(bytes);
  const { i32, Features } = binaryen;
  // Those that the build uses: what has all of them is written in ways that workerd cannot read.
  module.setFeatures(
    Features.BulkMemory |
      Features.BulkMemoryOpt |
      Features.Multivalue |
      Features.MutableGlobals |
      Features.NontrappingFPToInt |
      Features.ReferenceTypes |
      Features.SignExt,
  );
  module.addGlobal("dead", i32, true, module.i32.const(0));
  const exports = Array.from({ length: module.getNumExports() }, (_, at) =>
    binaryen.getExportInfo(module.getExportByIndex(at)),
  );
  for (const { name, kind, value } of exports) {
    if (kind !== binaryen.ExternalFunction || name === "__wbindgen_start") continue;
    const { params, results } = binaryen.getFunctionInfo(module.getFunction(value));
    const types = binaryen.expandType(params);
    const given = types.map((type, at) => module.local.get(at, type));
    const call = module.call(value, given, results);
    const body =
      name === TRAPS
        ? [module.global.set("dead", module.i32.const(1)), module.unreachable()]
        : [module.if(module.global.get("dead", i32), module.unreachable()), call];
    module.addFunction(`guard of ${name}`, params, results, [], module.block(null, body, results));
    module.removeExport(name);
    module.addFunctionExport(`guard of ${name}`, name);
  }
  assert.ok(exports.some(({ name }) => name === TRAPS));
  return module.emitBinary();
}

/** The worker in a workerd of its own, which ends with the file. */
async function startPoisoned() {
  const folder = mkdtempSync(join(tmpdir(), "tallymark-trap-"));
  copyFileSync(join(DIST, "index.js"), join(folder, "index.js"));
  writeFileSync(join(folder, WASM), poisoned(readFileSync(join(DIST, WASM))));
  const sites = JSON.stringify([{ site: "open", key: "pk_open", origins: ["*"] }]);
  writeFileSync(
    join(folder, "config.capnp"),
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "tallymark", worker = .tallymark),
    (name = "groups", disk = (path = "${folder}", writable = true)),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "tallymark")],
);
const tallymark :Workerd.Worker = (
  modules = [
    (name = "index.js", esModule = embed "index.js"),
    (name = "${WASM}", wasm = embed "${WASM}"),
  ],
  compatibilityDate = "2026-04-01",
  durableObjectNamespaces = [(className = "GroupMaker", uniqueKey = "groups", enableSql = true)],
  durableObjectStorage = (localDisk = "groups"),
  bindings = [
    (name = "GROUPS", durableObjectNamespace = "GroupMaker"),
    (name = "SINK", text = "group"),
    # Nobody is there: what is taken waits in the shard.
    (name = "CLICKHOUSE_URL", text = "http://127.0.0.1:1"),
    (name = "CLICKHOUSE_DATABASE", text = "tallymark"),
    (name = "CLICKHOUSE_INSERT_USER", text = "insert"),
    (name = "CLICKHOUSE_INSERT_PASSWORD", text = ""),
    (name = "CLICKHOUSE_READ_USER", text = "read"),
    (name = "CLICKHOUSE_READ_PASSWORD", text = ""),
    (name = "SITES", text = ${JSON.stringify(sites)}),
  ],
);
`,
  );
  const child = spawn(workerd.default, ["serve", "--control-fd=1", join(folder, "config.capnp")], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = once(child, "exit");
  const said = [];
  child.stderr.on("data", (chunk) => said.push(chunk));
  after(async () => {
    child.kill();
    await exited;
    rmSync(folder, { recursive: true });
  });
  for await (const line of createInterface(child.stdout)) {
    const { event, port } = JSON.parse(line);
    if (event === "listen") return { site: `http://127.0.0.1:${port}`, said };
  }
  await exited;
  throw new Error(`workerd does not start: ${Buffer.concat(said)}`);
}

const { site, said } = await startPoisoned();

const ask = async (path) => {
  const response = await fetch(site + path);
  const { status, headers } = response;
  return { status, headers, body: await response.json() };
};

test("a request that meets a trap is told to come again, readable from every page", async () => {
  const { status, headers, body } = await ask("/tallymark/index.js");
  assert.deepEqual([status, body.code], [503, "busy"]);
  assert.equal(headers.get("access-control-allow-origin"), "*");
  assert.equal(headers.get("retry-after"), "2");
  assert.match(`${Buffer.concat(said)}`, /RuntimeError: unreachable/);
});

test("the request after a trap is answered by another instance, as often as it traps", async () => {
  for (let times = 0; times < 20; times++) {
    assert.equal((await ask("/tallymark/index.js")).status, 503);
    const { status, body } = await ask("/nowhere");
    assert.deepEqual([status, body.code], [404, "not_found"]);
  }
});

test("D13 a shard whose instance has trapped starts again, and knows what it had taken", async () => {
  const url = batchUrl(site, { id: uuidV7() });
  const body = eventBlock([{ entity_id: "kept" }]);
  const send = async () => {
    const response = await fetch(url, { method: "POST", body });
    return [response.status, await response.json()];
  };
  const [status, { known }] = await send();
  assert.deepEqual([status, known], [202, false]);
  assert.equal((await ask("/tallymark/index.js")).status, 503);
  // Its shard is gone with the instance: the first that calls it makes it start.
  const [gone, { code }] = await send();
  assert.deepEqual([gone, code], [503, "busy"]);
  const [again, answer] = await send();
  assert.deepEqual([again, answer.known], [202, true]);
});
