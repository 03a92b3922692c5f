// Timers of Node's: esbuild puts each name that this file exports in place of the global one
// (xtask/src/build/package.rs). Once every tracker is shut down, none keeps the process alive: what could
// not be delivered until then is given up with it.

const timers = new Set();
let running = 0;

export const setTimeout = (run, ...given) => {
  const timer = globalThis.setTimeout(
    () => {
      timers.delete(timer);
      run();
    },
    ...given,
  );
  timers.add(timer);
  if (!running) timer.unref?.();
  return timer;
};
export const clearTimeout = (timer) => {
  timers.delete(timer);
  globalThis.clearTimeout(timer);
};

function begin() {
  running++;
  for (const timer of timers) timer.ref?.();
}
function end() {
  running--;
  if (!running) for (const timer of timers) timer.unref?.();
}

/** Counts a tracker, and each of its tables, as running until its shutdown has settled; itself. */
export function untilShutdown(tally) {
  const { flush, shutdown, table } = tally;
  const tables = new Map();
  let isRunning = true;
  const during = (call) => () => {
    begin();
    return call().finally(end);
  };
  begin();
  return Object.assign(tally, {
    flush: during(flush),
    shutdown: during(() =>
      shutdown().finally(() => {
        if (isRunning) end();
        isRunning = false;
      }),
    ),
    table(name) {
      if (!tables.has(name)) tables.set(name, untilShutdown(table(name)));
      return tables.get(name);
    },
  });
}
