// A batch whose head or block is not what it must be.

import { gzipSync } from "node:zlib";
import { block, eventBlock, eventColumns, uuidV7 } from "../blocks.mjs";
import { BODY_BYTES, HOUR, LONG, query, refused } from "./setup.mjs";

export function batchRows(tables) {
  const rows = [];
  const hostile = { entity_id: "hostile" };
  const columns = eventColumns([hostile, { ...hostile, seq: 1 }]);
  const good = block(columns);
  const head = () => ({ v: 1, k: "pk_open", id: uuidV7(), t: "events", at: Date.now() });
  const add = (what, changes, body, status, code, headers) => {
    const path = `/v1/batch?${query({ ...head(), ...changes })}`;
    rows.push({ what, method: "POST", path, headers, body, expect: refused(status, code) });
  };
  const badHead = (name, values, status = 400, code = "bad_request") => {
    for (const value of values)
      add(`${name}=${`${value}`.slice(0, 40)}`, { [name]: value }, good, status, code);
  };
  badHead("v", [undefined, "", "0", "2", "1.0", "01", " 1", "1 ", "１", "1;", "true"]);
  const now = Date.now();
  badHead("id", [
    undefined,
    "",
    "1",
    "x".repeat(36),
    "00000000-0000-0000-0000-000000000000",
    "0198c9a0-0000-4000-8000-000000000000",
    "0198c9a0-0000-1000-8000-000000000000",
    "{0198c9a0-0000-7000-8000-000000000000}",
    "0198c9a0-0000-7000-c000-000000000000",
    "0198c9a000007000800000000000000",
    `${uuidV7()}'`,
    `${uuidV7()}\0`,
    ` ${uuidV7()}`,
    `${uuidV7()},${uuidV7()}`,
    uuidV7(now + 25 * HOUR),
    "ffffffff-ffff-7fff-bfff-ffffffffffff",
    "x".repeat(30_000),
  ]);
  badHead("id", [uuidV7(now - 25 * HOUR), uuidV7(0), uuidV7(now - 24 * 30 * HOUR)], 410, "too_old");
  badHead("at", [
    undefined,
    "",
    "-1",
    "1.5",
    "1e12",
    "now",
    "+1",
    " 1",
    "0x1",
    "9".repeat(30),
    "9223372036854775807",
    now + 25 * HOUR,
    "١٢",
  ]);
  badHead(
    "t",
    [
      undefined,
      "",
      "Events",
      "events ",
      " events",
      "events\0",
      "tallymark.events",
      "`events`",
      "events; DROP TABLE events",
      "events (site)",
      "system.users",
      "../events",
      "events,events",
      "%65vents",
      "__proto__",
      "x".repeat(10_000),
    ],
    404,
    "bad_table",
  );
  // Every table that there is, but the one.
  badHead(
    "t",
    tables.filter((table) => table !== "events"),
    404,
    "bad_table",
  );
  for (const name of ["v", "k", "id", "t", "at", "b"]) {
    const path = `/v1/batch?${query(head())}&${query({ b: "x" })}&${name}=${head()[name] ?? "y"}`;
    rows.push({
      what: `${name} twice`,
      method: "POST",
      path,
      body: good,
      expect: refused(400, "bad_request"),
    });
  }

  const bad = (what, body) => add(what, {}, body, 400, "bad_block");
  for (const [name, [type, values]] of Object.entries(columns)) {
    const { [name]: left, ...others } = columns;
    if (!["value", "user_id", "properties"].includes(name)) bad(`without ${name}`, block(others));
    bad(
      `${name} twice`,
      Buffer.concat([
        block(columns, { count: Object.keys(columns).length + 1 }),
        block({ [name]: [type, values] }).subarray(2),
      ]),
    );
    for (const other of ["Int64", "UInt32", "Float64", "UUID", "String"]) {
      const taken =
        other === type || (other === "String" && ["name", "entity_type"].includes(name));
      const value = { UUID: uuidV7(), String: "x" }[other] ?? 1;
      if (!taken)
        bad(`${name} as ${other}`, block({ ...columns, [name]: [other, values.map(() => value)] }));
    }
    // The type's own name, given another spelling.
    const renamed = (text) => swap(good, type, text);
    for (const text of [
      type.toLowerCase(),
      `${type} `,
      `Nullable(${type})`,
      `Array(${type})`,
      "Dynamic",
      "Variant(String)",
      "AggregateFunction(sum, UInt64)",
      "x".repeat(3_000),
    ]) {
      if (text !== type) bad(`${name} of type ${text.slice(0, 30)}`, renamed(text));
    }
  }
  for (const [name, type, value] of [
    ["site", "String", "vault"],
    ["received_at", "DateTime64(3, 'UTC')", now],
    ["batch_id", "UUID", uuidV7()],
    ["country", "String", "XX"],
    ["region", "String", "XX"],
    ["city", "String", "XX"],
    ["browser", "String", "XX"],
    ["os", "String", "XX"],
    ["device", "String", "XX"],
    ["bot", "String", "x"],
    ["Name", "String", "x"],
    ["SITE", "String", "vault"],
    ["site ", "String", "vault"],
    ["site\0", "String", "vault"],
    ["`site`", "String", "vault"],
    ["", "String", "x"],
    ["nothing", "String", "x"],
    ["events.site", "String", "vault"],
    ["_part", "String", "x"],
    ["name) SELECT 1 --", "String", "x"],
    ["x".repeat(3_000), "String", "x"],
  ]) {
    bad(
      `smuggled column ${JSON.stringify(name.slice(0, 20))}`,
      block({ ...columns, [name]: [type, [value, value]] }),
    );
  }
  for (const [what, changes] of [
    ["NaN", { value: NaN }],
    ["infinity", { value: Infinity }],
    ["a name of 201 bytes", { name: "x".repeat(201) }],
    ["a type of 201 bytes", { entity_type: "x".repeat(201) }],
    ["an id of 513 bytes", { entity_id: LONG }],
    ["a user of 513 bytes", { user_id: LONG }],
    ["properties that are text", { properties: "x" }],
    ["properties that are an array", { properties: "[]" }],
    ["properties that end early", { properties: '{"a":' }],
    ["properties of a lone surrogate", { properties: '{"a":"\\ud800"}' }],
    ["properties of depth 10,000", { properties: '{"a":'.repeat(1_500) }],
  ]) {
    bad(what, eventBlock([{ ...hostile, ...changes }]));
  }
  for (const [what, counts] of [
    ["no columns", { count: 0 }],
    ["a column fewer", { count: Object.keys(columns).length - 1 }],
    ["a column more", { count: Object.keys(columns).length + 1 }],
    ["2^31 columns", { count: 2 ** 31 }],
    ["no rows", { rows: 0 }],
    ["a row fewer", { rows: 1 }],
    ["a row more", { rows: 3 }],
    ["2^31 rows", { rows: 2 ** 31 }],
    ["2^53 rows", { rows: 2 ** 53 }],
  ]) {
    const tooMany = (counts.rows ?? 0) > 10_000;
    add(
      `a block that claims ${what}`,
      {},
      block(columns, counts),
      tooMany ? 413 : 400,
      tooMany ? "too_large" : "bad_block",
    );
  }
  // Cut off at each of its first hundred bytes, and in its data.
  for (let at = 0; at < 100; at += 1) bad(`cut off at ${at}`, good.subarray(0, at));
  for (let back = 1; back < 20; back += 1)
    bad(`cut off ${back} before its end`, good.subarray(0, -back));
  bad("a byte too many", Buffer.concat([good, Buffer.of(0)]));
  bad("two blocks", Buffer.concat([good, good]));
  bad("an empty block before it", Buffer.concat([Buffer.of(0, 0), good]));
  bad("JSON", JSON.stringify([hostile]));
  bad("a varint without an end", Buffer.alloc(200, 0xff));
  bad("a name of 2^30 bytes", Buffer.of(1, 1, 0x80, 0x80, 0x80, 0x80, 4));
  bad("SQL", "INSERT INTO events SELECT * FROM events");
  const invalid = Buffer.from(good);
  invalid.fill(0xff, good.indexOf("hostile"), good.indexOf("hostile") + 7);
  bad("an id of bad UTF-8", invalid);

  const zipped = gzipSync(good);
  for (let at = 2; at < 22; at += 1) bad(`gzip cut off at ${at}`, zipped.subarray(0, at));
  for (let back = 1; back < 9; back += 1)
    bad(`gzip without its last ${back}`, zipped.subarray(0, -back));
  const flipped = (at) => {
    const bytes = Buffer.from(zipped);
    bytes[bytes.length + at] ^= 1;
    return bytes;
  };
  for (let at = -8; at < 0; at += 1) bad(`gzip with a lie ${-at} before its end`, flipped(at));
  bad("gzip of gzip", gzipSync(zipped));
  bad("gzip of nothing", gzipSync(""));
  for (const megabytes of [3, 8, 16]) {
    add(
      `a bomb of ${megabytes} MB`,
      {},
      gzipSync(Buffer.alloc(megabytes * 1_000_000)),
      413,
      "too_large",
    );
  }
  add("a body over the cap", {}, Buffer.alloc(BODY_BYTES + 1), 413, "too_large");
  return rows;
}

/** The block with the first column type `from` written as `to`. */
function swap(bytes, from, to) {
  const at = bytes.indexOf(Buffer.concat([Buffer.of(from.length), Buffer.from(from)]));
  const length =
    to.length > 127 ? Buffer.of((to.length % 128) + 128, to.length >> 7) : Buffer.of(to.length);
  return Buffer.concat([
    bytes.subarray(0, at),
    length,
    Buffer.from(to),
    bytes.subarray(at + 1 + from.length),
  ]);
}
