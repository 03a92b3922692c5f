// What a user agent tells, through the worker into a real ClickHouse, and that no query counts bots.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { batchUrl, eventBlock, uuidV7 } from "./blocks.mjs";
import { startStack } from "./harness.mjs";

const stack = await startStack(
  { after },
  {
    sites: [
      { site: "open", key: "pk_open", origins: ["*"] },
      { site: "served", key: "sk_served", kind: "server" },
    ],
    // What is accepted is in ClickHouse then: no group in between.
    vars: { USER_AGENT: "store", SINK: "direct" },
  },
);

const SAFARI =
  "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)" +
  " Version/18.0 Mobile/15E148 Safari/604.1";

const AGENTS = [
  [SAFARI, ["Safari", "iOS", "mobile", ""]],
  [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)" +
      " Chrome/130.0.0.0 Safari/537.36 Edg/130.0.0.0",
    ["Microsoft Edge", "Windows", "desktop", ""],
  ],
  [
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:133.0) Gecko/20100101 Firefox/133.0",
    ["Firefox", "macOS", "desktop", ""],
  ],
  [
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)" +
      " HeadlessChrome/156.0.0.0 Safari/537.36",
    ["Chrome", "Linux", "desktop", "user_agent"],
  ],
  [
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    ["Googlebot", "", "bot", "user_agent"],
  ],
  ["curl/8.5.0", ["", "", "", "user_agent"]],
  ["x".repeat(5_000), ["", "", "", "user_agent"]],
];

const agentsOf = async (entityId) => {
  const found = await stack.rows(
    "SELECT browser, os, device, bot FROM events WHERE entity_id = {id:String}",
    { params: { id: entityId } },
  );
  return found.map(Object.values);
};

test("a batch is stored with browser, system and device, and with the reason for a bot", async () => {
  for (const [at, [agent, expected]] of AGENTS.entries()) {
    const entity_id = `agent-${at}`;
    const headers = { "user-agent": agent };
    const body = eventBlock([{ entity_id }]);
    const response = await fetch(batchUrl(stack.site), { method: "POST", body, headers });
    assert.equal(response.status, 202);
    assert.deepEqual(await agentsOf(entity_id), [expected], agent);
  }
});

test("bots are kept, and no query counts them", async () => {
  const send = (agent) =>
    fetch(batchUrl(stack.site), {
      method: "POST",
      body: eventBlock([{ entity_id: "both" }]),
      headers: { "user-agent": agent },
    });
  await send(SAFARI);
  await send("curl/8.5.0");
  assert.equal((await agentsOf("both")).length, 2);
  const url = new URL("/v1/query/summary?k=pk_open&id=both", stack.site);
  assert.equal((await (await fetch(url)).json()).data[0].views, 1);
});

test("a batch of a server's own is no bot's, whatever it calls itself", async () => {
  const url = batchUrl(stack.site, { k: "sk_served" });
  const body = eventBlock([{ entity_id: "batch" }]);
  const headers = { "user-agent": "node" };
  assert.equal((await fetch(url, { method: "POST", body, headers })).status, 202);
  assert.deepEqual(await agentsOf("batch"), [["", "", "", ""]]);
});

test("events of a page are marked as its batches are, those of a server's own are not", async () => {
  const headers = { "user-agent": "curl/8.5.0" };
  const send = (key, entity_id) =>
    fetch(new URL(`/v1/events?k=${key}&id=${uuidV7()}`, stack.site), {
      method: "POST",
      body: JSON.stringify([{ name: "view", entity_id }]),
      headers,
    });
  await send("pk_open", "page");
  await send("sk_served", "server");
  assert.deepEqual(await agentsOf("page"), [["", "", "", "user_agent"]]);
  assert.deepEqual(await agentsOf("server"), [["", "", "", ""]]);
});
