// The package as its users get it: packed, installed from the tarball, imported and used.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { consume, pack, runNode } from "./packed.mjs";

const tarball = pack({ after });
const { packed } = tarball;
const folder = consume(tarball, "consumer");
const installed = join(folder, "node_modules/tallymark");

/** Runs a script in the folder that has the package installed; what it prints, as JSON. */
function run(script, ...args) {
  writeFileSync(join(folder, "consumer.mjs"), script);
  return JSON.parse(
    execFileSync(process.execPath, ["consumer.mjs", ...args], { cwd: folder, encoding: "utf8" }),
  );
}

test("the tarball holds what the exports name, the types and the licence, and nothing else", () => {
  const files = packed.files.map(({ path }) => path.replace(/-[A-Z0-9]{8}\./, "-*.")).sort();
  assert.deepEqual(files, [
    "LICENSE",
    "README.md",
    "engine-*.js",
    "fallback-*.js",
    "index.d.ts",
    "index.js",
    "inline/chunk-*.js",
    "inline/chunk-*.js",
    "inline/engine-*.js",
    "inline/fallback-*.js",
    "inline/index.d.ts",
    "inline/index.js",
    "inline/queries-*.js",
    "inline/table-*.js",
    "inline/tallymark_bg-*.js",
    "node/chunk-*.js",
    "node/chunk-*.js",
    "node/engine-*.js",
    "node/fallback-*.js",
    "node/index.js",
    "node/people.js",
    "node/queries-*.js",
    "node/table-*.js",
    "observe-*.js",
    "package.json",
    "people.d.ts",
    "people.js",
    "queries-*.js",
    "queries.d.ts",
    "snippet.d.ts",
    "snippet.js",
    "split-*.js",
    "table-*.js",
    "tallymark_bg.wasm",
    "tallymark_observe_bg.wasm",
    "tallymark_split_bg.wasm",
    "tallymark_visit_bg.wasm",
    "test/index.d.ts",
    "test/index.js",
    "watch-*.js",
    "worker/chunk-*.js",
    "worker/engine-*.js",
    "worker/fallback-*.js",
    "worker/index.js",
    "worker/people.js",
    "worker/queries-*.js",
    "worker/table-*.js",
  ]);
});

/** What importing each file touches, told by its own global object. */
const imported = (...files) =>
  runNode(installed, [
    "--no-warnings",
    "--experimental-vm-modules",
    fileURLToPath(new URL("import.mjs", import.meta.url)),
    ...files,
  ]);

test("importing an entry reads no global, changes none and starts nothing", async () => {
  const untouched = (...exports) => ({ exports, touched: [] });
  const init = untouched("init");
  const kit = ["answer", "late", "lostAnswer", "makeKit", "makeReceiver", "noAnswer", "pass"];
  const entries = ["index.js", "inline/index.js", "node/index.js", "worker/index.js"];
  assert.deepEqual(await imported(...entries, "test/index.js"), {
    "index.js": init,
    "inline/index.js": init,
    "node/index.js": init,
    "worker/index.js": init,
    "test/index.js": untouched(...kit),
  });
});

test("the snippet looks whether it is in a document, and does nothing where it is not", async () => {
  assert.deepEqual(await imported("snippet.js"), {
    "snippet.js": { exports: [], touched: ["read document"] },
  });
});

test("an import that touches something is found", async () => {
  const file = join(folder, "touches.mjs");
  writeFileSync(file, "export const seen = typeof document; globalThis.tally = 1; setTimeout;");
  assert.deepEqual((await imported(file))[file].touched, [
    "read document",
    "read tally",
    "changed tally",
    "read setTimeout",
  ]);
});

test("each runtime is given the entry that is made for it", async () => {
  const script = 'console.log(JSON.stringify(import.meta.resolve("tallymark")))';
  writeFileSync(join(folder, "where.mjs"), script);
  const where = async (...conditions) =>
    (await runNode(folder, [...conditions.map((name) => `--conditions=${name}`), "where.mjs"]))
      .split("/node_modules/tallymark/")
      .at(-1);
  assert.equal(await where(), "node/index.js");
  // As wrangler asks; Node adds its own condition, which comes behind.
  assert.equal(await where("workerd", "worker", "browser"), "worker/index.js");
  assert.equal(await where("worker", "browser"), "worker/index.js");
});

