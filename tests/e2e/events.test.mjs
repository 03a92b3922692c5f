// Events as JSON through the worker into a real ClickHouse: what is stored, what is refused by its
// index, what a retry adds. `open` is a site for every origin, `served` one with a server's key.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { uuidV7 } from "./blocks.mjs";
import { answer, counted, everywhere, loseAnswer, post, startStack } from "./harness.mjs";

const HOUR = 3_600_000;

const stack = await startStack(
  { after },
  {
    behindProxy: true,
    sites: [
      { site: "open", key: "pk_open", origins: ["*"] },
      { site: "served", key: "sk_served", kind: "server" },
    ],
    // What is accepted is in ClickHouse then: no group in between.
    vars: { BODY_BYTES: "20000", UPSTREAM_TIMEOUT_MS: "5000", SINK: "direct" },
  },
);
const { proxy, rows } = stack;

const address = (path, parameters) => {
  const url = new URL(path, stack.site);
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return url;
};

/** Posts events to `/v1/events`; text and bytes as they are, anything else as JSON. */
const send = (events, parameters, headers) => {
  const isText = typeof events === "string" || Buffer.isBuffer(events);
  const body = isText ? events : JSON.stringify(events);
  return post(address("/v1/events", { k: "pk_open", ...parameters }), body, headers);
};

/** The rows of one entity with all that the client may say. */
const stored = (entityId) =>
  rows(
    `SELECT site, name, entity_type, value, user_id, visitor_id, toString(session_id) AS session,
            toString(page_id) AS page, seq, toUnixTimestamp64Milli(occurred_at) AS occurred,
            toUnixTimestamp64Milli(received_at) AS received, toString(batch_id) AS batch,
            toString(properties) AS properties, hostname, pathname, referrer, utm_source,
            utm_medium, utm_campaign, toString(ip) AS ip, bot
     FROM events WHERE entity_id = {id:String} ORDER BY seq`,
    { params: { id: entityId } },
  );

