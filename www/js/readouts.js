// The band of live figures: what `stats()` says, written as it changes.

import { byId } from "./dom.js";
import { count, milliseconds } from "./format.js";

const STORAGE = { indexeddb: "IndexedDB", memory: "memory only" };
const ENGINE = { loading: "loading", wasm: "WebAssembly", fallback: "fallback, no WebAssembly" };

export function createReadouts() {
  const find = (name) => byId("readouts").querySelector(`[data-stat="${name}"]`);
  const write = (name, text) => {
    find(name).textContent = text;
  };

  return {
    show(stats) {
      write("tracked", count(stats.tracked));
      write("waiting", count(stats.waiting));
      const dropped = Object.values(stats.dropped).reduce((sum, n) => sum + n, 0);
      write("delivered", count(stats.delivered));
      write("dropped", count(dropped));
      find("dropped").dataset.alarm = String(dropped > 0);
      find("dropped").title = Object.entries(stats.dropped)
        .map(([reason, n]) => `${reason}: ${count(n)}`)
        .join(", ");
      write("requests", count(stats.requests));
      write("bytesAnEvent", stats.sent ? count(Math.round(stats.bytes / stats.sent)) : "–");
      write("mainThread", `${milliseconds(stats.mainThreadMs)} ms`);
      write(
        "engine",
        `${ENGINE[stats.engine] ?? stats.engine}, ${STORAGE[stats.storage] ?? stats.storage}`,
      );
    },
  };
}
