// Every example of the two READMEs runs, as it stands there but for the addresses.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { uuidV7 } from "../e2e/blocks.mjs";
import { launchChromium, listen } from "../e2e/harness.mjs";
import { consume, pack, runNode } from "./packed.mjs";
import { startReceiver } from "./receiver.mjs";

const scope = { after };
const home = consume(pack(scope), "readme");
const installed = join(home, "node_modules/tallymark");
const run = promisify(execFile);

/** The examples of a README by language, in order, with our receiver's address in place of theirs. */
function examplesOf(file) {
  const text = readFileSync(new URL(`../../${file}`, import.meta.url), "utf8");
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language, code]) => ({
    language,
    code,
  }));
}

const found = {
  repository: examplesOf("README.md"),
  package: examplesOf("pkg-template/README.md"),
};
const only = (where, word) => {
  const [example, ...others] = found[where].filter(({ code }) => code.includes(word));
  assert.ok(example, `no example in the ${where}'s README has ${word}`);
  assert.deepEqual(others, []);
  return example.code;
};

/** Runs a module whose `tally` is told to send, in Node; what the receiver then has. */
async function track(t, code, more = "") {
  const receiver = await startReceiver(t);
  const local = code
    .replaceAll("https://tally.example.com", receiver.origin)
    .replaceAll("https://ch.example.com:8443", receiver.origin);
  assert.notEqual(local, code);
  writeFileSync(join(home, "example.mjs"), local + more);
  const said = await runNode(home, ["example.mjs"]);
  const rows = receiver.rows.map((row) => [
    row.name,
    row.entity_type,
    row.entity_id,
    row.value,
    row.user_id,
    row.properties,
  ]);
  return { said, rows, requests: receiver.requests };
}

test("there are as many examples as are run here", () => {
  const languages = (where) => found[where].map(({ language }) => language);
  // The first of the repository is the two commands: this run is one, tests/e2e/demo.test.mjs is of
  // the other.
  assert.deepEqual(languages("repository"), ["sh", "js", "js", "sh", "sh", "js"]);
  assert.match(found.repository[0].code, /^cargo xtask demo .*\ncargo xtask test .*\n$/);
  assert.deepEqual(languages("package"), ["js", "html", "js", "js", "js"]);
});

test("README: a page tracks, and asks", async (t) => {
  const { said, rows } = await track(
    t,
    only("repository", "getHourlyViews"),
    "\nawait tally.flush();\nconsole.log(JSON.stringify({ views, likes, hours }));",
  );
  assert.deepEqual(said, {
    views: 3,
    likes: 1,
    hours: [{ hour: "2026-01-01T00:00:00Z", views: 3 }],
  });
  assert.deepEqual(rows, [
    ["view", "post", "42", 1, "", {}],
    ["read", "post", "42", 0.8, "", { words: 300 }],
    ["like", "post", "42", 1, "7", {}],
  ]);
});

test("README: a server posts JSON with curl", async (t) => {
  const receiver = await startReceiver(t);
  const code = only("repository", "x-api-key").replace(
    "https://tally.example.com",
    receiver.origin,
  );
  const env = { ...process.env, ID: uuidV7(), NOW: `${Date.now()}` };
  const { stdout } = await run("bash", ["-ec", code], { env });
  const { taken, refused } = JSON.parse(stdout);
  assert.deepEqual([taken, refused], [1, []]);
  const [{ name, entityType, entityId, userId, id }] = receiver.rows;
  assert.deepEqual([name, entityType, entityId, userId, id], ["Download", "Model", 42, 7, env.ID]);
});

test("README: people, and their consent", async (t) => {
  const more = "\nawait tally.flush();\nconsole.log(JSON.stringify(tally.queueLength()));";
  const { said, rows } = await track(t, only("repository", "tallymark/people"), more);
  assert.equal(said, 0);
  const groups = { $groups: { company: "acme" } };
  assert.deepEqual(rows, [
    ["$identify", "", "", 1, "7", { plan: "pro", $set: { plan: "pro" } }],
    ["invoice paid", "", "", 1, "7", { amount: 12, ...groups }],
    ["Follow", "User", "8", 1, "7", {}],
    ["Download", "Model", "1", 1, "7", {}],
  ]);
});

