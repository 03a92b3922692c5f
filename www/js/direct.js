// The page without a worker: tracks into ClickHouse with the insert-only user it is told.

import { announce, byId } from "./dom.js";
import { plural } from "./format.js";
import { createLedger } from "./ledger.js";

const ENTITY = { entityType: "post", entityId: "direct" };
const FLUSH_MS = 2000;

const target = byId("target");
const cannotLoad = (error) => {
  target.textContent =
    "The tracker could not be loaded, so nothing is counted. Reload to try again.";
  console.error(error);
};

try {
  const { clickhouse } = await (await fetch("/demo-config.json")).json();
  if (clickhouse) await start(clickhouse);
  else target.textContent = "This site was started without a ClickHouse that a page may reach.";
} catch (error) {
  cannotLoad(error);
}

async function start(clickhouse) {
  const { init } = await import("/tallymark/index.js");
  const ledger = createLedger();
  const tally = init({
    clickhouse,
    maxTimeMs: FLUSH_MS,
    onBatch(batch) {
      ledger.add(batch);
      if (batch.outcome === "accepted") announce(`${plural(batch.rows, "event")} stored`);
    },
  });

  target.textContent = `Inserting as ${clickhouse.user} at ${clickhouse.url}`;
  for (const button of document.querySelectorAll("[data-event]")) {
    button.addEventListener("click", () => tally.track(button.dataset.event, ENTITY));
  }
  byId("flush").addEventListener("click", () => tally.flush().catch(cannotLoad));
}
