// Keys, tokens and origins that are not the right ones, on every route that wants one.

import { eventBlock, uuidV7 } from "../blocks.mjs";
import { ADMIN_KEY, ORIGIN, query, refused } from "./setup.mjs";

export function keyRows() {
  const rows = [];
  const head = { v: 1, t: "events", id: uuidV7(), at: Date.now() };
  const good = eventBlock([{ entity_id: "hostile" }]);
  const event = '[{"name":"view","entity_id":"hostile"}]';
  const routes = [
    ["POST", (k) => `/v1/batch?${query({ ...head, k })}`, good],
    ["POST", (k) => `/v1/events?${query({ k })}`, event],
    ["POST", (k) => `/v1/cdc?${query({ k })}`, "{}"],
    ["GET", (k) => `/v1/query/summary?${query({ k, id: "1" })}`],
    ["POST", (k) => `/v1/query?${query({ k })}`, '{"queries":[{"name":"top"}]}'],
  ];
  const keys = [
    undefined,
    "",
    "pk_ope",
    "pk_openx",
    "PK_OPEN",
    " pk_open",
    "pk_open ",
    "pk_open\0",
    "rk_open",
    "*",
    "' OR 1=1 --",
    "x".repeat(129),
    "x".repeat(20_000),
    "__proto__",
    "\ufffd",
  ];
  for (const [method, path, body] of routes) {
    const where = path("").split("?")[0];
    const fromElsewhere = (what, key, headers) => {
      const row = { what: `${where} ${what}`, method, path: path(key), headers, body };
      rows.push({ ...row, expect: refused(403, "bad_origin") });
    };
    for (const key of keys) {
      const what = `${where} with key ${`${key}`.slice(0, 30)}`;
      rows.push({ what, method, path: path(key), body, expect: refused(401, "bad_key") });
    }
    for (const origin of [
      "null",
      "https://bound.test.evil",
      "https://bound.test:8443",
      "http://bound.test",
      "https://BOUND.test",
      `${ORIGIN}/`,
      `${ORIGIN} `,
      `x ${ORIGIN}`,
      `${ORIGIN}, ${ORIGIN}`,
      "*",
      "",
    ]) {
      // Node trims what stands around a value, as HTTP does.
      if (origin.trim() === ORIGIN) continue;
      fromElsewhere(`from origin ${origin}`, "pk_bound", { origin });
    }
    fromElsewhere("with a server's key in a page", "sk_served", { origin: "https://page.test" });
    // Whatever claims to be a proxy's word for where the request came from.
    for (const name of [
      "x-forwarded-host",
      "x-original-url",
      "x-rewrite-url",
      "forwarded",
      "referer",
      "x-origin",
      "host",
    ]) {
      const headers = { [name]: name === "forwarded" ? `host=bound.test` : "bound.test" };
      fromElsewhere(`with ${name} spoofed`, "pk_bound", headers);
    }
  }
  const tokens = [
    "tt1.",
    "tt1..",
    "tt1.e30.e30",
    "tt1.eyJzaXRlIjoidmF1bHQiLCJxdWVyaWVzIjpbInN1bW1hcnkiXSwiZXhwIjo5OTk5OTk5OTk5fQ.",
    "tt1.eyJzaXRlIjoidmF1bHQiLCJxdWVyaWVzIjpbInN1bW1hcnkiXSwiZXhwIjo5OTk5OTk5OTk5fQ.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    `tt1.${"A".repeat(9_000)}.A`,
    "tt1.\u00e4.A",
    "tt2.e30.e30",
  ];
  for (const token of tokens) {
    const path = `/v1/query/summary?${query({ k: token, id: "1" })}`;
    const what = `token ${token.slice(0, 40)}`;
    rows.push({ what, method: "GET", path, expect: refused(401, "bad_key") });
    if (/^[\x21-\x7e]*$/.test(token)) {
      const headers = { authorization: `Bearer ${token}` };
      const bearer = {
        what: `bearer ${what}`,
        method: "GET",
        path: "/v1/query/summary?k=pk_open&id=1",
      };
      rows.push({ ...bearer, headers, expect: refused(401, "bad_key") });
    }
  }
  const authorizations = [
    ADMIN_KEY,
    "Bearer",
    "Bearer ",
    "Basic YWRtaW46YWRtaW4=",
    "Bearer pk_open",
    "Bearer sk_served",
    "Bearer rk_open",
    `Bearer ${ADMIN_KEY}x`,
    `Bearer ${ADMIN_KEY.toUpperCase()}`,
    `Bearer ${ADMIN_KEY.slice(1)}`,
    `Bearer ${ADMIN_KEY} ${ADMIN_KEY}`,
    `Digest ${ADMIN_KEY}`,
    `Bearer ${"x".repeat(10_000)}`,
  ];
  for (const path of [
    "/v1/sql",
    "/v1/admin/migrate",
    "/v1/admin/migrate?dry_run=1",
    `/v1/admin/groups/0/${uuidV7()}/discard`,
    `/v1/admin/groups/0/${uuidV7()}/replay`,
  ]) {
    for (const authorization of [undefined, ...authorizations]) {
      const headers = authorization === undefined ? {} : { authorization };
      const what = `${path} as ${`${authorization}`.slice(0, 40)}`;
      rows.push({ what, method: "POST", path, headers, expect: refused(401, "bad_key") });
    }
    for (const name of [
      "x-api-key",
      "x-admin-key",
      "cookie",
      "proxy-authorization",
      "x-clickhouse-key",
    ]) {
      const headers = { [name]: ADMIN_KEY };
      rows.push({
        what: `${path} by ${name}`,
        method: "POST",
        path,
        headers,
        expect: refused(401, "bad_key"),
      });
    }
    const inUrl = `${path}${path.includes("?") ? "&" : "?"}k=${ADMIN_KEY}`;
    rows.push({
      what: `${path} by k`,
      method: "POST",
      path: inUrl,
      expect: refused(401, "bad_key"),
    });
  }
  return rows;
}
