// Two ClickHouse servers, each a shard, with `Distributed` tables in front: every batch exactly once
// over both, whatever is lost or killed, and every query answers as it does on one server.
//
// Embedded servers have neither replicas nor ON CLUSTER: these are tested as text
// (worker/src/migrate/cluster.rs).

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { batchUrl, eventBlock, uuidV7 } from "./blocks.mjs";
import {
  counted,
  everywhere,
  loseAnswer,
  pass,
  post,
  settled,
  shard,
  startStack,
} from "./harness.mjs";
import { rollupsAgree } from "./rollups.mjs";

const TABLES = JSON.stringify([
  {
    name: "visits",
    order_by: ["room"],
    columns: [
      { name: "room", type: "String" },
      { name: "batch_id", type: "UUID", by: "edge" },
      { name: "received_at", type: "DateTime64(3)", by: "edge" },
    ],
  },
  { name: "notes", order_by: ["room"], columns: [{ name: "room", type: "String" }] },
]);
const options = (sink, more) => ({
  behindProxy: true,
  respawn: true,
  sites: [{ site: "open", key: "pk_open", origins: ["*"] }],
  vars: { SINK: sink, TABLES, GROUP_WINDOW_MS: "1000", UPSTREAM_TIMEOUT_MS: "5000" },
  ...more,
});
const stacks = {
  direct: await startStack({ after }, options("direct", { shards: 2 })),
  group: await startStack({ after }, options("group", { shards: 2 })),
};
for (const { proxy } of Object.values(stacks)) proxy.only = ({ url }) => url.includes("INSERT");

/** Which shard a batch of this id belongs to, by the table's own word. */
async function shardOf(stack, id) {
  const [{ at }] = await stack.rows("SELECT cityHash64(toUUID({id:String})) % 2 AS at", {
    params: { id },
  });
  return at;
}

/** As many ids that belong to the first shard as to the second. */
async function idsOfBoth(stack, each) {
  const ids = [[], []];
  while (ids.some((some) => some.length < each)) {
    const id = uuidV7();
    const some = ids[await shardOf(stack, id)];
    if (some.length < each) some.push(id);
  }
  return ids.flat();
}

const rowsOfEach = (stack, entity_id, table = "events_local") =>
  Promise.all(
    [0, 1].map(async (at) => {
      const sql = `SELECT count() AS n FROM ${table} WHERE entity_id = {entity_id:String}`;
      return (await shard(stack, at).rows(sql, { params: { entity_id } }))[0].n;
    }),
  );

/** Sends a batch until it is taken, as the tracker does. */
async function deliver(stack, id, entity_id, rows = 3) {
  const url = batchUrl(stack.site, { id });
  const body = eventBlock(Array.from({ length: rows }, () => ({ entity_id })));
  for (let tries = 0; tries < 100; tries++) {
    const { status } = await post(url, body);
    if (status === 202) return;
    assert.equal(status, 503);
  }
  assert.fail("never taken");
}

const all = (stack, ids, entity_id) => Promise.all(ids.map((id) => deliver(stack, id, entity_id)));

/** Kills a shard, and the promise of when it is there again. */
function kill(stack, at) {
  const again = stack.again();
  process.kill(stack.shards[at].pid, "SIGKILL");
  return again;
}

/** Waits for a request from this one on that the server did not take. */
async function failure({ requests, seen, idle }, from) {
  for (let at = from; ; at++) {
    await seen(at + 1);
    await idle();
    if (requests[at].status !== 200) return;
  }
}

const tokenOf = ({ url }) =>
  new URL(url, "http://proxy").searchParams.get("insert_deduplication_token");

