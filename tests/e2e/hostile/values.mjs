// Values that a parameter of their type must not take, and texts that try to leave the value that
// they are.

import { LONG } from "./setup.mjs";

export const INJECTIONS = [
  "' OR 1=1 --",
  "'; DROP TABLE events; --",
  "\\'; DROP TABLE events; --",
  "') UNION ALL SELECT site, 1, 1, 1, 1, 1, 1, 1 FROM events --",
  "x' AND sleep(3) = 0 --",
  "{site:String}",
  "{id:Identifier}",
  "\t'\n\\N\r\\",
  "\0",
  "%27%20OR%201=1",
  "*/ OR 1=1 /*",
  '--boundary\r\ncontent-disposition: form-data; name="param_site"\r\n\r\nvault',
  "&param_site=vault",
  "\r\nx-clickhouse-user: admin",
  "vault",
  "../../etc/passwd",
  "<script>alert(1)</script>",
  "${jndi:ldap://x}",
  "\u202e\u{1F4A9}\ufeff",
  "__proto__",
];

const NO_NUMBERS = [
  "",
  "-1",
  "1.5",
  "1e3",
  "0x10",
  "ten",
  "null",
  "true",
  "[1]",
  "{}",
  '"1"',
  "1;DROP TABLE events",
  "1 OR 1=1",
  "18446744073709551616",
  "99999999999999999999999999",
  "NaN",
  "Infinity",
  "+1",
  "01",
  "١",
];

const NO_BOOLS = ["", "1", "0", "yes", "True", '"true"', "null", "[true]", "true OR 1=1"];
const NO_DATES = [
  "",
  "today()",
  "2026-02-30",
  "2026-13-01",
  "2026-1-1",
  "1969-12-31",
  "2149-01-01",
  "2026-11-25T00:00:00Z",
  "2026/11/25",
  "2026-11-25' OR 1=1",
  "٢٠٢٦-11-25",
  "-026-11-25",
];
const NO_ARRAYS = [
  "",
  "a",
  "{}",
  "null",
  '"a"',
  "[1]",
  "[null]",
  "[[]]",
  '[["a"]]',
  '["a"',
  '["a",]',
  "['a']",
  '["\\ud800"]',
  JSON.stringify([LONG]),
  JSON.stringify(Array(1_001).fill("")),
  "[".repeat(5_000),
];
const NO_MAPS = [
  "",
  "a",
  "[]",
  "null",
  '{"a":"1"}',
  '{"a":null}',
  '{"a":{}}',
  '{"a":1e400}',
  '{"a":NaN}',
  "{'a':1}",
  JSON.stringify({ [LONG]: 1 }),
  '{"a":'.repeat(3_000),
];

// By type.
export const WRONG = {
  String: [LONG, `${"ä".repeat(257)}`],
  UInt32: [...NO_NUMBERS, "0", "4294967296"],
  UInt64: NO_NUMBERS,
  Bool: NO_BOOLS,
  Date: NO_DATES,
  "Array(String)": NO_ARRAYS,
  "Map(String,Float64)": NO_MAPS,
};
