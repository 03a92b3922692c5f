// The group-maker in workerd, on disk, before a real ClickHouse behind a proxy: what is acknowledged
// is durable, and counted once, whatever is killed or lost.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { batchUrl, eventBlock, uuidV7 } from "./blocks.mjs";
import {
  answer,
  counted,
  everywhere,
  holdUntil,
  loseAnswer,
  pass,
  post,
  refuse,
  settled,
  startStack,
} from "./harness.mjs";

const ADMIN_KEY = "an-admin-key-of-at-least-thirty-two-characters";

const stack = await startStack(
  { after },
  {
    behindProxy: true,
    respawn: true,
    sites: [{ site: "open", key: "pk_open", origins: ["*"] }],
    vars: {
      ADMIN_KEY,
      // Long enough for what is sent at once to meet in one group on a busy machine.
      GROUP_WINDOW_MS: "1000",
      GROUP_BACKLOG_BYTES: "2000000",
      GROUP_BACKLOG_GROUPS: "3",
    },
  },
);
const { proxy, rows } = stack;
proxy.only = ({ url }) => url.includes("INSERT");

/** Sends a batch of `count` views of the entity. */
const send = (entity_id, { count = 3, properties = "{}", ...parameters } = {}) =>
  post(
    batchUrl(stack.site, parameters),
    eventBlock(Array.from({ length: count }, () => ({ entity_id, properties }))),
  );

const token = ({ url }) =>
  new URL(url, "http://proxy").searchParams.get("insert_deduplication_token");
const health = async () => (await fetch(new URL("/v1/health", stack.site))).json();

/** Kills a process and waits until the stack has started it again. */
async function kill(what) {
  process.kill(stack.pids[what], "SIGKILL");
  await stack.again();
}

describe("a group", () => {
  test("U7 D13 of several batches is one insert, under the group's own id", async () => {
    const before = proxy.requests.length;
    const ids = [uuidV7(), uuidV7(), uuidV7()];
    const answers = await Promise.all(ids.map((id) => send("grouped", { id })));
    for (const { status, body } of answers) {
      assert.deepEqual([status, body.known], [202, false]);
    }
    await settled(stack);
    assert.deepEqual(await counted(stack, "grouped"), everywhere(9));
    const inserts = proxy.requests.slice(before);
    assert.equal(inserts.length, 1);
    assert.ok(!ids.includes(token(inserts[0])));
  });

  test("D13 twins at once share an answer, and a later one is known", async () => {
    const url = batchUrl(stack.site);
    const body = eventBlock([{ entity_id: "twins" }]);
    const answers = await Promise.all([post(url, body), post(url, body)]);
    const known = answers.map((sent) => sent.body.known).sort();
    assert.deepEqual(known, [false, true]);
    await settled(stack);
    assert.deepEqual((await post(url, body)).body.known, true);
    await settled(stack);
    assert.deepEqual(await counted(stack, "twins"), everywhere(1));
  });

  test("D13 takes events as JSON too, once under their id", async () => {
    const before = proxy.requests.length;
    const url = new URL(`/v1/events?k=pk_open&id=${uuidV7()}`, stack.site);
    const json = JSON.stringify([{ name: "view", entity_type: "post", entity_id: "json" }, 7]);
    const answers = await Promise.all([post(url, json), post(url, json), send("json")]);
    for (const { status, body } of answers.slice(0, 2)) {
      assert.deepEqual([status, body.taken, body.refused.length], [202, 1, 1]);
    }
    await settled(stack);
    assert.deepEqual(await counted(stack, "json"), everywhere(4));
    assert.equal(proxy.requests.length, before + 1);
  });

  test("D13 two sites' batches under one id are two", async () => {
    const id = uuidV7();
    const origin = new URL(stack.site).origin;
    const body = eventBlock([{ entity_id: "sites" }]);
    const demo = fetch(batchUrl(stack.site, { id, k: stack.key }), {
      method: "POST",
      body,
      headers: { origin },
    });
    const [one, other] = await Promise.all([send("sites", { id, count: 1 }), demo]);
    assert.deepEqual([one.body.known, (await other.json()).known], [false, false]);
    await settled(stack);
    assert.deepEqual(await counted(stack, "sites"), everywhere(2));
  });

  test("D13 whose insert's answer was lost goes again under its token, with its bytes", async () => {
    const before = proxy.requests.length;
    proxy.next(loseAnswer);
    assert.equal((await send("lost")).status, 202);
    await settled(stack);
    const [first, second] = proxy.requests.slice(before);
    assert.equal(token(first), token(second));
    assert.deepEqual(first.body, second.body);
    assert.deepEqual(await counted(stack, "lost"), everywhere(3));
  });
});

