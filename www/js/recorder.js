// The one place where something done on the page becomes a tracked event.

const MOVES = {
  view: ["views", 1],
  like: ["likes", 1],
  unlike: ["likes", -1],
  comment: ["comments", 1],
  delete_comment: ["comments", -1],
  share: ["shares", 1],
};

/** Tracks events on posts and knows which of them the counts do not hold yet, to show "+1". */
export function createRecorder(tally, userId, onChange) {
  let unread = [];
  let recorded = 0;
  let announced = false;

  function remember(name, postId) {
    unread.push({ name, postId, nth: recorded });
    recorded += 1;
    if (announced) return;
    announced = true;
    requestAnimationFrame(() => {
      announced = false;
      onChange();
    });
  }

  const track = (name, postId, fields) =>
    tally.track(name, { entityType: "post", entityId: postId, userId, ...fields });

  return {
    record(name, postId) {
      track(name, postId);
      remember(name, postId);
    },

    /** Tracks all of `events` at once; answers how many ms the calls of `track` took together. */
    recordAll(events) {
      const start = performance.now();
      for (const { name, postId, occurredAt } of events) track(name, postId, { occurredAt });
      const ms = performance.now() - start;
      for (const { name, postId } of events) remember(name, postId);
      return ms;
    },

    /** How many of the recorded events are delivered: rows leave in order, the newest wait. */
    delivered: () => Math.max(0, recorded - tally.stats().waiting),

    /** Forgets the first `delivered` events: counts read after that moment hold them. */
    settle(delivered) {
      unread = unread.filter((event) => event.nth >= delivered);
    },

    /** By how much each metric of each post will still move: `pending(postId, metric)`. */
    pending() {
      const sums = new Map();
      for (const { name, postId } of unread) {
        const [metric, by] = MOVES[name] ?? [];
        const key = `${postId} ${metric}`;
        sums.set(key, (sums.get(key) ?? 0) + (by ?? 0));
      }
      return (postId, metric) => sums.get(`${postId} ${metric}`) ?? 0;
    },
  };
}
