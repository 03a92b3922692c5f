// A kit for the tests of whoever uses tallymark: the tracker itself, in a world that the test moves.

import { makeTally } from "../../src/effects/queue.js";
import { checkOptions } from "../parts/options.js";
import { makeReceiver } from "./receiver.js";
import { makeWorld } from "./world.js";

export { makeReceiver };

// Behaviours of the network: `(request, forward) => answer`, or null for no answer.

/** The receiver gets it and its answer arrives. */
export const pass = (request, forward) => forward();

/** Nothing arrives anywhere. */
export const noAnswer = () => null;

/** The receiver gets it, its answer is lost. */
export const lostAnswer = (request, forward) => {
  forward();
  return null;
};

/** Something answers before the receiver gets it. */
export const answer =
  (status, { code, retryAfter, body, headers } = {}) =>
  () => ({
    status,
    body: body ?? (code ? JSON.stringify({ code, message: code }) : ""),
    headers: {
      ...(retryAfter === undefined ? {} : { "Retry-After": `${retryAfter}` }),
      ...headers,
    },
  });

/** What `behaviour` does, `ms` later. */
export const late =
  (ms, behaviour = pass) =>
  (request, forward, sleep) =>
    sleep(ms).then(() => behaviour(request, forward, sleep));

/** Fields as `track` takes them, of a row as it is stored. */
const eventOf = ({ name, entity_type, entity_id, value, user_id, occurred_at, properties }) => ({
  name,
  entityType: entity_type,
  entityId: entity_id,
  value,
  userId: user_id,
  occurredAt: occurred_at,
  properties,
});

/**
 * A world, a network and a receiver. The clock stands at `now` until it is moved; `seed` gives ids
 * and waits; `queries` answers named queries. There is one world at a time: the last one made.
 */
export function makeKit({ now = Date.UTC(2026, 0, 1), seed = 1, queries: answers = {} } = {}) {
  const script = [];
  const requests = [];
  let otherwise = pass;
  const network = async (request) => {
    requests.push(request);
    const behaviour = script.shift() ?? otherwise;
    const sleep = (ms) => new Promise((resolve) => world.setTimeout(resolve, ms));
    const found = await behaviour(request, () => receiver.receive(request), sleep);
    request.status = found ? found.status : 0;
    return found;
  };
  const world = makeWorld(now, seed, network);
  const receiver = makeReceiver({ now: world.now, queries: answers });
  return {
    init: (options = {}) =>
      makeTally(
        checkOptions({
          ...(options.clickhouse ? {} : { endpoint: "https://tally.test", key: "pk_test" }),
          ...options,
        }),
        () => import("./engine.js"),
        () => import("../parts/queries.js"),
        () => import("./table.js"),
      ),
    now: world.now,
    pass: world.pass,
    until: world.until,
    next: (...behaviours) => void script.push(...behaviours),
    always: (behaviour) => void (otherwise = behaviour),
    requests,
    receiver,
    get rows() {
      return receiver.rows;
    },
    get events() {
      return receiver.rows.filter(({ name }) => name).map(eventOf);
    },
  };
}
