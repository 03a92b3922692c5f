// Events as JSON, of which none may be taken.

import { gzipSync } from "node:zlib";
import { uuidV7 } from "../blocks.mjs";
import { BODY_BYTES, HOUR, LONG, query, refused } from "./setup.mjs";

export function eventRows(tables) {
  const rows = [];
  const paths = {
    events: (parameters) => `/v1/events?${query({ k: "pk_open", ...parameters })}`,
    served: (parameters) => `/v1/events?${query({ k: "sk_served", ...parameters })}`,
  };
  const add = (what, path, body, expect) => rows.push({ what, method: "POST", path, body, expect });
  // A line of its own: within an array, what is no JSON spoils the whole.
  const event = (member) => `{"name":"hostile",${member.replaceAll("\n", " ")}}`;
  const one = (what, body, code = "bad_event") =>
    add(`event ${what.slice(0, 60)}`, paths.events({}), body, { status: 202, refused: [code] });
  for (const name of [
    "site",
    "receivedAt",
    "received_at",
    "batch_id",
    "batchId",
    "ip",
    "country",
    "region",
    "city",
    "browser",
    "os",
    "device",
    "bot",
    "Name",
    "NAME",
    "nAME",
    " name",
    "name\\u0000",
    "__proto__",
    "constructor",
    "table",
    "query",
    "event",
    "events.site",
    "e\\u0301",
  ]) {
    one(`with ${name}`, event(`"${name}":"vault"`));
  }
  const member = (name) => `"${name}":${{ value: "1", properties: "{}" }[name] ?? '"a"'}`;
  const twice = (name) => `${member(name)},${member(name)}`;
  for (const name of ["name", "entity_id", "value", "user_id", "properties"]) {
    one(
      `with ${name} twice`,
      event(twice(name)).replace('"name":"hostile",', name === "name" ? "" : '"name":"hostile",'),
    );
  }
  one("with a column in both cases", event('"entityId":"a","entity_id":"b"'));
  one("with a path twice", event('"properties":{"a.b":1,"a":{"b":2}}'));
  for (const value of ["[]", "{}", "true", '"x"', '"1"', "1e400"])
    one(`value ${value}`, event(`"value":${value}`));
  for (const value of ["[]", "{}", "true", JSON.stringify(LONG), '"\\ud800"', '"\\x"', '"a\tb"']) {
    for (const name of ["entity_id", "user_id", "visitorId"])
      one(`${name} ${value}`, event(`"${name}":${value}`));
  }
  for (const value of ["[]", "{}", "5", JSON.stringify("x".repeat(201))])
    one(`entity_type ${value}`, event(`"entity_type":${value}`));
  for (const value of [
    "[]",
    "{}",
    "true",
    '""',
    '"now"',
    '"2026-02-30T00:00:00Z"',
    '"2026-11-25"',
    "-1",
    '"2026-11-25T25:00:00Z"',
    '"1969-12-31T23:59:59Z"',
  ]) {
    one(`occurred_at ${value}`, event(`"occurred_at":${value}`));
  }
  for (const value of ["5", '"x"', "[]", `"${uuidV7()}x"`]) {
    one(`page_id ${value}`, event(`"page_id":${value},"seq":1`));
    one(`session_id ${value}`, event(`"session_id":${value}`));
  }
  for (const value of ["-1", "1.5", "4294967296", '"1"', "[]"])
    one(`seq ${value}`, event(`"page_id":"${uuidV7()}","seq":${value}`));
  one("a seq alone", event('"seq":1'));
  one("a page alone", event(`"page_id":"${uuidV7()}"`));
  for (const value of ["5", '"x"', "[]", "true", '"{}"'])
    one(`properties ${value}`, event(`"properties":${value}`));
  one("properties without an end", event(`"properties":${'{"a":'.repeat(2_000)}`));
  const long = gzipSync(event(`"properties":{"a":"${"x".repeat(32_761)}"}`));
  add("properties over their bound", paths.events({}), long, {
    status: 202,
    refused: ["bad_event"],
  });
  for (const value of ['"203.0.113.77"', "[203,0,113,77]", '"::1"', '"x"']) {
    one(`ip_address ${value}`, event(`"ip_address":${value}`), "forbidden");
  }
  for (const value of [
    '"x"',
    '"1.2.3.256"',
    "[1,2,3]",
    "[1,2,3,256]",
    "[1,2,3,4,5,6,7,65536]",
    "5",
    "{}",
    '"127.0.0.1; DROP"',
    '"1.2.3.4, 5.6.7.8"',
  ]) {
    add(`a server's ip_address ${value}`, paths.served({}), event(`"ip_address":${value}`), {
      status: 202,
      refused: ["bad_event"],
    });
  }
  for (const text of [
    "5",
    "null",
    "true",
    '"x"',
    "[]",
    "{}",
    '{"name":""}',
    '{"name":null}',
    '{"name":5}',
    '{"name":[]}',
    `{"name":"${"x".repeat(201)}"}`,
    '{"entity_id":"1"}',
    '{"name":"a"}}',
    "{'name':'a'}",
    '{name:"a"}',
    '{"name":"a",}',
    '{"name":"a"} {"name":"b"}',
    "INSERT INTO events VALUES",
    "\ufeff{}",
    '{"name":"a\\u00"}',
    '{"name":"a"/**/}',
    "NaN",
  ]) {
    add(`a line ${text.slice(0, 40)}`, paths.events({}), `{}\n${text}`, {
      status: 202,
      refused: ["bad_event", "bad_event"],
    });
  }
  const body = (what, text, status, code) =>
    add(`events: ${what}`, paths.events({}), text, refused(status, code));
  for (const text of [
    "[",
    "[{}",
    "[{}]]",
    "[{},]",
    "[,]",
    '[{"name":"a"}] x',
    "[1 2]",
    '[{"name":"a"',
    "[".repeat(10_000),
    '["\\ud800',
    '[{"name":tru}]',
    '[{"a":\u0001}]',
    "[01]",
    "[1.]",
    "[--1]",
    "[+1]",
    "[0x1]",
    "[NaN]",
    "[undefined]",
  ]) {
    body(text.slice(0, 30), text, 400, "bad_request");
  }
  for (const bytes of [
    [0xff],
    [0xc0, 0xaf],
    [0xed, 0xa0, 0x80],
    [0xf4, 0x90, 0x80, 0x80],
    [0xe2, 0x82],
    [0x80],
  ]) {
    body(
      `bad UTF-8 ${bytes}`,
      Buffer.concat([Buffer.from('[{"name":"'), Buffer.from(bytes), Buffer.from('"}]')]),
      400,
      "bad_request",
    );
  }
  const utf16 = Buffer.from('{"name":"a"}', "utf16le");
  add("events: UTF-16", paths.events({}), utf16, { status: 202, refused: ["bad_event"] });
  body("a bomb", gzipSync(Buffer.alloc(8_000_000, 32)), 413, "too_large");
  body("broken gzip", gzipSync('[{"name":"a"}]').subarray(0, -3), 400, "bad_request");
  body("too many rows", gzipSync(`[${"1,".repeat(10_000)}1]`), 413, "too_large");
  body("over the cap", " ".repeat(BODY_BYTES + 1), 413, "too_large");
  const headers = (what, parameters, status, code) =>
    add(
      `events: ${what}`,
      paths.events(parameters),
      event('"entity_id":"hostile"'),
      refused(status, code),
    );
  for (const table of [
    ...tables.filter((name) => name !== "events"),
    "",
    "Events",
    "events;",
    "system.users",
    "events FORMAT Native",
  ]) {
    headers(`into ${table}`, { t: table }, 404, "bad_table");
  }
  for (const id of [
    "",
    "x",
    "0198c9a0-0000-4000-8000-000000000000",
    uuidV7(Date.now() + 25 * HOUR),
    `${uuidV7()}'`,
  ]) {
    headers(`id=${id}`, { id }, 400, "bad_request");
  }
  headers("old", { id: uuidV7(Date.now() - 25 * HOUR) }, 410, "too_old");
  for (const at of ["", "x", "-1", "9".repeat(30), Date.now() + 25 * HOUR])
    headers(`at=${at}`, { at }, 400, "bad_request");
  for (const name of ["k", "t", "id", "at"]) {
    const all = { k: "pk_open", t: "events", id: uuidV7(), at: Date.now() };
    const path = `/v1/events?${query(all)}&${name}=${all[name]}`;
    add(`events: ${name} twice`, path, event('"entity_id":"hostile"'), refused(400, "bad_request"));
  }

  const ingest = (what, body, expect, headers) =>
    rows.push({
      what: `ingest ${what.slice(0, 60)}`,
      method: "POST",
      path: "/ingest-events",
      headers,
      body,
      expect,
    });
  const key = { "x-api-key": "pk_open" };
  for (const text of [
    "",
    "null",
    "5",
    "[]",
    '"x"',
    "{}",
    '{"api_key":"pk_open"}',
    '{"api_key":5,"events":[]}',
    '{"events":{}}',
    '{"events":null}',
    '{"api_key":"pk_open","events":[}',
    '["pk_open",[]]',
    '{"events":[],"events":[]}',
    '{"api_key":"pk_open","api_key":"pk_vault","events":[]}',
  ]) {
    ingest(text, text, refused(400, "bad_request"), key);
  }
  for (const [api_key, headers] of [
    [undefined, {}],
    ["", {}],
    ["pk_x", {}],
    ["pk_vault", key],
    ["pk_openx", key],
    ["' OR 1=1", {}],
  ]) {
    ingest(
      `key ${api_key}`,
      JSON.stringify({ api_key, events: [{ event_name: "hostile" }] }),
      refused(401, "bad_key"),
      headers,
    );
  }
  for (const member of [
    '"site":"vault"',
    '"name":"a"',
    '"occurred_at":1',
    '"ip_address":"::1"',
    '"batch_id":"x"',
    '"event_timestamp":"x"',
    '"event_timestamp":[]',
    '"user_id":[]',
    '"properties":5',
    '"event_name":"b"',
    '"EVENT_NAME":"b"',
    '"__proto__":{}',
    '"user_id":"a","user_id":"b"',
  ]) {
    ingest(
      member,
      `{"events":[{"event_name":"hostile",${member}}]}`,
      { status: 202, refused: ["bad_event"] },
      key,
    );
  }
  ingest("a bomb", gzipSync(Buffer.alloc(8_000_000, 32)), refused(413, "too_large"), key);
  return rows;
}
