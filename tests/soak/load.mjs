// A loader for the group-maker: batches of 30 rows whose counts are known, sent until they are
// acknowledged, as a page would; some acknowledgements are dropped, some batches sent twice at once.

import { batchUrl, eventBlock, uuidV7 } from "../e2e/blocks.mjs";

export const ROWS = 30;
const ENTITIES = 200;
const TEMPLATES = 64;

/** Blocks to send, each with what it adds to every entity and name. */
export function templates() {
  const occurred_at = Date.now() - 1000;
  return Array.from({ length: TEMPLATES }, () => {
    const events = Array.from({ length: ROWS }, () => ({
      name: Math.random() < 0.8 ? "view" : "like",
      entity_id: `soak-${Math.floor(Math.random() * ENTITIES)}`,
      occurred_at,
      properties: '{"position":3,"list":"feed"}',
    }));
    return {
      block: eventBlock(events),
      keys: events.map(({ entity_id, name }) => `${entity_id} ${name}`),
    };
  });
}

/** A block that the edge takes and ClickHouse never will: its JSON is none. */
export const poison = () =>
  eventBlock(Array.from({ length: ROWS }, () => ({ entity_id: "poison", properties: "{" })));

export class Load {
  expected = new Map();
  ids = [];
  sent = 0;
  tries = 0;
  known = 0;
  busy = 0;
  failed = 0;
  waits = [];

  constructor(site, { dropped = 0.1, twice = 0.03 } = {}) {
    this.site = site;
    this.dropped = dropped;
    this.twice = twice;
    this.templates = templates();
  }

  /** Begins `count` batches at `rate` a second, and waits until all are acknowledged. */
  async run(count, rate) {
    const begun = performance.now();
    const running = new Set();
    for (let at = 0; at < count; at += 1) {
      const due = begun + (at * 1000) / rate;
      const wait = due - performance.now();
      if (wait > 1) await sleep(wait);
      // A page does not open hundreds of connections, and neither does this.
      while (running.size >= 400) await Promise.race(running);
      const batch = this.batch().finally(() => running.delete(batch));
      running.add(batch);
    }
    await Promise.all(running);
    return (performance.now() - begun) / 1000;
  }

  async batch() {
    const { block, keys } = this.templates[Math.floor(Math.random() * TEMPLATES)];
    const id = uuidV7();
    this.ids.push(id);
    this.sent += 1;
    for (const key of keys) this.expected.set(key, (this.expected.get(key) ?? 0) + 1);
    const begun = performance.now();
    const first = this.until(id, block);
    if (Math.random() < this.twice) await this.until(id, block);
    await first;
    this.waits.push(performance.now() - begun);
    if (Math.random() < this.dropped) {
      await sleep(Math.random() * 2000);
      await this.until(id, block);
    }
  }

  /** Sends the same bytes under the same id until they are acknowledged. */
  async until(id, block) {
    for (;;) {
      this.tries += 1;
      try {
        const answer = await fetch(batchUrl(this.site, { id }), { method: "POST", body: block });
        const body = await answer.json();
        if (answer.status === 202) {
          if (body.known) this.known += 1;
          return body;
        }
        if (answer.status !== 503) throw new Error(`answered ${answer.status} ${body.code}`);
        this.busy += 1;
      } catch (error) {
        if (String(error.message).startsWith("answered")) throw error;
        this.failed += 1;
      }
      await sleep(100 + Math.random() * 400);
    }
  }

  /** The wait for an acknowledgement that this share of batches had at most, in ms. */
  percentile(share) {
    const sorted = this.waits.toSorted((a, b) => a - b);
    return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]);
  }
}

/** What is stored against what was sent, in events and in each rollup: `{ rows, batches, wrong }`. */
export async function compare(stack, load) {
  const tables = {
    events: "SELECT entity_id, name, count() AS n FROM events GROUP BY entity_id, name",
    entity_totals:
      "SELECT entity_id, name, sum(rows) AS n FROM entity_totals GROUP BY entity_id, name",
    entity_hours:
      "SELECT entity_id, name, sum(rows) AS n FROM entity_hours GROUP BY entity_id, name",
  };
  const found = {};
  let wrong = 0;
  for (const [table, sql] of Object.entries(tables)) {
    const rows = await stack.rows(sql);
    found[table] = rows.reduce((sum, { n }) => sum + n, 0);
    const stored = new Map(rows.map(({ entity_id, name, n }) => [`${entity_id} ${name}`, n]));
    for (const key of new Set([...stored.keys(), ...load.expected.keys()])) {
      if ((stored.get(key) ?? 0) !== (load.expected.get(key) ?? 0)) wrong += 1;
    }
  }
  const [{ batches }] = await stack.rows("SELECT uniqExact(batch_id) AS batches FROM events");
  return { ...found, expected: load.sent * ROWS, batches, wrong };
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
