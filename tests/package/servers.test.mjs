// The package where there is no page: in workerd, bundled by wrangler as its users do, and in Node.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import workerd from "workerd";
import { consume, pack, runNode } from "./packed.mjs";
import { startReceiver } from "./receiver.mjs";

const scope = { after };
const receiver = await startReceiver(scope);
const tarball = pack(scope);
const WRANGLER = fileURLToPath(
  new URL("../../node_modules/wrangler/bin/wrangler.js", import.meta.url),
);

/** A worker that tracks each request, and answers once its batch is durable if asked to. */
const WORKER = (from) => `
import { init } from "${from}";
export default {
  async fetch(request, env, ctx) {
    const { pathname, searchParams } = new URL(request.url);
    const tally = init(JSON.parse(env.OPTIONS));
    tally.track("request", { entityType: env.TYPE, entityId: pathname });
    const flushed = tally.flush();
    ctx.waitUntil(flushed);
    if (searchParams.has("wait")) {
      return Response.json({ flushed: await flushed, engine: tally.stats().engine });
    }
    return new Response("at once");
  },
};`;

/** Serves what wrangler leaves in `folder`, in workerd alone. */
async function serve(t, folder, vars) {
  const text = (value) => JSON.stringify(`${value}`);
  const kinds = { js: "esModule", wasm: "wasm" };
  // The first is what runs.
  const files = readdirSync(folder).filter((file) => kinds[file.split(".").at(-1)]);
  files.sort((one, other) => other.endsWith(".js") - one.endsWith(".js"));
  const modules = files.map(
    (file) =>
      `(name = ${text(file)}, ${kinds[file.split(".").at(-1)]} = embed ${text(join(folder, file))})`,
  );
  const bindings = Object.entries(vars).map(
    ([name, value]) => `(name = ${text(name)}, text = ${text(value)})`,
  );
  writeFileSync(
    join(folder, "workerd.capnp"),
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "worker", worker = .worker),
    (name = "internet", network = (allow = ["public", "private"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "worker")],
);
const worker :Workerd.Worker = (
  modules = [${modules.join(", ")}],
  bindings = [${bindings.join(", ")}],
  compatibilityDate = "2026-04-01",
);
`,
  );
  const child = spawn(
    workerd.default ?? workerd,
    ["serve", "--control-fd=1", "--import-path=/", "workerd.capnp"],
    {
      cwd: folder,
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  const said = [];
  child.stderr.on("data", (chunk) => said.push(chunk));
  const exited = once(child, "exit");
  t.after(async () => {
    child.kill();
    await exited;
  });
  const [line] = await Promise.race([once(createInterface(child.stdout), "line"), exited]);
  if (typeof line !== "string") throw new Error(`${Buffer.concat(said)}`);
  return `http://127.0.0.1:${JSON.parse(line).port}`;
}

/** Bundles a worker that imports the package from `from`; the folder with its files. */
async function bundle(name, from) {
  const home = consume(tarball, name, {
    "worker.js": WORKER(from),
    "wrangler.toml": `name = "x"\nmain = "worker.js"\ncompatibility_date = "2026-04-01"\n`,
  });
  const args = [WRANGLER, "deploy", "--dry-run", "--outdir", "dist"];
  const env = {
    ...process.env,
    WRANGLER_SEND_METRICS: "false",
    CLOUDFLARE_CF_FETCH_ENABLED: "false",
  };
  await promisify(execFile)(process.execPath, args, { cwd: home, env });
  return join(home, "dist");
}

const asked = async (url) => (await fetch(url)).json();
const delivered = { ok: true, delivered: 1, dropped: 0 };

