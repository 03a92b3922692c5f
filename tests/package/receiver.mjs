// A receiver on a port, for consumers that run for real: what it understands is the kit's, and gzip,
// which the kit's own tracker never sends.

import { gunzipSync } from "node:zlib";
import { listen } from "../e2e/harness.mjs";
import { makeReceiver } from "../../pkg/test/index.js";

const summary = { views: 3, likes: 1 };
const hours = [{ hour: "2026-01-01T00:00:00Z", views: 3 }];

/**
 * `receiver.of(entityType)` are the events kept of that type; `requests` all that came. A page whose
 * key is `pk_small` is told that its first batch is too large.
 */
export async function startReceiver(scope) {
  const { rows, receive } = makeReceiver({ queries: { summary: [summary], hourly_views: hours } });
  const requests = [];
  const { origin } = await listen(scope, async (incoming, outgoing) => {
    const chunks = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const sent = Buffer.concat(chunks);
    const body = sent[0] === 0x1f && sent[1] === 0x8b ? gunzipSync(sent) : sent;
    const request = { method: incoming.method, url: incoming.url, body };
    const isFirst = !requests.some(({ url }) => url.includes("k=pk_small"));
    const isTooLarge = isFirst && request.url.includes("/v1/batch?v=1&k=pk_small");
    requests.push(request);
    const answer = isTooLarge ? { status: 413, body: '{"code":"too_large"}' } : receive(request);
    outgoing
      .writeHead(answer.status, { ...answer.headers, "access-control-allow-origin": "*" })
      .end(answer.body);
  });
  const of = (entityType) => rows.filter((row) => row.entity_type === entityType);
  return { origin, requests, rows, of };
}
