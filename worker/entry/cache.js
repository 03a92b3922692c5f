// The cache that a data centre's isolates share, where the platform has one. Without it (bare
// workerd, other runtimes) nothing is found, and each isolate keeps its own answers.

// Beside the worker's own paths, so that the entry belongs to the worker's host.
const at = (requestUrl, name) => new URL(`/v1/cached/${name}`, requestUrl);

export async function look(requestUrl, name) {
  try {
    const kept = await caches.default.match(at(requestUrl, name));
    if (!kept) return undefined;
    const rows = new Uint8Array(await kept.arrayBuffer());
    return { at: Number(kept.headers.get("x-computed-at")), rows };
  } catch {
    return undefined;
  }
}

export async function put(requestUrl, { name, at: computedAt, seconds, rows }) {
  const headers = { "cache-control": `max-age=${seconds}`, "x-computed-at": `${computedAt}` };
  try {
    await caches.default.put(at(requestUrl, name), new Response(rows, { headers }));
  } catch {
    // See above: there is none.
  }
}
