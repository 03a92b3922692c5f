// The worker makes its own tables, when it has an admin's key and user.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { startStack } from "./harness.mjs";

const ADMIN = "an-admin-key-of-at-least-thirty-two-characters";
const stack = await startStack(
  { after },
  { vars: { ADMIN_KEY: ADMIN, CLICKHOUSE_DATABASE: "fresh" } },
);

async function migrate(parameters = "", key = ADMIN, site = stack.site) {
  const url = new URL(`/v1/admin/migrate${parameters}`, site);
  const headers = key ? { authorization: `Bearer ${key}` } : {};
  const answer = await fetch(url, { method: "POST", headers });
  return { status: answer.status, body: await answer.json() };
}

const count = async (statement) => (await stack.query(statement)).trim();

describe("POST /v1/admin/migrate", () => {
  test("wants the admin's key", async () => {
    for (const key of ["", "pk_demo", `${ADMIN}x`]) {
      const { status, body } = await migrate("", key);
      assert.deepEqual([status, body.code], [401, "bad_key"]);
    }
  });

  test("a dry run shows the statements and makes nothing", async () => {
    const { status, body } = await migrate("?dry_run=1&ttl_days=30");
    assert.equal(status, 200);
    assert.equal(body.dry_run, true);
    assert.equal(body.files[1], "001_events");
    assert.match(body.statements.at(-1), /MODIFY TTL .* toIntervalDay\(30\)/);
    assert.equal(await count("SELECT count() FROM system.databases WHERE name = 'fresh'"), "0");
  });

  test("two at once make every table once, and a third finds nothing to do", async () => {
    const [first, second] = await Promise.all([migrate(), migrate("?ttl_days=30")]);
    assert.deepEqual([first.status, second.status], [200, 200]);
    const third = await migrate();
    assert.deepEqual(third.body, { dry_run: false, files: [], statements: [] });
    const tables = "SELECT count() FROM system.tables WHERE database";
    assert.equal(await count(`${tables} = 'fresh'`), await count(`${tables} = 'tallymark'`));
    const made = await count("SHOW CREATE TABLE fresh.events");
    assert.match(made, /toIntervalDay\(30\)/);
  });

  test("other parameters are 400 bad_param", async () => {
    for (const parameters of ["?ttl_days=0", "?dry_run=true", "?database=other"]) {
      const { status, body } = await migrate(parameters);
      assert.deepEqual([status, body.code], [400, "bad_param"]);
    }
  });

  test("a body is 413 too_large", async () => {
    const url = new URL("/v1/admin/migrate", stack.site);
    const headers = { authorization: `Bearer ${ADMIN}` };
    const answer = await fetch(url, { method: "POST", headers, body: "DROP TABLE events" });
    assert.equal((await answer.json()).code, "too_large");
  });

  test("without an admin's key, and without an admin's user, is 403 forbidden", async (t) => {
    const bare = await startStack(t, { vars: { CLICKHOUSE_DATABASE: "none" } });
    const refused = await migrate("", ADMIN, bare.site);
    assert.deepEqual(refused, {
      status: 403,
      body: { code: "forbidden", message: "this worker has no admin key (ADMIN_KEY)" },
    });
    const vars = { ADMIN_KEY: ADMIN, CLICKHOUSE_ADMIN_USER: "" };
    const userless = await startStack(t, { vars });
    const { status, body } = await migrate("", ADMIN, userless.site);
    assert.deepEqual([status, body.code], [403, "forbidden"]);
    assert.match(body.message, /CLICKHOUSE_ADMIN_USER/);
  });
});
