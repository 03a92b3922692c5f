// Chromium over its debugging pipe, without Playwright: that one turns on the network domain in
// every page, and a request then costs the page's main thread half as much again (measured).

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Messages on the pipe end so. */
const END = "\0";

/**
 * Starts a browser with a profile of its own. `open(url, { context })` gives a page once it has
 * loaded, in `context` of `newContext()`, whose caches are empty.
 */
export async function launch(scope) {
  const flags = JSON.parse(readFileSync(new URL("../chromium-flags.json", import.meta.url)));
  const profile = mkdtempSync(join(tmpdir(), "tallymark-bench-"));
  const child = spawn(
    process.env.CHROMIUM ?? "/usr/bin/chromium",
    [...flags, `--user-data-dir=${profile}`, "--remote-debugging-pipe", "about:blank"],
    { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] },
  );
  const send = protocol(child.stdio[3], child.stdio[4]);
  scope.after(async () => {
    const exited = once(child, "exit");
    send("Browser.close").catch(() => {});
    await exited;
    rmSync(profile, { recursive: true, force: true });
  });
  return {
    newContext: async () => (await send("Target.createBrowserContext")).browserContextId,
    closeContext: (browserContextId) => send("Target.disposeBrowserContext", { browserContextId }),
    open: (url, { context } = {}) => open(send, url, context),
  };
}

/** `(method, params, sessionId) => result` over the two pipes. */
function protocol(input, output) {
  const waiting = new Map();
  let last = 0;
  let rest = "";
  output.setEncoding("utf8").on("data", (chunk) => {
    const messages = (rest + chunk).split(END);
    rest = messages.pop();
    for (const { id, result, error } of messages.map((text) => JSON.parse(text))) {
      const call = waiting.get(id);
      waiting.delete(id);
      if (error) call?.reject(new Error(`${call.method}: ${error.message}`));
      else call?.resolve(result);
    }
  });
  return (method, params = {}, sessionId) =>
    new Promise((resolve, reject) => {
      waiting.set(++last, { method, resolve, reject });
      input.write(JSON.stringify({ id: last, method, params, sessionId }) + END);
    });
}

async function open(send, url, browserContextId) {
  const { targetId } = await send("Target.createTarget", { url: "about:blank", browserContextId });
  const { sessionId } = await send("Target.attachToTarget", { targetId, flatten: true });
  const cdp = (method, params) => send(method, params, sessionId);
  /** Runs `script(given)` in the page and answers what it resolves to. */
  const run = async (script, given) => {
    const { result, exceptionDetails } = await cdp("Runtime.evaluate", {
      expression: `(${script})(${JSON.stringify(given)})`,
      awaitPromise: true,
      returnByValue: true,
    });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? "page threw");
    return result.value;
  };
  /** Goes there, and waits for `load`: asked again and again, as this client hears no events. */
  const goto = async (to) => {
    await cdp("Page.navigate", { url: to });
    const loaded = (to) => location.href === to && document.readyState === "complete";
    while (!(await run(loaded, to).catch(() => false)));
  };
  /** Milliseconds of CPU that the page's main thread has worked so far. */
  const mainThreadMs = async () => {
    const { metrics } = await cdp("Performance.getMetrics");
    return metrics.find(({ name }) => name === "TaskDuration").value * 1_000;
  };
  // By the thread's own clock: what else runs on this machine is not counted.
  await cdp("Performance.enable", { timeDomain: "threadTicks" });
  await goto(url);
  const close = () => send("Target.closeTarget", { targetId });
  return { cdp, run, goto, mainThreadMs, close };
}
