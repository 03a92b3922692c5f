// The demo in Chromium against the real stack: what is done on the page is in ClickHouse and back
// in the page's counts; it works by keyboard, and for people who cannot see it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, test } from "node:test";
import { answer, launchChromium, pass, settled, startStack } from "./harness.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const stack = await startStack({ after }, { behindProxy: true });
const browser = await launchChromium({ after });

/** The demo as a visitor of their own sees it; tall, so that every post is in sight. */
async function openDemo(t, { path = "/", errors = [], ...options } = {}) {
  const context = await browser.newContext({
    viewport: { width: 1440, height: 3000 },
    // Headless Chromium says so in its name, and is counted as a bot then.
    userAgent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/156.0.0.0 Safari/537.36",
    ...options,
  });
  t.after(() => context.close());
  context.setDefaultTimeout(10_000);
  const page = await context.newPage();
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  await page.goto(stack.site + path);
  return page;
}

/** Writes a post of this test's own and answers its card and id. */
async function writePost(page, text) {
  await page.getByLabel("Write a post").fill(text);
  await page.getByRole("button", { name: "Post", exact: true }).click();
  const id = await page.locator("#posts > li").filter({ hasText: text }).getAttribute("data-post");
  return { card: page.locator(`#posts > [data-post="${id}"]`), id };
}

const metric = (card, name) => card.locator(`[data-metric=${name}]`);

/** Flushes, and waits until the card's four counts read as told. */
async function flushUntil(page, card, counts) {
  await page.getByRole("button", { name: "Flush now" }).click();
  for (const [name, count] of Object.entries(counts)) {
    await metric(card, name).locator(".metric-count").getByText(count, { exact: true }).waitFor();
  }
}

/** The events on a post as `{ name: count }`. */
async function eventsOf(id) {
  const rows = await stack.rows(
    "SELECT name, count() AS n FROM events WHERE entity_id = {id:String} GROUP BY name ORDER BY name",
    { params: { id } },
  );
  return Object.fromEntries(rows.map(({ name, n }) => [name, n]));
}

