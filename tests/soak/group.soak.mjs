// The group-maker under load and faults: nothing missing, nothing doubled; and the same with one
// rule broken, to show that it would be seen. `cargo xtask soak`.
//
// Faults: 10 % of acknowledgements dropped and the batch resent, 3 % sent twice at once, 5 % of
// ClickHouse's answers lost, workerd killed six times and ClickHouse twice, one poisoned batch. Then
// ClickHouse away, a kill that nobody notices, and a full disk.

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loseAnswer, pass, refuse, settled, startStack } from "../e2e/harness.mjs";
import { batchUrl } from "../e2e/blocks.mjs";
import { rollupsSay } from "../e2e/rollups.mjs";
import { Load, ROWS, compare, poison, sleep } from "./load.mjs";

const BATCHES = Number(process.env.SOAK_BATCHES ?? 20_000);
const RATE = Number(process.env.SOAK_RATE ?? 250);
const AWAY_S = Number(process.env.SOAK_AWAY_S ?? 60);
const WARM_S = 40;
const SHARDS = 2;
const SITES = [{ site: "open", key: "pk_open", origins: ["*"] }];

let failed = false;
/** Until this is settled nothing is killed. */
let calm = Promise.resolve();

await faults();
await away();
await unattended();
await diskFull();
await control();
process.exit(failed ? 1 : 0);

/** Runs with a stack of its own, and stops it. */
async function withStack(name, options, run) {
  const cleanups = [];
  const scope = { after: (fn) => cleanups.unshift(fn) };
  try {
    const stack = await startStack(scope, {
      behindProxy: true,
      respawn: true,
      sites: SITES,
      ...options,
      vars: { GROUP_SHARDS: String(SHARDS), ...options.vars },
    });
    stack.proxy.only = ({ url }) => url.includes("INSERT");
    await run(stack);
  } finally {
    for (const cleanup of cleanups) await cleanup();
  }
}

function check(what, is) {
  console.log(`${is ? "ok    " : "FAILED"} ${what}`);
  if (!is) failed = true;
}

/** Every one of them computed once more from the events. */
async function checkRollups(stack) {
  const said = await rollupsSay(stack);
  check(`rollups: ${said}`, said === "all agree");
}

/** What the process has of its own, in MB; pages of files are the system's to take. */
function memoryMb(pid) {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/RssAnon:\s+(\d+)/.exec(status)[1]) / 1024;
}

/** Sends a poisoned batch, and waits until ClickHouse has refused it. */
async function poisonAlone(stack, stopLosing) {
  stopLosing();
  // Whatever was tried before has been answered by then.
  await sleep(3000);
  const answer = await fetch(batchUrl(stack.site), { method: "POST", body: poison() });
  check(`the poisoned batch is acknowledged: ${answer.status}`, answer.status === 202);
  for (;;) {
    const { groups } = await (await fetch(new URL("/v1/health", stack.site))).json();
    if (groups.some((shard) => shard.set_aside.length > 0)) return;
    await sleep(50);
  }
}

/** Kills what is named, one after another, at these shares of the batches. */
async function kill(stack, load, plan) {
  for (const [share, what] of plan) {
    while (load.sent < share * BATCHES) await sleep(50);
    await calm;
    process.kill(stack.pids[what], "SIGKILL");
    await stack.again();
    console.log(`  ${what} killed after ${load.sent} batches`);
  }
}

async function faults() {
  console.log(`\n${BATCHES} batches of ${ROWS} rows under faults, ${SHARDS} shards`);
  await withStack("faults", {}, async (stack) => {
    const load = new Load(stack.site);
    let losing = true;
    stack.proxy.always((request, forward) =>
      losing && Math.random() < 0.05 ? loseAnswer(request, forward) : forward(),
    );
    const kills = kill(stack, load, [
      [0.08, "workerd"],
      [0.18, "workerd"],
      [0.25, "clickhouse"],
      [0.32, "workerd"],
      [0.6, "workerd"],
      [0.68, "workerd"],
      [0.75, "clickhouse"],
      [0.85, "workerd"],
    ]);
    // In calm weather, so that the group it is in may be split: a try that may have stored it
    // would keep the others of its group aside too.
    const poisoned = (async () => {
      while (load.sent < 0.45 * BATCHES) await sleep(50);
      calm = poisonAlone(stack, () => (losing = false));
      await calm;
      losing = true;
    })();
    const seconds = await load.run(BATCHES, RATE);
    await Promise.all([kills, poisoned]);
    losing = false;
    const groups = await settled(stack);

    const found = await compare(stack, load);
    console.log(" ", JSON.stringify(found));
    console.log(
      `  ${seconds.toFixed(0)} s, ${load.tries} tries, ${load.known} known, ${load.busy} busy, ` +
        `${load.failed} without an answer; acknowledged p50 ${load.percentile(0.5)} ms, ` +
        `p99 ${load.percentile(0.99)} ms; ${stack.proxy.requests.length} inserts tried`,
    );
    const { expected } = found;
    for (const table of ["events", "entity_totals", "entity_hours"]) {
      check(`${table}: ${found[table]} of ${expected} rows`, found[table] === expected);
    }
    check(`batches: ${found.batches} of ${BATCHES}`, found.batches === BATCHES);
    check(`counts that differ: ${found.wrong}`, found.wrong === 0);
    await checkRollups(stack);
    const aside = groups.flatMap((shard) => shard.set_aside);
    check(
      `set aside: ${aside.length} group of ${aside[0]?.batches} batch, code ${aside[0]?.code}`,
      aside.length === 1 && aside[0].batches === 1,
    );

    // Every one is remembered, whatever was killed.
    const late = new Load(stack.site);
    for (const id of load.ids.filter((_, at) => at % 40 === 0)) {
      await late.until(id, load.templates[0].block);
    }
    await settled(stack);
    const after = await compare(stack, load);
    check(`sent once more: ${late.known} of ${late.tries} known`, late.known === late.tries);
    check("and nothing was added", JSON.stringify(after) === JSON.stringify(found));
  });
}

