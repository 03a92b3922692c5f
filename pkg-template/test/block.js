// Reads a Native block, as src/block/ writes it: columns and rows, then each column by itself.
//
// | type | bytes of a column |
// |---|---|
// | String | each: length as a varint, then UTF-8 |
// | LowCardinality(String) | 3 × u64: version 1, flags with the width of an index in the low byte, size of the dictionary; its strings; u64: rows; their indices |
// | UUID | each: two u64 halves, least significant byte first |
// | DateTime64(3, …) | each: i64, milliseconds |
// | JSON | u64 1, then as String |
//
// All numbers are little-endian. Checked against ClickHouse 26.7.

/** Reads values one after another; throws a RangeError at the end of the bytes. */
function readerOf(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let at = 0;
  const fixed = (size, method) => () => {
    const value = view[method](at, true);
    at += size;
    return value;
  };
  const u64 = () => Number(fixed(8, "getBigUint64")());
  const varint = () => {
    let value = 0;
    for (let scale = 1; scale <= 2 ** 49; scale *= 128) {
      const byte = view.getUint8(at++);
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
    throw new RangeError("a varint is too long");
  };
  const take = (length) => {
    if (length > bytes.length - at) throw new RangeError("a text is longer than the block");
    at += length;
    return bytes.subarray(at - length, at);
  };
  const string = () => decoder.decode(take(varint()));
  const uuid = () => {
    const halves = [take(8), take(8)].flatMap((half) => [...half].reverse());
    const hex = halves.map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return hex.replace(/(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  };
  const indices = [fixed(1, "getUint8"), fixed(2, "getUint16"), fixed(4, "getUint32")];
  return { fixed, u64, varint, string, uuid, indices, isAtEnd: () => at === bytes.length };
}

const times = (count, read) => Array.from({ length: count }, () => read());

/** The values of one column. */
function columnOf(type, rows, reader) {
  const { fixed, u64, string, uuid, indices } = reader;
  if (type === "String") return times(rows, string);
  if (type === "UUID") return times(rows, uuid);
  if (type === "Float64") return times(rows, fixed(8, "getFloat64"));
  if (type === "UInt32") return times(rows, fixed(4, "getUint32"));
  if (type.startsWith("DateTime64(3")) return times(rows, fixed(8, "getBigInt64")).map(Number);
  if (type === "JSON") {
    if (u64() !== 1) throw new RangeError("JSON of a version other than 1");
    return times(rows, () => JSON.parse(string()));
  }
  if (type === "LowCardinality(String)") {
    if (!rows) return [];
    if (u64() !== 1) throw new RangeError("LowCardinality of a version other than 1");
    const index = indices[u64() & 255];
    const dictionary = times(boundedBy(u64(), rows + 1), string);
    if (!index || u64() !== rows) throw new RangeError("LowCardinality does not fit its rows");
    const values = times(rows, () => dictionary[index()]);
    if (values.includes(undefined)) throw new RangeError("an index beyond its dictionary");
    return values;
  }
  throw new RangeError(`a column of the type ${type}`);
}

function boundedBy(count, most) {
  if (count > most) throw new RangeError("a count that lies");
  return count;
}

/** The rows of a block as objects by column. Throws for whatever is no block. */
export function rowsOf(bytes) {
  const reader = readerOf(bytes);
  const columns = reader.varint();
  // A row takes a byte at least, in any column.
  const rows = boundedBy(reader.varint(), bytes.length);
  const found = times(rows, () => ({}));
  for (let column = 0; column < columns; column++) {
    const name = reader.string();
    const values = columnOf(reader.string(), rows, reader);
    for (const [row, value] of values.entries()) found[row][name] = value;
  }
  if (!reader.isAtEnd()) throw new RangeError("bytes behind the block");
  return found;
}
