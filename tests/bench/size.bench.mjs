// What a visitor downloads, brotli, beside the smallest trackers measured: plausible for the first
// event, snowplow (the smallest that batches) for the whole.

import { stages, sum } from "../size/measure.mjs";

const rows = [
  ["snippet-bytes", stages.snippet, 1_023, "2,400 B"],
  ["first-event-bytes", stages.firstEvent, 2_000, "2,400 B"],
  ["core-bytes", stages.core, 16_000, "16,125 B"],
  ["all-bytes", stages.everything, 20_000, "16,125 B"],
  ["people-bytes", stages.people, 20_000, "16,125 B"],
  ["without-wasm-bytes", stages.withoutWasm, 8_300, "16,125 B"],
];
for (const [budget, files, bytes, baseline] of rows) {
  const measured = sum(files);
  const within = measured <= bytes;
  console.log(JSON.stringify({ budget, measured: `${measured} B`, baseline, within }));
}
