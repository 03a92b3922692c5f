// What all of the hostile requests share: the sites, the secrets, how a row is put together.
//
// A row is `{ what, method, path, headers, body, expect }`; path and body are sent byte for byte.
// `expect` is what API.md says: `{ status, code }`, for events also `refused`, the codes of the rows,
// none of them taken. Nothing that any of them sends may reach a table.

export const BODY_BYTES = 20_000;
export const ORIGIN = "https://bound.test";
export const ADMIN_KEY = "an-admin-key-of-at-least-thirty-two-characters";
export const TOKEN_SECRET = "a-secret-of-at-least-thirty-two-characters";
// What another site has; no answer may show it.
export const TREASURE = "treasure-of-the-vault";
export const SITES = [
  { site: "open", key: "pk_open", origins: ["*"], reader_keys: ["rk_open"] },
  { site: "bound", key: "pk_bound", origins: [ORIGIN] },
  { site: "served", key: "sk_served", kind: "server" },
  { site: "vault", key: "pk_vault", origins: ["https://vault.test"] },
];

export const READER = { authorization: "Bearer rk_open" };
export const ADMIN = { authorization: `Bearer ${ADMIN_KEY}` };
export const HOUR = 3_600_000;
// A byte more than an id or a parameter may have.
export const LONG = "x".repeat(513);

/** Parameters as a URL's query; one of `undefined` is left out. */
export const query = (parameters) =>
  Object.entries(parameters)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
    .join("&");

export const refused = (status, code) => ({ status, code });
