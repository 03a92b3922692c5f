// Migrations on a real ClickHouse: in order, recorded, twice at once, and on a table in use.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, describe, test } from "node:test";
import { uuidV7 } from "./blocks.mjs";
import { runXtask, startClickHouse } from "./harness.mjs";

const SCHEMA = new URL("../../worker/schema/", import.meta.url);
const file = (name) => readFileSync(new URL(name, SCHEMA), "utf8");

const started = await startClickHouse({ after }, { bare: true });
const migrate = (...args) =>
  runXtask(["migrate", "--url", started.clickhouse, ...args], {
    CLICKHOUSE_USER: started.users.admin.user,
    CLICKHOUSE_PASSWORD: started.users.admin.password,
  });
const sql = (statement) => started.query(statement.replaceAll("@", "tallymark."));
const rows = async (statement) =>
  (await sql(`${statement} FORMAT JSONCompactEachRow`))
    .split("\n")
    .filter(Boolean)
    .map((row) => JSON.parse(row));
const tables = async () =>
  (await rows("SELECT name FROM system.tables WHERE database = 'tallymark' ORDER BY name")).flat();

describe("cargo xtask migrate", () => {
  test("a dry run shows every statement and makes nothing", async () => {
    const shown = await migrate("--dry-run", "--ttl-days", "400");
    assert.match(shown, /CREATE TABLE IF NOT EXISTS events/);
    assert.match(shown, /INSERT INTO event_days\nSELECT/);
    assert.match(shown, /MODIFY TTL toDateTime\(occurred_at\) \+ toIntervalDay\(400\)/);
    assert.deepEqual(await rows("SELECT count() FROM system.databases WHERE name = 'tallymark'"), [
      [0],
    ]);
  });

  test("rollups made on a table in use by two runs at once miss and double nothing", async () => {
    // As an earlier version left it: events and two rollups, nothing recorded.
    await sql("CREATE DATABASE tallymark");
    for (const name of ["001_events", "002_entity_totals", "004_entity_hours"]) {
      await sql(file(`${name}.sql`).replace("EXISTS ", "EXISTS @"));
    }
    for (const name of ["003_entity_totals_view", "005_entity_hours_view"]) {
      const text = file(`${name}.sql`).replace("EXISTS ", "EXISTS @").replace(" TO ", " TO @");
      await sql(text.replace("FROM events", "FROM @events"));
    }
    const insert = (count, from) =>
      sql(`INSERT INTO @events (site, name, entity_type, entity_id, value, user_id, seq, occurred_at, batch_id)
           SETTINGS async_insert = 0, insert_deduplication_token = '${uuidV7()}'
           SELECT 's', ['view', 'Download', 'Follow', 'Upload'][number % 4 + 1],
             ['post', 'Model', 'User', 'Model'][number % 4 + 1], toString(number % 997), 2,
             toString(number % 101), number % 7, now64(3) - number % 100000, '${uuidV7()}'
           FROM numbers(${from}, ${count})`);
    await insert(300_000, 0);
    let writing = true;
    let written = 0;
    const writer = async () => {
      while (writing) await insert(40, 40 * written++);
    };
    const writers = [writer(), writer()];
    const settle = ["--settle-ms", "1000"];
    await Promise.all([migrate(...settle), migrate(...settle)]);
    writing = false;
    await Promise.all(writers);

    const total = 300_000 + 40 * written;
    assert.ok(written > 50, `${written} inserts while the rollups were made`);
    const sums = ["entity_totals", "event_totals", "entity_hours", "entity_days", "event_days"];
    for (const table of [...sums, "user_days"]) {
      const found = await rows(`SELECT sum(rows), sum(value_sum) FROM @${table}`);
      assert.deepEqual(found, [[total, 2 * total]], table);
    }
    assert.deepEqual(
      await rows("SELECT sum(followers), sum(following) FROM @user_follows"),
      await rows("SELECT count() AS follows, follows FROM @events WHERE name = 'Follow'"),
    );
    const owned = "SELECT uniqExact(site, user_id, entity_type, entity_id), max(known_at)";
    const uploads = "SELECT uniqExact(site, user_id, entity_type, entity_id), max(occurred_at)";
    const expected = await rows(`${uploads} FROM @events WHERE name = 'Upload'`);
    assert.deepEqual(await rows(`${owned} FROM @owned`), expected);
    const uploaded = "SELECT uniqExact(site, user_id, entity_type, entity_id)";
    assert.deepEqual(
      await rows(`${uploaded} FROM @user_uploads`),
      await rows(`${uploaded} FROM @events WHERE name = 'Upload'`),
    );
    const names = (await tables()).filter((name) => name.endsWith("_view"));
    assert.equal(names.length, 12);
  });

  test("what is applied is recorded, and a further run applies nothing", async () => {
    const before = await tables();
    assert.equal(await migrate(), "-- applied: 0 files \n");
    assert.deepEqual(await tables(), before);
    const [[recorded]] = await rows("SELECT uniqExact(name) FROM @migrations");
    assert.equal(recorded, 30);
  });

  test("the days after which events are deleted are a parameter", async () => {
    const ttl = async () => {
      const [[made]] = await rows(
        "SELECT create_table_query FROM system.tables WHERE database = 'tallymark' AND name = 'events'",
      );
      return /TTL .*?\((\d+)\)/.exec(made)?.[1];
    };
    assert.equal(await ttl(), undefined);
    await migrate("--ttl-days", "400");
    assert.equal(await ttl(), "400");
    await assert.rejects(migrate("--ttl-days", "0"), /1\.\.=10000/);
  });
});