/** ClickHouse is away for a while under load, then back. */
async function away() {
  const rate = 150;
  console.log(`\nClickHouse away for ${AWAY_S} s at ${rate} batches/s`);
  await withStack("away", {}, async (stack) => {
    const load = new Load(stack.site, { dropped: 0.02, twice: 0.01 });
    // Until the runtime's heap has grown to what such a load needs anyway.
    await load.run(rate * WARM_S, rate);
    const before = memoryMb(stack.pids.workerd);
    stack.proxy.always(refuse);
    await load.run(rate * AWAY_S, rate);
    const during = memoryMb(stack.pids.workerd);
    const status = await (await fetch(new URL("/v1/health", stack.site))).json();
    const sum = (name) => status.groups.reduce((total, shard) => total + shard[name], 0);
    console.log(
      `  waiting: ${sum("groups")} groups, ${sum("batches")} batches, ` +
        `${(sum("bytes") / 1e6).toFixed(1)} MB; ${load.busy} busy answers`,
    );
    stack.proxy.always(pass);
    const back = performance.now();
    await settled(stack);
    const drained = (performance.now() - back) / 1000;
    const after = memoryMb(stack.pids.workerd);
    const found = await compare(stack, load);
    console.log(" ", JSON.stringify(found));
    console.log(
      `  workerd: ${before.toFixed(0)} MB before, ${during.toFixed(0)} MB after ${AWAY_S} s, ` +
        `${after.toFixed(0)} MB once back; the backlog was gone after ${drained.toFixed(1)} s; ` +
        `acknowledged p50 ${load.percentile(0.5)} ms, p99 ${load.percentile(0.99)} ms`,
    );
    check(`nothing lost, nothing doubled: ${found.wrong} differ`, found.wrong === 0);
    await checkRollups(stack);
    check(`memory is bounded: +${(during - before).toFixed(0)} MB`, during - before < 40);
    check(`the backlog is gone in ${drained.toFixed(1)} s`, drained < 60);
  });
}

/** After a kill nobody calls: the alarm alone brings the shards back. */
async function unattended() {
  console.log("\nworkerd killed with groups that wait, and nobody calls it");
  await withStack("unattended", {}, async (stack) => {
    const load = new Load(stack.site, { dropped: 0, twice: 0 });
    stack.proxy.always(refuse);
    await load.run(100, 100);
    process.kill(stack.pids.workerd, "SIGKILL");
    await stack.again();
    stack.proxy.always(pass);
    const back = performance.now();
    let found;
    do {
      await sleep(500);
      found = await compare(stack, load);
    } while (found.wrong > 0 && performance.now() - back < 60_000);
    const seconds = ((performance.now() - back) / 1000).toFixed(1);
    check(`all ${found.events} rows are there after ${seconds} s`, found.wrong === 0);
  });
}

/** The disk of the group-maker is full for a while: a small one of its own, which needs root. */
async function diskFull() {
  console.log("\nthe disk full for 5 s under load");
  const dataDir = mkdtempSync(join(tmpdir(), "tallymark-soak-"));
  const disk = join(dataDir, "groups");
  mkdirSync(disk);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=12m", "tmpfs", disk], { stdio: "ignore" });
  } catch {
    rmSync(dataDir, { recursive: true });
    return console.log("  left out: this user may not mount a disk");
  }
  try {
    await withStack("full", { dataDir }, async (stack) => {
      const load = new Load(stack.site);
      const running = load.run(150 * 16, 150);
      await sleep(3000);
      const filler = join(disk, "filler");
      try {
        writeFileSync(filler, Buffer.alloc(16_000_000));
      } catch {
        // As much as there was room for.
      }
      await sleep(5000);
      const { busy } = load;
      rmSync(filler);
      await running;
      await settled(stack);
      const found = await compare(stack, load);
      console.log(" ", JSON.stringify(found));
      check(`batches were busy meanwhile: ${busy} answers`, busy > 0);
      check(`nothing lost, nothing doubled: ${found.wrong} differ`, found.wrong === 0);
      await checkRollups(stack);
    });
  } finally {
    execFileSync("umount", [disk]);
    rmSync(dataDir, { recursive: true });
  }
}

/** The same faults with a fresh token at every try: rows are doubled, and it is seen. */
async function control() {
  const batches = Math.min(BATCHES, 3000);
  console.log(`\ncontrol: ${batches} batches, a fresh token at every try`);
  await withStack("control", {}, async (stack) => {
    const load = new Load(stack.site);
    stack.proxy.always(async (request, forward) => {
      request.url = request.url.replace(
        /insert_deduplication_token=[^&]+/,
        `insert_deduplication_token=${crypto.randomUUID()}`,
      );
      const answer = await forward();
      return Math.random() < 0.2 ? null : answer;
    });
    await load.run(batches, RATE);
    stack.proxy.always(pass);
    await settled(stack);
    const found = await compare(stack, load);
    console.log(" ", JSON.stringify(found));
    check(
      `more rows than were sent: ${found.events} for ${found.expected}`,
      found.events > found.expected,
    );
  });
}
