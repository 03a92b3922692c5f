// Every rollup computed once more from `events`: what the views stored is held against what their
// own statements say of the table as it is now.

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";

const SCHEMA = new URL("../../worker/schema/", import.meta.url);

/** The views that the schema makes, by its files. */
const VIEWS = readdirSync(SCHEMA)
  .map((file) => /^\d+_(\w+_view)\.sql$/.exec(file)?.[1])
  .filter(Boolean)
  .sort();

/**
 * Compares them all, so call it when nothing is under way: an insert is in `events` a moment before
 * the views have counted it.
 */
export async function rollupsAgree(stack) {
  const views = await viewsOf(stack);
  assert.deepEqual(
    views.map(({ view }) => view),
    VIEWS,
  );
  const differing = {};
  for (const view of views) {
    if (view.isRefreshed) {
      await stack.query(`SYSTEM REFRESH VIEW ${view.view}`);
      await stack.query(`SYSTEM WAIT VIEW ${view.view}`);
    }
    const stored = merged(view, view.target);
    const computed = merged(view, `(${fromEvents(view, views)})`);
    const [{ rows, differences }] = await stack.rows(
      `SELECT (SELECT count() FROM (${computed})) AS rows, count() AS differences` +
        ` FROM ((${stored} EXCEPT ${computed}) UNION ALL (${computed} EXCEPT ${stored}))`,
    );
    view.rows = rows;
    if (differences) differing[view.view] = differences;
  }
  assert.deepEqual(differing, {}, "rows that differ, by view");
  return Object.fromEntries(views.map(({ target, rows }) => [target, rows]));
}

/** "all agree", or which do not. */
export function rollupsSay(stack) {
  return rollupsAgree(stack).then(
    () => "all agree",
    (error) => error.message,
  );
}

/** Each view with its statement, its target, and the target's engine, key and columns. */
async function viewsOf({ database, rows }) {
  const views = await rows(
    "SELECT v.name AS view, v.as_select AS statement, t.name AS target, t.engine AS engine," +
      " t.engine_full AS engine_full, t.sorting_key AS key," +
      " v.create_table_query LIKE '% REFRESH EVERY %' AS isRefreshed" +
      " FROM system.tables AS v, system.tables AS t" +
      " WHERE v.database = currentDatabase() AND t.database = v.database" +
      " AND v.engine = 'MaterializedView'" +
      " AND match(v.create_table_query, concat(' TO ', t.database, '\\\\.', t.name, '[ (]'))" +
      " ORDER BY view",
  );
  for (const view of views) {
    view.database = database;
    view.columns = await rows(
      "SELECT name, type FROM system.columns WHERE database = currentDatabase()" +
        " AND table = {target:String}",
      { params: { target: view.target } },
    );
  }
  return views;
}

/** A view's statement; where it reads another view's target, what that one says stands instead. */
function fromEvents({ statement, database }, views) {
  return views.reduce(
    (text, source) =>
      text.replaceAll(
        new RegExp(`FROM ${database}\\.${source.target}\\b( AS \\w+)?`, "g"),
        (found, alias) => `FROM (${fromEvents(source, views)})${alias ?? ` AS ${source.target}`}`,
      ),
    statement,
  );
}

/** The rows of `source` as the engine of the view's target merges them at last. */
function merged({ engine, engine_full, key, columns }, source) {
  const keys = key.split(", ");
  const one = ({ name, type }) => {
    if (keys.includes(name)) return name;
    switch (engine) {
      case "SummingMergeTree":
        return `sum(s.${name}) AS ${name}`;
      case "AggregatingMergeTree":
        return `${/^SimpleAggregateFunction\((\w+),/.exec(type)[1]}(s.${name}) AS ${name}`;
      case "ReplacingMergeTree":
        return `argMax(s.${name}, s.${/\((\w+)\)/.exec(engine_full)[1]}) AS ${name}`;
      default:
        return `any(s.${name}) AS ${name}`;
    }
  };
  return `SELECT ${columns.map(one).join(", ")} FROM ${source} AS s GROUP BY ${key}`;
}