for (const [sink, stack] of Object.entries(stacks)) {
  const { proxy } = stack;

  describe(`two shards, sink ${sink}`, () => {
    test("D13 a batch is on the shard that its id says, whole", async () => {
      const ids = await idsOfBoth(stack, 4);
      await all(stack, ids, "placed");
      await settled(stack);
      assert.deepEqual(await rowsOfEach(stack, "placed"), [12, 12]);
      assert.deepEqual(await counted(stack, "placed"), everywhere(24));
      for (const at of [0, 1]) {
        const rows = await shard(stack, at).rows(
          "SELECT toString(batch_id) AS id, count() AS n FROM events_local" +
            " WHERE entity_id = 'placed' GROUP BY id",
        );
        for (const { id, n } of rows) assert.deepEqual([n, await shardOf(stack, id)], [3, at]);
      }
    });

    test("D13 twins, and answers that are lost, count once", async () => {
      const ids = await idsOfBoth(stack, 5);
      let sent = 0;
      proxy.always((request, forward) => (sent++ % 3 ? pass : loseAnswer)(request, forward));
      await Promise.all([all(stack, ids, "twins"), all(stack, ids, "twins")]);
      await all(stack, ids, "twins");
      await settled(stack);
      proxy.always(pass);
      assert.deepEqual(await rowsOfEach(stack, "twins"), [15, 15]);
      assert.deepEqual(await counted(stack, "twins"), everywhere(30));
    });

    test("D13 a retry by another server of the cluster counts once", async () => {
      const ids = await idsOfBoth(stack, 3);
      const tries = new Map();
      proxy.always(async (request, forward) => {
        const answer = await forward();
        const token = tokenOf(request);
        tries.set(token, (tries.get(token) ?? 0) + 1);
        proxy.target = stack.shards[tries.get(token) % 2].clickhouse;
        return tries.get(token) > 2 ? answer : null;
      });
      await all(stack, ids, "other way");
      await settled(stack);
      proxy.always(pass);
      proxy.target = stack.clickhouse;
      assert.deepEqual(await counted(stack, "other way"), everywhere(18));
    });

    for (const [which, at] of [
      ["the server that the worker asks", 0],
      ["the other server", 1],
    ]) {
      test(`D13 ${which} is killed behind an insert, and before one`, async () => {
        const entity = `killed ${at}`;
        const [one, ...ids] = await idsOfBoth(stack, 4);
        proxy.next(async (request, forward) => {
          await forward();
          await kill(stack, at);
          return null;
        });
        await deliver(stack, one, entity);
        await all(stack, ids, entity);
        await settled(stack);
        assert.deepEqual(await counted(stack, entity), everywhere(24));

        // An insert that both of them are needed for.
        const last = (await idsOfBoth(stack, 1))[1];
        const before = proxy.requests.length;
        let killed;
        proxy.next((request, forward) => {
          killed = kill(stack, at);
          return forward();
        });
        await deliver(stack, last, entity);
        await settled(stack);
        await killed;
        assert.notEqual(proxy.requests[before].status, 200);
        assert.deepEqual(await counted(stack, entity), everywhere(27));
      });
    }

    test("D13 a view that fails on one shard is made good by a retry", async () => {
      const other = shard(stack, 1);
      await other.query(
        "CREATE MATERIALIZED VIEW failing ENGINE = Null AS" +
          " SELECT throwIf(entity_id = 'view') FROM events_local",
      );
      const before = proxy.requests.length;
      const [, mended] = await Promise.all([
        all(stack, await idsOfBoth(stack, 1), "view"),
        failure(proxy, before).then(() => other.query("DROP TABLE failing SYNC")),
      ]);
      assert.equal(mended, "");
      await settled(stack);
      assert.deepEqual(await rowsOfEach(stack, "view"), [3, 3]);
      assert.deepEqual(await counted(stack, "view"), everywhere(6));
    });

    test("D13 rows of declared tables count once, with and without a batch's id", async () => {
      for (const table of ["visits", "notes"]) {
        const send = async (id) => {
          const url = new URL(`/v1/events?k=pk_open&t=${table}&id=${id}`, stack.site);
          assert.equal((await post(url, '[{"room": "a"}, {"room": "b"}]')).status, 202);
        };
        const ids = await idsOfBoth(stack, 3);
        await Promise.all([...ids, ...ids].map(send));
        await Promise.all(ids.map(send));
      }
      await settled(stack);
      const count = async (table, at) =>
        (await shard(stack, at).rows(`SELECT count() AS n FROM ${table}`))[0].n;
      const counts = (table) => Promise.all([0, 1].map((at) => count(table, at)));
      assert.deepEqual(await counts("visits"), [12, 12]);
      assert.deepEqual(await counts("visits_local"), [6, 6]);
      assert.deepEqual(await counts("notes"), [12, 12]);
      // Nothing in its rows is the same at every try, so that all of them are on one.
      assert.deepEqual(await counts("notes_local"), [12, 0]);
    });

    test("D13 every rollup over both shards is what events make of it", async () => {
      const { entity_totals } = await rollupsAgree(stack);
      assert.ok(entity_totals > 5, `${entity_totals} rows`);
    });
  });
}

test("D13 an old batch is looked for on all shards", async () => {
  const stack = stacks.direct;
  for (const at of [0, 1]) {
    const old = () => uuidV7(Date.now() - 120_000);
    let id = old();
    while ((await shardOf(stack, id)) !== at) id = old();
    const send = () => post(batchUrl(stack.site, { id }), eventBlock([{ entity_id: "old" }]));
    const known = [await send(), await send()].map(({ status, body }) => [status, body.known]);
    assert.deepEqual(known, [
      [202, false],
      [202, true],
    ]);
  }
  assert.deepEqual(await counted(stack, "old"), everywhere(2));
});
