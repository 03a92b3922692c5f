// What the edge stores of who sent a batch: address and place, by the headers that the operator
// trusts; and what no header can say where none is trusted.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { batchUrl, eventBlock } from "./blocks.mjs";
import { startStack } from "./harness.mjs";

const HEADERS = {
  "x-real-ip": "203.0.113.77",
  "x-forwarded-for": "198.51.100.1",
  "x-country": "DE",
  "x-region": "Hesse",
  "x-city": "Frankfurt am Main",
};
const PLACE = { COUNTRY_HEADER: "X-Country", REGION_HEADER: "x-region", CITY_HEADER: "x-city" };

for (const [what, vars, expected] of [
  ["none", {}, { ip: "::", country: "", region: "", city: "" }],
  [
    "a truncated address",
    { CLIENT_IP_HEADER: "X-Real-IP" },
    { ip: "::ffff:203.0.113.0", country: "", region: "", city: "" },
  ],
  [
    "a whole address and a place",
    { CLIENT_IP_HEADER: "x-real-ip", CLIENT_IP: "whole", ...PLACE },
    { ip: "::ffff:203.0.113.77", country: "DE", region: "Hesse", city: "Frankfurt am Main" },
  ],
]) {
  describe(`by trusted headers: ${what}`, async () => {
    const stack = await startStack(
      { after },
      {
        sites: [{ site: "open", key: "pk_open", origins: ["*"] }],
        vars: { SINK: "direct", ...vars },
      },
    );
    const post = async (url, body, headers = HEADERS) =>
      (await fetch(url, { method: "POST", body, headers })).status;
    const stored = (name) =>
      stack.rows(
        "SELECT toString(ip) AS ip, country, region, city FROM events WHERE entity_id = {id:String}",
        { params: { id: name } },
      );

    test("a batch", async () => {
      const body = eventBlock([{ entity_id: "batch" }]);
      assert.equal(await post(batchUrl(stack.site), body), 202);
      assert.deepEqual(await stored("batch"), [expected]);
    });

    test("events as JSON", async () => {
      const url = new URL("/v1/events?k=pk_open", stack.site);
      assert.equal(await post(url, '[{"name":"view","entity_id":"json"}]'), 202);
      assert.deepEqual(await stored("json"), [expected]);
    });

    test("a client without these headers, or with nonsense in them, is stored without", async () => {
      const nonsense = { "x-real-ip": "203.0.113.77, 10.0.0.1", "x-city": "x".repeat(101) };
      const body = (entity_id) => eventBlock([{ entity_id }]);
      assert.equal(await post(batchUrl(stack.site), body("bare"), {}), 202);
      assert.equal(await post(batchUrl(stack.site), body("nonsense"), nonsense), 202);
      const nothing = { ip: "::", country: "", region: "", city: "" };
      assert.deepEqual(await stored("bare"), [nothing]);
      assert.deepEqual(await stored("nonsense"), [nothing]);
    });
  });
}
