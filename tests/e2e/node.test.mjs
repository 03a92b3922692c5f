// The package in Node, which the page's tests do not see, through the real worker and straight into
// the real ClickHouse.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, test } from "node:test";
import { init } from "../../pkg/node/index.js";
import { loseAnswer, startStack } from "./harness.mjs";

const stack = await startStack(
  { after },
  {
    behindProxy: true,
    sites: [{ site: "served", key: "sk_served", kind: "server" }],
    // What is accepted is in ClickHouse then: no group in between.
    vars: { SINK: "direct", USER_AGENT: "store" },
  },
);

/** Tracks from 1 to `rows`, and flushes until all has gone. */
async function track(options, entityType, rows) {
  const tally = init(options);
  for (let value = 1; value <= rows; value++) tally.track("job", { entityType, value, userId: 7 });
  let flushed = await tally.shutdown();
  while (tally.queueLength()) flushed = await tally.flush();
  const { engine, storage, delivered, dropped } = tally.stats();
  assert.deepEqual(
    { engine, storage, delivered, dropped },
    {
      engine: "wasm",
      storage: "memory",
      delivered: rows,
      dropped: {},
    },
  );
  return flushed;
}

const stored = (entityType) =>
  stack.rows(
    "SELECT site, count() AS events, sum(value) AS total, uniqExact(page_id, seq) AS identities," +
      " any(user_id) AS user, any(bot) AS bot, any(hostname) AS hostname FROM events" +
      " WHERE entity_type = {entityType:String} GROUP BY site",
    { params: { entityType } },
  );

test("U7 from Node with a server's key, counted once although answers are lost, and no bot", async () => {
  stack.proxy.next(loseAnswer, loseAnswer);
  await track({ endpoint: stack.site, key: "sk_served", maxRows: 50 }, "served", 120);
  assert.deepEqual(await stored("served"), [
    {
      site: "served",
      events: 120,
      total: 7_260,
      identities: 120,
      user: "7",
      bot: "",
      hostname: "",
    },
  ]);
});

test("U6 from Node straight to ClickHouse, with a user that may insert", async () => {
  const clickhouse = {
    url: stack.clickhouse,
    database: stack.database,
    user: stack.users.page.user,
    password: stack.users.page.password,
    site: "jobs",
  };
  assert.deepEqual(await track({ clickhouse }, "straight", 10), {
    ok: true,
    delivered: 10,
    dropped: 0,
  });
  assert.deepEqual(await stored("straight"), [
    { site: "jobs", events: 10, total: 55, identities: 10, user: "7", bot: "", hostname: "" },
  ]);
});

test("a process whose receiver is away ends once its trackers are shut down", async () => {
  const script = `
    import { init } from ${JSON.stringify(new URL("../../pkg/node/index.js", import.meta.url))};
    // Nobody listens there.
    const tally = init({ endpoint: "http://127.0.0.1:1", key: "k" });
    tally.track("a");
    tally.table("mine").track({ a: 1 });
    const shutdowns = [tally.shutdown(), tally.table("mine").shutdown()];
    console.log(JSON.stringify(await Promise.all(shutdowns)), tally.queueLength());
  `;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script]);
  const said = [];
  child.stdout.on("data", (chunk) => said.push(chunk));
  const [code] = await once(child, "exit");
  const lost = { ok: false, delivered: 0, dropped: 0 };
  assert.deepEqual([code, `${Buffer.concat(said)}`], [0, `${JSON.stringify([lost, lost])} 1\n`]);
});
