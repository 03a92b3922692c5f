// Takes mails, network addresses and tokens out of addresses, before they are sent.

/** Each is replaced by what it was. */
const PATTERNS = [
  [/[^\s/?#&=:@]+(?:@|%40)[^\s/?#&=@]+\.[a-z]{2,}/gi, "{mail}"],
  // A JSON Web Token: three parts, of which two are JSON in base64url.
  [/eyJ[\w-]+\.[\w-]+\.[\w-]*/g, "{token}"],
  [/\b\d{1,3}(?:\.\d{1,3}){3}\b/g, "{ip}"],
  // Thirty-two or more letters and digits, both of them: no word, and no UUID, which names a thing.
  [/(?<![\w-])(?=[\w-]*\d)(?=[\w-]*[a-z])(?![\da-f]{8}(?:-[\da-f]{4}){3}-)[\w-]{32,}/gi, "{token}"],
];

/** Parameters that are a secret or a person by their name. */
const SECRET =
  /([?&#][^=&#]*(?:token|key|code|pass|secret|auth|session|sig|mail|phone)[^=&#]*=)[^&#]*/gi;

const IS_URL = /^[a-z][a-z0-9+.-]*:\/\//i;

export const redacted = (text) =>
  PATTERNS.reduce(
    (text, [pattern, by]) => text.replace(pattern, by),
    text.replace(SECRET, "$1{removed}"),
  );

/**
 * The columns of a page (src/effects/place.js), what `place` leaves out as the page has it. A
 * referrer's query says nothing that a campaign's parameters do not.
 */
export function redactedPage(place) {
  const { location, document } = globalThis;
  const query = new URLSearchParams(location?.search);
  const columns = { pathname: location?.pathname, referrer: document?.referrer };
  for (const name of ["source", "medium", "campaign"])
    columns[`utm_${name}`] = query.get(`utm_${name}`);
  Object.assign(columns, place);
  for (const name in columns) columns[name] &&= redacted(columns[name]);
  columns.referrer = columns.referrer?.replace(/[?#].*/s, "");
  return columns;
}

/** Properties whose text is a URL, at the top. */
export function redactProperties(properties) {
  for (const name of Object.keys(properties)) {
    const value = properties[name];
    if (typeof value === "string" && IS_URL.test(value)) properties[name] = redacted(value);
  }
}
