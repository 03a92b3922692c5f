// Turns queued calls of `track()` into what crosses into wasm in one call: strings and numbers.
//
// One walk over the queue. Properties cross as raw strings and numbers and become JSON in
// src/js/row.rs.
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

// A row: time, value, places of name, type, id, user, address, count of properties; and for each
// property the place of its name times 4 plus its kind, then its content.
const HEAD = 8;
const TEXT = 0; // content: place of the text
const WHOLE = 1; // content: the number itself
const JSON_TEXT = 2; // content: place of a text that is JSON already

/** Where a field goes in the row's head, from its end; negative, so never a property's place. */
const FIELDS = new Map([
  ["occurredAt", -8],
  ["value", -7],
  ["entityType", -5],
  ["entityId", -4],
  ["userId", -3],
  ["ipAddress", -2],
  ["properties", -1],
]);

/** What `beforeSend` gets: the fields by name, everything else under `properties`. */
function eventOf(time, name, fields) {
  const event = { name, occurredAt: time, properties: { ...fields?.properties } };
  for (const key of Object.keys(fields ?? {})) {
    if (!FIELDS.has(key)) event.properties[key] = fields[key];
    else if (key !== "properties") event[key] = fields[key];
  }
  return event;
}

function finite(number) {
  if (!Number.isFinite(number)) throw new TypeError("value or occurredAt is no finite number");
  return number;
}

/** The text of a field; ids may be numbers, and addresses arrays of numbers (contract S0.15). */
function textOf(field) {
  if (typeof field === "string") return field;
  if (typeof field === "bigint" || Number.isFinite(field)) return `${field}`;
  if (Array.isArray(field)) {
    return field.length === 4
      ? field.join(".")
      : field.map((group) => group.toString(16).toUpperCase()).join(":");
  }
  throw new TypeError("an id, type or address is neither a string nor a number");
}

const nested = (_, value) => (typeof value === "bigint" ? `${value}` : value);

/** A property that is neither string nor whole number, as JSON; undefined for what has none. */
function jsonOf(value) {
  if (Number.isFinite(value)) return `${value}`;
  const json = JSON.stringify(typeof value === "bigint" ? `${value}` : value, nested);
  // JSON.stringify escapes a surrogate only if it is alone. `\\` first, so that a backslash which
  // the site itself put before "ud800" stays one.
  return json?.includes("\\ud")
    ? json.replace(/\\\\|\\ud[89a-f]../g, (found) => (found === "\\\\" ? found : "\ufffd"))
    : json;
}

/**
 * Packs `calls` (time, name, fields, time, name, fields, …) from `from` on, until they are
 * through or enough for one crossing.
 *
 * `beforeSend` is the site's own, or undefined; `tell(what, error)` hears what is left out.
 * Returns `{ strings, numbers, rows, next, invalid, hidden, unread }`: `next` is where to go on;
 * `invalid` and `hidden` count events, unusable and refused by `beforeSend`; `unread` counts
 * properties.
 */
export function pack(calls, from, beforeSend, tell) {
  const strings = [""];
  const numbers = [];
  const places = new Map([["", 0]]);
  // Events of one kind have their keys in one order: what stood where spares most look-ups. Fields
  // and the properties among them apart, for there a field's name is a property's.
  const fieldKeys = [[], []];
  const propertyKeys = [[], []];
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
  const property = (code, value) => {
    if (typeof value === "string") {
      numbers.push(code * 4 + TEXT, append(value));
    } else if (Number.isSafeInteger(value)) {
      numbers.push(code * 4 + WHOLE, value);
    } else {
      const json = jsonOf(value);
      if (json !== undefined) numbers.push(code * 4 + JSON_TEXT, append(json));
    }
  };

  const field = (head, code, value) => {
    if (value == null) return;
    if (code > -7) numbers[head + code] = intern(textOf(value));
    else numbers[head + code] = finite(value instanceof Date ? value.getTime() : value);
  };
  // `beside`: the fields that `object` is the `properties` of; what stands there counts.
  const walk = (head, object, [keys, codes], beside) => {
    let at = 0;
    for (const key of Object.keys(object)) {
      let code = codes[at];
      if (keys[at] !== key) {
        codes[at] = code = (!beside && FIELDS.get(key)) || intern(key);
        keys[at] = key;
      }
      at++;
      try {
        if (code >= 0) {
          if (!beside || !Object.hasOwn(beside, key) || FIELDS.has(key))
            property(code, object[key]);
          continue;
        }
      } catch (error) {
        unread++;
        tell(`property ${key} left out`, error);
        continue;
      }
      if (code < -1) field(head, code, object[key]);
    }
  };
  const row = (time, name, fields) => {
    const head = numbers.push(time, 1, 0, 0, 0, 0, 0, 0);
    if (typeof name !== "string") throw new TypeError("the name is not a string");
    numbers[head - 6] = intern(name);
    if (fields != null) {
      if (typeof fields !== "object" || Array.isArray(fields)) {
        throw new TypeError("the fields are not an object");
      }
      walk(head, fields, fieldKeys);
      if (fields.properties != null) walk(head, fields.properties, propertyKeys, fields);
    }
    numbers[head - 1] = (numbers.length - head) / 2;
  };

  while (next < calls.length && units < CROSSING_UNITS) {
    const start = numbers.length;
    let time = calls[next];
    let name = calls[next + 1];
    let fields = calls[next + 2];
    next += 3;
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
      numbers.length = start;
      invalid++;
      tell(`event ${String(name)} left out`, error);
    }
  }
  return { strings, numbers, rows, next, invalid, hidden, unread };
}
