// Automatic events in a real Chromium: page views over routes, the bfcache and prerendering,
// engagement and impressions to the millisecond under a clock that the test moves, clicks.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

import { observed, startSite } from "./auto.mjs";
import { openBrowser, until } from "./faults.mjs";
import { launchChromium } from "./harness.mjs";

const site = await startSite({ after });
const browser = await launchChromium({ after });

/** A page of the test `name` whose observers run, in a window of 1,000 × 800 px. */
async function open(t, name, query, { prepare, ready = observed } = {}) {
  const context = await browser.newContext({ viewport: { width: 1_000, height: 800 } });
  t.after(() => context.close());
  const page = await context.newPage();
  const warnings = [];
  const problems = [];
  page.on("console", (message) => message.type() === "warning" && warnings.push(message.text()));
  page.on("pageerror", (error) => problems.push(`${error}`));
  t.after(() => assert.deepEqual(problems, []));
  await prepare?.(page);
  await page.goto(site.url(name, query));
  await ready(page);
  return Object.assign(page, { warnings });
}

/** The clock of `page` stands still from now on, and moves by `page.clock.runFor(ms)` alone. */
const stopClock = async (page) =>
  page.clock.pauseAt((await page.evaluate(() => Date.now())) + 1_000);
const withClock = { prepare: (page) => page.clock.install() };

/** A page view is told so long after it began: SETTLE_MS of src/limits.rs. */
const SETTLE_MS = 250;

/** As the browser does it when the user goes to another tab, and comes back. */
const turn = (page, visibilityState) =>
  page.evaluate((visibilityState) => {
    Object.defineProperty(document, "visibilityState", {
      value: visibilityState,
      configurable: true,
    });
    document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
  }, visibilityState);
const hide = (page) => turn(page, "hidden");
const show = (page) => turn(page, "visible");

const named = (rows, ...names) => rows.filter(({ name }) => names.includes(name));
const properties = (row) => JSON.parse(row.properties);

/** `[pathname, navigation]` of each page view. */
const viewsOf = (rows) =>
  named(rows, "page_view").map((row) => [row.entity_id, row.properties.navigation]);

test("a page view has title, referrer and campaign, and the id of the page's events", async (t) => {
  const page = await open(t, "first", { utm_source: "news" });
  await page.evaluate(() => tally.track("read"));
  const rows = await site.flushed(page, "first");
  const [view] = named(rows, "page_view");
  assert.deepEqual(
    [view.entity_type, view.entity_id, view.value, view.utm_source, view.properties],
    ["page", "/t/first", 1, "news", { navigation: "load", title: "/t/first" }],
  );
  assert.equal(new Set(rows.map((row) => row.page)).size, 1);
});

test("U2 U3 page views and engagement wait in memory, and leave as one batch", async (t) => {
  const page = await open(t, "batched", {}, withClock);
  await stopClock(page);
  for (const address of ["batched/a", "batched/b"]) {
    await page.evaluate((address) => history.pushState({}, "", `/t/${address}`), address);
    await page.clock.runFor(SETTLE_MS);
  }
  const { waiting, requests } = await page.evaluate(() => tally.stats());
  assert.deepEqual([waiting, requests], [5, 0]);
  const rows = await site.flushed(page, "batched");
  assert.equal((await page.evaluate(() => tally.stats())).requests, 1);
  assert.deepEqual(rows.map((row) => [row.name, row.entity_id]).sort(), [
    ["engagement", "/t/batched"],
    ["engagement", "/t/batched/a"],
    ["page_view", "/t/batched"],
    ["page_view", "/t/batched/a"],
    ["page_view", "/t/batched/b"],
  ]);
});