describe("events as JSON", () => {
  test("of every field are stored as they were sent, corrected by the clocks' difference", async () => {
    const id = uuidV7(Date.now() - HOUR);
    const [session, page] = [uuidV7(), uuidV7()];
    const at = Date.now() - HOUR;
    const event = {
      name: "Download",
      entityType: "Model",
      entity_id: "whole",
      value: 2.5,
      userId: 7,
      visitor_id: "v",
      sessionId: session,
      pageId: page,
      seq: 3,
      occurredAt: at - 1_000,
      properties: { b: { c: [1, "\u{1F600}"] }, a: null },
      hostname: "e.example",
      pathname: "/a",
      referrer: "https://r.example/",
      utmSource: "s",
      utmMedium: "m",
      utmCampaign: "c",
    };
    const sent = await send([event], { id, at, b: "webdriver" });
    assert.equal(sent.status, 202);
    assert.deepEqual(sent.body, { now: sent.body.now, taken: 1, refused: [] });
    assert.equal(sent.headers.get("access-control-allow-origin"), "*");
    const [row] = await stored("whole");
    assert.deepEqual(row, {
      site: "open",
      name: "Download",
      entity_type: "Model",
      value: 2.5,
      user_id: "7",
      visitor_id: "v",
      session,
      page,
      seq: 3,
      occurred: row.received - 1_000,
      received: sent.body.now,
      batch: id,
      properties: '{"b":{"c":[1,"\u{1F600}"]}}',
      hostname: "e.example",
      pathname: "/a",
      referrer: "https://r.example/",
      utm_source: "s",
      utm_medium: "m",
      utm_campaign: "c",
      ip: "::",
      bot: "webdriver",
    });
  });

  test("S1.5 of a name alone get what is left out from the request", async () => {
    const id = uuidV7(Date.now() - 5_000);
    await send(
      [
        { name: "a", entity_id: "bare" },
        { name: "b", entity_id: "bare" },
      ],
      { id },
    );
    const found = (await stored("bare")).map(({ name, value, page, seq, occurred, batch }) => {
      return { name, value, page, seq, occurred, batch };
    });
    const both = { value: 1, page: id, occurred: parseInt(id.slice(0, 13).replace("-", ""), 16) };
    assert.deepEqual(found, [
      { name: "a", ...both, seq: 0, batch: id },
      { name: "b", ...both, seq: 1, batch: id },
    ]);
  });

  test("come as NDJSON and as gzip too", async () => {
    const lines = '{"name":"view","entity_id":"lines"}\n\n{"name":"view","entity_id":"lines"}\n';
    assert.equal((await send(lines)).body.taken, 2);
    assert.equal((await send(gzipSync(lines))).body.taken, 2);
    assert.deepEqual(await counted(stack, "lines"), everywhere(4));
  });

  test("D13 under an id count once, whatever became of the first answers", async () => {
    const event = { name: "view", entityId: "once" };
    const events = [event, event, { name: 1 }, event];
    const id = uuidV7();
    const again = (at) => send(events, { id, at });
    const from = proxy.requests.length;
    proxy.next(loseAnswer, answer(500));
    const at = Date.now();
    const lost = await again(at);
    assert.deepEqual([lost.status, lost.body.code], [503, "busy"]);
    assert.equal(lost.headers.get("retry-after"), "2");
    assert.equal((await again(at + 1)).status, 503);
    const answers = await Promise.all([again(at + 2), again(at + 3), again(at + 4)]);
    for (const { status, body } of answers) {
      assert.equal(status, 202);
      assert.deepEqual(body.refused, [
        { index: 2, code: "bad_event", message: "name must be text" },
      ]);
    }
    assert.deepEqual(await counted(stack, "once"), everywhere(3));
    const tokens = proxy.requests.slice(from).map(({ url }) => {
      return new URL(url, stack.site).searchParams.get("insert_deduplication_token");
    });
    assert.deepEqual(new Set(tokens), new Set([id]));
  });

  test("D13 without an id equal requests both count", async () => {
    await send([{ name: "view", entityId: "twice" }]);
    await send([{ name: "view", entityId: "twice" }]);
    assert.deepEqual(await counted(stack, "twice"), everywhere(2));
  });

  test("bad rows are told by index and code, and the good ones of the request are taken", async () => {
    const good = { name: "view", entity_id: "mixed" };
    const bad = [
      { entity_id: "mixed" },
      { ...good, site: "demo" },
      { ...good, properties: { a: { b: 1 }, "a.b": 2 } },
      { ...good, ip_address: "203.0.113.77" },
      7,
    ];
    const { status, body } = await send([good, ...bad, good]);
    assert.equal(status, 202);
    assert.deepEqual(
      [body.taken, body.refused.map(({ index, code }) => [index, code])],
      [
        2,
        [
          [1, "bad_event"],
          [2, "bad_event"],
          [3, "bad_event"],
          [4, "forbidden"],
          [5, "bad_event"],
        ],
      ],
    );
    assert.deepEqual(await counted(stack, "mixed"), everywhere(2));
  });

  test("none are answered without the database", async () => {
    const from = proxy.requests.length;
    for (const body of ["", "[]", "[1]"]) {
      const sent = await send(body);
      assert.deepEqual([sent.status, sent.body.taken], [202, 0], body);
    }
    assert.equal(proxy.requests.length, from);
  });

  test("that a page posts need a listed origin", async () => {
    const { key } = stack;
    const sent = await send([{ name: "view" }], { k: key }, { origin: "https://other.test" });
    assert.deepEqual([sent.status, sent.body.code], [403, "bad_origin"]);
  });

  test("properties of every kind of value come back as they were", async () => {
    const properties = {
      text: 'quote " back \\ line \n tab \t null \u0000 é \u{1F600}',
      whole: 9007199254740991,
      negative: -1.5e-7,
      big: 1.7976931348623157e308,
      yes: true,
      list: [1, "x", [2], { a: { b: 1 } }],
      deep: { er: { still: "x" } },
    };
    await send([{ name: "view", entity_id: "kinds", properties }]);
    const [row] = await stored("kinds");
    assert.deepEqual(JSON.parse(row.properties), properties);
  });
});

test("properties are refused exactly where ClickHouse would refuse the whole block", async () => {
  const objects = [
    '{"a":1,"a.b":2}',
    '{"a":{},"a.b":1}',
    '{"":{"a":1},"a":2}',
    '{"":{"a":1},".a":2}',
    '{"a":{"":1},"a.":2}',
    '{"a":{"b.c":1},"a.b":{"c":2}}',
    '{"a":[{"b":{"c":1},"b.c":2}]}',
    '{"a":[{"b":1},{"b":2}],"b":1}',
    '{"a":[[{"b":{"c":1},"b.c":2}]]}',
    '{"a\\u0000":1,"a":2}',
  ];
  const straight = async (properties, at) => {
    const body = `INSERT INTO events (entity_id, properties) VALUES ('straight${at}', '${properties.replaceAll("\\", "\\\\")}')`;
    return stack.query(body, { role: "insert" }).then(
      () => true,
      (error) => assert.match(error.message, /Duplicate path/) ?? false,
    );
  };
  const taken = await Promise.all(objects.map(straight));
  assert.deepEqual(taken.filter(Boolean).length, 5);
  const lines = objects.map((properties) => `{"name":"view","properties":${properties}}`);
  const { status, body } = await send(lines.join("\n"));
  assert.equal(status, 202);
  assert.deepEqual(
    body.refused.map(({ index }) => index),
    taken.flatMap((isTaken, index) => (isTaken ? [] : [index])),
  );
});

