// The types, as TypeScript reads them: what a site may write, and what it may not.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const XTASK = process.env.XTASK ?? join(ROOT, "target/debug/xtask");
const EXAMPLE = join(ROOT, "worker/tables.example.json");
const folder = mkdtempSync(join(tmpdir(), "tallymark-types-"));
after(() => rmSync(folder, { recursive: true }));
mkdirSync(join(folder, "node_modules"));
symlinkSync(join(ROOT, "pkg"), join(folder, "node_modules/tallymark"));
writeFileSync(join(folder, "package.json"), '{"private":true,"type":"module"}');

const TSC = join(ROOT, "node_modules/typescript/bin/tsc");
const FLAGS = "--noEmit --strict --module nodenext --target es2022 --lib es2022,dom".split(" ");

/** What TypeScript says of the script; nothing if it is right. */
function said(script) {
  writeFileSync(join(folder, "site.ts"), script);
  const { stdout, status, error } = spawnSync(process.execPath, [TSC, ...FLAGS, "site.ts"], {
    cwd: folder,
    encoding: "utf8",
  });
  if (error) throw error;
  assert.equal(status === 0, stdout === "", stdout);
  return stdout;
}

test("a site that declares nothing may track anything", () => {
  const script = `
    import { init } from "tallymark";
    const tally = init({ endpoint: "https://e.test", key: "k", max_buffer_size: 5 });
    tally.track("anything");
    tally.track("anything", null);
    tally.track("anything", { entityType: "post", entityId: 42n, own: [1], properties: { b: 2 } });
    const views: Promise<number> = tally.posts.getSummary("42").then(({ views }) => views);
  `;
  assert.equal(said(script), "");
});

test("a site's own events and tables are checked by name and property", () => {
  const script = `
    import { init } from "tallymark";
    type Events = { view: {}; read: { words: number } };
    const tally = init<Events, "events" | "mine">({ endpoint: "https://e.test", key: "k", table: "mine" });
    tally.track("view");
    tally.track("view", { entityId: 5 });
    tally.track("read", { words: 3, entityType: "post" });
    tally.track("read", { properties: { words: 3 } });
    // @ts-expect-error its property is missing
    tally.track("read");
    // @ts-expect-error its property is a number
    tally.track("read", { words: "3" });
    // @ts-expect-error no event of this site
    tally.track("nothing");
    // @ts-expect-error no table of this site
    init<Events, "events">({ endpoint: "https://e.test", key: "k", table: "mine" });
  `;
  assert.equal(said(script), "");
});

test("people's options and functions are those of tallymark/people alone", () => {
  const script = `
    import { init as plain } from "tallymark";
    import { init, type People } from "tallymark/people";
    const tally: People = init({
      endpoint: "https://e.test",
      key: "k",
      consent: "pending",
      gpc: "deny",
      visitor: true,
      sample: 0.5,
      groupTypeIndex: { company: 0 },
    });
    tally.capture("7", "paid", { amount: 5 }, { company: "acme" });
    const metric: Promise<{ ok: boolean }> = tally.entityMetric({
      entityType: "Model",
      entityId: 1,
      metricType: "Download",
    });
    const followers: Promise<number | undefined> = tally.users
      .getUserMetrics([7])
      .then((metrics) => metrics.get(7)?.follower_count);
    // @ts-expect-error an option of people
    plain({ endpoint: "https://e.test", key: "k", visitor: true });
    // @ts-expect-error no state
    init({ endpoint: "https://e.test", key: "k", consent: "maybe" });
    // @ts-expect-error nobody can be told to wait again
    tally.consent("pending");
    // @ts-expect-error asked for by number, kept by number
    tally.users.getUserMetrics([7]).then((metrics) => metrics.get("7"));
  `;
  assert.equal(said(script), "");
});

test("rows of a table have the columns that its declaration has", () => {
  const script = `
    import { init } from "tallymark";
    import { init as people } from "tallymark/people";
    ${execFileSync(XTASK, ["tables", "--types", EXAMPLE], { encoding: "utf8" })}
    const options = { endpoint: "https://e.test", key: "k" };
    const tally = init<{}, "events", Tables>(options);
    tally.table("my_feature_events").track({ feature_id: 1, user_id: 7, action: "open" });
    people<{}, "events", Tables>(options).table("my_feature_events").flush();
    init(options).table("anything").track({ any: 1 });
    // @ts-expect-error a column is missing
    tally.table("my_feature_events").track({ feature_id: 1 });
    // @ts-expect-error a column is a number
    tally.table("my_feature_events").track({ feature_id: "1", user_id: 7, action: "open" });
    // @ts-expect-error no table of this site
    tally.table("nothing");
  `;
  assert.equal(said(script), "");
});

test("what is wrong is said", () => {
  assert.match(said('import { init } from "tallymark"; init({ maxRows: "5" });'), /TS2322/);
});