for (const [way, before] of [
  ["by the Navigation API", ""],
  [
    "without the Navigation API",
    "Object.defineProperty(window, 'navigation', { value: undefined })",
  ],
]) {
  test(`routes of a single-page application are views of their own, ${way}`, async (t) => {
    const name = before ? "history" : "navigation";
    const page = await open(t, name, { before }, withClock);
    await stopClock(page);
    /** Goes on by `act(name)`, and reads on at what is called `title` then. */
    const read = async (title, act) => {
      await page.evaluate(act, name);
      await page.evaluate((title) => {
        document.title = `title of ${title}`;
        tally.track("read");
      }, title);
      await page.clock.runFor(SETTLE_MS);
    };
    await read("a", (name) => history.pushState({}, "", `/t/${name}/a`));
    await read("a", () => history.replaceState({ scroll: 7 }, ""));
    await read("c", (name) => {
      history.pushState({}, "", `/t/${name}/b?page=2`);
      // Sent on at once.
      history.replaceState({}, "", `/t/${name}/c`);
    });
    await read("c#end", () => (location.hash = "end"));
    await read("a again", () => {
      const popped = new Promise((resolve) =>
        addEventListener("popstate", () => resolve(), { once: true }),
      );
      history.go(-2);
      return popped;
    });
    const rows = await site.flushed(page, name);
    const views = named(rows, "page_view").map((row) => [
      row.pathname,
      row.properties.title,
      new URL(row.referrer || "none:").pathname,
    ]);
    assert.deepEqual(views, [
      [`/t/${name}`, `/t/${name}`, ""],
      [`/t/${name}/a`, "title of a", `/t/${name}`],
      [`/t/${name}/c`, "title of c", `/t/${name}/a`],
      [`/t/${name}/c`, "title of c#end", `/t/${name}/c`],
      [`/t/${name}/a`, "title of a again", `/t/${name}/c`],
    ]);
    // Each has an id of its own, and what is tracked on it has the same.
    const pages = named(rows, "page_view").map((row) => row.page);
    assert.equal(new Set(pages).size, 5);
    const [, a, c, end, again] = pages;
    assert.deepEqual(
      named(rows, "read").map((row) => row.page),
      [a, a, c, end, again],
    );
  });
}

test("a route that the page intercepts is told once its title is there", async (t) => {
  const page = await open(t, "intercept", {}, withClock);
  await stopClock(page);
  await page.evaluate(() => {
    const fetched = new Promise((resolve) => (window.fetched = resolve));
    navigation.addEventListener("navigate", (event) =>
      event.intercept({
        async handler() {
          await fetched;
          document.title = "fetched";
        },
      }),
    );
    window.moved = navigation.navigate("/t/intercept/next").finished;
  });
  await page.clock.runFor(2 * SETTLE_MS);
  const soFar = await site.flushed(page, "intercept");
  assert.equal(named(soFar, "page_view").length, 1);
  await page.evaluate(async () => {
    window.fetched();
    await window.moved;
  });
  await page.clock.runFor(SETTLE_MS);
  const rows = await site.flushed(page, "intercept");
  assert.deepEqual(
    named(rows, "page_view").map((row) => row.properties.title),
    ["/t/intercept", "fetched"],
  );
});

test("three seconds of reading are 3,000 ms, and each hide tells the rest", async (t) => {
  const page = await open(t, "reading", {}, withClock);
  await stopClock(page);
  await hide(page);
  await show(page);
  await page.clock.runFor(3_000);
  await hide(page);
  await page.clock.runFor(50_000);
  await show(page);
  await page.clock.runFor(1_234);
  await hide(page);
  const rows = named(await site.flushed(page, "reading"), "engagement");
  assert.deepEqual(
    rows.slice(1).map((row) => [row.entity_id, row.value]),
    [
      ["/t/reading", 3_000],
      ["/t/reading", 1_234],
    ],
  );
});

test("a page that loses the focus, or whose machine sleeps, is not read", async (t) => {
  const page = await open(t, "focus", {}, withClock);
  await stopClock(page);
  await hide(page);
  await show(page);
  const focus = (has) =>
    page.evaluate((has) => {
      document.hasFocus = () => has;
      dispatchEvent(new Event(has ? "focus" : "blur"));
    }, has);
  await page.clock.runFor(2_000);
  await focus(false);
  await page.clock.runFor(7_000);
  await focus(true);
  await page.clock.runFor(500);
  await hide(page);
  await show(page);
  await page.clock.runFor(4_000);
  await page.mouse.move(10, 10);
  // A laptop that is closed: timers that were due meanwhile fire once.
  await page.clock.fastForward(8 * 3_600_000);
  await hide(page);
  const rows = named(await site.flushed(page, "focus"), "engagement");
  assert.deepEqual(
    rows.slice(1).map((row) => row.value),
    [2_500, 34_000],
  );
});

