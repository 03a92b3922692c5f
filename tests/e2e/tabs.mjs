// Chromium as its user has it: tabs that hide, windows that are minimised, pages that are prerendered.
//
// Playwright is not there: it makes every page believe that it is visible and has the focus. What is not
// attached may be prerendered, too: Chromium does not prerender for a page that DevTools look at.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Ends each message on the pipe. */
const END = "\0";

/**
 * Starts it. `open(url, { isBehind })` gives a tab, the foremost one unless it `isBehind`: `{ evaluate(expression), activate(),
 * minimise(), restore() }`; `visit(url)` opens one that nobody is attached to.
 */
export async function startTabs(scope) {
  const profile = mkdtempSync(join(tmpdir(), "tallymark-tabs-"));
  const flags = JSON.parse(readFileSync(new URL("../chromium-flags.json", import.meta.url)));
  const child = spawn(
    process.env.CHROMIUM ?? "/usr/bin/chromium",
    [...flags, `--user-data-dir=${profile}`, "--remote-debugging-pipe", "about:blank"],
    { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] },
  );
  const exited = once(child, "exit");
  const [, , , commands, answers] = child.stdio;
  const waiting = new Map();
  let said = "";
  answers.setEncoding("utf8").on("data", (chunk) => {
    const messages = (said + chunk).split(END);
    said = messages.pop();
    for (const { id, result, error } of messages.map((message) => JSON.parse(message))) {
      const { resolve, reject } = waiting.get(id) ?? {};
      if (error) reject?.(new Error(error.message));
      else resolve?.(result);
    }
  });
  let last = 0;
  const send = (method, params = {}, sessionId) =>
    new Promise((resolve, reject) => {
      waiting.set(++last, { resolve, reject });
      commands.write(JSON.stringify({ id: last, method, params, sessionId }) + END);
    });

  scope.after(async () => {
    // The end of its own: one that is killed leaves processes that still write.
    send("Browser.close").catch(() => {});
    await exited;
    rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  });

  const visit = (url, { isBehind = false } = {}) =>
    send("Target.createTarget", { url, background: isBehind });
  return {
    visit,
    async open(url, options) {
      const { targetId } = await visit(url, options);
      const { sessionId } = await send("Target.attachToTarget", { targetId, flatten: true });
      const become = async (windowState) => {
        const { windowId } = await send("Browser.getWindowForTarget", { targetId });
        await send("Browser.setWindowBounds", { windowId, bounds: { windowState } });
      };
      return {
        async evaluate(expression) {
          const asked = { expression, returnByValue: true, awaitPromise: true };
          const { result, exceptionDetails } = await send("Runtime.evaluate", asked, sessionId);
          if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails));
          return result.value;
        },
        activate: () => send("Target.activateTarget", { targetId }),
        minimise: () => become("minimized"),
        restore: () => become("normal"),
      };
    },
  };
}