test("S1.14 U1 installed in Node, it posts one batch of what was tracked", async () => {
  const requests = [];
  const server = createServer(async (incoming, outgoing) => {
    const chunks = [];
    for await (const chunk of incoming) chunks.push(chunk);
    requests.push({ url: incoming.url, body: Buffer.concat(chunks) });
    outgoing.writeHead(202).end(`{"now":${Date.now()},"known":false}`);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    const { port } = server.address();
    const script = `
      import { init } from "tallymark";
      const tally = init({ endpoint: process.argv[2], key: "pk_test" });
      tally.track("view", { entityType: "post", entityId: "42", words: 300 });
      tally.posts.trackLike("42");
      const flushed = await tally.flush();
      const { engine, tracked, delivered } = tally.stats();
      console.log(JSON.stringify({ flushed, engine, tracked, delivered }));
    `;
    writeFileSync(join(folder, "consumer.mjs"), script);
    // Not execFileSync: this process has to answer meanwhile.
    const child = spawn(process.execPath, ["consumer.mjs", `http://127.0.0.1:${port}`], {
      cwd: folder,
      stdio: ["ignore", "pipe", "inherit"],
    });
    const printed = [];
    child.stdout.on("data", (chunk) => printed.push(chunk));
    await once(child, "exit");
    assert.deepEqual(JSON.parse(Buffer.concat(printed)), {
      flushed: { ok: true, delivered: 2, dropped: 0 },
      engine: "wasm",
      tracked: 2,
      delivered: 2,
    });
  } finally {
    server.close();
  }
  assert.equal(requests.length, 1);
  assert.match(requests[0].url, /^\/v1\/batch\?v=1&k=pk_test&id=[0-9a-f-]{36}&t=events&at=\d+$/);
  const text = requests[0].body.toString("latin1");
  for (const part of ["view", "like", "post", "42", '{"words":300}'])
    assert.ok(text.includes(part), part);
});

test("an option that is wrong is named by the one error that init throws", () => {
  const cases = {
    maxRow: { endpoint: "https://e.example", key: "k", maxRow: 5 },
    maxRows: { endpoint: "https://e.example", key: "k", maxRows: 0 },
    endpoint: { endpoint: "nonsense", key: "k" },
    key: { endpoint: "https://e.example" },
  };
  const messages = run(`
    import { init } from "tallymark";
    const messages = {};
    for (const [name, options] of Object.entries(${JSON.stringify(cases)})) {
      try { init(options); } catch (error) { messages[name] = error.message; }
    }
    console.log(JSON.stringify(messages));
  `);
  for (const name of Object.keys(cases)) {
    assert.match(messages[name], new RegExp(`option ${name}\\b`), name);
  }
});

/** The methods that the types of an interface declare. */
function declaredBy(file, name) {
  const types = readFileSync(join(folder, "node_modules/tallymark", file), "utf8");
  const [, body] = new RegExp(`export interface ${name}\\b[^{]*\\{([\\s\\S]*?)\\n\\}`).exec(types);
  return [...body.matchAll(/^ {2}(?:readonly )?(\w+)\b[^\n]*[<(:]/gm)].map(([, name]) => name);
}

/** The methods of a tracker of that entry, at `path` in it. */
const methodsOf = (entry, path) =>
  run(`
    import { init } from "${entry}";
    const tally = init({ endpoint: "http://127.0.0.1:9", key: "k" });
    console.log(JSON.stringify(Object.keys(tally${path})));
    process.exit();
  `).sort();

test("every method that the types declare is there", () => {
  const usual = declaredBy("index.d.ts", "Tally");
  assert.deepEqual([...new Set(usual)].sort(), methodsOf("tallymark", ""));
  const people = [...usual, ...declaredBy("people.d.ts", "People")];
  assert.deepEqual([...new Set(people)].sort(), methodsOf("tallymark/people", ""));
  const users = declaredBy("people.d.ts", "Users");
  assert.deepEqual([...new Set(users)].sort(), methodsOf("tallymark/people", ".users"));
});
