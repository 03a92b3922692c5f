// Methods that a path does not take, and paths that lead nowhere or only seem to.

import { uuidV7 } from "../blocks.mjs";
import { ADMIN, refused } from "./setup.mjs";

export function routeRows() {
  const rows = [];
  const posts = [
    "/v1/batch",
    "/v1/events",
    "/ingest-events",
    "/v1/cdc",
    "/v1/query",
    "/v1/sql",
    "/v1/admin/migrate",
  ];
  const gets = [
    "/v1/query/summary",
    "/v1/health",
    "/tallymark/index.js",
    `/v1/admin/groups/0/${uuidV7()}`,
  ];
  const others = ["PUT", "DELETE", "PATCH", "PROPFIND", "COPY", "PURGE", "SEARCH"];
  const expect = refused(405, "bad_method");
  for (const path of posts) {
    for (const method of ["GET", ...others])
      rows.push({ what: `${method} ${path}`, method, path, expect });
    for (const name of ["x-http-method-override", "x-http-method", "x-method-override"]) {
      const headers = { [name]: "POST" };
      rows.push({ what: `GET ${path} with ${name}`, method: "GET", path, headers, expect });
    }
  }
  for (const path of gets) {
    for (const method of ["POST", ...others])
      rows.push({ what: `${method} ${path}`, method, path, expect });
  }
  for (const path of [
    "/v1//batch",
    "/v1/batch/",
    "/v1/batch;x",
    "/v1/batch%00",
    "/v1/x/%2e%2e/batch",
    "/v1/batch%20",
    "/v1/b%61tch",
    "/v1/batch.json",
    "/v1/",
    "/v1/admin",
    "/v1/admin/",
    "/v1/admin/groups",
    "/v1/admin/sql",
    `/v1/${"a/".repeat(5_000)}`,
    "/v1/%ff%fe",
    "/v1/.git/config",
    "/v1/.env",
    "/v1/ping",
    "/v1/play",
    "/v1/?query=DROP%20TABLE%20events",
  ]) {
    for (const method of ["GET", "POST"]) {
      const what = `${method} ${path.slice(0, 40)}`;
      rows.push({ what, method, path, expect: refused(404, "not_found") });
    }
  }
  // The URL standard takes these for the path that they lead to.
  for (const path of ["/v1/./batch", "/v1/x/../batch", "/v1/query/../batch"]) {
    rows.push({ what: `POST ${path}`, method: "POST", path, expect: refused(400, "bad_request") });
  }
  for (const file of [
    "",
    ".",
    "..%2findex.js",
    "%2e%2e%2fwrangler.toml",
    ".env",
    ".js",
    "index.js.map",
    "index.html",
    "index.JS",
    "in%64ex.js",
    "index.js%00.js",
    "a/b.js",
    "nothing-here.js",
    "nothing-here.wasm",
    "index.js/",
    `${"a".repeat(3_000)}.js`,
  ]) {
    const path = `/tallymark/${file}`;
    rows.push({
      what: `GET ${path.slice(0, 50)}`,
      method: "GET",
      path,
      expect: refused(404, "not_found"),
    });
  }
  for (const group of [
    "",
    "0",
    "0/",
    "0/x",
    "1/01a2084a-5500-7000-8000-000000000001",
    "-1/01a2084a-5500-7000-8000-000000000001",
    "0/01a2084a-5500-7000-8000-000000000001/x",
    "0/01a2084a-5500-7000-8000-000000000001/discard/x",
    "0/01a2084a-5500-7000-8000-00000000000'",
    "99999999999/01a2084a-5500-7000-8000-000000000001",
  ]) {
    const path = `/v1/admin/groups/${group}`;
    rows.push({
      what: `GET ${path}`,
      method: "GET",
      path,
      headers: ADMIN,
      expect: refused(404, "not_found"),
    });
  }
  return rows;
}
