// How many requests a key may make from one address: counted by the isolate in bare workerd, and by
// the platform's binding, as miniflare has it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, describe, test } from "node:test";
import { batchUrl, eventBlock } from "./blocks.mjs";
import { startStack } from "./harness.mjs";

const DIST = new URL("../../worker/dist/", import.meta.url);
const SITES = ["open", "other"].map((site) => ({ site, key: `pk_${site}`, origins: ["*"] }));
const MINUTE = 60_000;

describe("an isolate's own limit", async () => {
  const stack = await startStack(
    { after },
    {
      sites: SITES,
      vars: { RATE_LIMIT_PER_MINUTE: "3", CLIENT_IP_HEADER: "x-real-ip", SINK: "direct" },
    },
  );
  const send = (address, k = "pk_open") =>
    fetch(batchUrl(stack.site, { k }), {
      method: "POST",
      headers: { "x-real-ip": address },
      body: eventBlock([{ entity_id: "limited" }]),
    });

  /** What `run` gives, once it began and ended in one minute. */
  async function withinMinute(run) {
    for (let turn = 0; ; turn += 1) {
      const minute = Math.floor(Date.now() / MINUTE);
      const found = await run(turn);
      if (Math.floor(Date.now() / MINUTE) === minute) return found;
    }
  }

  test("the fourth request of a key from one address in a minute is 429 rate_limited", async () => {
    const answers = await withinMinute(async (turn) => {
      const found = [];
      for (let at = 0; at < 4; at += 1) found.push(await send(`203.0.113.${turn}`));
      return found;
    });
    assert.deepEqual(
      answers.map(({ status }) => status),
      [202, 202, 202, 429],
    );
    const { headers } = answers[3];
    assert.equal((await answers[3].json()).code, "rate_limited");
    const seconds = Number(headers.get("retry-after"));
    assert.ok(Number.isInteger(seconds) && seconds >= 1 && seconds <= 61, `${seconds}`);
    assert.equal(headers.get("access-control-expose-headers"), "retry-after");
  });

  test("another address, and another key, are counted for themselves", async () => {
    const statuses = await withinMinute(async (turn) => {
      const found = [];
      for (const [address, key] of [
        ["a", "pk_open"],
        ["a", "pk_open"],
        ["a", "pk_open"],
        ["b", "pk_open"],
        ["a", "pk_other"],
        ["a", "pk_open"],
      ]) {
        found.push((await send(`2001:db8:${turn}:${address}::1`, key)).status);
      }
      return found;
    });
    assert.deepEqual(statuses, [202, 202, 202, 202, 202, 429]);
  });
});

test("the platform's binding counts where there is one", async (t) => {
  // Comes with wrangler, which pins it.
  const { Miniflare } = await import("miniflare");
  const worker = new Miniflare({
    modules: [
      {
        type: "ESModule",
        path: "index.js",
        contents: readFileSync(new URL("index.js", DIST), "utf8"),
      },
      {
        type: "CompiledWasm",
        path: "tallymark_worker_bg.wasm",
        contents: readFileSync(new URL("tallymark_worker_bg.wasm", DIST)),
      },
    ],
    compatibilityDate: "2026-04-01",
    ratelimits: { RATE_LIMITER: { simple: { limit: 2, period: 60 } } },
    bindings: {
      SINK: "direct",
      SITES: JSON.stringify(SITES),
      // Nobody listens there: what passes the limit is told that ClickHouse is away.
      CLICKHOUSE_URL: "http://127.0.0.1:9",
      CLICKHOUSE_INSERT_USER: "writer",
      CLICKHOUSE_READ_USER: "reader",
    },
  });
  t.after(() => worker.dispose());
  const send = async (k) => {
    const url = batchUrl("http://edge.test", { k });
    const body = eventBlock([{ entity_id: "limited" }]);
    const answer = await worker.dispatchFetch(url, { method: "POST", body });
    return [answer.status, (await answer.json()).code, answer.headers.get("retry-after")];
  };
  const told = [];
  for (const key of ["pk_open", "pk_open", "pk_open", "pk_other"]) told.push(await send(key));
  const busy = [503, "busy", "2"];
  assert.deepEqual(told, [busy, busy, [429, "rate_limited", "10"], busy]);
});
