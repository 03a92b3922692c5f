// Each parameter of each query, the others harmless, by GET and, where JSON can say it, by POST.

import { readFileSync, readdirSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { READER, query, refused } from "./setup.mjs";
import { INJECTIONS, WRONG } from "./values.mjs";

const FOLDER = new URL("../../../worker/", import.meta.url);

// What the head of each query's file says, so that a new query is attacked too.
function heads() {
  const folder = new URL("queries/", FOLDER);
  return readdirSync(folder).map((file) => {
    const lines = readFileSync(new URL(file, folder), "utf8").split("\n");
    const parts = (name) =>
      lines
        .filter((line) => line.startsWith(`-- ${name}: `))
        .map((line) => line.split(" ").slice(2));
    const choices = parts("choice").map(([param]) => param);
    const params = parts("param").map(([name, type]) => ({
      name,
      type,
      isChoice: choices.includes(name),
    }));
    return { name: parts("query")[0][0], isReader: parts("key")[0][0] === "reader", params };
  });
}

const HARMLESS = {
  String: "nobody",
  UInt32: "5",
  UInt64: "5",
  Bool: "false",
  Date: "2026-11-25",
  "Array(String)": '["nobody"]',
  "Map(String,Float64)": '{"x":1}',
};

export function queryRows() {
  const rows = [];
  for (const { name, isReader, params } of heads()) {
    const headers = isReader ? READER : {};
    const good = Object.fromEntries(
      params.map(({ name, type, isChoice }) => [name, isChoice ? "last" : HARMLESS[type]]),
    );
    const get = (what, text, expect) =>
      rows.push({
        what: `${name}: ${what}`,
        method: "GET",
        path: `/v1/query/${name}?${text}`,
        headers,
        expect,
      });
    const post = (what, body, expect) =>
      rows.push({
        what: `POST ${name}: ${what}`,
        method: "POST",
        path: "/v1/query?k=pk_open",
        headers,
        body,
        expect,
      });
    const all = (changes) => query({ k: "pk_open", ...good, ...changes });
    const json = (params) => `{"queries":[{"name":"${name}","params":${params}}]}`;
    const others = (left) =>
      params
        .filter(({ name }) => name !== left)
        .map(({ name, type }) => {
          const isText = type === "String" || type === "Date";
          return `"${name}":${isText ? JSON.stringify(good[name]) : good[name]}`;
        });
    const bad = refused(400, "bad_param");
    for (const { name: param, type, isChoice } of params) {
      for (const text of WRONG[type])
        get(`${param}=${text.slice(0, 30)}`, all({ [param]: text }), bad);
      for (const text of INJECTIONS) {
        const value = type === "Array(String)" ? JSON.stringify([text]) : text;
        const isValue = (type === "String" && !isChoice) || type === "Array(String)";
        get(`${param} injected ${text}`, all({ [param]: value }), isValue ? { status: 200 } : bad);
      }
      // As JSON, every type but its own.
      for (const value of ["null", "[[]]", '{"a":[]}', "-1.5", "1e400"]) {
        post(`${param} ${value}`, json(`{${[...others(param), `"${param}":${value}`]}}`), bad);
      }
      post(
        `${param} twice`,
        json(`{${[...others(), `"${param}":${JSON.stringify(good[param])}`]}}`),
        bad,
      );
      get(`${param} twice`, `${all({})}&${param}=${encodeURIComponent(good[param])}`, bad);
      get(`${param} under another case`, all({ [param.toUpperCase()]: good[param] }), bad);
    }
    for (const extra of [
      "site",
      "now",
      "param_site",
      "user",
      "password",
      "database",
      "query",
      "max_rows_to_read",
      "readonly",
    ]) {
      get(`${extra} smuggled`, all({ [extra]: "vault" }), bad);
    }
    post("site smuggled", json(`{${[...others(), '"site":"vault"']}}`), bad);
    get(
      "another site's key",
      all({ k: "pk_vault" }),
      isReader ? { status: 200 } : refused(403, "bad_origin"),
    );
    get("k twice", `${all({})}&k=pk_vault`, bad);
    if (isReader) {
      const path = `/v1/query/${name}?${all({})}`;
      const forbidden = refused(403, "forbidden");
      rows.push({ what: `${name} without its key`, method: "GET", path, expect: forbidden });
    }
  }
  for (const name of [
    "",
    "SUMMARY",
    "summary/",
    "summary.sql",
    "summary%00",
    "%73ummary",
    "..%2fsummary",
    "summary%3Bdrop",
    "__proto__",
    "constructor",
    "events",
    "%ff",
    "x".repeat(5_000),
  ]) {
    rows.push({
      what: `query named ${name.slice(0, 30)}`,
      method: "GET",
      path: `/v1/query/${name}?k=pk_open&id=1`,
      expect: refused(404, "unknown_query"),
    });
  }
  const wrap = (text) => `{"queries":${text}}`;
  for (const body of [
    "",
    "null",
    "[]",
    "{}",
    '"x"',
    wrap("null"),
    wrap("{}"),
    wrap("[null]"),
    wrap("[[]]"),
    wrap('["summary"]'),
    wrap('[{"params":{}}]'),
    wrap('[{"name":5}]'),
    wrap('[{"name":"summary","params":[]}]'),
    wrap('[{"name":"summary","params":{"id":"1"},"site":"vault"}]'),
    wrap('[{"name":"summary","name":"top"}]'),
    '{"queries":[],"queries":[]}',
    '{"queries":[],"site":"vault"}',
    wrap(`[${Array(17).fill('{"name":"top"}')}]`),
    wrap("[".repeat(10_000)),
    '{"queries":[]} x',
    '\ufeff{"queries":[]}',
    Buffer.from('{"queries":[{"name":"\xff"}]}', "latin1"),
    gzipSync(wrap('[{"name":"top"}]')),
  ]) {
    rows.push({
      what: `POST /v1/query ${`${body}`.slice(0, 60)}`,
      method: "POST",
      path: "/v1/query?k=pk_open",
      body,
      expect: refused(400, "bad_param"),
    });
  }
  const far = { method: "POST", path: "/v1/query?k=pk_open", expect: refused(413, "too_large") };
  rows.push({ ...far, what: "a body of queries over its cap", body: " ".repeat(262_145) });
  return rows;
}