test("the deepest scroll is told, per page view", async (t) => {
  const body = '<div style="height: 4000px"></div>';
  const page = await open(t, "scroll", { body });
  const scrollTo = (top) =>
    page.evaluate(async (top) => {
      const scrolled = new Promise((resolve) =>
        document.addEventListener("scroll", resolve, { once: true }),
      );
      scrollTo(0, top);
      await scrolled;
    }, top);
  await scrollTo(2_200);
  await scrollTo(100);
  await page.evaluate(() => history.pushState({}, "", "/t/scroll/next"));
  await scrollTo(0);
  await hide(page);
  const rows = named(await site.flushed(page, "scroll"), "engagement");
  // (2,200 + 800) of 4,000 px; then 800 from the top, of which a route keeps the 100.
  assert.deepEqual(
    rows.map((row) => [row.entity_id, row.properties.scroll_percent]),
    [
      ["/t/scroll", 75],
      ["/t/scroll/next", 20],
    ],
  );
});

/** A marked box at this place; `style` is more of it. */
const box = (mark, top, height, style = "") =>
  `<div data-tally-view="${mark}" style="position:absolute;left:0;top:${top}px;width:500px;` +
  `height:${height}px;${style}"></div>`;

/** What is in the window has been reported to the page. */
const reported = (page) =>
  page.evaluate(async () => {
    for (let frame = 0; frame < 3; frame++)
      await new Promise((resolve) => {
        const observer = new IntersectionObserver(() => {
          observer.disconnect();
          resolve();
        });
        observer.observe(document.documentElement);
      });
  });

const seenOf = (rows, name = "view") =>
  named(rows, name).map((row) => `${row.entity_type}:${row.entity_id}`);

test("an element is seen when half of it was in the window for a second, a large one 30 %", async (t) => {
  // The window is 800 px high; 500 × 485 px is the least large area.
  const body = [
    box("post:whole", 0, 100),
    box("post:half", 700, 200),
    box("post:less", 702, 200),
    box("post:large", 600, 600, "left:500px"),
    box("post:below", 900, 100),
    box("nonsense", 0, 10),
    '<div style="height:3000px"></div>',
  ].join("");
  const page = await open(t, "seen", { body }, withClock);
  await stopClock(page);
  await hide(page);
  await show(page);
  await reported(page);
  const before = seenOf(await site.flushed(page, "seen"));
  await page.clock.runFor(999);
  assert.deepEqual(seenOf(await site.flushed(page, "seen")), before);
  await page.clock.runFor(1);
  assert.deepEqual(seenOf(await site.flushed(page, "seen")).sort(), [
    "post:half",
    "post:large",
    "post:whole",
  ]);
  assert.deepEqual(page.warnings, ['[tallymark] a mark has to read "type:id", not "nonsense" ']);
});

test("elements that come later, grow, move, leave and change their mark", async (t) => {
  const page = await open(t, "moving", { body: '<div style="height:3000px"></div>' }, withClock);
  await stopClock(page);
  const change = async (act) => {
    await page.evaluate(act);
    await reported(page);
  };
  const add = (mark, top, height) =>
    change(
      `document.body.insertAdjacentHTML("beforeend", ${JSON.stringify(box(mark, top, height))})`,
    );
  const find = (mark) => `document.querySelector('[data-tally-view="${mark}"]')`;
  await add("post:added", 0, 100);
  // 180 of 440 px are 40 %: enough only once it is large, which 190 of 490 px (38 %) are.
  await add("post:grown", 620, 440);
  await add("post:moved", 2_000, 100);
  await add("post:left", 100, 100);
  await page.clock.runFor(600);
  await change(`${find("post:grown")}.style.height = "490px"`);
  await change(`${find("post:moved")}.style.top = "200px"`);
  await change(`${find("post:left")}.remove()`);
  await page.clock.runFor(600);
  assert.deepEqual(seenOf(await site.flushed(page, "moving")), ["post:added"]);
  await page.clock.runFor(400);
  assert.deepEqual(seenOf(await site.flushed(page, "moving")), [
    "post:added",
    "post:grown",
    "post:moved",
  ]);
  // A list that uses its elements again, and shows the first one once more.
  await change(`${find("post:added")}.dataset.tallyView = "post:next"`);
  await page.clock.runFor(1_000);
  await change(`${find("post:next")}.dataset.tallyView = "post:added"`);
  await page.clock.runFor(1_000);
  await hide(page);
  const rows = await site.flushed(page, "moving");
  assert.deepEqual(seenOf(rows), ["post:added", "post:grown", "post:moved", "post:next"]);
  assert.deepEqual(
    named(rows, "dwell")
      .map((row) => [row.entity_id, row.value])
      .sort(),
    [
      ["added", 2_600],
      ["grown", 3_000],
      ["moved", 3_000],
      ["next", 1_000],
    ],
  );
});

