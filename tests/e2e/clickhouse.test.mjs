// The local ClickHouse: each user may do its job and nothing else, and what a page sees of it.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { launchChromium, serveOrigin, startClickHouse } from "./harness.mjs";

const server = await startClickHouse({ after }, { bare: true });
await server.query("CREATE DATABASE tallymark");
await server.query(
  `CREATE TABLE tallymark.events (id String) ENGINE = MergeTree ORDER BY id
   SETTINGS non_replicated_deduplication_window = 100`,
);

/** The server's error name for a statement, or "" when it took it. */
async function refusal(statement, role) {
  const failed = await server.query(statement, { role }).then(
    () => undefined,
    (error) => error,
  );
  return failed ? (/\(([A-Z_]+)\)/.exec(failed.message)?.[1] ?? failed.message) : "";
}

describe("users of the local ClickHouse", () => {
  const INSERT = "INSERT INTO tallymark.events VALUES ('a')";
  const SELECT = "SELECT count() FROM tallymark.events";
  const cases = [
    ["insert", INSERT, ""],
    ["insert", SELECT, "ACCESS_DENIED"],
    ["page", INSERT, ""],
    ["page", SELECT, "ACCESS_DENIED"],
    ["page", "INSERT INTO tallymark.events SELECT id FROM tallymark.events", "ACCESS_DENIED"],
    ["page", "CREATE TABLE tallymark.mine (a Int8) ENGINE = Memory", "ACCESS_DENIED"],
    ["page", "SELECT 1 SETTINGS max_memory_usage = 0", "SETTING_CONSTRAINT_VIOLATION"],
    ["page", "SELECT 1 SETTINGS async_insert = 1", "SETTING_CONSTRAINT_VIOLATION"],
    ["page", "SELECT 1 SETTINGS insert_deduplicate = 0", "SETTING_CONSTRAINT_VIOLATION"],
    ["read", SELECT, ""],
    ["read", INSERT, "ACCESS_DENIED"],
    ["read", "SELECT 1 SETTINGS max_execution_time = 0", "READONLY"],
    ["read", "SELECT * FROM numbers(200000)", "TOO_MANY_ROWS_OR_BYTES"],
    ["read", "SELECT * FROM url('http://127.0.0.1:1/', CSV, 'a Int8')", "ACCESS_DENIED"],
    ["stop", SELECT, "ACCESS_DENIED"],
  ];
  for (const [role, statement, expected] of cases) {
    test(`${role}: ${statement} is ${expected || "taken"}`, async () => {
      assert.equal(await refusal(statement, role), expected);
    });
  }

  test("default may not read the events", async () => {
    const answer = await fetch(server.clickhouse, { method: "POST", body: SELECT });
    assert.match(await answer.text(), /ACCESS_DENIED/);
  });
});

describe("a page of another origin", () => {
  /** Posts from the page; what its JavaScript can see of the answer. */
  async function postFromPage(t, parameters, body) {
    const { origin } = await serveOrigin(t, { pages: { "/": "<!doctype html><title>t</title>" } });
    const page = await (await launchChromium(t)).newPage();
    const methods = [];
    page.on("request", (request) => methods.push(request.method()));
    await page.goto(origin);
    const { user, password } = server.users.page;
    const query = new URLSearchParams({ user, password, database: "tallymark", ...parameters });
    const seen = await page.evaluate(
      async ([url, text]) => {
        const answer = await fetch(url, { method: "POST", body: new TextEncoder().encode(text) });
        const header = (name) => answer.headers.get(`x-clickhouse-${name}`);
        return {
          status: answer.status,
          queryId: header("query-id"),
          code: header("exception-code"),
        };
      },
      [`${server.clickhouse}/?${query}`, body],
    );
    return { ...seen, methods };
  }

  test("U6 inserts without a preflight and can read the query's id", async (t) => {
    const parameters = {
      query: "INSERT INTO events FORMAT CSV",
      async_insert: "0",
      insert_deduplication_token: "one",
      input_format_skip_unknown_fields: "0",
    };
    const seen = await postFromPage(t, parameters, "page-1\n");
    assert.equal(seen.status, 200);
    assert.match(seen.queryId, /^[0-9a-f-]{36}$/);
    assert.equal(seen.code, null);
    assert.deepEqual(seen.methods, ["GET", "POST"]);
    const rows = await server.rows("SELECT count() AS n FROM tallymark.events WHERE id = 'page-1'");
    assert.deepEqual(rows, [{ n: 1 }]);
  });

  test("can read the exception's code of a refused body", async (t) => {
    const query = "INSERT INTO events FORMAT Native";
    const { status, code } = await postFromPage(t, { query }, "no block");
    assert.deepEqual({ status, code }, { status: 500, code: "33" });
  });
});