describe("what is acknowledged", () => {
  test("D13 survives a kill of workerd, and is sent first after it, as it was", async () => {
    proxy.always(refuse);
    const before = proxy.requests.length;
    assert.equal((await send("killed")).status, 202);
    const tried = await proxy.seen(before + 1);
    await kill("workerd");
    const url = batchUrl(stack.site);
    const again = proxy.requests.length;
    proxy.always(pass);
    // Any call starts the shard; what it holds goes before what comes.
    await post(url, eventBlock([{ entity_id: "after" }]));
    await settled(stack);
    assert.equal(token(proxy.requests[again]), token(tried));
    assert.deepEqual(proxy.requests[again].body, tried.body);
    assert.deepEqual(await counted(stack, "killed"), everywhere(3));
    assert.deepEqual(await counted(stack, "after"), everywhere(1));
  });

  test("D13 is known after a kill, so a retry is not stored again", async () => {
    const id = uuidV7();
    await send("known", { id });
    await settled(stack);
    await kill("workerd");
    assert.deepEqual((await send("known", { id })).body.known, true);
    await settled(stack);
    assert.deepEqual(await counted(stack, "known"), everywhere(3));
  });

  test("D13 is stored once when ClickHouse is killed between insert and answer", async () => {
    let release;
    const killed = new Promise((resolve) => (release = resolve));
    proxy.next(async (request, forward) => {
      await forward();
      await killed;
      return null;
    });
    const before = proxy.requests.length;
    await send("ch-killed");
    await proxy.seen(before + 1);
    await kill("clickhouse");
    release();
    await settled(stack);
    assert.deepEqual(await counted(stack, "ch-killed"), everywhere(3));
  });
});

