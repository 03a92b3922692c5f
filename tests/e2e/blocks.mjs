// Native blocks and batch ids for tests, written apart from the tracker's own code: what one
// misunderstands, the other must not.

import { randomFillSync } from "node:crypto";

// A UUID of version 7 whose time is `ms`.
export function uuidV7(ms = Date.now()) {
  const bytes = randomFillSync(Buffer.alloc(16));
  bytes.writeUIntBE(ms, 0, 6);
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

const text = (value) => {
  const bytes = Buffer.from(value);
  return Buffer.concat([varint(bytes.length), bytes]);
};

const fixed = (bytes, write) => (value) => {
  const buffer = Buffer.alloc(bytes);
  write(buffer, value);
  return buffer;
};

// Every type is written as ClickHouse spells it; a row of it becomes bytes.
const TYPES = {
  String: text,
  UInt32: fixed(4, (buffer, value) => buffer.writeUInt32LE(value)),
  // Whole seconds.
  DateTime: fixed(4, (buffer, value) => buffer.writeUInt32LE(value)),
  Int64: fixed(8, (buffer, value) => buffer.writeBigInt64LE(BigInt(value))),
  Float64: fixed(8, (buffer, value) => buffer.writeDoubleLE(value)),
  "DateTime64(3, 'UTC')": fixed(8, (buffer, value) => buffer.writeBigInt64LE(BigInt(value))),
  // Two halves, each least significant byte first.
  UUID: (value) => {
    const bytes = Buffer.from(value.replaceAll("-", ""), "hex");
    return Buffer.concat([bytes.subarray(0, 8).reverse(), bytes.subarray(8).reverse()]);
  },
};

// What is written as a whole: version, flags, the dictionary with the default in front, an index of
// one byte a row.
const LOW_CARDINALITY = "LowCardinality(String)";
function lowCardinality(values) {
  const entries = [...new Set(["", ...values])];
  return [
    TYPES.Int64(1),
    TYPES.Int64(0x600),
    TYPES.Int64(entries.length),
    ...entries.map(text),
    TYPES.Int64(values.length),
    Buffer.from(values.map((value) => entries.indexOf(value))),
  ];
}

// The types of the client's columns; what takes LowCardinality or JSON takes String too.
export const EVENT_TYPES = {
  name: "String",
  entity_type: "String",
  entity_id: "String",
  value: "Float64",
  user_id: "String",
  occurred_at: "DateTime64(3, 'UTC')",
  page_id: "UUID",
  seq: "UInt32",
  properties: "String",
};

// A block of columns `{ name: [type, values] }`; the counts may lie.
export function block(columns, { rows, count } = {}) {
  const all = Object.entries(columns);
  const parts = [varint(count ?? all.length), varint(rows ?? all[0]?.[1][1].length ?? 0)];
  for (const [name, [type, values]] of all) {
    const rows = type === LOW_CARDINALITY ? lowCardinality(values) : values.map(TYPES[type]);
    parts.push(text(name), text(type), ...rows);
  }
  return Buffer.concat(parts);
}

// The columns of events: each event has `name`, `entityId`, `at` and more, by column name.
export function eventColumns(events) {
  const page = uuidV7();
  const full = events.map((event, seq) => ({
    name: "view",
    entity_type: "post",
    entity_id: "1",
    occurred_at: Date.now(),
    page_id: page,
    seq,
    ...event,
  }));
  const names = Object.keys(full[0]);
  return Object.fromEntries(
    names.map((name) => [name, [EVENT_TYPES[name], full.map((event) => event[name])]]),
  );
}

// A block of events.
export const eventBlock = (events) => block(eventColumns(events));

// The URL of a batch; a parameter of `undefined` is left out.
export function batchUrl(site, parameters = {}) {
  const url = new URL("/v1/batch", site);
  const all = { v: 1, k: "pk_open", id: uuidV7(), t: "events", at: Date.now(), ...parameters };
  for (const [name, value] of Object.entries(all)) {
    if (value !== undefined) url.searchParams.set(name, value);
  }
  return url;
}

function varint(value) {
  const bytes = [];
  while (value > 127) {
    bytes.push((value % 128) + 128);
    value = Math.floor(value / 128);
  }
  return Buffer.from([...bytes, value]);
}
