// The package in what people build pages with, each from the tarball in a folder of its own: built
// and run in Chromium, under a strict CSP with 'wasm-unsafe-eval' and without it.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { build as esbuild } from "esbuild";
import { build as vite, createServer } from "vite";
import webpack from "webpack";
import { launchChromium, serveOrigin } from "../e2e/harness.mjs";
import { consume, pack, runNode } from "./packed.mjs";
import { startReceiver } from "./receiver.mjs";

const scope = { after };
const tarball = pack(scope);
const receiver = await startReceiver(scope);
const browser = await launchChromium(scope);

/** What a page does with the package: two events, one flush, one query. */
const using = (from) => `
import { init } from "${from}";
const { dataset } = document.documentElement;
const tally = init({ endpoint: dataset.endpoint, key: dataset.key });
const entityType = location.pathname + dataset.key;
tally.track("view", { entityType, entityId: "42" });
tally.track("read", { entityType, entityId: "42", value: 0.5 });
window.told = (async () => {
  const flushed = await tally.flush();
  const { engine } = tally.stats();
  return { flushed, engine, summary: await tally.posts.getSummary("42") };
})();
`;

const html = (key, script) =>
  `<!doctype html><html data-endpoint="${receiver.origin}" data-key="${key}"><title>x</title>` +
  `<link rel="icon" href="data:,">${script}</html>`;

const policy = (scripts) =>
  [
    "default-src 'none'",
    "img-src data:",
    `script-src 'self'${scripts}`,
    `connect-src 'self' ${receiver.origin}`,
  ].join("; ");

/** Opens a page of an origin under a CSP; what it tells, and what the console says that is wrong. */
async function open(folder, path, pages, scripts) {
  const stops = [];
  const headers = { "content-security-policy": policy(scripts) };
  const { origin } = await serveOrigin(
    { after: (stop) => stops.push(stop) },
    { folder, pages, headers },
  );
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    const wrong = [];
    page.on("console", (message) => message.type() === "error" && wrong.push(message.text()));
    page.on("pageerror", (error) => wrong.push(error.message));
    await page.goto(origin + path);
    return { ...(await page.evaluate(() => window.told)), wrong };
  } finally {
    await context.close();
    for (const stop of stops) stop();
  }
}

/** The tests of a consumer whose built files are in `folder()`, loaded by `script()`. */
function runs(name, folder, script) {
  for (const [engine, scripts] of [
    ["wasm", " 'wasm-unsafe-eval'"],
    ["fallback", ""],
  ]) {
    test(`U9 ${name}: tracks by the ${engine}, counts once, and asks`, async () => {
      const [key, path] = [`pk_${engine}`, `/${name.replaceAll(" ", "-")}`];
      const told = await open(folder(), path, { [path]: html(key, script()) }, scripts);
      assert.deepEqual(told, {
        flushed: { ok: true, delivered: 2, dropped: 0 },
        engine,
        summary: { views: 3, likes: 1 },
        wrong: engine === "wasm" ? [] : told.wrong,
      });
      for (const text of told.wrong) assert.match(text, /WebAssembly|wasm-unsafe-eval/);
      const kept = receiver
        .of(path + key)
        .map(({ name, entity_id, value }) => [name, entity_id, value]);
      assert.deepEqual(kept, [
        ["view", "42", 1],
        ["read", "42", 0.5],
      ]);
    });
  }

  test(`${name}: has what cuts a batch in two`, async () => {
    const path = `/${name.replaceAll(" ", "-")}`;
    receiver.requests.length = 0;
    const pages = { [path]: html("pk_small", script()) };
    const told = await open(folder(), path, pages, " 'wasm-unsafe-eval'");
    assert.deepEqual(told.flushed, { ok: true, delivered: 2, dropped: 0 });
    const sent = receiver.requests.filter(({ url }) => url.startsWith("/v1/batch"));
    assert.equal(sent.length, 3);
    assert.deepEqual(
      receiver.of(`${path}pk_small`).map(({ name }) => name),
      ["view", "read"],
    );
  });
}

describe("Vite", () => {
  let home;
  before(async () => {
    home = consume(tarball, "vite", {
      "app.js": using("tallymark"),
      "index.html": '<!doctype html><script type="module" src="/app.js"></script>',
    });
    await vite({
      root: home,
      logLevel: "error",
      build: { rollupOptions: { output: { entryFileNames: "app.js" } } },
    });
  });
  runs(
    "Vite",
    () => join(home, "dist"),
    () => '<script type="module" src="/app.js"></script>',
  );

  test("its development server serves the engine, too", async () => {
    const port = Number(new URL(receiver.origin).port) + 1;
    const server = await createServer({
      root: home,
      logLevel: "error",
      server: { port, host: "127.0.0.1", ws: false, hmr: false, watch: null },
    });
    await server.listen();
    const context = await browser.newContext();
    try {
      writeFileSync(
        join(home, "index.html"),
        html("pk_development", '<script type="module" src="/app.js"></script>'),
      );
      const page = await context.newPage();
      await page.goto(server.resolvedUrls.local[0]);
      const { flushed, engine } = await page.evaluate(() => window.told);
      assert.deepEqual([flushed.ok, engine], [true, "wasm"]);
    } finally {
      await context.close();
      await server.close();
    }
  });

  for (const inside of [false, true]) {
    test(`renders on a server with the package ${inside ? "inside" : "beside"} the bundle`, async () => {
      writeFileSync(
        join(home, "server.js"),
        `import { init } from "tallymark";
         const render = () => "<p>" + typeof init + "</p>";
         console.log(JSON.stringify(render()));`,
      );
      const outDir = inside ? "inside" : "beside";
      await vite({
        root: home,
        logLevel: "error",
        ssr: { noExternal: inside || undefined },
        build: { ssr: "server.js", outDir },
      });
      const bundle = readFileSync(join(home, outDir, "server.js"), "utf8");
      assert.equal(/from\s*"tallymark"/.test(bundle), !inside);
      // It ends by itself: nothing was started.
      assert.equal(await runNode(home, [join(outDir, "server.js")]), "<p>function</p>");
    });
  }
});

describe("webpack", () => {
  let home;
  before(async () => {
    home = consume(tarball, "webpack", { "app.js": using("tallymark") });
    const compiler = webpack({
      mode: "production",
      context: home,
      entry: "./app.js",
      output: { path: join(home, "dist"), filename: "app.js" },
    });
    const stats = await new Promise((resolve, reject) =>
      compiler.run((error, stats) => (error ? reject(error) : resolve(stats))),
    );
    const { errors, warnings } = stats.toJson({ all: false, errors: true, warnings: true });
    assert.deepEqual([errors, warnings], [[], []]);
    await new Promise((resolve) => compiler.close(resolve));
  });
  runs(
    "webpack",
    () => join(home, "dist"),
    () => '<script defer src="/app.js"></script>',
  );
});

describe("esbuild", () => {
  let home;
  before(async () => {
    home = consume(tarball, "esbuild", { "app.js": using("tallymark/inline") });
    await esbuild({
      absWorkingDir: home,
      entryPoints: ["app.js"],
      bundle: true,
      minify: true,
      outdir: "dist",
      logLevel: "error",
    });
  });
  runs(
    "esbuild",
    () => join(home, "dist"),
    () => '<script defer src="/app.js"></script>',
  );
});

describe("a script tag", () => {
  let home;
  before(() => {
    home = consume(tarball, "script", {
      "app.js": using("./node_modules/tallymark/index.js"),
    });
  });
  runs(
    "a script tag",
    () => home,
    () => '<script type="module" src="/app.js"></script>',
  );
});