async function violations(page) {
  await page.evaluate(AXE);
  const found = await page.evaluate(() => globalThis.axe.run());
  return found.violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`);
}

test("S0.28 clicks on a card are rows in ClickHouse and counts on the card", async (t) => {
  const errors = [];
  const page = await openDemo(t, { errors });
  const { card, id } = await writePost(page, "A card to click on");
  await metric(card, "likes").click();
  await metric(card, "shares").click();
  await metric(card, "comments").click();
  for (const text of ["first", "second"]) {
    await card.getByLabel("Your comment").fill(text);
    await card.getByRole("button", { name: "Send" }).click();
  }
  await flushUntil(page, card, { views: "1", likes: "1", comments: "2", shares: "1" });

  assert.deepEqual(await eventsOf(id), { comment: 2, like: 1, post: 1, share: 1, view: 1 });
  const userId = await page.evaluate(
    () => JSON.parse(localStorage.getItem("tallymark-demo-board")).userId,
  );
  assert.deepEqual(
    await stack.rows(
      `SELECT DISTINCT site, entity_type, value, user_id, pathname, bot
       FROM events WHERE entity_id = {id:String}`,
      { params: { id } },
    ),
    [{ site: "demo", entity_type: "post", value: 1, user_id: userId, pathname: "/", bot: "" }],
  );
  await card.getByRole("img", { name: "last 24 hours: 1 in all" }).waitFor();
  assert.equal(await metric(card, "likes").getAttribute("aria-pressed"), "true");
  assert.deepEqual(errors, []);
});

test("a like taken back is an unlike, and the card counts none", async (t) => {
  const page = await openDemo(t);
  const { card, id } = await writePost(page, "Liked by mistake");
  await metric(card, "likes").click();
  await flushUntil(page, card, { likes: "1" });
  await metric(card, "likes").click();
  await flushUntil(page, card, { likes: "0" });

  assert.deepEqual(await eventsOf(id), { like: 1, post: 1, unlike: 1, view: 1 });
  assert.equal(await metric(card, "likes").getAttribute("aria-pressed"), "false");
});

test("S0.12 a deleted comment counts against its post", async (t) => {
  const page = await openDemo(t);
  const { card, id } = await writePost(page, "A comment to regret");
  await metric(card, "comments").click();
  await card.getByLabel("Your comment").fill("regretted");
  await card.getByRole("button", { name: "Send" }).click();
  await card.getByRole("button", { name: "Delete comment" }).click();
  await flushUntil(page, card, { views: "1", comments: "0" });

  assert.deepEqual(await eventsOf(id), { comment: 1, delete_comment: 1, post: 1, view: 1 });
});

test("S0.11 a deleted post takes its comments along without an event of theirs", async (t) => {
  const page = await openDemo(t);
  const { card, id } = await writePost(page, "A post to delete");
  await metric(card, "comments").click();
  await card.getByLabel("Your comment").fill("goes along");
  await card.getByRole("button", { name: "Send" }).click();
  await flushUntil(page, card, { views: "1", comments: "1" });
  await card.getByRole("button", { name: "Delete post" }).click();
  assert.equal(await card.count(), 0);
  await delivered(page);

  assert.deepEqual(await eventsOf(id), { comment: 1, delete_post: 1, post: 1, view: 1 });
});

/** Flushes and waits until everything tracked is delivered. */
async function delivered(page) {
  await page.getByRole("button", { name: "Flush now" }).click();
  await page.waitForFunction(() => {
    const read = (name) => document.querySelector(`[data-stat=${name}]`).textContent;
    return read("waiting") === "0" && read("delivered") === read("tracked");
  });
  await settled(stack);
}

test("each post in sight is viewed once a visit", async (t) => {
  const page = await openDemo(t);
  await page.locator(".post").last().waitFor();
  await page.mouse.wheel(0, 3000);
  await page.mouse.wheel(0, -3000);
  await delivered(page);

  const userId = await page.evaluate(
    () => JSON.parse(localStorage.getItem("tallymark-demo-board")).userId,
  );
  const views = await stack.rows(
    `SELECT entity_id, count() AS n FROM events
     WHERE user_id = {userId:String} AND name = 'view' GROUP BY entity_id ORDER BY entity_id`,
    { params: { userId } },
  );
  const cards = await page.locator(".post").evaluateAll((all) => all.map((it) => it.dataset.post));
  assert.deepEqual(
    views,
    cards.sort().map((id) => ({ entity_id: id, n: 1 })),
  );
});

test("the panel lists each batch under the id that ClickHouse has", async (t) => {
  const page = await openDemo(t);
  const { card, id } = await writePost(page, "A batch to look up");
  await flushUntil(page, card, { views: "1" });

  const [{ batch, rows }] = await stack.rows(
    `SELECT batch_id AS batch, count() AS rows FROM events WHERE batch_id IN
     (SELECT batch_id FROM events WHERE entity_id = {id:String} AND name = 'post') GROUP BY batch`,
    { params: { id } },
  );
  const line = page.locator("#batches tr").filter({ has: page.locator(`[title="${batch}"]`) });
  assert.equal(await line.locator(".batch-rows").textContent(), String(rows));
  assert.match(await line.locator(".batch-answer").textContent(), /202 accepted/);
});

test("a thousand events at once all arrive, and lead the top posts", async (t) => {
  const page = await openDemo(t);
  await page.getByRole("button", { name: "Track 1,000 events" }).click();
  await page.getByText("Longest frame").waitFor();
  await delivered(page);
  assert.equal(await page.locator("[data-stat=dropped]").textContent(), "0");

  const userId = await page.evaluate(
    () => JSON.parse(localStorage.getItem("tallymark-demo-board")).userId,
  );
  const [{ views, past }] = await stack.rows(
    `SELECT count() AS views, countIf(occurred_at < received_at - INTERVAL 1 HOUR) > 0 AS past
     FROM events WHERE user_id = {userId:String} AND name = 'view'`,
    { params: { userId } },
  );
  const cards = await page.locator(".post").count();
  assert.deepEqual({ views, past }, { views: 1000 + cards, past: 1 });

  const [first] = await stack.rows(
    `SELECT entity_id AS id, count() AS views FROM events WHERE name = 'view' AND bot = ''
     GROUP BY id ORDER BY views DESC, id LIMIT 1`,
  );
  const top = page.locator(`#top li:first-child[data-post="${first.id}"]`);
  await top.getByText(first.views.toLocaleString("en"), { exact: true }).waitFor();
});

test("ClickHouse away: the page says so, and nothing is lost or doubled", async (t) => {
  const page = await openDemo(t);
  const { card, id } = await writePost(page, "Written in a storm");
  await flushUntil(page, card, { views: "1" });
  stack.proxy.always(answer(503));
  t.after(() => stack.proxy.always(pass));
  await metric(card, "likes").click();
  await page.getByRole("button", { name: "Flush now" }).click();
  await page.locator("#notice").getByText("ClickHouse is not answering").waitFor();
  // What is tracked is durable at the edge meanwhile.
  await page.waitForFunction(
    () => document.querySelector("[data-stat=waiting]").textContent === "0",
  );
  assert.equal(await page.locator("#batches [data-outcome=again]").count(), 0);

  stack.proxy.always(pass);
  await flushUntil(page, card, { likes: "1" });
  await page.locator("#notice").waitFor({ state: "hidden" });
  assert.deepEqual(await eventsOf(id), { like: 1, post: 1, view: 1 });
});

