// What the tests of automatic events share: a site whose every page below `/t/` has a tracker with
// all of them on, and the rows that come of it.

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

import { until } from "./faults.mjs";
import { serveOrigin, startStack } from "./harness.mjs";

const PACKAGE = fileURLToPath(new URL("../../pkg", import.meta.url));

/**
 * The site and the stack behind it, for a whole file. `/t/<name>…` is a page of the test `name`;
 * its query's `body` is its HTML, `before` a script that runs first, `auto` the events that are on.
 */
export async function startSite(scope) {
  let stack;
  const html = (path, query) => {
    const auto = query.get("auto") ?? "pageViews engagement impressions clicks";
    const options = {
      endpoint: stack.site,
      key: stack.key,
      debug: true,
      // Nothing leaves but by `flush()` and at leaving.
      maxTimeMs: 3_600_000,
      auto: Object.fromEntries(auto.split(" ").map((name) => [name, true])),
    };
    return `<!doctype html><title>${path}</title>
      <style>body { margin: 0 }</style>
      <script>${query.get("before") ?? ""}</script>
      <script type="module">
        import { init } from "/index.js";
        window.tally = init(${JSON.stringify(options)});
      </script>
      <body>${query.get("body") ?? ""}</body>`;
  };
  const { origin } = await serveOrigin(scope, {
    folder: PACKAGE,
    page: ({ pathname, searchParams }) =>
      pathname.startsWith("/t/") ? html(pathname, searchParams) : undefined,
  });
  // What is accepted is in ClickHouse then: no group in between.
  stack = await startStack(scope, { origins: [origin], vars: { SINK: "direct" } });

  /** The rows of one test, page view by page view, each in the order in which they were told. */
  const rowsOf = (name) =>
    stack.rows(
      "SELECT name, entity_type, entity_id, value, toString(page_id) AS page, pathname, referrer," +
        " utm_source, toUnixTimestamp64Milli(occurred_at) AS at, seq, bot, properties" +
        " FROM events WHERE splitByChar('/', pathname)[3] = {name:String}" +
        " ORDER BY min(received_at) OVER (PARTITION BY page_id)," +
        " min(occurred_at) OVER (PARTITION BY page_id), seq",
      { params: { name } },
    );
  return {
    origin,
    stack,
    rowsOf,
    url: (path, query = {}) => `${origin}/t/${path}?${new URLSearchParams(query)}`,
    /** Sends what the page has told, and gives the rows. */
    async flushed(page, name) {
      assert.equal((await page.evaluate(() => tally.flush())).ok, true);
      return rowsOf(name);
    },
  };
}

/** Waits until the page's observers run. */
export const observed = (page) =>
  until("the observers", () =>
    page.evaluate(() => window.tally?.stats().engine === "wasm" && tally.stats().tracked > 0),
  );
