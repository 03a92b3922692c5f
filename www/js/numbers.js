// Reads the counts from ClickHouse through the named queries, one round at a time.

const HOURS = 24;
const TOP = 5;
const HOUR_MS = 3_600_000;
const RETRY_MS = 5000;

/**
 * `wanted()` names the posts to read; what `begin()` answers before a round is handed to
 * `onNumbers(read, begun)` after it. `refresh()` may be called at any time: while a round runs,
 * further calls make exactly one more. A failed round is tried again until one succeeds.
 */
export function createNumbers(tally, wanted, { begin, onNumbers, onFailure }) {
  // What each chart was drawn from: it is read again when views came or an hour began.
  const drawnFrom = new Map();
  let running = false;
  let again = false;
  let retry;

  async function round() {
    const begun = begin();
    const ids = wanted();
    const [summaries, top] = await Promise.all([
      tally.posts.getBulkSummaries(ids),
      tally.posts.getTopPosts(TOP),
    ]);
    const stale = ids.filter((id) => drawnFrom.get(id) !== chartKey(summaries.get(id)));
    const hourly = new Map(
      await Promise.all(stale.map(async (id) => [id, await tally.posts.getHourlyViews(id, HOURS)])),
    );
    for (const id of stale) drawnFrom.set(id, chartKey(summaries.get(id)));
    onNumbers({ summaries, top, hourly }, begun);
  }

  async function refresh() {
    if (running) {
      again = true;
      return;
    }
    running = true;
    clearTimeout(retry);
    try {
      do {
        again = false;
        await round();
      } while (again);
    } catch (error) {
      onFailure(error);
      retry = setTimeout(refresh, RETRY_MS);
    } finally {
      running = false;
    }
  }

  return { refresh };
}

const chartKey = (summary) => `${summary?.views ?? 0} ${Math.floor(Date.now() / HOUR_MS)}`;