test("everything works by keyboard, and the focus is never lost", async (t) => {
  const page = await openDemo(t);
  const focused = () => page.evaluate(() => document.activeElement.textContent.trim());
  const tabTo = async (target, key = "Tab") => {
    for (let presses = 0; presses < 30; presses += 1) {
      if (await target.evaluate((it) => it === document.activeElement)) return;
      await page.keyboard.press(key);
    }
    assert.fail(`not reached by ${key}`);
  };
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "Skip to the feed");
  await tabTo(page.getByLabel("Write a post"));
  await page.keyboard.type("By keyboard alone");
  await page.keyboard.press("Control+Enter");
  const card = page.locator("#posts > li").filter({ hasText: "By keyboard alone" });
  const id = await card.getAttribute("data-post");

  await tabTo(metric(card, "likes"));
  assert.equal(
    await metric(card, "likes").evaluate((it) => getComputedStyle(it).outlineStyle),
    "solid",
  );
  await page.keyboard.press("Space");
  await tabTo(metric(card, "comments"));
  await page.keyboard.press("Enter");
  await page.keyboard.type("typed");
  await page.keyboard.press("Enter");
  await tabTo(card.getByRole("button", { name: "Delete comment" }), "Shift+Tab");
  await page.keyboard.press("Enter");
  await page.locator("#announce").getByText("Comment deleted").waitFor();
  assert.ok(await card.getByLabel("Your comment").evaluate((it) => it === document.activeElement));
  await delivered(page);
  assert.deepEqual(await eventsOf(id), {
    comment: 1,
    delete_comment: 1,
    like: 1,
    post: 1,
    view: 1,
  });

  await card.getByRole("button", { name: "Delete post" }).focus();
  await page.keyboard.press("Enter");
  assert.equal(await focused(), "Ines Okafor, Mill Lane");
});

for (const colorScheme of ["light", "dark"]) {
  for (const width of [360, 1440]) {
    test(`axe finds nothing: ${colorScheme}, ${width} px`, async (t) => {
      const page = await openDemo(t, { colorScheme, viewport: { width, height: 900 } });
      const { card } = await writePost(page, `Looked at by axe ${colorScheme} ${width}`);
      await metric(card, "likes").click();
      await metric(card, "comments").click();
      await flushUntil(page, card, { likes: "1" });
      assert.deepEqual(await violations(page), []);
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width);
    });
  }

  test(`axe finds nothing: ${colorScheme}, without a worker`, async (t) => {
    const page = await openDemo(t, { colorScheme, path: "/direct.html" });
    await page.getByRole("button", { name: "View" }).click();
    await page.locator("#batches tr").first().waitFor();
    assert.deepEqual(await violations(page), []);
  });
}

test("the chosen theme outlives the page", async (t) => {
  const page = await openDemo(t, { colorScheme: "light" });
  await page.getByRole("button", { name: "Dark theme" }).click();
  await page.reload();
  await page.getByRole("button", { name: "Dark theme", pressed: true }).waitFor();
  assert.equal(await page.evaluate(() => getComputedStyle(document.body).colorScheme), "dark");
});

test("U6 the page without a worker inserts straight into ClickHouse", async (t) => {
  const errors = [];
  const page = await openDemo(t, { path: "/direct.html", errors });
  await page.getByText("Inserting as").waitFor();
  for (const name of ["View", "Like", "Share", "Like"]) {
    await page.getByRole("button", { name }).click();
  }
  await page.getByRole("button", { name: "Flush now" }).click();
  const line = page.locator("#batches tr").first();
  await line.waitFor();
  assert.equal(await line.getAttribute("data-outcome"), "accepted");

  const batch = await line.locator(".batch-id").getAttribute("title");
  assert.deepEqual(
    await stack.rows(
      `SELECT site, entity_id, name, count() AS n FROM events
       WHERE batch_id = {batch:UUID} GROUP BY ALL ORDER BY name`,
      { params: { batch } },
    ),
    ["like", "share", "view"].map((name) => ({
      site: "demo",
      entity_id: "direct",
      name,
      n: name === "like" ? 2 : 1,
    })),
  );
  assert.deepEqual(errors, []);
});

test("files come with their types and a policy without inline script or style", async () => {
  const get = (path, options) => fetch(stack.site + path, options);
  const type = async (path) => (await get(path)).headers.get("content-type");
  assert.equal(await type("/"), "text/html; charset=utf-8");
  assert.equal(await type("/js/demo.js"), "text/javascript; charset=utf-8");
  assert.equal(await type("/css/base.css"), "text/css; charset=utf-8");
  assert.equal(await type("/icon.svg"), "image/svg+xml");

  const { headers } = await get("/");
  assert.equal(headers.get("cache-control"), "no-cache");
  assert.equal(headers.get("x-content-type-options"), "nosniff");
  const policy = headers.get("content-security-policy");
  assert.match(
    policy,
    /default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self';/,
  );

  for (const path of ["/nothing", "/js/", "/site.js", "/rust/src/lib.rs", "/%2e%2e/Cargo.toml"]) {
    assert.equal((await get(path)).status, 404, path);
  }
  assert.equal((await get("/", { method: "POST" })).status, 405);
});
