// What the tests of pages on another origin share: the package under a content security policy, its
// two ways through proxies, and what is stored of what a page tracked.

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

import { launchChromium, serveOrigin, startProxy, startStack } from "./harness.mjs";
import { rollupsAgree } from "./rollups.mjs";

const PACKAGE = fileURLToPath(new URL("../../pkg", import.meta.url));

/** The values 1 to `last`. */
export const upTo = (last) => Array.from({ length: last }, (_, at) => at + 1);

/**
 * The stack with a proxy in front of the worker and one in front of ClickHouse, an origin for each
 * of `sources` (what scripts may come from, by a name), and a browser; for a whole file.
 *
 * @returns `{ stack, browser, toWorker, toClickHouse, origins, worker, straight, open, valuesOf }`
 */
export async function startElsewhere(scope, sources) {
  const toWorker = await startProxy(scope);
  const toClickHouse = await startProxy(scope);
  const origins = {};
  for (const [name, source] of Object.entries(sources)) {
    const csp = [
      "default-src 'none'",
      `script-src ${source}`,
      `connect-src 'self' ${toWorker.url} ${toClickHouse.url}`,
    ];
    const pages = { "/": "<!doctype html><title>Elsewhere</title>" };
    const headers = { "content-security-policy": csp.join("; ") };
    origins[name] = (await serveOrigin(scope, { folder: PACKAGE, pages, headers })).origin;
  }
  // What is accepted is in ClickHouse then: no group in between.
  const stack = await startStack(scope, {
    origins: Object.values(origins),
    vars: { SINK: "direct" },
  });
  toWorker.target = stack.site;
  toClickHouse.target = stack.clickhouse;
  const browser = await launchChromium(scope);
  const [usual] = Object.values(origins);

  return {
    stack,
    browser,
    toWorker,
    toClickHouse,
    origins,

    /** Options of a tracker through the worker, and of one straight to ClickHouse. */
    worker: () => ({ endpoint: toWorker.url, key: stack.key }),
    straight: () => ({
      clickhouse: {
        url: toClickHouse.url,
        database: stack.database,
        user: stack.users.page.user,
        password: stack.users.page.password,
        site: "elsewhere",
      },
    }),

    /**
     * A page on the first origin, or on `origin`, whose `window.tally` is a tracker with these
     * options; `fetched` are the paths that it asked for, `problems` what it threw.
     */
    async open(t, options, { origin = usual, before } = {}) {
      const context = await browser.newContext();
      t.after(() => context.close());
      const page = await context.newPage();
      const [fetched, problems] = [[], []];
      page.on("request", (request) => fetched.push(new URL(request.url()).pathname));
      page.on("pageerror", (error) => problems.push(error));
      if (before) await page.addInitScript(before);
      await page.goto(`${origin}/?utm_source=news&utm_campaign=autumn`);
      await page.evaluate(async (options) => {
        const { init } = await import("/index.js");
        window.tally = init(options);
      }, options);
      return { page, fetched, problems };
    },

    /** The values stored for a type. No two rows have one identity, and every rollup agrees. */
    async valuesOf(entityType) {
      await toWorker.idle();
      await toClickHouse.idle();
      const [{ found, rows, identities }] = await stack.rows(
        "SELECT arraySort(groupArray(value)) AS found, count() AS rows," +
          " uniqExact(page_id, seq) AS identities" +
          " FROM events WHERE entity_type = {entityType:String}",
        { params: { entityType } },
      );
      assert.equal(identities, rows, "each row has an identity of its own");
      await rollupsAgree(stack);
      return found;
    },
  };
}

/**
 * Tracks `rows` events on three entities of this type, each with its own value; answers what `flush`
 * said, and `stats`.
 */
export const trackAndFlush = (page, entityType, rows) =>
  page.evaluate(
    async ({ entityType, rows }) => {
      for (let value = 1; value <= rows; value++) {
        tally.track("read", { entityType, entityId: `e${value % 3}`, value, words: value });
      }
      const flushed = await tally.flush();
      const { engine, delivered, waiting, dropped } = tally.stats();
      return { flushed, engine, delivered, waiting, dropped };
    },
    { entityType, rows },
  );
