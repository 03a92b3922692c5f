// The engine for rows of declared tables, around the one for events: delivery is the same.
//
// A row is the property `row` of an event there, in the buffer, in the journal and under the id that
// the event's batch has. What leaves is the rows alone, as lines of JSON for `/v1/events`: made of the
// same batch they are the same bytes at every try.

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** Bytes of a value in the columns that stand before `properties` (src/buffer.rs), but for texts. */
const WIDTHS = { UUID: 16, UInt32: 4, "DateTime64(3, 'UTC')": 8, Float64: 8 };

/** The properties of the events in a Native block, each as JSON. */
function propertiesOf(block) {
  let at = 0;
  const number = () => {
    for (let value = 0, unit = 1; ; unit *= 128) {
      const byte = block[at++];
      value += (byte & 127) * unit;
      if (byte < 128) return value;
    }
  };
  const text = () => {
    const bytes = number();
    return decoder.decode(block.subarray(at, (at += bytes)));
  };
  number();
  const length = number();
  while (at < block.length) {
    const name = text();
    const type = text();
    if (!WIDTHS[type] && type !== "String") break;
    if (WIDTHS[type]) {
      at += length * WIDTHS[type];
      continue;
    }
    const texts = Array.from({ length }, text);
    if (name === "properties") return texts;
  }
  // Left out: none of them has a row.
  return Array.from({ length }, () => "");
}

/** The same of the lines that the tracker without wasm sends: nothing stands behind them there. */
const PROPERTIES = ',"properties":';
const propertiesOfLines = (body) =>
  decoder
    .decode(body)
    .split("\n")
    .map((line) => line.slice(line.indexOf(PROPERTIES) + PROPERTIES.length, -1));
const BRACE = 0x7b;

/** What stands before a row, and the JSON that both may be at most: STRING_UNITS of src/effects/pack.js. */
const BEFORE = '{"row":';
const ROW_UNITS = 32_768 - BEFORE.length - 1;

/** `track(row)` of a table has put the row where an event's name is. What is none has no name. */
const eventOf = ({ name: row }) => (isRow(row) ? { name: "row", properties: { row } } : {});
function isRow(row) {
  if (!row || typeof row !== "object" || Array.isArray(row)) return false;
  try {
    return JSON.stringify(row, asText).length <= ROW_UNITS;
  } catch {
    return false;
  }
}
const asText = (_, value) => (typeof value === "bigint" ? `${value}` : value);

/** The address for a batch's rows. Straight to ClickHouse a date in a column of JSON stays a text. */
const rowsAddressOf = (url) =>
  url.includes("FORMAT+Native")
    ? `${url.replace("FORMAT+Native", "FORMAT+JSONEachRow")}&${AS_TEXTS}`
    : url.replace("/v1/batch?v=1&", "/v1/events?");
const AS_TEXTS = "input_format_try_infer_dates=0&input_format_try_infer_datetimes=0";

/** How many rows the worker took: a long list of refused ones is cut, so this is no JSON.parse. */
const TAKEN = /^\s*\{"now":\d+,"taken":(\d+)/;

/** What starts a tracker for rows; `load(config, queue)` starts one for events. */
export const makeRows = (load) => async (config, queue) => {
  /** Rows of accepted batches that the worker refused by themselves. */
  let refused = 0;

  const through = (send) => async (url, body, keepalive) => {
    const isLines = body[0] === BRACE;
    const events = isLines ? propertiesOfLines(body) : propertiesOf(body);
    const rows = events.filter((json) => json.startsWith(`${BEFORE}{`));
    const lines = rows.map((json) => json.slice(BEFORE.length, -1)).join("\n");
    const answer = await send(rowsAddressOf(url), encoder.encode(lines), keepalive);
    const [, taken] = TAKEN.exec(answer[1]) ?? [];
    if (answer[0] === 202 && taken && !isLines) {
      refused += events.length - taken;
      // The engine knows of batches that are taken as they are.
      answer[1] = '{"now":0}';
    }
    return answer;
  };
  const own = { beforeSend: { value: eventOf }, through: { value: through } };
  const host = await load(Object.create(config, own), queue);
  const settle = (method) => async () => {
    const before = refused;
    const { ok, delivered, dropped } = await host[method]();
    const lost = refused - before;
    return { ok: ok && !lost, delivered: delivered - lost, dropped: dropped + lost };
  };
  return {
    ...host,
    flush: settle("flush"),
    shutdown: settle("shutdown"),
    stats() {
      const stats = host.stats();
      if (!refused) return stats;
      const invalid = (stats.dropped.invalid ?? 0) + refused;
      const dropped = { ...stats.dropped, invalid };
      return { ...stats, delivered: stats.delivered - refused, dropped };
    },
  };
};
