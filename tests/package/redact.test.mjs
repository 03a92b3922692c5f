// What is taken out of addresses before they are told.

import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { flush, page, setClock, tracker } from "./people.mjs";

beforeEach(setClock);

describe("redact", () => {
  const href = "https://site.test/u/ann@site.test/reset?token=1&utm_source=ann%40site.test";

  test("mails, addresses and tokens in the page's columns and in URLs are taken out", async (t) => {
    const { document } = page(t, { href });
    document.referrer = "https://203.0.113.7/find?q=ann#x";
    const { tally, rows } = tracker({ redact: true });
    tally.track("a", {
      url: "https://a.test/x?id=5&access_token=abc&mail=b%40c.de#at",
      text: "ann@site.test",
      jwt: "https://a.test/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc",
      uuid: "https://a.test/01a20846-fe00-7abc-a123-0123456789ab",
      long: `https://a.test/${"a1".repeat(16)}`,
    });
    // As automatic events name a page.
    tally.track("page_view", { entityType: "page", entityId: "/u/ann@site.test" });
    await flush(tally);
    const [{ pathname, referrer, utm_source, properties }] = rows;
    assert.deepEqual(
      { pathname, referrer, utm_source },
      { pathname: "/u/{mail}/reset", referrer: "https://{ip}/find", utm_source: "{mail}" },
    );
    assert.deepEqual(properties, {
      url: "https://a.test/x?id=5&access_token={removed}&mail={removed}#at",
      text: "ann@site.test",
      jwt: "https://a.test/{token}",
      uuid: "https://a.test/01a20846-fe00-7abc-a123-0123456789ab",
      long: "https://a.test/{token}",
    });
    assert.equal(rows[1].entity_id, "/u/{mail}");
  });

  test("unless it is on, they stay", async (t) => {
    page(t, { href });
    const { tally, rows } = tracker();
    tally.track("a", { url: href });
    await flush(tally);
    assert.deepEqual(
      [rows[0].pathname, rows[0].properties],
      ["/u/ann@site.test/reset", { url: href }],
    );
  });
});