describe("workerd", () => {
  let folder;
  before(async () => (folder = await bundle("workerd", "tallymark")));

  test("U10 each request's events are in a batch of its own, a hundred at once", async (t) => {
    const options = { endpoint: receiver.origin, key: "sk_server" };
    const vars = { OPTIONS: JSON.stringify(options), TYPE: "many" };
    const origin = await serve(t, folder, vars);
    const paths = Array.from({ length: 100 }, (_, at) => `/${at}`);
    const answers = await Promise.all(paths.map((path) => asked(`${origin}${path}?wait`)));
    assert.deepEqual(answers, Array(100).fill({ flushed: delivered, engine: "wasm" }));
    const kept = receiver.of("many");
    assert.deepEqual(kept.map(({ entity_id }) => entity_id).sort(), paths.sort());
    assert.equal(new Set(kept.map(({ id }) => id)).size, 100);
  });

  test("U10 what waitUntil holds arrives after the answer", async (t) => {
    const options = { endpoint: receiver.origin, key: "sk_server" };
    const origin = await serve(t, folder, { OPTIONS: JSON.stringify(options), TYPE: "behind" });
    assert.equal(await (await fetch(`${origin}/page`)).text(), "at once");
    while (!receiver.of("behind").length) await (await fetch(receiver.origin)).text();
    assert.deepEqual(
      receiver.of("behind").map(({ entity_id }) => entity_id),
      ["/page"],
    );
  });

  test("U6 straight to ClickHouse, with its credentials", async (t) => {
    const clickhouse = { url: receiver.origin, user: "edge", password: "p", site: "mine" };
    const vars = { OPTIONS: JSON.stringify({ clickhouse }), TYPE: "straight" };
    const origin = await serve(t, folder, vars);
    assert.deepEqual(await asked(`${origin}/a?wait`), { flushed: delivered, engine: "wasm" });
    const [{ site, batch_id, id }] = receiver.of("straight");
    assert.deepEqual([site, batch_id], ["mine", id]);
  });

  test("U10 with people, in an engine that knows of visits", async (t) => {
    const people = await bundle("workerd-people", "tallymark/people");
    const options = { endpoint: receiver.origin, key: "sk_server" };
    const origin = await serve(t, people, { OPTIONS: JSON.stringify(options), TYPE: "people" });
    assert.deepEqual(await asked(`${origin}/a?wait`), { flushed: delivered, engine: "wasm" });
    assert.equal(receiver.of("people").length, 1);
  });

  test("where the wasm is inside the script, which workerd may not compile, JSON goes", async (t) => {
    const inline = await bundle("workerd-inline", "tallymark/inline");
    const options = { endpoint: receiver.origin, key: "sk_server" };
    const origin = await serve(t, inline, { OPTIONS: JSON.stringify(options), TYPE: "inline" });
    assert.deepEqual(await asked(`${origin}/a?wait`), { flushed: delivered, engine: "fallback" });
    assert.equal(receiver.of("inline").length, 1);
  });
});

describe("Node", () => {
  const script = (from) => `
    import { init } from "${from}";
    const tally = init(JSON.parse(process.env.OPTIONS));
    for (let value = 1; value <= 2; value++) tally.track("job", { entityType: process.env.TYPE, value });
    const flushed = await tally.shutdown();
    console.log(JSON.stringify({ flushed, engine: tally.stats().engine }));`;
  const two = { ok: true, delivered: 2, dropped: 0 };
  const home = consume(tarball, "node", {
    "worker.mjs": script("tallymark"),
    "inline.mjs": script("tallymark/inline"),
    "people.mjs": `
      import { init } from "tallymark/people";
      const tally = init(JSON.parse(process.env.OPTIONS));
      tally.identify("7", { plan: "pro" });
      tally.track("job", { entityType: process.env.TYPE, value: 1 });
      tally.reset();
      tally.track("job", { entityType: process.env.TYPE, value: 2 });
      const flushed = await tally.shutdown();
      console.log(JSON.stringify({ flushed, engine: tally.stats().engine }));`,
    "required.cjs": `import("tallymark").then(({ init }) => console.log(JSON.stringify(typeof init)));`,
  });
  const kept = (type) => receiver.of(type).map(({ value }) => value);

  for (const file of ["worker.mjs", "inline.mjs"]) {
    test(`${file}: straight to ClickHouse, and ends by itself`, async () => {
      const clickhouse = { url: receiver.origin, user: "job", password: "p" };
      const env = { OPTIONS: JSON.stringify({ clickhouse }), TYPE: file };
      assert.deepEqual(await runNode(home, [file], env), { flushed: two, engine: "wasm" });
      assert.deepEqual(kept(file), [1, 2]);
    });
  }

  test("S4.5 with people: from identify on events are a user's, until reset", async () => {
    const options = { endpoint: receiver.origin, key: "sk_server" };
    const env = { OPTIONS: JSON.stringify(options), TYPE: "known" };
    const flushed = { ok: true, delivered: 3, dropped: 0 };
    assert.deepEqual(await runNode(home, ["people.mjs"], env), { flushed, engine: "wasm" });
    const told = receiver.of("known").map(({ value, user_id }) => [value, user_id]);
    assert.deepEqual(told, [
      [1, "7"],
      [2, ""],
    ]);
  });

  test("cuts a batch in two that is too large", async () => {
    receiver.requests.length = 0;
    const options = { endpoint: receiver.origin, key: "pk_small" };
    const env = { OPTIONS: JSON.stringify(options), TYPE: "small" };
    assert.deepEqual(await runNode(home, ["worker.mjs"], env), { flushed: two, engine: "wasm" });
    assert.deepEqual([kept("small"), receiver.requests.length], [[1, 2], 3]);
  });

  test("from CommonJS, by a dynamic import", async () => {
    assert.equal(await runNode(home, ["required.cjs"]), "function");
  });
});