test("README: a row of a declared table, with curl", async (t) => {
  const receiver = await startReceiver(t);
  const code = only("repository", "my_feature_events&id").replace(
    "https://tally.example.com",
    receiver.origin,
  );
  const env = { ...process.env, ID: uuidV7() };
  const { stdout } = await run("bash", ["-ec", code], { env });
  const { taken, refused } = JSON.parse(stdout);
  assert.deepEqual([taken, refused], [1, []]);
  const [{ feature_id, user_id, action, metadata, id }] = receiver.rows;
  assert.deepEqual([feature_id, user_id, action, metadata, id], [1, 7, "open", "{}", env.ID]);
});

test("README: a row of a declared table, by the tracker's handle", async (t) => {
  const receiver = await startReceiver(t);
  const code = only("repository", "tally.table(").replace(
    "https://tally.example.com",
    receiver.origin,
  );
  const more = '\nconsole.log(JSON.stringify(await tally.table("my_feature_events").flush()));';
  writeFileSync(join(home, "example.mjs"), code + more);
  const said = await runNode(home, ["example.mjs"]);
  assert.deepEqual(said, { ok: true, delivered: 1, dropped: 0 });
  const [{ feature_id, user_id, action }, ...others] = receiver.rows;
  assert.deepEqual([feature_id, user_id, action, others], [1, 7, "open", []]);
});

test("the package's README: a page", async (t) => {
  const code = only("package", '"like", { entityType: "post", entityId: "42", userId: "7"');
  const more = "\nawait tally.flush();\nconsole.log(JSON.stringify({ views, likes }));";
  const { said, rows } = await track(t, code, more);
  assert.deepEqual(said, { views: 3, likes: 1 });
  assert.deepEqual(rows, [
    ["view", "post", "42", 1, "", {}],
    ["like", "post", "42", 1, "7", { from: "feed" }],
  ]);
});

test("the package's README: a worker", async (t) => {
  const code = only("package", "waitUntil").replace("export default", "const worker =");
  const more = `
const waiting = [];
const env = { TALLY_KEY: "sk_readme" };
const ctx = { waitUntil: (promise) => waiting.push(promise) };
const response = await worker.fetch(new Request("http://x/"), env, ctx);
console.log(JSON.stringify([await response.text(), await Promise.all(waiting)]));`;
  const { said, rows, requests } = await track(t, code, more);
  assert.deepEqual(said, ["here it is", [{ ok: true, delivered: 1, dropped: 0 }]]);
  assert.deepEqual(rows, [["download", "Model", "42", 1, "", {}]]);
  assert.equal(new URL(requests[0].url, "http://x").searchParams.get("k"), "sk_readme");
});

test("the package's README: Node", async (t) => {
  const more = "\nconsole.log(JSON.stringify({ ok, delivered }));";
  const { said, rows } = await track(t, only("package", "shutdown"), more);
  assert.deepEqual(said, { ok: true, delivered: 1 });
  assert.deepEqual(rows, [["job", "mail", "7", 0.2, "", {}]]);
});

test("the package's README: your tests", async () => {
  writeFileSync(join(home, "example.test.mjs"), only("package", "makeKit"));
  // A run of its own, not a part of this one.
  const env = { ...process.env, NODE_TEST_CONTEXT: undefined };
  const args = ["--test", "--test-reporter=tap", "example.test.mjs"];
  const { stdout } = await run(process.execPath, args, { cwd: home, env });
  assert.match(stdout, /^# pass 1$/m);
  assert.match(stdout, /^# fail 0$/m);
});

test("the package's README: a script tag", async (t) => {
  const receiver = await startReceiver(t);
  const { origin } = await listen(t, async (incoming, outgoing) => {
    const { pathname } = new URL(incoming.url, "http://site");
    const name = pathname.replace("/tallymark/", "");
    if (pathname.startsWith("/tallymark/")) {
      const type = name.endsWith(".wasm") ? "application/wasm" : "text/javascript";
      outgoing.setHeader("content-type", type);
      return void outgoing.end(await readFile(join(installed, name)));
    }
    if (pathname === "/") {
      outgoing.setHeader("content-type", "text/html");
      const html = only("package", "<script").replace("https://tally.example.com", origin);
      return void outgoing.end(html);
    }
    const chunks = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const answer = await fetch(receiver.origin + incoming.url, {
      method: incoming.method,
      body: Buffer.concat(chunks),
    });
    outgoing.writeHead(answer.status).end(await answer.text());
  });
  const browser = await launchChromium(t);
  const page = await browser.newPage();
  await page.goto(origin);
  const flushed = await page.evaluate(() => window.tally.flush());
  assert.deepEqual(flushed, { ok: true, delivered: 1, dropped: 0 });
  const kept = receiver.rows.map(({ name, entity_id }) => [name, entity_id]);
  assert.deepEqual(kept, [["view", "42"]]);
});