test("an element is seen once a page view, and again on the next", async (t) => {
  const body = box("post:1", 0, 100) + box("post:1", 200, 100);
  const page = await open(t, "again", { body }, withClock);
  await stopClock(page);
  await page.clock.runFor(5_000);
  await page.evaluate(() => history.pushState({}, "", "/t/again/next"));
  await reported(page);
  await page.clock.runFor(5_000);
  const rows = named(await site.flushed(page, "again"), "view");
  assert.deepEqual(
    rows.map((row) => row.pathname),
    ["/t/again", "/t/again/next"],
  );
});

test("clicks on marked elements and on links that lead away are told", async (t) => {
  const body = [
    '<button data-tally-click="button:buy"><b>buy</b></button>',
    '<a id="away" href="https://elsewhere.example/path?q=secret#x">away</a>',
    '<a id="here" href="/t/clicks/next">here</a>',
    '<a id="mail" href="mailto:a@b.example">mail</a>',
    '<i data-tally-click="nonsense">nonsense</i>',
  ].join(" ");
  const page = await open(t, "clicks", { body });
  await page.evaluate(() => {
    // A page that stops and prevents what it can.
    addEventListener(
      "click",
      (event) => (event.stopImmediatePropagation(), event.preventDefault()),
    );
    document.querySelector("button").click();
  });
  for (const selector of ["b", "#away", "#here", "#mail", "i"]) await page.click(selector);
  await page.click("b", { button: "right" });
  const rows = named(await site.flushed(page, "clicks"), "click", "outbound_click");
  assert.deepEqual(
    rows.map((row) => [row.name, row.entity_type, row.entity_id]),
    [
      ["click", "button", "buy"],
      ["outbound_click", "link", "https://elsewhere.example/path"],
    ],
  );
  assert.deepEqual(page.warnings, ['[tallymark] a mark has to read "type:id", not "nonsense" ']);
});

test("what is not named is off", async (t) => {
  const body = box("post:1", 300, 100) + '<button data-tally-click="button:1">1</button>';
  const page = await open(t, "named", { body, auto: "pageViews" }, withClock);
  await page.clock.runFor(5_000);
  await page.click("button");
  await hide(page);
  const rows = await site.flushed(page, "named");
  assert.deepEqual(
    rows.map((row) => row.name),
    ["page_view"],
  );
});

test("a browser that says that it is driven is told to the edge, and its events are kept", async (t) => {
  const before = "Object.defineProperty(navigator, 'webdriver', { value: true })";
  const driven = await open(t, "driven", { before });
  const [view] = await site.flushed(driven, "driven");
  assert.deepEqual([view.name, view.bot], ["page_view", "webdriver"]);
  const [other] = await site.flushed(await open(t, "by-hand"), "by-hand");
  assert.deepEqual([other.name, other.bot], ["page_view", ""]);
});

test("where WebAssembly is refused the observers are off, and say so", async (t) => {
  const before = `WebAssembly.compileStreaming = WebAssembly.instantiateStreaming =
    () => Promise.reject(new WebAssembly.CompileError("refused"))`;
  const ready = (page) =>
    until("the fallback", () => page.evaluate(() => window.tally?.stats().engine === "fallback"));
  const page = await open(t, "refused", { before }, { ready });
  await page.evaluate(() => tally.track("read"));
  await hide(page);
  const rows = await site.flushed(page, "refused");
  assert.deepEqual(
    rows.map((row) => row.name),
    ["read"],
  );
  assert.match(page.warnings.join(), /automatic events are off: no module CompileError: refused/);
});