describe("a refused request leaves nothing behind:", () => {
  const body = JSON.stringify([{ name: "view", entity_id: "refused" }]);
  const cases = [
    ["unknown key", 401, "bad_key", { k: "pk_other" }, body],
    [
      "an id of version 4",
      400,
      "bad_request",
      { id: "0198c9a0-0000-4000-8000-000000000000" },
      body,
    ],
    ["an at that is no time", 400, "bad_request", { at: "now" }, body],
    ["an id older than a day", 410, "too_old", { id: uuidV7(Date.now() - 25 * HOUR) }, body],
    ["an array that is none", 400, "bad_request", {}, body.slice(0, -1)],
    ["bytes that are no text", 400, "bad_request", {}, Buffer.from([0x5b, 0xff, 0x5d])],
    ["broken gzip", 400, "bad_request", {}, gzipSync(body).subarray(0, -3)],
    ["a body over the cap", 413, "too_large", {}, body + " ".repeat(20_000)],
    ["a bomb", 413, "too_large", {}, gzipSync(Buffer.alloc(8_000_000, "[]"))],
    ["too many events", 413, "too_large", {}, gzipSync("1\n".repeat(10_001))],
  ];
  for (const [what, status, code, parameters, body] of cases) {
    test(`${what} is ${status} ${code}`, async () => {
      const sent = await send(body, parameters);
      assert.deepEqual([sent.status, sent.body.code], [status, code]);
      assert.deepEqual(await counted(stack, "refused"), everywhere(0));
    });
  }
});

describe("a server's key", () => {
  const headers = { "x-api-key": "sk_served" };
  const serve = (events, parameters = {}) =>
    post(address("/v1/events", parameters), JSON.stringify(events), headers);

  test("S0.15 passes addresses of every form, stored whole", async () => {
    const addresses = [null, "203.0.113.77", [203, 0, 113, 77], [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]];
    const events = addresses.map((ip_address) => ({ name: "view", entity_id: "ip", ip_address }));
    assert.equal((await serve(events)).status, 202);
    const found = await stored("ip");
    assert.deepEqual(
      found.map(({ site, ip }) => [site, ip]),
      ["::", "::ffff:203.0.113.77", "::ffff:203.0.113.77", "2001:db8::1"].map((ip) => [
        "served",
        ip,
      ]),
    );
  });

  test("S3.23 passes facts of any age at their own time", async () => {
    const occurred_at = "2019-03-01T12:00:00.250+01:00";
    const old = Date.parse(occurred_at);
    await serve([{ name: "view", entity_id: "old", occurred_at }]);
    assert.equal((await stored("old"))[0].occurred, old);
    assert.deepEqual(await counted(stack, "old"), everywhere(1));
    await send([{ name: "view", entity_id: "clamped", occurred_at: old }]);
    const [{ occurred, received }] = await stored("clamped");
    assert.equal(occurred, received - 48 * HOUR);
  });

  test("is refused in a page", async () => {
    const url = address("/v1/events", { k: "sk_served" });
    const sent = await post(url, "[]", { origin: "https://e.example" });
    assert.deepEqual([sent.status, sent.body.code], [403, "bad_origin"]);
  });
});

describe("/ingest-events", () => {
  const ingest = (body, headers, parameters = {}) =>
    post(address("/ingest-events", parameters), JSON.stringify(body), headers);
  const event = (user_id, more) => ({
    event_name: "opened",
    event_timestamp: Date.now(),
    properties: { $groups: { company: user_id } },
    user_id,
    ...more,
  });

  test("S4.8 S4.9 takes events of a name, a time, properties and a user under the key", async () => {
    const event_timestamp = Date.now() - 60_000;
    const { status, body } = await ingest(
      { api_key: "pk_open", events: [event("s48", { event_timestamp }), event("s48")] },
      { "content-type": "application/json", "x-api-key": "pk_open" },
    );
    assert.equal(status, 202);
    assert.deepEqual(body, { now: body.now, taken: 2, refused: [] });
    const found = await rows(
      `SELECT site, name, toUnixTimestamp64Milli(occurred_at) AS at, seq,
              toString(properties) AS properties
       FROM events WHERE user_id = 's48' ORDER BY seq LIMIT 1`,
    );
    assert.deepEqual(found, [
      {
        site: "open",
        name: "opened",
        at: event_timestamp,
        seq: 0,
        properties: '{"$groups":{"company":"s48"}}',
      },
    ]);
  });

  test("S4.20 under an id a retry after a lost answer counts once", async () => {
    const id = uuidV7();
    const batch = { api_key: "pk_open", events: [event("s420"), event("s420")] };
    proxy.next(loseAnswer);
    assert.equal((await ingest(batch, {}, { id })).status, 503);
    assert.equal((await ingest(batch, {}, { id })).status, 202);
    const [{ count }] = await rows("SELECT count() AS count FROM events WHERE user_id = 's420'");
    assert.equal(count, 2);
  });

  test("another key in the header than in the body is 401 bad_key", async () => {
    const batch = { api_key: "pk_open", events: [event("keys")] };
    const sent = await ingest(batch, { "x-api-key": "sk_served" });
    assert.deepEqual([sent.status, sent.body.code], [401, "bad_key"]);
  });
});
