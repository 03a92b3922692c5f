// Requests to ClickHouse that other requests of this isolate may wait for.

const flights = new Map();

// The promise itself; under its name, if it has one, until it settles.
export function fly(name, promise) {
  if (!name) return promise;
  const ended = promise.then(
    () => flights.delete(name),
    () => flights.delete(name),
  );
  flights.set(name, ended);
  return promise;
}

// Waits for the flight of this name, but no longer: its request may be gone without a word.
export function join(name, timeoutMs) {
  let timer;
  const late = new Promise((resolve) => (timer = setTimeout(resolve, timeoutMs)));
  return Promise.race([flights.get(name), late]).finally(() => clearTimeout(timer));
}