describe("what ClickHouse refuses for good", () => {
  test("is split off and set aside; the others of its group are stored", async () => {
    const sent = await Promise.all([
      send("good-1"),
      send("bad", { properties: "{" }),
      send("good-2"),
    ]);
    assert.deepEqual(
      sent.map(({ status }) => status),
      [202, 202, 202],
    );
    const [{ set_aside }] = await settled(stack);
    assert.equal(set_aside.length, 1);
    const [{ group, ...aside }] = set_aside;
    assert.deepEqual(
      { ...aside, bytes: undefined },
      {
        table: "events",
        batches: 1,
        rows: 3,
        bytes: undefined,
        code: "117",
        problem:
          "ClickHouse refuses it with exception code 117 (the data is not what its column holds, JSON that is none for example)",
      },
    );
    assert.deepEqual(await counted(stack, "good-1"), everywhere(3));
    assert.deepEqual(await counted(stack, "good-2"), everywhere(3));
    assert.deepEqual(await counted(stack, "bad"), everywhere(0));
    // It outlives its process.
    await kill("workerd");
    assert.deepEqual((await health()).groups[0].set_aside, set_aside);
  });

  const admin = (path, { method = "GET", key = ADMIN_KEY } = {}) =>
    fetch(new URL(`/v1/admin/groups/${path}`, stack.site), {
      method,
      headers: { authorization: `Bearer ${key}` },
    });

  test("is read, replayed and discarded with the admin key alone", async () => {
    const [{ set_aside }] = (await health()).groups;
    const path = `0/${set_aside[0].group}`;
    const refused = await admin(path, { key: "another key of some length" });
    assert.deepEqual([refused.status, (await refused.json()).code], [401, "bad_key"]);

    const read = await admin(path);
    assert.equal(read.status, 200);
    assert.equal((await read.arrayBuffer()).byteLength, set_aside[0].bytes);

    const before = proxy.requests.length;
    assert.equal((await admin(`${path}/replay`, { method: "POST" })).status, 200);
    const [again] = await settled(stack);
    assert.equal(token(proxy.requests[before]), set_aside[0].group);
    assert.deepEqual(again.set_aside, set_aside, "ClickHouse has not changed its mind");

    assert.equal((await admin(`${path}/discard`, { method: "POST" })).status, 200);
    assert.deepEqual((await health()).groups[0].set_aside, []);
    assert.equal((await admin(path)).status, 404);
  });

  test("D13 is set aside whole when an earlier try may have stored it", async () => {
    proxy.next(refuse);
    await Promise.all([send("mixed"), send("mixed", { properties: "{" })]);
    const [{ set_aside }] = await settled(stack);
    assert.equal(set_aside.length, 1);
    assert.equal(set_aside[0].batches, 2);
    assert.deepEqual(await counted(stack, "mixed"), everywhere(0));
    await admin(`0/${set_aside[0].group}/discard`, { method: "POST" });
  });

  // What an earlier try stored, its answer lost, before ClickHouse refused the same bytes.
  async function storedAndSetAside(entity) {
    proxy.next(loseAnswer, answer(400, "", { "x-clickhouse-exception-code": "117" }));
    await Promise.all([send(entity), send(entity)]);
    const [{ set_aside }] = await settled(stack);
    assert.deepEqual([set_aside.length, set_aside[0].batches], [1, 2]);
    assert.deepEqual(await counted(stack, entity), everywhere(6));
    return `0/${set_aside[0].group}`;
  }

  test("D13 is replayed while its table drops what it has of it", async () => {
    const path = await storedAndSetAside("replayed");
    assert.equal((await admin(`${path}/replay`, { method: "POST" })).status, 200);
    await settled(stack);
    assert.deepEqual(await counted(stack, "replayed"), everywhere(6));
    assert.deepEqual((await health()).groups[0].set_aside, []);
  });

  test("D13 is not replayed once its table may take it a second time", async () => {
    const path = await storedAndSetAside("forgotten");
    await stack.query(
      `INSERT INTO events (site, name, batch_id, received_at)
       SELECT 'open', 'later', generateUUIDv7(), now64(3) FROM numbers(50000)`,
    );
    const refused = await admin(`${path}/replay`, { method: "POST" });
    const { code, message } = await refused.json();
    assert.deepEqual([refused.status, code], [409, "maybe_stored"]);
    assert.match(message, /has batches of the group already, 2 of 2 .* replay it with \?force=1$/);
    await settled(stack);
    assert.deepEqual(await counted(stack, "forgotten"), everywhere(6));
    // Somebody who has looked may do it all the same: here the table drops it.
    assert.equal((await admin(`${path}/replay?force=1`, { method: "POST" })).status, 200);
    await settled(stack);
    assert.deepEqual(await counted(stack, "forgotten"), everywhere(6));
    assert.deepEqual((await health()).groups[0].set_aside, []);
  });
});

describe("over the limit", () => {
  test("batches are busy with Retry-After, none is lost, and all goes on after it", async () => {
    let release;
    const back = new Promise((resolve) => (release = resolve));
    proxy.always(holdUntil(back));
    for (const entity of ["full-1", "full-2", "full-3"]) {
      assert.equal((await send(entity)).status, 202);
    }
    const id = uuidV7();
    const busy = await send("full-4", { id });
    assert.deepEqual([busy.status, busy.body.code], [503, "busy"]);
    assert.equal(busy.headers.get("retry-after"), "2");
    const { groups } = await health();
    assert.deepEqual([groups[0].groups, groups[0].batches], [3, 3]);
    release();
    proxy.always(pass);
    await settled(stack);
    assert.equal((await send("full-4", { id })).status, 202);
    await settled(stack);
    for (const entity of ["full-1", "full-2", "full-3", "full-4"]) {
      assert.deepEqual(await counted(stack, entity), everywhere(3));
    }
  });
});

test("a block that a group's row cannot hold is 413, and one that it can is stored", async () => {
  // 500 rows, of which the edge's columns make some 12,000 bytes more.
  const rowsOf = (bytes) => {
    const row = { entity_id: "wide", properties: "{}" };
    const plain = eventBlock(Array.from({ length: 500 }, () => row)).length;
    const padding = "x".repeat(Math.floor((bytes - plain) / 500) - 9);
    const wide = { ...row, properties: `{"a":"${padding}"}` };
    return gzipSync(eventBlock(Array.from({ length: 500 }, () => wide)));
  };
  const sent = await post(batchUrl(stack.site), rowsOf(1_999_000));
  assert.deepEqual([sent.status, sent.body.code], [413, "too_large"]);
  assert.equal((await post(batchUrl(stack.site), rowsOf(1_980_000))).status, 202);
  await settled(stack);
  assert.deepEqual(await counted(stack, "wide"), everywhere(500));
});

