// The load button: 1,000 events in one go, and what the page felt of it.

import { byId } from "./dom.js";
import { count, milliseconds } from "./format.js";

const EVENTS = 1000;
const HOURS = 24;
const HOUR_MS = 3_600_000;
const WATCH_MS = 10_000;

/** `recordAll(events)` tracks them and answers the ms; `isIdle()` tells that all are delivered. */
export function createLoad(ids, recordAll, isIdle) {
  const button = byId("load");
  const result = byId("load-result");

  button.addEventListener("click", async () => {
    const posts = ids();
    if (posts.length === 0 || button.getAttribute("aria-disabled")) return;
    const events = Array.from({ length: EVENTS }, () => ({
      name: "view",
      // Squared, so that some posts are ahead of others.
      postId: posts[Math.floor(posts.length * Math.random() ** 2)],
      occurredAt: Date.now() - hoursAgo() * HOUR_MS,
    }));

    button.setAttribute("aria-disabled", "true");
    const frames = watchFrames(isIdle);
    const calls = `${count(EVENTS)} calls took ${milliseconds(recordAll(events))} ms.`;
    result.textContent = calls;
    result.textContent = `${calls} Longest frame until all were stored: ${milliseconds(await frames)} ms.`;
    button.removeAttribute("aria-disabled");
  });
}

/** More by day than by night, with a little noise: a curve like a real board's. */
function hoursAgo() {
  for (;;) {
    const ago = Math.random() * HOURS;
    const hour = new Date(Date.now() - ago * HOUR_MS).getHours();
    const busy = 0.15 + 0.85 * Math.max(0, Math.sin(((hour - 5) / 18) * Math.PI));
    if (Math.random() < busy) return ago;
  }
}

/** The longest time between two frames until `isIdle()`, in ms. */
function watchFrames(isIdle) {
  return new Promise((resolve) => {
    const start = performance.now();
    let last;
    let longest = 0;
    const frame = (now) => {
      if (last !== undefined) longest = Math.max(longest, now - last);
      last = now;
      if ((isIdle() && now > start) || now - start > WATCH_MS) resolve(longest);
      else requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  });
}
