// Who may ask what, what a page lost, and the cache before the queries.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, describe, test } from "node:test";
import { ADMIN, NOW, SECRET, on, startAsking } from "./asking.mjs";
import { uuidV7 } from "./blocks.mjs";
import { holdUntil, refuse } from "./harness.mjs";

const { stack, send, ask, reading } = await startAsking({ after });
const { proxy } = stack;

describe("a page's loss", () => {
  test("is what its numbers expect, what is stored, and what it dropped itself", async () => {
    const page_id = uuidV7();
    const drop = (reason, value, seq) => ({
      name: "$dropped",
      entity_type: reason,
      entity_id: "",
      value,
      page_id,
      seq,
    });
    const view = (seq) => ({ name: "view", entity_type: "post", entity_id: "l", page_id, seq });
    await send([view(0), view(1), view(4), drop("queue_full", 3, 5), drop("queue_full", 8, 6)]);
    await send([drop("invalid", 1, 7)]);
    assert.deepEqual(await reading("loss", { page_id }), [
      { page_id, expected: 8, stored: 6, dropped: { queue_full: 8, invalid: 1 } },
    ]);
    const none = { page_id: "none", expected: 0, stored: 0, dropped: {} };
    assert.deepEqual(await reading("loss", { page_id: "none" }), [none]);
  });
});

describe("keys", () => {
  const sign = (payload) => {
    const signed = `tt1.${Buffer.from(JSON.stringify(payload)).toString("base64url")}`;
    return `${signed}.${createHmac("sha256", SECRET).update(signed).digest("base64url")}`;
  };
  const soon = Math.floor(NOW / 1000) + 600;
  const refused = async (name, params) => (await ask(name, params)).code;

  test("a public key asks public queries alone", async () => {
    assert.equal(await refused("loss", { page_id: "a" }), "forbidden");
  });

  test("a reader key asks those for readers, from anywhere, and is no parameter", async () => {
    assert.equal((await ask("loss", { page_id: "a", bearer: "rk_open" })).code, undefined);
    assert.equal(await refused("loss", { page_id: "a", k: "rk_open" }), "bad_key");
    assert.equal(await refused("loss", { page_id: "a", bearer: "rk_other" }), "bad_key");
  });

  test("a token asks what it names, about whom it names, until it ends", async () => {
    const token = sign({ site: "open", queries: ["summary", "loss"], ids: ["a"], exp: soon });
    assert.equal((await ask("summary", { id: "a", k: token })).data[0].views, 0);
    assert.equal((await ask("summary", { id: "a", bearer: token })).data[0].views, 0);
    assert.equal(await refused("summary", { id: "b", k: token }), "forbidden");
    assert.equal(await refused("loss", { page_id: "a", k: token }), "forbidden");
    assert.equal(await refused("top", { k: token }), "forbidden");
    const ended = sign({ site: "open", queries: ["summary"], exp: Math.floor(NOW / 1000) - 1 });
    assert.equal(await refused("summary", { id: "a", k: ended }), "bad_key");
    assert.equal(await refused("summary", { id: "a", k: `${token}A` }), "bad_key");
  });

  test("the admin asks everything of the site that k names", async () => {
    const { data } = await ask("loss", { page_id: "a", k: "pk_bound", bearer: ADMIN });
    assert.equal(data[0].stored, 0);
  });
});

describe("the cache", () => {
  const asked = () => proxy.requests.length;
  const params = { entity_type: "Cached" };

  test("S3.15 serves an answer again, and says when it was computed", async () => {
    await send([on("Cached", "c1")("View")]);
    const from = asked();
    const first = await ask("entity_counts", params);
    await send([on("Cached", "c1")("View")]);
    const again = await ask("entity_counts", params);
    assert.equal(asked(), from + 2, "one query, one insert");
    assert.deepEqual([first.cached_at, first.data[0].views], [null, 1]);
    assert.deepEqual(again.data, first.data);
    assert.ok(again.cached_at >= NOW && again.cached_at <= Date.now());
  });

  test("S3.15 refresh=1 computes it anew, for the others too", async () => {
    const fresh = await ask("entity_counts", { ...params, refresh: 1 });
    assert.deepEqual([fresh.cached_at, fresh.data[0].views], [null, 2]);
    assert.equal((await ask("entity_counts", params)).data[0].views, 2);
  });

  test("keeps parameters and sites apart", async () => {
    const from = asked();
    await ask("entity_counts", { ...params, days: 8 });
    await ask("entity_counts", { ...params, k: "pk_bound", origin: "https://bound.test" });
    await ask("entity_counts", { ...params, days: 7 });
    assert.equal(asked(), from + 2);
  });

  test("sends one request for many that ask at once", async () => {
    const once = { entity_type: "Once" };
    const from = asked();
    let release;
    proxy.next(holdUntil(new Promise((resolve) => (release = resolve))));
    const answers = [ask("entity_counts", once)];
    await proxy.seen(from + 1);
    answers.push(ask("entity_counts", once), ask("entity_counts", once));
    // A query without a cache goes its own way meanwhile.
    await ask("summary", { id: "a" });
    release();
    const [first, ...others] = await Promise.all(answers);
    assert.equal(asked(), from + 2);
    assert.equal(first.cached_at, null);
    for (const other of others) assert.deepEqual(other.data, first.data);
  });

  test("a request that fails leaves the next to try itself", async () => {
    proxy.next(refuse);
    assert.equal((await ask("entity_counts", { entity_type: "Failed" })).code, "upstream");
    assert.deepEqual((await ask("entity_counts", { entity_type: "Failed" })).data, []);
  });

  test("several at once come from it one by one", async () => {
    const url = new URL("/v1/query?k=pk_open", stack.site);
    const queries = [
      { name: "entity_counts", params },
      { name: "summary", params: { id: "c1" } },
    ];
    const answer = await fetch(url, { method: "POST", body: JSON.stringify({ queries }) });
    const [counts, summary] = await answer.json();
    assert.equal(counts.data[0].views, 2);
    assert.ok(counts.cached_at);
    assert.equal(summary.cached_at, null);
  });
});
