// Joins the demo: the board, the tracker, the numbers read back, and the instrument.

import { openBoard } from "./board.js";
import { announce, byId } from "./dom.js";
import { createFeed } from "./feed.js";
import { plural, timeOfDay } from "./format.js";
import { createLedger } from "./ledger.js";
import { createLoad } from "./load.js";
import { createMarks } from "./marks.js";
import { createNumbers } from "./numbers.js";
import { createReadouts } from "./readouts.js";
import { createRecorder } from "./recorder.js";
import { createTop } from "./top.js";

// Short, so that a visitor sees the effect; the default is 10 s.
const FLUSH_MS = 2000;
const STATS_MS = 250;
// Other visitors' events are seen this late.
const READ_MS = 10_000;

/** A batch is durable when the worker says so, and in the tables within a second of it. */
const VISIBLE_MS = 1_000;

const board = openBoard();
try {
  const { init } = await import("/tallymark/index.js");
  start(init);
} catch (error) {
  createFeed(board, () => {});
  cannotLoad(error);
}

function start(init) {
  const ledger = createLedger();
  const marks = createMarks();
  const readouts = createReadouts();
  const top = createTop(board);
  let lastRead;

  const tally = init({
    endpoint: location.origin,
    key: "pk_demo",
    maxTimeMs: FLUSH_MS,
    onBatch(batch) {
      ledger.add(batch);
      showStats();
      if (batch.outcome === "accepted") {
        announce(`${plural(batch.rows, "event")} stored`);
        setTimeout(numbers.refresh, VISIBLE_MS);
      }
      if (batch.outcome === "again") away();
    },
  });

  const recorder = createRecorder(tally, board.userId, () => {
    feed.showPending(recorder.pending());
    showStats();
  });
  const feed = createFeed(board, recorder.record);

  const numbers = createNumbers(tally, feed.ids, {
    begin: recorder.delivered,
    onNumbers(read, delivered) {
      lastRead = new Date();
      notice("");
      recorder.settle(delivered);
      feed.showNumbers(read, recorder.pending());
      top.show(read.top);
    },
    onFailure: away,
  });

  function showStats() {
    const stats = tally.stats();
    readouts.show(stats);
    marks.show(stats.waiting);
  }

  function away() {
    const kept = tally.stats().storage === "indexeddb" ? "browser" : "page";
    const since = lastRead ? ` The counts are from ${timeOfDay(lastRead)}.` : "";
    notice(
      `ClickHouse is not answering just now. What you do is kept in this ${kept} and sent when it is back.${since}`,
    );
  }

  byId("flush").addEventListener("click", () => tally.flush().catch(cannotLoad));
  createLoad(feed.ids, recorder.recordAll, () => tally.stats().waiting === 0);
  setInterval(showStats, STATS_MS);
  setInterval(() => document.visibilityState === "visible" && numbers.refresh(), READ_MS);
  showStats();
  numbers.refresh();
}

function cannotLoad(error) {
  notice("The tracker could not be loaded, so nothing is counted. Reload the page to try again.");
  console.error(error);
}

function notice(sentence) {
  byId("notice").textContent = sentence;
  byId("notice").hidden = sentence === "";
}
