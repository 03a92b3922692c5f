// Turns queued calls of `track()` into what crosses into wasm in one call: strings and numbers.
//
// One walk over the queue; what is no field becomes the text of one JSON object.
// Nothing here throws: an event that cannot be used is left out and counted, and so is a property
// that cannot be read. Every value has an outcome:
//
// | property | becomes |
// |---|---|
// | undefined, function, symbol | left out |
// | NaN, Infinity | null |
// | BigInt | its digits as a string: a JSON number would lose some |
// | Date | ISO 8601; null if invalid |
// | a lone surrogate anywhere | U+FFFD |
// | cyclic, too deep, a getter or toJSON that throws | left out and counted |

/** A text longer than this, in UTF-16 units, cannot keep STRING_BYTES of src/limits.rs. */
const STRING_UNITS = 32_768;

/** About how many UTF-16 units cross at once: bounds the wasm memory whatever the burst. */
const CROSSING_UNITS = 65_536;

/** A row: time, value, and the places of name, type, id, user and properties among the strings. */
const ROW = 7;

/** Where a field goes in its row. */
const FIELDS = new Map([
  ["occurredAt", 0],
  ["value", 1],
  ["entityType", 3],
  ["entityId", 4],
  ["userId", 5],
  // The receiver knows it.
  ["ipAddress", ROW],
  ["properties", ROW],
]);

/** What `beforeSend` gets: the fields by name, everything else under `properties`. */
function eventOf(time, name, fields) {
  const event = {
    name,
    occurredAt: time,
    properties: { ...fields?.properties },
  };
  for (const key of Object.keys(fields ?? {})) {
    if (!FIELDS.has(key)) event.properties[key] = fields[key];
    else if (key !== "properties") event[key] = fields[key];
  }
  return event;
}

function finite(number) {
  if (!Number.isFinite(number)) throw new TypeError("a number is not finite");
  return number;
}

/** The text of a field; ids may be numbers. */
function textOf(field) {
  if (typeof field === "string") return field;
  if (typeof field === "bigint" || Number.isFinite(field)) return `${field}`;
  throw new TypeError("an id or type is no text");
}

const nested = (_, value) => (typeof value === "bigint" ? `${value}` : value);

/** A text that stands in JSON as it is: ASCII without quote, backslash and control characters. */
const PLAIN = /^[ !#-[\]-~]*$/;

/**
 * A property's value as JSON; undefined where it has none. Most are numbers and plain texts, and
 * JSON.stringify takes longer to be called for one than to write it.
 */
function jsonOf(value) {
  if (Number.isFinite(value)) return `${value}`;
  if (typeof value === "string" && PLAIN.test(value)) return `"${value}"`;
  try {
    return JSON.stringify(value);
  } catch {
    // A BigInt within is a reason that can be helped.
    return JSON.stringify(value, nested);
  }
}

/**
 * `json` without lone surrogates. JSON.stringify escapes a surrogate only if it is alone; `\\` first,
 * so that a backslash which the site itself put before "ud800" stays one.
 */
const whole = (json) =>
  json.includes("\\ud")
    ? json.replace(/\\\\|\\ud[89a-f]../g, (found) => (found === "\\\\" ? found : "\ufffd"))
    : json;

/**
 * Packs `calls` (time, name, fields, time, name, fields, …) from `from` on, until they are
 * through, or enough for one crossing, or a call has the fields `turn`.
 *
 * `beforeSend` is the site's own, or undefined; `tell(what, error)` hears what is left out.
 * Returns `[strings, numbers, rows, next, invalid, hidden, unread]`: `next` is where to go on;
 * `invalid` and `hidden` count events, unusable and refused by `beforeSend`; `unread` counts
 * properties.
 */
export function pack(calls, from, turn, beforeSend, tell) {
  const strings = [""];
  const numbers = [];
  const places = new Map([["", 0]]);
  let rows = 0;
  let next = from;
  let invalid = 0;
  let hidden = 0;
  let unread = 0;
  let units = 0;

  const append = (text) => {
    if (text.length > STRING_UNITS) throw new RangeError("a text is too long");
    units += text.length + 1;
    return strings.push(text) - 1;
  };
  const intern = (text) => {
    let place = places.get(text);
    if (place === undefined) places.set(text, (place = append(text)));
    return place;
  };
  const leaveOut = (key, error) => {
    unread++;
    tell(`property ${key} left out`, error);
  };

  const heads = new Map();
  /** A property's key as JSON; there are few of them. */
  const headOf = (key) => {
    let head = heads.get(key);
    if (!head) heads.set(key, (head = `${JSON.stringify(key)}:`));
    return head;
  };

  const row = (time, name, fields) => {
    if (typeof name !== "string") throw new TypeError("the name is no text");
    const row = numbers.length;
    numbers.push(time, 1, intern(name), 0, 0, 0, 0);
    let json = "";
    const read = (object, isNested) => {
      for (const key of Object.keys(object)) {
        const at = isNested ? undefined : FIELDS.get(key);
        if (at === undefined) {
          // What stands beside `properties` counts more than what stands in it.
          if (isNested && !FIELDS.has(key) && Object.hasOwn(fields, key)) continue;
          try {
            const value = jsonOf(object[key]);
            // With its quotes.
            if (value?.length > STRING_UNITS + 2) throw new RangeError("a text is too long");
            if (value) json += (json ? "," : "{") + headOf(key) + value;
          } catch (error) {
            leaveOut(key, error);
          }
          continue;
        }
        const value = object[key];
        if (value == null || at === ROW) continue;
        numbers[row + at] =
          at > 1 ? intern(textOf(value)) : finite(value instanceof Date ? value.getTime() : value);
      }
    };
    if (fields != null) {
      if (typeof fields !== "object" || Array.isArray(fields)) {
        throw new TypeError("the fields are no object");
      }
      read(fields);
      if (fields.properties != null) read(fields.properties, true);
      if (json) numbers[row + 6] = append(whole(json + "}"));
    }
  };

  while (next < calls.length && calls[next + 2] !== turn && units < CROSSING_UNITS) {
    let time = calls[next];
    let name = calls[next + 1];
    let fields = calls[next + 2];
    next += 3;
    const packed = numbers.length;
    try {
      if (beforeSend) {
        const event = beforeSend(eventOf(time, name, fields));
        if (!event) {
          hidden++;
          continue;
        }
        ({ name, ...fields } = event);
      }
      row(time, name, fields);
      rows++;
    } catch (error) {
      // What is there of its row.
      numbers.length = packed;
      invalid++;
      tell(`event ${String(name)} left out`, error);
    }
  }
  return [strings, numbers, rows, next, invalid, hidden, unread];
}
