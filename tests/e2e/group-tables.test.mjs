// The group-maker with a table that ClickHouse does not take inserts for: nobody else waits for it,
// whoever runs the worker is told, and what was acknowledged is stored once all the same.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { batchUrl, eventBlock, uuidV7 } from "./blocks.mjs";
import { until } from "./faults.mjs";
import { counted, everywhere, post, settled, startStack } from "./harness.mjs";

const TABLES = readFileSync(new URL("../../worker/tables.example.json", import.meta.url), "utf8");

const stack = await startStack(
  { after },
  {
    sites: [{ site: "open", key: "pk_open", origins: ["*"] }],
    // Two tables: each has two groups as its share.
    vars: { TABLES, GROUP_WINDOW_MS: "50", GROUP_BACKLOG_GROUPS: "4" },
  },
);

/** A batch of one row for the table of one's own. */
const feature = (feature_id, id = uuidV7()) =>
  post(
    new URL(`/v1/events?k=pk_open&t=my_feature_events&id=${id}`, stack.site),
    JSON.stringify([{ feature_id, user_id: 1, action: "open" }]),
  );
const view = (entity_id) => post(batchUrl(stack.site), eventBlock([{ entity_id }]));
const health = async () => (await fetch(new URL("/v1/health", stack.site))).json();

test("D13 a missing table fills its share, is told, and keeps nobody else waiting", async () => {
  const [{ statement }] = await stack.rows("SHOW CREATE TABLE my_feature_events");
  await stack.query("DROP TABLE my_feature_events SYNC");

  assert.equal((await feature(1)).status, 202);
  await until("the table is told", async () => (await health()).groups[0].failing.length === 1);
  assert.equal((await feature(2)).status, 202);
  const id = uuidV7();
  const busy = await feature(3, id);
  assert.deepEqual([busy.status, busy.body.code], [503, "busy"]);

  const told = await health();
  const [{ failures, bytes, ...failing }] = told.groups[0].failing;
  assert.deepEqual([told.ok, told.groups[0].failures], [true, 0]);
  assert.ok(failures > 0 && bytes > 0);
  const problem =
    "ClickHouse answered 404, exception code 60 (a table is missing: run the migrations)";
  assert.deepEqual(failing, { table: "my_feature_events", groups: 2, batches: 2, problem });

  for (const entity of ["beside-1", "beside-2", "beside-3"]) {
    assert.equal((await view(entity)).status, 202);
    // An insert is in `events` a moment before the views have counted it.
    const isCounted = async () => Object.values(await counted(stack, entity)).every((n) => n > 0);
    await until(entity, isCounted);
    assert.deepEqual(await counted(stack, entity), everywhere(1));
  }

  await stack.query(statement);
  const [{ failing: none }] = await settled(stack);
  assert.deepEqual(none, []);
  assert.equal((await feature(3, id)).status, 202);
  await settled(stack);
  const found = await stack.rows(
    "SELECT feature_id, count() AS n FROM my_feature_events GROUP BY feature_id ORDER BY feature_id",
  );
  assert.deepEqual(
    found,
    [1, 2, 3].map((feature_id) => ({ feature_id, n: 1 })),
  );
});