test("D13 another number of shards is refused with what to do, and takes nothing", async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), "tallymark-shards-"));
  t.after(() => rmSync(dataDir, { recursive: true }));
  const start = (GROUP_SHARDS) =>
    startStack(t, {
      dataDir,
      sites: [{ site: "open", key: "pk_open", origins: ["*"] }],
      vars: { GROUP_SHARDS },
    });
  const one = await start("1");
  const block = eventBlock([{ entity_id: "resharded" }]);
  assert.equal((await post(batchUrl(one.site), block)).status, 202);
  await one.stop();

  const two = await start("2");
  const { ok, groups } = await (await fetch(new URL("/v1/health", two.site))).json();
  assert.deepEqual([ok, groups.length], [false, 2]);
  for (const [shard, { problem }] of groups.entries()) {
    assert.match(problem, /^GROUP_SHARDS is 2, but .* routed by 1: .*Set GROUP_SHARDS back to 1\./);
    assert.equal(groups[shard].shard, shard);
  }
  // Of these some are the first shard's, some the second's.
  for (let at = 0; at < 8; at += 1) {
    const { status, body } = await post(batchUrl(two.site), block);
    assert.deepEqual([status, body.code], [503, "busy"]);
  }
  await two.stop();
});

describe("once the sink is another", () => {
  for (const SINK of ["direct", "async_insert"]) {
    test(`D13 ${SINK}, a batch that a group took is known, and health tells of its shard`, async (t) => {
      const dataDir = mkdtempSync(join(tmpdir(), "tallymark-sink-"));
      t.after(() => rmSync(dataDir, { recursive: true }));
      const sites = [{ site: "open", key: "pk_open", origins: ["*"] }];
      const group = await startStack(t, { dataDir, sites });
      const parameters = { id: uuidV7() };
      const block = eventBlock([{ entity_id: "moved" }]);
      const first = await post(batchUrl(group.site, parameters), block);
      assert.deepEqual([first.status, first.body.known], [202, false]);
      await settled(group);
      await group.stop();

      const other = await startStack(t, { dataDir, sites, vars: { SINK, ADMIN_KEY } });
      const again = await post(batchUrl(other.site, parameters), block);
      assert.deepEqual([again.status, again.body.known], [202, true]);
      const fresh = await post(batchUrl(other.site), block);
      assert.deepEqual([fresh.status, fresh.body.known], [202, false]);
      const [{ n }] = await other.rows("SELECT count() AS n FROM events WHERE entity_id = 'moved'");
      assert.equal(n, 2);
      const { sink, groups } = await (await fetch(new URL("/v1/health", other.site))).json();
      assert.deepEqual([sink, groups.length, groups[0].known_in_memory], [SINK, 1, 1]);
      const unknown = await fetch(new URL(`/v1/admin/groups/0/${uuidV7()}`, other.site), {
        headers: { authorization: `Bearer ${ADMIN_KEY}` },
      });
      assert.equal(unknown.status, 404);
      await other.stop();
    });
  }
});

test("health tells the sink and what waits", async () => {
  const { sink, groups, ...rest } = await health();
  assert.deepEqual(rest, { ok: true, config: [], clickhouse: "ok" });
  assert.equal(sink, "group");
  const { known_in_memory, stored_bytes, ...shard } = groups[0];
  assert.ok(known_in_memory > 0);
  // A page of SQLite has 4,096 bytes; each of the tables has one at least.
  assert.ok(stored_bytes >= 4 * 4096 && stored_bytes % 4096 === 0, `${stored_bytes}`);
  assert.deepEqual(shard, {
    shard: 0,
    groups: 0,
    batches: 0,
    bytes: 0,
    oldest_ms: 0,
    failures: 0,
    failing: [],
    given_up: 0,
    aside_groups: 0,
    aside_batches: 0,
    aside_bytes: 0,
    set_aside: [],
  });
});
