// The comparison that the fault tests trust: it finds what agrees, and each table that does not.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { uuidV7 } from "./blocks.mjs";
import { startClickHouse } from "./harness.mjs";
import { rollupsAgree } from "./rollups.mjs";

const server = await startClickHouse({ after });
const NOW = Date.now();

const insert = (events) =>
  server.query(
    `INSERT INTO events FORMAT JSONEachRow ${events
      .map(([name, entity_type, entity_id, user_id, value], seq) => {
        const occurred_at = new Date(NOW - 1_000 + seq).toISOString().replace("Z", "");
        const at = { site: "s", batch_id: uuidV7(), occurred_at, seq };
        return JSON.stringify({ ...at, name, entity_type, entity_id, user_id, value });
      })
      .join("\n")}`,
  );

test("every rollup of follows, uploads and views is what its events make of it", async () => {
  await insert([
    ["Upload", "Model", "m1", "u1", 1],
    ["Follow", "User", "u2", "u1", 1],
    ["Follow", "User", "u2", "u1", -1],
    ["Download", "Model", "m1", "u3", 3],
    ["ReactionHeart", "Model", "m1", "u3", 2],
    ["view", "post", "p", "", 1],
  ]);
  // Sold, in an insert of its own: owners has its new owner, owned both.
  await insert([["Upload", "Model", "m1", "u4", 1]]);
  assert.deepEqual(await rollupsAgree(server), {
    entity_days: 5,
    entity_hours: 5,
    entity_totals: 5,
    event_days: 5,
    event_totals: 5,
    owned: 2,
    owners: 1,
    user_days: 5,
    user_follows: 2,
    user_ranks: 1,
    user_received: 1,
    user_uploads: 2,
  });
});

for (const [what, differing, statement] of [
  [
    "a row that was counted twice",
    "user_days",
    "INSERT INTO user_days SELECT * FROM user_days LIMIT 1",
  ],
  [
    "a row that nobody sent",
    "owned",
    "INSERT INTO owned VALUES ('s', 'u9', 'Model', 'm1', now64(3))",
  ],
  [
    "a row that is missing",
    "event_days",
    "ALTER TABLE event_days DELETE WHERE name = 'view' SETTINGS mutations_sync = 1",
  ],
  [
    "a row that is another's",
    "user_uploads",
    "INSERT INTO user_uploads SELECT * REPLACE('u3' AS user_id) FROM user_uploads LIMIT 1",
  ],
]) {
  test(`${what} in ${differing} is found`, async () => {
    await server.query(statement);
    await assert.rejects(rollupsAgree(server), ({ actual }) => {
      assert.ok(Object.hasOwn(actual, `${differing}_view`), JSON.stringify(actual));
      return true;
    });
  });
}
