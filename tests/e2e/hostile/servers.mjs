// Changes of a database that are none, and statements that do more than read.

import { gzipSync } from "node:zlib";
import { ADMIN, refused } from "./setup.mjs";

export function serverRows() {
  const rows = [];
  const cdc = (what, body, expect) =>
    rows.push({ what: `cdc ${what}`, method: "POST", path: "/v1/cdc?k=sk_served", body, expect });
  for (const text of [
    "5",
    "true",
    '"x"',
    "{}",
    '{"op":5}',
    '{"op":"x"}',
    '{"op":"c"}',
    '{"op":"c","after":{}}',
    '{"op":"c","after":[],"source":{}}',
    '{"op":"c","after":{"id":1},"source":{"connector":"mysql"}}',
    '{"op":"c","after":{"id":1},"source":{"connector":"postgresql","schema":"public","table":"models","lsn":"x"}}',
    '{"payload":5}',
    '{"schema":{},"payload":[]}',
    "DROP TABLE events",
  ]) {
    cdc(text, `\n${text}`, { status: 202, refused: ["bad_event"] });
  }
  for (const text of ["[", "[{},]", "[{}]]"]) cdc(text, text, refused(400, "bad_request"));
  cdc("bad UTF-8", Buffer.of(0xff), refused(400, "bad_request"));
  cdc("501 changes", `[${"null,".repeat(500)}null]`, refused(413, "too_large"));
  cdc("a bomb", gzipSync(Buffer.alloc(8_000_000, 32)), refused(413, "too_large"));
  rows.push({
    what: "cdc with a page's key",
    method: "POST",
    path: "/v1/cdc?k=pk_open",
    body: "{}",
    expect: refused(403, "forbidden"),
  });
  rows.push({
    what: "cdc k twice",
    method: "POST",
    path: "/v1/cdc?k=sk_served&k=sk_served",
    body: "{}",
    expect: refused(400, "bad_request"),
  });

  const sql = (statement, expect, parameters = "") =>
    rows.push({
      what: `sql ${`${statement}`.slice(0, 60)} ${parameters.slice(0, 40)}`,
      method: "POST",
      path: `/v1/sql${parameters}`,
      headers: ADMIN,
      body: statement,
      expect,
    });
  const forbidden = refused(403, "forbidden");
  for (const statement of [
    "DROP TABLE events",
    "DROP DATABASE tallymark",
    "TRUNCATE TABLE events",
    "ALTER TABLE events DELETE WHERE 1",
    "ALTER TABLE events DROP COLUMN name",
    "DELETE FROM events WHERE 1",
    "INSERT INTO events (name) SELECT 'hostile'",
    "INSERT INTO FUNCTION file('x.csv') SELECT 1",
    "CREATE TABLE hostile (x UInt8) ENGINE = Memory",
    "CREATE USER hostile",
    "GRANT ALL ON *.* TO tallymark_read",
    "RENAME TABLE events TO hostile",
    "OPTIMIZE TABLE events FINAL",
    "SYSTEM SHUTDOWN",
    "SYSTEM STOP MERGES events",
    "KILL QUERY WHERE 1",
    "SELECT * FROM url('http://127.0.0.1:1/', CSV, 'x String')",
    "SELECT * FROM file('/etc/passwd', LineAsString)",
    "SELECT * FROM remote('127.0.0.1', system.one)",
    "SELECT 1 SETTINGS readonly = 0",
    "SELECT 1 SETTINGS max_execution_time = 0",
    "SET readonly = 0",
  ]) {
    sql(statement, forbidden);
  }
  for (const statement of [
    "",
    "SELECT 1; DROP TABLE events",
    "SELECT 1; SELECT 2",
    "SELECT",
    "SELECT 1 FORMAT Native",
    "SELECT * FROM nothing_here",
    "SELECT {x:String}",
    "'",
    "/*",
    Buffer.of(0xff),
    Buffer.of(0x1f, 0x8b),
  ]) {
    sql(statement, refused(400, "bad_param"));
  }
  for (const parameters of [
    "?query=DROP",
    "?user=admin",
    "?password=x",
    "?database=system",
    "?readonly=0",
    "?param_=1",
    "?param_a-b=1",
    "?PARAM_x=1",
    "?default_format=CSV",
    "?session_id=1",
    "?param_x=1&param_x=2",
    `?${"param_x".repeat(3)}=1`.replace("param_xparam_xparam_x", "parampam_x"),
    `?${Array.from({ length: 101 }, (_, at) => `param_a${at}=1`).join("&")}`,
  ]) {
    sql("SELECT 1", refused(400, "bad_param"), parameters);
  }
  sql(" ".repeat(100_001), refused(413, "too_large"));
  for (const parameters of [
    "?dry_run=yes",
    "?dry_run=1&dry_run=1",
    "?ttl_days=0",
    "?ttl_days=-1",
    "?ttl_days=1;DROP",
    "?ttl_days=10001",
    "?ttl_days=",
    "?database=system",
    "?cluster='",
  ]) {
    rows.push({
      what: `migrate ${parameters}`,
      method: "POST",
      path: `/v1/admin/migrate${parameters}`,
      headers: ADMIN,
      expect: refused(400, "bad_param"),
    });
  }
  rows.push({
    what: "migrate with a body",
    method: "POST",
    path: "/v1/admin/migrate",
    headers: ADMIN,
    body: "DROP TABLE events",
    expect: refused(413, "too_large"),
  });
  return rows;
}
