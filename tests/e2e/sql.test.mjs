// The admin's own SQL.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { ADMIN, startAsking } from "./asking.mjs";

const { stack } = await startAsking({ after });
const { proxy } = stack;

describe("POST /v1/sql", () => {
  async function sql(statement, parameters = "", key = ADMIN) {
    const url = new URL(`/v1/sql${parameters}`, stack.site);
    const headers = { authorization: `Bearer ${key}` };
    const answer = await fetch(url, { method: "POST", headers, body: statement });
    return { status: answer.status, body: await answer.json() };
  }

  test("answers as a query does", async () => {
    const { status, body } = await sql("SELECT 1 AS one, 'a\nb' AS text, toUInt64(2) AS n");
    assert.equal(status, 200);
    assert.deepEqual(body, {
      data: [{ one: 1, text: "a\nb", n: 2 }],
      columns: [
        { name: "one", type: "UInt8" },
        { name: "text", type: "String" },
        { name: "n", type: "UInt64" },
      ],
      cached_at: null,
    });
    const none = await sql("SELECT 1 AS one WHERE 0");
    assert.deepEqual([none.status, none.body.data], [200, []]);
  });

  test("takes values beside the statement, whatever they hold", async () => {
    const value = "it's\ta\\b\nc";
    const parameters = `?param_a=${encodeURIComponent(value)}&param_n=5`;
    const { body } = await sql("SELECT {a:String} AS a, {n:UInt8} AS n", parameters);
    assert.deepEqual(body.data, [{ a: value, n: 5 }]);
  });

  const cases = [
    ["an insert", "INSERT INTO events (name) VALUES ('x')", 403, "forbidden"],
    ["a new table", "CREATE TABLE mine (a Int8) ENGINE = Memory", 403, "forbidden"],
    ["a setting", "SELECT 1 SETTINGS max_execution_time = 0", 403, "forbidden"],
    ["too long a result", "SELECT * FROM numbers(200000)", 403, "forbidden"],
    ["another database's users", "SELECT * FROM system.users", 403, "forbidden"],
    ["a file", "SELECT * FROM file('/etc/passwd', 'LineAsString')", 403, "forbidden"],
    ["another server", "SELECT * FROM url('http://127.0.0.1:1/', CSV, 'a Int8')", 403, "forbidden"],
    ["a typing error", "SELEC 1", 400, "bad_param"],
    ["two statements", "SELECT 1; SELECT 2", 400, "bad_param"],
    ["another format", "SELECT 1 FORMAT CSV", 400, "bad_param"],
    ["nothing", "", 400, "bad_param"],
  ];
  for (const [what, statement, status, code] of cases) {
    test(`${what} is ${status} ${code}`, async () => {
      const refused = await sql(statement);
      assert.deepEqual([refused.status, refused.body.code], [status, code], refused.body.message);
    });
  }

  test("parameters that are no values are 400 bad_param", async () => {
    for (const parameters of ["?readonly=0", "?user=default", "?query=SELECT", "?param_=1"]) {
      assert.equal((await sql("SELECT 1", parameters)).body.code, "bad_param", parameters);
    }
  });

  test("any other key is 401 bad_key, and the statement is not sent", async () => {
    const from = proxy.requests.length;
    for (const key of ["pk_open", "rk_open", ""]) {
      assert.equal((await sql("SELECT 1", "", key)).status, 401);
    }
    assert.equal(proxy.requests.length, from);
  });

  test("a statement over its cap is 413 too_large", async () => {
    const { status } = await sql(`SELECT '${"x".repeat(100_000)}'`);
    assert.equal(status, 413);
  });
});
