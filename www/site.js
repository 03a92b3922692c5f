// Fronts the demo in workerd: the tracker's routes go to the worker, everything else is a file.
//
// Bindings: TALLYMARK (the worker), FILES (a disk service over the built site), and for
// /direct.html CLICKHOUSE_PUBLIC_URL, PAGE_USER, PAGE_PASSWORD and, optionally, PAGE_DATABASE:
// an insert-only user that any visitor may see.

const WORKER_ROUTE = /^\/(v1|tallymark)\/|^\/ingest-events$/;

// workerd's disk service sends no useful types; what is not listed here is not served at all,
// which also keeps sources that lie beside the pages out of reach.
const TYPES = new Map([
  ["html", "text/html; charset=utf-8"],
  ["css", "text/css; charset=utf-8"],
  ["js", "text/javascript; charset=utf-8"],
  ["json", "application/json"],
  ["svg", "image/svg+xml"],
  ["png", "image/png"],
  ["wasm", "application/wasm"],
  ["txt", "text/plain; charset=utf-8"],
]);

const HIDDEN = new Set(["/site.js"]);

export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    if (WORKER_ROUTE.test(pathname)) return env.TALLYMARK.fetch(request);
    if (request.method !== "GET" && request.method !== "HEAD") {
      return new Response("Only GET and HEAD here.\n", {
        status: 405,
        headers: { ...securityHeaders(env), allow: "GET, HEAD" },
      });
    }
    if (pathname === "/demo-config.json") return demoConfig(env);
    return serveFile(request, env, pathname.endsWith("/") ? `${pathname}index.html` : pathname);
  },
};

async function serveFile(request, env, path) {
  const type = TYPES.get(path.slice(path.lastIndexOf(".") + 1));
  const found = type && !HIDDEN.has(path) ? await readFile(env, path, request.method) : undefined;
  if (found) return fileResponse(found, 200, type, env);

  const page = await readFile(env, "/404.html", request.method);
  if (page) return fileResponse(page, 404, TYPES.get("html"), env);
  return new Response("Not found.\n", { status: 404, headers: securityHeaders(env) });
}

async function readFile(env, path, method) {
  const response = await env.FILES.fetch(new Request(`http://files${path}`, { method }));
  if (response.ok) return response;
  await response.body?.cancel();
  return undefined;
}

function fileResponse(file, status, type, env) {
  const headers = new Headers(securityHeaders(env));
  headers.set("content-type", type);
  // `no-cache` means "ask again each time": a page from before a rebuild never meets new scripts.
  headers.set("cache-control", "no-cache");
  const length = file.headers.get("content-length");
  if (length) headers.set("content-length", length);
  return new Response(file.body, { status, headers });
}

function demoConfig(env) {
  const clickhouse = env.CLICKHOUSE_PUBLIC_URL
    ? {
        url: env.CLICKHOUSE_PUBLIC_URL,
        database: env.PAGE_DATABASE ?? "default",
        user: env.PAGE_USER,
        password: env.PAGE_PASSWORD,
        site: "demo",
      }
    : null;
  return Response.json(
    { clickhouse },
    { headers: { ...securityHeaders(env), "cache-control": "no-store" } },
  );
}

function securityHeaders(env) {
  const clickhouse = env.CLICKHOUSE_PUBLIC_URL
    ? ` ${new URL(env.CLICKHOUSE_PUBLIC_URL).origin}`
    : "";
  return {
    "content-security-policy": [
      "default-src 'self'",
      // The tracker is WebAssembly; nothing else here is compiled at run time.
      "script-src 'self' 'wasm-unsafe-eval'",
      // Charts set sizes through the CSSOM, which a policy allows; style attributes it does not.
      "style-src 'self'",
      `connect-src 'self'${clickhouse}`,
      "object-src 'none'",
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
      "require-trusted-types-for 'script'",
    ].join("; "),
    "x-content-type-options": "nosniff",
    "referrer-policy": "strict-origin-when-cross-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
  };
}
