// The worker's entry: it awaits, the core decides. Each step that the core gives has one effect
// here, and its result goes back for the next step.

import { Exchange, Worker, initSync } from "#glue";
import module from "./tallymark_worker_bg.wasm";
import { readAll, readUnder } from "./body.js";
import { look, put } from "./cache.js";
import { fly, join } from "./flights.js";

initSync({ module });

let shared;

export default {
  async fetch(request, env, context) {
    shared ??= new Shared(env);
    const exchange = new Exchange(shared.worker);
    try {
      return await run(exchange, request, env, context);
    } catch (error) {
      // A client that went away while it sent, or a mistake of ours: the client may try again.
      console.error(`tallymark: ${error?.stack ?? error}`);
      return broken();
    } finally {
      const step = exchange.behind();
      if (step) context.waitUntil(finish(exchange, step, request.url));
      else exchange.free();
    }
  },
};

class Shared {
  constructor(env) {
    this.worker = new Worker(env);
    this.clientIpHeader = this.worker.clientIpHeader();
  }
}

async function run(exchange, request, env, context) {
  const { headers, cf } = request;
  let step = exchange.begin(
    request.method,
    request.url,
    headers.get("origin") ?? undefined,
    headers.get("sec-fetch-site") ?? undefined,
    headers.get("authorization") ?? undefined,
    headers.get("content-length") ?? undefined,
    headers.has("transfer-encoding"),
    (shared.clientIpHeader && headers.get(shared.clientIpHeader)) ?? undefined,
    cf?.country,
    cf?.region,
    cf?.city,
    Date.now(),
  );
  let file;
  for (;;) {
    switch (step.kind) {
      case "read": {
        const body = step.atOnce ? await readAll(request) : await readUnder(request, step.capBytes);
        step = body ? exchange.body(body) : exchange.tooLarge();
        break;
      }
      case "fetch": {
        const { flight } = step;
        const sent = fly(flight, upstream(step));
        // Those who wait for it get it even if this client goes away.
        if (flight) context.waitUntil(sent);
        const answer = await sent;
        step = answer.lost ? exchange.lost(answer.timedOut) : exchange.answered(...answer.all);
        const kept = flight && exchange.toStore();
        if (kept) context.waitUntil(put(request.url, kept));
        break;
      }
      case "look": {
        const kept = await look(request.url, step.name);
        step = exchange.found(kept?.at, kept?.rows ?? new Uint8Array());
        break;
      }
      case "join":
        await join(step.name, step.timeoutMs);
        step = exchange.joined();
        break;
      case "asset":
        file = await env.ASSETS?.fetch(request.url);
        step = exchange.asset(file?.status ?? 0);
        break;
      case "relay":
        return new Response(file.body, step);
      default:
        if (step.log) console.error(`tallymark: ${step.log}`);
        return new Response(step.body.length ? step.body : null, step);
    }
  }
}

// What is left to do behind the answer, this step first.
async function finish(exchange, first, url) {
  try {
    for (let step = first; step; step = exchange.behind()) {
      const answer = await fly(step.flight, upstream(step));
      if (answer.lost) exchange.lostBehind();
      else exchange.answeredBehind(...answer.all);
      const kept = exchange.toStore();
      if (kept) await put(url, kept);
    }
  } finally {
    exchange.free();
  }
}

// What came of a request, as the core takes it.
async function upstream({ url, headers, body, timeoutMs, answerBytes }) {
  let answer, bytes;
  try {
    answer = await fetch(url, {
      method: "POST",
      headers,
      body,
      // A redirect would carry the password to another host.
      redirect: "manual",
      signal: AbortSignal.timeout(timeoutMs),
    });
    bytes = await readUnder(answer, answerBytes);
  } catch (error) {
    return { lost: true, timedOut: error?.name === "TimeoutError" };
  }
  if (!bytes) return { lost: true, timedOut: false };
  const code = answer.headers.get("x-clickhouse-exception-code") ?? undefined;
  return { all: [answer.status, code, answer.headers.has("x-clickhouse-query-id"), bytes] };
}

// The one answer that the core cannot give: it is what broke.
function broken() {
  const body = { code: "busy", message: "the worker failed; send it again, unchanged" };
  const headers = {
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "retry-after",
    "cache-control": "no-store",
    "retry-after": "2",
  };
  return Response.json(body, { status: 503, headers });
}
