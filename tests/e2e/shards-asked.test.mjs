// Two shards beside one server, with the same events in both: every named query gives the same
// answer. And migrations of shards that are in use.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { uuidV7 } from "./blocks.mjs";
import { post, runXtask, shard, startStack } from "./harness.mjs";
import { rollupsAgree } from "./rollups.mjs";

const HOUR = 3_600_000;
const NOW = Date.now();

const options = {
  sites: [
    { site: "open", key: "pk_open", origins: ["*"], reader_keys: ["rk_open"] },
    { site: "open", key: "sk_open", kind: "server" },
  ],
  vars: { SINK: "direct" },
};
const shards = await startStack({ after }, { ...options, shards: 2 });
const alone = await startStack({ after }, options);

/** Many users, posts and models over forty days, in batches that lie on either shard. */
const BATCHES = Array.from({ length: 40 }, (_, batch) => ({
  id: uuidV7(),
  events: Array.from({ length: 30 }, (_, at) => eventOf(batch * 30 + at)),
}));

function eventOf(n) {
  const user = `u${n % 7}`;
  const [name, entity_type, entity_id, value] = [
    ["view", "post", `p${n % 11}`, 1],
    ["like", "post", `p${n % 5}`, 1],
    ["comment", "post", `p${n % 3}`, 1],
    ["Upload", "Model", `m${n % 13}`, 1],
    ["Download", "Model", `m${n % 13}`, 1 + (n % 4)],
    ["ReactionHeart", "Model", `m${n % 6}`, 1],
    ["Generation", "Model", `m${n % 9}`, 2],
    ["View", "Model", `m${n % 10}`, 1],
    ["Follow", "User", `u${(n * 3) % 8}`, n % 4 ? 1 : -1],
    ["Upload", "Image", `i${n % 20}`, 1],
  ][n % 10];
  // Half an hour away from every hour before now, where windows begin.
  const occurred_at = NOW - ((n * 37) % 960) * HOUR - HOUR / 2 - n;
  return { name, entity_type, entity_id, value, user_id: user, occurred_at };
}

/** The first batch's own word about its page view. */
const PAGE = BATCHES[0].id;
const DAYS = { from: date(39), to: date(1) };

/** Every query, with what it is asked. */
const ASKED = {
  activity: [{ entity_type: "Model", name: "Download" }],
  compare: [{ entity_type: "Model", id: "m1", name: "Download" }],
  compare_followers: [{ ids: ["u0", "u3", "u6"], expected: { u0: 3 } }],
  daily: [{ entity_type: "Model", id: "m2" }],
  engagement_score: [{ id: "u1" }, { id: "u2", days: 7, weights: { Download: 3, else: 1 } }],
  engagement_trend: [{ id: "u1" }],
  entity_counts: [{ entity_type: "Model" }, { entity_type: "Model", days: 30, limit: 3 }],
  follower_count: [{ id: "u3" }, { id: "u3", mode: "last" }],
  hourly_views: [
    { id: "p1", hours: 900 },
    { id: "p2", fill: true },
  ],
  loss: [{ page_id: PAGE }],
  period: [{ entity_type: "Model", id: "m4", ...DAYS }],
  retention: [{ weeks: 8 }],
  summaries: [{ ids: ["p0", "p1", "p4", "none"] }],
  summary: [{ id: "p0" }],
  top: [{ limit: 20 }, { limit: 3, min_views: 1 }],
  user_growth: [{ id: "u3" }],
  user_metrics: [{ ids: ["u0", "u1", "u5"] }, { ids: ["u0", "u2", "u6"], live: true }],
  user_rank: [{ id: "u4" }],
  user_standing: [{ id: "u4" }],
};

function date(ago) {
  return new Date(NOW - ago * 24 * HOUR).toISOString().slice(0, 10);
}

async function refresh({ query }) {
  for (const view of ["user_ranks_view", "user_received_view"]) {
    await query(`SYSTEM REFRESH VIEW ${view}`);
    await query(`SYSTEM WAIT VIEW ${view}`);
  }
}

async function ask({ site }, name, params) {
  const url = new URL(`/v1/query/${name}`, site);
  for (const [key, value] of Object.entries({ k: "pk_open", ...params })) {
    url.searchParams.set(key, typeof value === "object" ? JSON.stringify(value) : value);
  }
  const answer = await fetch(url, { headers: { authorization: "Bearer rk_open" } });
  const { data, message } = await answer.json();
  assert.ok(data, `${name}: ${message}`);
  // Sums of fractions in another order differ in their last bits.
  return JSON.parse(JSON.stringify(data), (_, value) =>
    typeof value === "number" ? Number(value.toPrecision(12)) : value,
  );
}

before(async () => {
  for (const stack of [shards, alone]) {
    for (const { id, events } of BATCHES) {
      const url = new URL(`/v1/events?k=sk_open&id=${id}`, stack.site);
      const sent = [
        await post(url, JSON.stringify(events)),
        await post(url, JSON.stringify(events)),
      ];
      assert.deepEqual(
        sent.map(({ status }) => status),
        [202, 202],
      );
    }
  }
  for (const server of [alone, shard(shards, 0), shard(shards, 1)]) await refresh(server);
});