const WITHOUT = "Object.defineProperty(window, 'navigation', { value: undefined });";
for (const [what, before] of [
  ["removes history's functions", `${WITHOUT} delete History.prototype.pushState`],
  ["freezes history", `${WITHOUT} Object.freeze(history); Object.freeze(History.prototype)`],
  ["removes the observers", "delete window.IntersectionObserver; delete window.ResizeObserver"],
  ["patches IntersectionObserver", "window.IntersectionObserver = function () { throw 1 }"],
  ["freezes Date at one moment", "const at = Date.now(); Date.now = () => at; Object.freeze(Date)"],
]) {
  test(`a page that ${what} keeps working, and so does its tracker`, async (t) => {
    const name = `hostile-${what.replaceAll(/[^a-z]+/gi, "-")}`;
    const began = performance.now();
    const page = await open(t, name, { before, body: box("post:1", 0, 100) });
    const result = await page.evaluate(() => {
      window.observedAt = performance.now();
      try {
        history.replaceState({ kept: 1 }, "");
        return [history.state.kept, typeof history.pushState];
      } catch (error) {
        return `${error}`;
      }
    });
    assert.deepEqual(result, [1, before.includes("delete History") ? "undefined" : "function"]);
    // So long it has been seen at least, and at most.
    const seen = await page.evaluate(() => performance.now() - window.observedAt);
    await hide(page);
    const most = performance.now() - began;
    const rows = await site.flushed(page, name);
    assert.deepEqual(viewsOf(rows), [[`/t/${name}`, "load"]]);
    const [{ value }, ...others] = named(rows, "engagement");
    assert.deepEqual(others, []);
    assert.ok(Math.floor(seen) <= value && value <= most, `${seen} to ${most}: ${value}`);
  });
}

test("history that the page patched before and after keeps its arguments, results and errors", async (t) => {
  const patch = (word) => `{
    const inner = history.pushState;
    history.pushState = function (...args) {
      window.heard = [...(window.heard ?? []), ["${word}", this === history, ...args]];
      return inner.apply(this, args) ?? "${word}";
    };
  }`;
  const page = await open(t, "patched", { before: WITHOUT + patch("before") }, withClock);
  await stopClock(page);
  await page.evaluate(patch("after"));
  const told = await page.evaluate(async () => {
    const result = history.pushState({ a: 1 }, "title", "/t/patched/next");
    let error;
    try {
      history.pushState({}, "", "https://elsewhere.example/");
    } catch ({ name }) {
      error = name;
    }
    return { result, error, heard: window.heard.slice(0, 2) };
  });
  await page.clock.runFor(SETTLE_MS);
  const args = [true, { a: 1 }, "title", "/t/patched/next"];
  assert.deepEqual(told, {
    result: "before",
    error: "SecurityError",
    heard: [
      ["after", ...args],
      ["before", ...args],
    ],
  });
  assert.deepEqual(viewsOf(await site.flushed(page, "patched")), [
    ["/t/patched", "load"],
    ["/t/patched/next", "route"],
  ]);
});

/** Chromium as its user starts it, with the bfcache and prerendering, and tabs that do hide. */
async function openOwnBrowser(t) {
  const profile = mkdtempSync(join(tmpdir(), "tallymark-auto-"));
  t.after(() => rmSync(profile, { recursive: true, force: true, maxRetries: 5 }));
  return openBrowser(t, profile);
}

test("a page out of the bfcache is a view of its own, from the same referrer", async (t) => {
  const own = await openOwnBrowser(t);
  const page = await own.newPage();
  const open = async (path, referer) => {
    await page.goto(site.url(path), { referer });
    await observed(page);
    await page.evaluate((path) => (window.path = path), path);
    await until(`${path} told`, () => page.evaluate(() => tally.stats().tracked > 0));
    // What is under way at leaving may keep a page out of the bfcache.
    await page.evaluate(() => tally.flush());
  };
  const isBack = async (path) => {
    await until(`${path} again`, () =>
      page.evaluate((path) => window.path === path && tally.stats().tracked > 1, path),
    );
    await page.evaluate(() => tally.flush());
  };
  await open("bfcache");
  await open("bfcache/other", page.url());
  await page.goBack({ waitUntil: "commit" });
  await isBack("bfcache");
  await page.goForward({ waitUntil: "commit" });
  await isBack("bfcache/other");
  let views;
  await until("four views", async () => {
    views = named(await site.flushed(page, "bfcache"), "page_view");
    return views.length === 4;
  });
  assert.deepEqual(
    views.map((row) => [
      row.entity_id,
      row.properties.navigation,
      row.referrer && new URL(row.referrer).pathname,
    ]),
    [
      ["/t/bfcache", "load", ""],
      ["/t/bfcache/other", "load", "/t/bfcache"],
      ["/t/bfcache", "restore", ""],
      ["/t/bfcache/other", "restore", "/t/bfcache"],
    ],
  );
  assert.equal(new Set(views.map((row) => row.page)).size, 4);
});
