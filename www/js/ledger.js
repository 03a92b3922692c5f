// The list of batches: one line for each answer to a batch, newest first.

import { byId, fromTemplate } from "./dom.js";
import { count, timeOfDay } from "./format.js";

const LINES = 6;

export function createLedger() {
  const body = byId("batches");
  return {
    add(batch) {
      const line = fromTemplate("batch-template");
      const write = (name, text) => {
        line.querySelector(`.batch-${name}`).textContent = text;
      };
      line.dataset.outcome = batch.outcome;
      write("time", timeOfDay(new Date()));
      // The tail of a UUIDv7 is its random part; the head is the time, alike in neighbours.
      write("id", batch.id.slice(-6));
      line.querySelector(".batch-id").title = batch.id;
      write("rows", count(batch.rows));
      write("bytes", count(batch.bytes));
      write("ms", count(Math.round(batch.ms)));
      line.querySelector(".batch-answer use").setAttribute("href", `#icon-${batch.outcome}`);
      line.querySelector(".batch-answer span").textContent = answer(batch);
      body.prepend(line);
      while (body.children.length > LINES) body.lastElementChild.remove();
      byId("batches-empty").hidden = true;
    },
  };
}

function answer({ outcome, status, code }) {
  if (outcome === "accepted") return `${status} accepted`;
  if (outcome === "refused") return `${status} ${code ?? "refused"}`;
  return status ? `${status}, again` : "none, again";
}
