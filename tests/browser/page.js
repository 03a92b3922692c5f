// A page whose network, clocks and timers are the test's, so that no test waits for real time.

const KEEP = ["fetch", "setTimeout", "clearTimeout", "CompressionStream"];

/** What the tracker under the write key (or ClickHouse user) `key` does is recorded here. */
export class FakePage {
  static #open;
  /** Where the next page's ticks begin: trackers of earlier tests live on, and must not see time
   * run backwards. */
  static #nextOrigin = 0;
  #origin = FakePage.#nextOrigin;
  #key;
  #real = {};
  #requests = [];
  #taken = 0;
  #waiting = [];
  #unread = [];
  #timers = new Map();
  #lastTimer = 0;
  #tick = 0;

  constructor(key) {
    // A test that failed has not dropped its page.
    FakePage.#open?.restore();
    FakePage.#open = this;
    this.#key = key;
    for (const name of KEEP) this.#real[name] = globalThis[name];
    globalThis.fetch = (url, init = {}) => this.#fetch(String(url), init);
    globalThis.setTimeout = (call, ms) => {
      this.#timers.set(++this.#lastTimer, { call, at: this.#tick + Math.max(0, ms) });
      return this.#lastTimer;
    };
    globalThis.clearTimeout = (timer) => this.#timers.delete(timer);
    // Bodies are looked at as they were sealed.
    globalThis.CompressionStream = undefined;
    this.#real.timeout = AbortSignal.timeout;
    AbortSignal.timeout = (ms) => {
      const controller = new AbortController();
      const call = () => controller.abort(new DOMException("too late", "TimeoutError"));
      this.#timers.set(`signal ${++this.#lastTimer}`, { call, at: this.#tick + ms });
      return controller.signal;
    };
    // Own properties hide those of the prototype, until they are deleted.
    performance.now = () => this.#origin + this.#tick + 0.75;
    this.#real.now = Date.now;
    Date.now = () => 1_795_435_200_000 + this.#tick;
  }

  restore() {
    FakePage.#open = undefined;
    FakePage.#nextOrigin = this.#origin + this.#tick + 1;
    Object.assign(globalThis, Object.fromEntries(KEEP.map((name) => [name, this.#real[name]])));
    delete performance.now;
    delete document.visibilityState;
    AbortSignal.timeout = this.#real.timeout;
    Date.now = this.#real.now;
  }

  #fetch(url, init) {
    const asked = new URL(url).searchParams;
    if (asked.get("k") !== this.#key && asked.get("user") !== this.#key) {
      return new Promise(() => {});
    }
    if (this.throws) throw new TypeError("fetch is broken here");
    return new Promise((resolve, reject) => {
      init.signal?.addEventListener("abort", () => reject(init.signal.reason));
      // A view of wasm memory has to be copied before `fetch` returns.
      const body = init.body && Uint8Array.from(init.body);
      this.#requests.push({ url, init, body, resolve, reject });
      this.#waiting.splice(0).forEach((wake) => wake());
    });
  }

  /** The number of the next request that nobody has taken yet, when it comes. */
  async next() {
    while (this.#taken >= this.#requests.length) {
      await new Promise((wake) => this.#waiting.push(wake));
    }
    return this.#taken++;
  }

  /**
   * Resolves when every answer has been read and everything that is ready has run; then gives the
   * number of all requests.
   */
  async count() {
    await Promise.all(this.#unread);
    // Chromium hands the end of a body on from task to task.
    for (let task = 0; task < 12; task++) {
      await new Promise((resolve) => this.#real.setTimeout.call(globalThis, resolve));
    }
    return this.#requests.length;
  }

  url = (request) => this.#requests[request].url;
  body = (request) => this.#requests[request].body ?? new Uint8Array();
  /** What else the request was made with but its signal, as JSON, sorted by name. */
  init(request) {
    const { body, signal, ...init } = this.#requests[request].init;
    return JSON.stringify(Object.fromEntries(Object.entries(init).sort()));
  }

  #answer(request, head, pull) {
    const read = Promise.withResolvers();
    const source = {
      pull: (body) => pull(body, read) || read.resolve(),
      cancel: () => read.resolve(),
    };
    // Nothing is read ahead, so that the last pull is the tracker's own.
    const body = new ReadableStream(source, { highWaterMark: 0 });
    this.#unread.push(read.promise);
    this.#requests[request].resolve(new Response(body, head));
  }

  answer(request, status, text, headers) {
    const chunks = text ? [new TextEncoder().encode(text)] : [];
    this.#answer(request, { status, headers: JSON.parse(headers) }, (body) => {
      const chunk = chunks.pop();
      if (chunk) body.enqueue(chunk);
      else body.close();
      return chunk;
    });
  }

  /** An answer whose body never ends; `count` does not wait for it. */
  answerForever(request, status) {
    let chunks = 0;
    const { signal } = this.#requests[request].init;
    this.#answer(request, { status }, (body, read) => {
      if (chunks++ < 5) return body.enqueue(new Uint8Array(1_000).fill(32)) ?? true;
      // The rest never comes; a deadline ends the body as it would end the real one.
      read.resolve();
      const given = Promise.withResolvers();
      signal.addEventListener("abort", () => given.resolve(body.error(signal.reason)));
      return given.promise;
    });
  }

  fail(request) {
    this.#requests[request].reject(new TypeError("Failed to fetch"));
  }

  isGivenUp = (request) => this.#requests[request].init.signal.aborted;

  /** Lets time pass; timers run at their own time, in order. */
  pass(ms) {
    const end = this.#tick + ms;
    const due = () => [...this.#timers].filter(([, { at }]) => at <= end);
    for (let timers = due(); timers.length; timers = due()) {
      const [timer, { at, call }] = timers.reduce((a, b) => (b[1].at < a[1].at ? b : a));
      this.#timers.delete(timer);
      this.#tick = Math.max(this.#tick, at);
      call();
    }
    this.#tick = end;
  }

  /** How many timers are set, but for the deadlines of requests. */
  timers = () => [...this.#timers.keys()].filter((timer) => typeof timer === "number").length;

  /** Puts `search` behind the page's address. */
  go(search) {
    history.replaceState(null, "", search);
  }

  show(state) {
    Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  }

  leave() {
    window.dispatchEvent(new Event("pagehide"));
  }

  /** From the bfcache. */
  comeBack() {
    window.dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }));
  }
}
