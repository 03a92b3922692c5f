// Records as Debezium's connector for PostgreSQL writes them, of several of its versions, by its
// documentation of the connector's events ("Data change events", "Transaction metadata", "Heartbeat"):
// what came, and whether worker/cdc.example.json makes an event of it.

const AT = 1_795_435_200_000;
let lsn = 24_023_128;

/** `source` as a version has it: fields came with time, and `snapshot` was a boolean once. */
function source(version, table, more) {
  const [major, minor] = version.split(".").map(Number);
  lsn += 56;
  const fields = {
    version,
    connector: "postgresql",
    name: "PostgreSQL_server",
    ts_ms: AT,
    snapshot: major < 2 ? false : "false",
    db: "store",
  };
  if (major > 1 || minor > 5) fields.sequence = `["${lsn - 56}","${lsn}"]`;
  if (major > 2 || (major === 2 && minor > 5)) {
    Object.assign(fields, { ts_us: AT * 1_000 + 863, ts_ns: AT * 1_000_000 + 863_000 });
  }
  return { ...fields, schema: "public", table, txId: 555, lsn, xmin: null, ...more };
}

const COLUMNS = [
  { type: "int32", optional: false, default: 0, field: "id" },
  { type: "int32", optional: true, field: "user_id" },
  { type: "string", optional: true, field: "type" },
  { type: "int32", optional: true, field: "downloads" },
  {
    type: "int64",
    optional: true,
    name: "io.debezium.time.MicroTimestamp",
    version: 1,
    field: "created_at",
  },
];
const text = (field, optional = false) => ({ type: "string", optional, field });
const number = (field, optional = true) => ({ type: "int64", optional, field });

/** With the schema around it, as the JSON converter writes it unless it is told not to. */
const described = (payload) => ({
  schema: {
    type: "struct",
    fields: [
      ...["before", "after"].map((field) => ({
        type: "struct",
        fields: COLUMNS,
        optional: true,
        name: "PostgreSQL_server.public.models.Value",
        field,
      })),
      {
        type: "struct",
        fields: [
          text("version"),
          text("connector"),
          text("name"),
          number("ts_ms", false),
          { ...text("snapshot", true), name: "io.debezium.data.Enum", version: 1 },
          text("db"),
          text("sequence", true),
          text("schema"),
          text("table"),
          number("txId"),
          number("lsn"),
          number("xmin"),
        ],
        optional: false,
        name: "io.debezium.connector.postgresql.Source",
        field: "source",
      },
      text("op"),
      number("ts_ms"),
    ],
    optional: false,
    name: "PostgreSQL_server.public.models.Envelope",
  },
  payload,
});

const change = (version, op, before, after, more = {}, table = "models") => ({
  before,
  after,
  source: source(version, table, more),
  op,
  ts_ms: AT + 41,
  transaction: null,
});
const model = (id, downloads = 0) => ({
  id,
  user_id: 7,
  type: "LORA",
  downloads,
  created_at: AT * 1_000,
});
const follow = { id: 1, followed_id: 7001, follower_id: 8 };

/** What it is, the record, the events that it becomes: `[entity, name, value]`. */
export const RECORDS = [
  [
    "1.2: create, with its schema",
    described(change("1.2.5.Final", "c", null, model(7101))),
    ["7101", "Upload", 1],
  ],
  ["2.4: create", change("2.4.1.Final", "c", null, model(7102)), ["7102", "Upload", 1]],
  [
    "3.0: create, in a transaction",
    {
      ...change("3.0.0.Final", "c", null, model(7103)),
      transaction: { id: "555:24023128", total_order: 1, data_collection_order: 1 },
      ts_us: AT * 1_000 + 41_123,
      ts_ns: AT * 1_000_000 + 41_123_456,
    },
    ["7103", "Upload", 1],
  ],
  [
    "update, REPLICA IDENTITY FULL",
    change("2.5.3.Final", "u", model(7104), model(7104, 5)),
    ["7104", "Download", 5],
  ],
  // Nothing tells what has changed.
  ["update, REPLICA IDENTITY DEFAULT", change("2.5.3.Final", "u", null, model(7105, 5))],
  [
    "delete, REPLICA IDENTITY FULL",
    change("2.5.3.Final", "d", follow, null, {}, "follows"),
    ["7001", "Follow", -1],
  ],
  ["tombstone behind it", null],
  ["tombstone, with its schema", { schema: null, payload: null }],
  [
    "snapshot read, first",
    change("3.0.0.Final", "r", null, model(7106), { snapshot: "first" }),
    ["7106", "Upload", 1],
  ],
  [
    "snapshot read, of an older version",
    change("1.2.5.Final", "r", null, model(7107), { snapshot: true }),
    ["7107", "Upload", 1],
  ],
  [
    "snapshot read, last",
    change("3.0.0.Final", "r", null, model(7108), { snapshot: "last" }),
    ["7108", "Upload", 1],
  ],
  [
    "incremental snapshot, which has no place in the log",
    change("3.0.0.Final", "r", null, model(7109), {
      snapshot: "incremental",
      lsn: null,
      txId: null,
    }),
    ["7109", "Upload", 1],
  ],
  ["truncate", change("3.0.0.Final", "t", null, null)],
  [
    "logical message",
    {
      source: source("3.0.0.Final", "", { schema: "" }),
      op: "m",
      ts_ms: AT,
      message: { prefix: "foo", content: "Ymfy" },
    },
  ],
  ["heartbeat", described({ ts_ms: AT })],
  [
    "begin of a transaction",
    { status: "BEGIN", id: "555:24023128", ts_ms: AT, event_count: null, data_collections: null },
  ],
  [
    "end of a transaction",
    {
      status: "END",
      id: "555:24023128",
      ts_ms: AT,
      event_count: 1,
      data_collections: [{ data_collection: "public.models", event_count: 1 }],
    },
  ],
  [
    "schema change",
    {
      source: source("3.0.0.Final", "models"),
      ts_ms: AT,
      databaseName: "store",
      schemaName: "public",
      ddl: null,
      tableChanges: [{ type: "ALTER", id: '"store"."public"."models"', table: { columns: [] } }],
    },
  ],
];
