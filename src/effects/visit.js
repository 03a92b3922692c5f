// Turns: what has its place among the queued events without being one. Fetched where a site measures
// visits; the engine is then the one with src/js/visit.rs.

const SEPARATORS = /-/g;
const BYTE = /../g;

/** The visit's functions on the engine; the fallback has them itself. */
export function visitOf(engine, put, textsOf, putRecord, uuidAt, wall, tick) {
  return {
    page(place) {
      put(textsOf(place), []);
      engine("page", wall, tick);
    },
    session(id = "", last = 0) {
      const bytes = id.replace(SEPARATORS, "").match(BYTE) ?? [];
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
