// The worker's entry: it awaits, the core decides. Each step that the core gives has one effect
// here, and its result goes back for the next step.

import { Exchange, Worker } from "#glue";
import { agentOf } from "./agent.js";
import { readAll, readUnder } from "./body.js";
import { look, put } from "./cache.js";
import { fly, join } from "./flights.js";
import { instance, replaceAfter } from "./instance.js";
import { askAdmin, askForBatch, askShards, putBatch } from "./shards.js";
import { post } from "./upstream.js";

export { GroupMaker } from "./group.js";

// Exchanges to keep: as many as an isolate has at once where it is busy.
const IDLE = 64;

let shared;

export default {
  async fetch(request, env, context) {
    const made = instance();
    let exchange;
    try {
      if (shared?.made !== made) shared = new Shared(env, made);
      exchange = shared.idle.pop() ?? new Exchange(shared.worker);
      return await run(exchange, request, env, context);
    } catch (error) {
      // A client that went away while it sent, or a mistake of ours: the client may try again.
      fault(error, made);
      return broken();
    } finally {
      if (exchange) leave(exchange, made, request, context);
    }
  },
};

class Shared {
  constructor(env, made) {
    this.made = made;
    this.worker = new Worker(env, crypto.getRandomValues(new Uint32Array(8)));
    this.clientIpHeader = this.worker.clientIpHeader();
    // Exchanges that have ended, for the next requests: each new one is a memory's piece and a
    // finalizer's entry.
    this.idle = [];
    [this.country, this.region, this.city] = this.worker.placeHeaders();
    this.readsCf = !(this.country && this.region && this.city);
    this.readsAgents = this.worker.readsAgents();
  }
}

function fault(error, made) {
  console.error(`tallymark: ${error?.stack ?? error}`);
  replaceAfter(error, made);
}

async function run(exchange, request, env, context) {
  const { headers } = request;
  const agent = shared.readsAgents ? agentOf(headers.get("user-agent")) : undefined;
  const authorization = headers.get("authorization") ?? undefined;
  const apiKey = headers.get("x-api-key") ?? undefined;
  // The platform parses it anew for each request.
  const cf = shared.readsCf ? request.cf : undefined;
  const clientIp = (shared.clientIpHeader && headers.get(shared.clientIpHeader)) ?? undefined;
  const limitName = env.RATE_LIMITER
    ? shared.worker.limitName(request.method, request.url, authorization, apiKey, clientIp)
    : undefined;
  let step = exchange.begin(
    request.method,
    request.url,
    headers.get("origin") ?? undefined,
    headers.get("sec-fetch-site") ?? undefined,
    authorization,
    apiKey,
    headers.get("content-length") ?? undefined,
    headers.has("transfer-encoding"),
    clientIp,
    limitName === undefined ? undefined : await isWithin(env.RATE_LIMITER, limitName),
    (shared.country ? headers.get(shared.country) : cf?.country) ?? undefined,
    (shared.region ? headers.get(shared.region) : cf?.region) ?? undefined,
    (shared.city ? headers.get(shared.city) : cf?.city) ?? undefined,
    agent?.browser,
    agent?.os,
    agent?.device,
    agent?.isBot ?? false,
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
      case "put":
        step = exchange.put(await putBatch(env.GROUPS, step));
        break;
      case "ask":
        step = exchange.put(await askForBatch(env.GROUPS, step));
        break;
      case "shards":
        step = exchange.shards(await askShards(env.GROUPS, step));
        break;
      case "admin":
        step = exchange.admin(await askAdmin(env.GROUPS, step));
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

// The exchange has answered: what it has left to do goes on behind the answer.
function leave(exchange, made, request, context) {
  if (made !== instance()) return;
  try {
    const step = exchange.behind();
    if (step) context.waitUntil(finish(exchange, made, step, request.url));
    else done(exchange, made);
  } catch (error) {
    fault(error, made);
  }
}

// What a trap has killed is left to the instance's own end: to free it would be a call into it, or
// worse, into the next one.
function done(exchange, made) {
  if (made !== instance()) return;
  if (shared.made === made && shared.idle.length < IDLE) shared.idle.push(exchange);
  else exchange.free();
}

// What the platform's limiter says; nothing when it fails.
async function isWithin(limiter, key) {
  try {
    return (await limiter.limit({ key })).success;
  } catch (error) {
    console.error(`tallymark: ${error}`);
    return undefined;
  }
}

// What is left to do behind the answer, this step first.
async function finish(exchange, made, first, url) {
  try {
    for (let step = first; step; step = exchange.behind()) {
      const answer = await fly(step.flight, upstream(step));
      if (answer.lost) exchange.lostBehind();
      else exchange.answeredBehind(...answer.all);
      const kept = exchange.toStore();
      if (kept) await put(url, kept);
    }
    done(exchange, made);
  } catch (error) {
    fault(error, made);
    if (made === instance()) exchange.free();
  }
}

// What came of a request, as the core takes it.
const upstream = (step) =>
  post(step, {
    answered: (...all) => ({ all }),
    lost: (timedOut) => ({ lost: true, timedOut }),
  });

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
