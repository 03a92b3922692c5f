// The proxy that the other tests trust to misbehave as told.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  answer,
  holdUntil,
  loseAnswer,
  refuse,
  serveOrigin,
  settled,
  startProxy,
  withResolvers,
} from "./harness.mjs";

async function target(t) {
  const { origin } = await serveOrigin(t, { pages: { "/": "served" } });
  return startProxy(t, origin);
}

const text = async (url) => (await fetch(url)).text();

test("the proxy passes on what it is not told about", async (t) => {
  const proxy = await target(t);
  assert.equal(await text(proxy.url), "served");
  assert.deepEqual(
    proxy.requests.map(({ method, url, status }) => [method, url, status]),
    [["GET", "/", 200]],
  );
});

test("the proxy answers by itself, once", async (t) => {
  const proxy = await target(t);
  proxy.next(answer(500, "broken"));
  assert.equal((await fetch(proxy.url)).status, 500);
  assert.equal(await text(proxy.url), "served");
});

test("a lost answer reaches the target but not the caller", async (t) => {
  const behind = await target(t);
  const proxy = await startProxy(t, behind.url);
  proxy.next(loseAnswer);
  await assert.rejects(fetch(proxy.url));
  assert.equal(behind.requests.length, 1);
  assert.equal(proxy.requests[0].status, null);
});

test("a refused request does not reach the target", async (t) => {
  const behind = await target(t);
  const proxy = await startProxy(t, behind.url);
  proxy.next(refuse);
  await assert.rejects(fetch(proxy.url));
  assert.equal(behind.requests.length, 0);
});

test("a held request goes on when it is let go", async (t) => {
  const proxy = await target(t);
  let letGo;
  proxy.always(holdUntil(new Promise((resolve) => (letGo = resolve))));
  const pending = text(proxy.url);
  await proxy.seen(1);
  assert.equal(proxy.requests[0].status, null);
  letGo();
  assert.equal(await pending, "served");
});

test("the proxy is idle once nothing is under way, answered or not", async (t) => {
  const proxy = await target(t);
  const { promise, resolve: letGo } = withResolvers();
  proxy.always(async (request, forward) => {
    await promise;
    return loseAnswer(request, forward);
  });
  const lost = assert.rejects(fetch(proxy.url));
  await proxy.seen(1);
  let isIdle = false;
  const idle = proxy.idle().then(() => (isIdle = true));
  await text(await target(t).then(({ url }) => url));
  assert.equal(isIdle, false);
  letGo();
  await Promise.all([idle, lost]);
  await proxy.idle();
});

test("what has no shards has not settled", async (t) => {
  const healths = [[], [{ groups: 1, batches: 2 }], [{ shard: 0, problem: "none" }]];
  const all = [...healths, [{ groups: 0, batches: 0 }]];
  const proxy = await startProxy(t);
  proxy.always(() => {
    const groups = all.shift();
    return { status: 200, headers: {}, body: JSON.stringify({ groups }) };
  });
  assert.deepEqual(await settled({ site: proxy.url }), [{ groups: 0, batches: 0 }]);
  assert.equal(proxy.requests.length, 4);
});

test("what the filter leaves out passes untouched", async (t) => {
  const proxy = await target(t);
  proxy.only = ({ method }) => method === "POST";
  proxy.always(refuse);
  assert.equal(await text(proxy.url), "served");
  await assert.rejects(fetch(proxy.url, { method: "POST" }));
});
