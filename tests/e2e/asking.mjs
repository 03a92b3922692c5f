// What the tests of named queries share: a stack with every kind of key, events that are sent or
// inserted, and queries that are asked. Every expected number is counted by hand.

import assert from "node:assert/strict";
import { batchUrl, eventBlock, uuidV7 } from "./blocks.mjs";
import { startStack } from "./harness.mjs";

export const ADMIN = "an-admin-key-of-at-least-thirty-two-characters";
export const SECRET = "a-token-secret-of-at-least-thirty-two-characters";
export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;
export const NOW = Date.now();

export const times = (count, event) => Array.from({ length: count }, () => ({ ...event }));
export const on = (entity_type, entity_id) => (name, more) => ({
  name,
  entity_type,
  entity_id,
  ...more,
});

/** The day so many days ago. */
export const date = (ago) => new Date(NOW - ago * DAY).toISOString().slice(0, 10);

/**
 * The stack for a whole file: the sites `open` and `bound`, a proxy before ClickHouse.
 *
 * @returns `{ stack, send, insertOld, ask, rowsOf, reading, valueOf, refreshRanks }`
 */
export async function startAsking(scope) {
  const stack = await startStack(scope, {
    behindProxy: true,
    sites: [
      { site: "open", key: "pk_open", origins: ["*"], reader_keys: ["rk_open"] },
      { site: "bound", key: "pk_bound", origins: ["https://bound.test"] },
    ],
    // What is accepted is in ClickHouse then: no group in between.
    vars: { ADMIN_KEY: ADMIN, TOKEN_SECRET: SECRET, SINK: "direct" },
  });
  const { query } = stack;

  /** Sends events through the worker, as a page does. */
  async function send(events, parameters) {
    const filled = events.map((event) => ({ user_id: "", value: 1, occurred_at: NOW, ...event }));
    const answer = await fetch(batchUrl(stack.site, parameters), {
      method: "POST",
      body: eventBlock(filled),
    });
    assert.equal(answer.status, 202);
  }

  /** Inserts older events, as a back end with a user of ClickHouse's own may. */
  async function insertOld(events) {
    const lines = events.map(({ at, ...event }) =>
      JSON.stringify({
        site: "open",
        batch_id: uuidV7(),
        occurred_at: new Date(at).toISOString().replace("Z", ""),
        ...event,
      }),
    );
    await query(`INSERT INTO events FORMAT JSONEachRow ${lines.join("\n")}`);
  }

  /** The whole answer of a query. `bearer` goes into Authorization, everything else into the URL. */
  async function ask(name, { bearer, origin, ...params } = {}) {
    const url = new URL(`/v1/query/${name}`, stack.site);
    for (const [key, value] of Object.entries({ k: "pk_open", ...params })) {
      const text = typeof value === "object" ? JSON.stringify(value) : `${value}`;
      url.searchParams.set(key, text);
    }
    const headers = {
      ...(bearer && { authorization: `Bearer ${bearer}` }),
      ...(origin && { origin }),
    };
    return (await fetch(url, { headers })).json();
  }

  const rowsOf = async (name, params) => {
    const { data, message } = await ask(name, params);
    assert.ok(data, message);
    return data;
  };
  const reading = (name, params) => rowsOf(name, { bearer: "rk_open", ...params });
  const valueOf = async (name, params) => (await rowsOf(name, params))[0].value;

  const refreshRanks = async () => {
    for (const view of ["user_ranks_view", "user_received_view"]) {
      await query(`SYSTEM REFRESH VIEW ${view}`);
      await query(`SYSTEM WAIT VIEW ${view}`);
    }
  };

  return { stack, send, insertOld, ask, rowsOf, reading, valueOf, refreshRanks };
}