describe("named queries over two shards", () => {
  test("all of them are asked here", () => {
    const files = readdirSync(new URL("../../worker/queries/", import.meta.url));
    assert.deepEqual(files.map((file) => file.replace(".sql", "")).sort(), Object.keys(ASKED));
  });

  test("the events are on both", async () => {
    const counts = [0, 1].map((at) =>
      shard(shards, at).rows("SELECT uniqExact(batch_id) AS n FROM events_local"),
    );
    const [[{ n: first }], [{ n: second }]] = await Promise.all(counts);
    assert.ok(first > 0 && second > 0, `${first} and ${second}`);
    assert.equal(first + second, BATCHES.length);
  });

  for (const [name, questions] of Object.entries(ASKED)) {
    test(`${name} answers as on one server`, async () => {
      for (const params of questions) {
        const expected = await ask(alone, name, params);
        assert.notDeepEqual(expected, []);
        assert.deepEqual(await ask(shards, name, params), expected);
      }
    });
  }

  test("the documents' own tables show all rows by either server", async () => {
    const sql =
      "SELECT (SELECT count() FROM post_events) AS posts," +
      " (SELECT count() FROM entityMetricEvents) AS metrics, (SELECT sum(score) FROM user_ranks) AS score";
    const [{ score, ...counts }] = await alone.rows(sql);
    for (const at of [0, 1]) {
      const [{ score: shown, ...both }] = await shard(shards, at).rows(sql);
      assert.deepEqual(both, counts);
      assert.equal(shown.toPrecision(12), score.toPrecision(12));
    }
  });
});

test("D13 straight to ClickHouse, by either server, a batch counts once", async () => {
  const { user, password } = shards.users.page;
  const id = uuidV7();
  const fields = {
    site: "open",
    batch_id: id,
    name: "view",
    entity_type: "page",
    entity_id: "straight",
  };
  for (const { clickhouse } of [...shards.shards, ...shards.shards]) {
    const url = new URL(clickhouse);
    const query = "INSERT INTO events FORMAT JSONEachRow";
    const database = shards.database;
    url.search = new URLSearchParams({
      query,
      user,
      password,
      database,
      insert_deduplication_token: id,
    });
    const answer = await fetch(url, { method: "POST", body: JSON.stringify(fields) });
    assert.equal(answer.status, 200, await answer.text());
  }
  const [counts] = await shards.rows(
    "SELECT (SELECT count() FROM events WHERE entity_id = 'straight') AS events," +
      " (SELECT sum(rows) FROM event_days WHERE entity_id = 'straight') AS days",
  );
  assert.deepEqual(counts, { events: 1, days: 1 });
});

describe("migrations of shards in use", () => {
  const { user, password } = shards.users.admin;
  const migrate = (at, ...args) =>
    runXtask(["migrate", "--url", shards.shards[at].clickhouse, "--settle-ms", "500", ...args], {
      CLICKHOUSE_USER: user,
      CLICKHOUSE_PASSWORD: password,
    });
  const onBoth = async (statement) => {
    for (const at of [0, 1]) await shard(shards, at).query(statement);
  };

  test("what fills a rollup by the table in front fills it once, whoever is asked", async () => {
    const schema = new URL("../../worker/schema/", import.meta.url);
    const filled = readdirSync(schema).filter(
      (file) =>
        file.endsWith(".sql") && readFileSync(new URL(file, schema), "utf8").includes("{since}"),
    );
    await onBoth("TRUNCATE TABLE migrations_local");
    const shown = await migrate(0, "--cluster", "shards:shards", "--dry-run");
    const fills = shown
      .split(";\n")
      .map((statement) => statement.trim())
      .filter((statement) => statement.startsWith("INSERT INTO"));
    assert.equal(fills.length, filled.length);
    for (const fill of fills) {
      await onBoth(`TRUNCATE TABLE ${/INSERT INTO (\w+)/.exec(fill)[1]}_local`);
    }
    await onBoth("TRUNCATE TABLE owned_local");
    const ended = fills.map((fill) => fill.replace("{since}", "now64(3) + INTERVAL 1 DAY"));
    for (const fill of ended) {
      await Promise.all([0, 1].map((at) => shard(shards, at).query(fill)));
    }
    const onEach = [0, 1].map((at) =>
      shard(shards, at).rows("SELECT count() AS n FROM event_days_local"),
    );
    for (const [{ n }] of await Promise.all(onEach)) assert.ok(n > 0);
    await rollupsAgree(shards);
    for (const at of [0, 1]) await migrate(at, "--cluster", "shards:servers");
  });

  test("a rollup that is added is filled on each server from its own rows", async () => {
    const rollup = () =>
      shards.rows(
        "SELECT * FROM (SELECT day, sum(rows) AS n FROM event_days GROUP BY day) ORDER BY day",
      );
    const filled = await rollup();
    await onBoth("DROP VIEW event_days_view SYNC");
    await onBoth("TRUNCATE TABLE event_days_local");
    await onBoth(
      "ALTER TABLE migrations_local DELETE WHERE name = '011_event_days_view' SETTINGS mutations_sync = 1",
    );
    assert.deepEqual(await rollup(), []);
    for (const at of [0, 1, 0]) await migrate(at, "--cluster", "shards:servers");
    assert.deepEqual(await rollup(), filled);
  });

  test("a run for another kind of cluster ends before it makes anything", async () => {
    await assert.rejects(migrate(0), /events is here already, and is not a table of one server/);
    const user = alone.users.admin;
    const other = runXtask(["migrate", "--url", alone.clickhouse, "--cluster", "shards:servers"], {
      CLICKHOUSE_USER: user.user,
      CLICKHOUSE_PASSWORD: user.password,
    });
    await assert.rejects(other, /events is here already, and is not a table of several shards/);
    const made = await alone.rows("SELECT name FROM system.tables WHERE name LIKE '%_local'");
    assert.deepEqual(made, []);
  });
});
