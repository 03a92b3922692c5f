// Turns: what has its place among the queued events without being one. Fetched where a site measures
// visits; the engine is then the one with src/js/visit.rs.

/** Of a UUID's text. */
const BYTE = /[^-]{2}/g;

/** The visit's functions on the engine; the fallback has them itself. */
export function visitOf(engine, put, textsOf, putRecord, uuidAt, wall, tick, drops, untold) {
  return {
    page(place) {
      // What the page view that ends has dropped is told as its own; the next one counts from 0.
      const rows = [];
      let at = 2;
      for (const reason of untold) rows.push(wall, drops.get(reason), 1, at++, 0, 0, 0);
      put(["", "$dropped", ...untold], rows);
      engine("events", wall, tick, untold.size);
      drops.clear();
      untold.clear();
      put(textsOf(place), []);
      engine("page", wall, tick);
    },
    session(id = "", last = 0) {
      const bytes = id.match(BYTE) ?? [];
      putRecord(
        bytes.map((byte) => parseInt(byte, 16)),
        [],
      );
      return uuidAt(engine("session", last));
    },
  };
}

/**
 * Puts a turn into the queue: once the events before it have been handed over, `act` is called with
 *
 * - `page(place)`: a page view begins, with an id and a `seq` of its own; `place` has some of the
 *   columns `hostname`, `pathname`, `referrer`, `utm_source`, `utm_medium`, `utm_campaign` (what it
 *   leaves out is read from the page) and `visitor_id`;
 * - `session(id, last)`: the id of the current session; one that another page has left, with its
 *   last event at `last` (Unix ms), is gone on with.
 */
export function pushTurn(queue, act) {
  const turn = (engine, ...tools) =>
    act(typeof engine === "function" ? visitOf(engine, ...tools) : engine);
  queue.calls.push(Date.now(), turn, queue);
}
