// What the package says of itself: its exports as publint and attw read them, its types as
// TypeScript does.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { consume, pack } from "./packed.mjs";

const tarball = pack({ after });
const BIN = fileURLToPath(new URL("../../node_modules/.bin/", import.meta.url));
const run = promisify(execFile);

/** Runs a tool of ours; both what it prints and whether it was content. */
async function tool(name, args, cwd = tarball.folder) {
  try {
    const { stdout } = await run(join(BIN, name), args, { cwd });
    return { ok: true, said: stdout };
  } catch ({ stdout, stderr }) {
    return { ok: false, said: stdout + stderr };
  }
}

test("publint finds nothing", async () => {
  const { ok, said } = await tool("publint", ["--strict", tarball.tarball]);
  assert.ok(ok, said);
  assert.match(said, /All good!/);
});

test("attw finds that types and scripts agree, for ES modules", async () => {
  // There is no CommonJS build, and resolution of before 2020 knows no `exports`.
  const { ok, said } = await tool("attw", [
    tarball.tarball,
    "--profile",
    "esm-only",
    "--format",
    "ascii",
    "--no-emoji",
  ]);
  assert.ok(ok, said);
  assert.equal(said.match(/node16 \(from ESM\): OK/g)?.length, 6, said);
  assert.equal(said.match(/bundler: OK/g)?.length, 6, said);
});

const RIGHT = `/// <reference types="tallymark/snippet.js" />
import { init, type Stats, type Tally } from "tallymark";
import { init as inline } from "tallymark/inline";
import { answer, lostAnswer, makeKit, makeReceiver, type Behaviour } from "tallymark/test";
const fromSnippet: Tally = tally;
const mine: Tally = init({ endpoint: "https://a.example", key: "k", maxRows: 5 });
const theirs: Tally = inline({ clickhouse: { url: "https://c.example" } });
const views: Promise<number> = mine.posts.getSummary("1").then(({ views }) => views);
const stats: Stats = theirs.stats();
const hours: Promise<string[]> = mine
  .query("hourly_views", { id: "1", hours: 5 })
  .then(({ data }) => data.map(({ hour }) => hour));
const kit = makeKit({ queries: { summary: ({ id }) => [{ id }] } });
const own: Behaviour = () => null;
kit.next(lostAnswer, answer(429, { retryAfter: 7 }), own);
const name: string | undefined = kit.events[0]?.name;
makeReceiver().receive({ method: "POST", url: "/v1/events", body: "[]" }).status satisfies number;
export { fromSnippet, hours, name, stats, views };
`;

/** Each of these lines is an error. */
const WRONG = [
  'init({ endpoint: "https://a.example", key: "k", maxRow: 5 });',
  'init({ endpoint: "https://a.example", key: 5 });',
  'init({}).track("view", { value: "much" });',
  'init({}).query("hourly_views", { id: "1" }).then(({ data }) => data[0]?.views.trim());',
  "makeKit().next(500);",
  'makeKit({ now: "today" });',
];

for (const [resolution, module] of [
  ["bundler", "esnext"],
  ["nodenext", "nodenext"],
]) {
  test(`types hold what they say, resolved as ${resolution}`, async () => {
    const options = {
      strict: true,
      noEmit: true,
      skipLibCheck: false,
      target: "es2022",
      types: [],
    };
    const home = consume(tarball, resolution, {
      "right.ts": RIGHT,
      "wrong.ts": `import { init } from "tallymark"; import { makeKit } from "tallymark/test";\n${WRONG.join("\n")}`,
      "tsconfig.json": JSON.stringify({
        compilerOptions: {
          ...options,
          lib: ["es2023", "dom"],
          module,
          moduleResolution: resolution,
        },
        files: ["right.ts", "wrong.ts"],
      }),
    });
    const { said } = await tool("tsc", ["--project", "."], home);
    const found = [...said.matchAll(/^(\S+)\((\d+),\d+\): error/gm)];
    const places = [...new Set(found.map(([, file, line]) => `${file}:${line}`))];
    assert.deepEqual(
      places,
      WRONG.map((_, at) => `wrong.ts:${at + 2}`),
      said,
    );
  });
}
