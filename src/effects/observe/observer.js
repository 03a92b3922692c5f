// The observers of src/observe/ in this page: gives them what happens, and tracks what they say.

import { clicks } from "./clicks.js";
import { elements } from "./elements.js";
import { routes } from "./routes.js";

/** What `observe_handle` of src/js/observe.rs is told. */
const STATE = 0;
const INPUT = 1;
const SCROLL = 2;
const ROUTE = 3;
const SETTLED = 4;
const RESTORED = 5;
const ADD = 6;
const RATIO = 7;
const TIMEOUT = 8;
const CLICK = 9;

/** `Begin` and `Navigation` of src/observe/page_view.rs. */
const FIRST = 0;
const NEXT = 1;
const NAVIGATIONS = ["load", "route", "restore"];

/** Ids are cut here as a page's texts are: src/limits.rs, ID_BYTES. A path is ASCII. */
const ID_BYTES = 512;

const PASSIVE = { capture: true, passive: true };

/**
 * Starts what `auto` names on `wasm`, the exports of src/js/observe.rs.
 *
 * `push(time, name, fields)` puts an event into the queue, `beginPage(place)` begins a page view
 * under an id of its own; `tell(what, error)` is heard under `debug`.
 *
 * @returns what tracks all that has been measured until then
 */
export function observe(wasm, auto, push, beginPage, tell) {
  const { document, location } = globalThis;
  const told = new Float64Array(wasm.memory.buffer, wasm.observe_told(), 2);
  let { pathname } = location;
  let { referrer } = document;
  let address;
  let timer;
  let marked;

  const tick = () => performance.now();
  const handle = (what, a = 0, b = 0, c = 0) =>
    wasm.observe_handle(Date.now(), tick(), what, a, b, c);

  const track = (name, fields) => push(Date.now(), name, fields);
  const page = (fields) => ({
    entityType: "page",
    entityId: pathname.slice(0, ID_BYTES),
    ...fields,
  });

  // What is to be done, by the number that `observe_poll` gives it.
  const effects = [
    function wake(ms) {
      clearTimeout(timer);
      if (ms >= 0) timer = setTimeout(() => run(TIMEOUT), ms);
    },
    function begin(how) {
      if (how === NEXT) referrer = address;
      ({ pathname } = location);
      address = location.origin + pathname;
      if (how !== FIRST) beginPage({ referrer });
      marked?.again();
    },
    function view(time, navigation) {
      const { title } = document;
      if (auto.pageViews)
        push(time, "page_view", page({ title, navigation: NAVIGATIONS[navigation] }));
    },
    function engagement(value, scroll_percent) {
      if (auto.engagement) track("engagement", page({ value, scroll_percent }));
    },
    (key) => track("view", marked.entity(key)),
    (key, value) => track("dwell", { ...marked.entity(key), value }),
  ];

  /** Tells the observers, then does what they want done. */
  const run = (what, a, b, c) => {
    handle(what, a, b, c);
    for (let kind = 1; kind;) {
      kind = wasm.observe_poll(tick());
      effects[kind](...told);
    }
  };

  const scroll = () => {
    const { scrollHeight } = document.scrollingElement ?? document.documentElement;
    handle(SCROLL, scrollY + innerHeight, scrollHeight);
  };
  const state = (isGoing) => {
    scroll();
    const isVisible = document.visibilityState === "visible" && isGoing !== true;
    run(STATE, isVisible + 2 * document.hasFocus() + 4 * !!document.prerendering);
  };

  if (auto.impressions) {
    try {
      marked = elements(
        (key) => handle(ADD, key),
        (...seen) => run(RATIO, ...seen),
        tell,
      );
    } catch (error) {
      // The page has taken away what it needs, or put something else in its place.
      tell("impressions are off", error);
    }
  }
  routes(
    (flags) => {
      scroll();
      run(ROUTE, flags);
    },
    () => run(SETTLED),
    tell,
  );
  if (auto.clicks) clicks((flags) => handle(CLICK, flags), track, tell);

  // On the window and capturing: before the engine's own listeners, which send what there is.
  for (const name of ["visibilitychange", "prerenderingchange"])
    addEventListener(name, () => state(), true);
  addEventListener("pagehide", () => state(true), true);
  addEventListener("pageshow", ({ persisted }) => {
    if (persisted) run(RESTORED);
    state();
  });
  for (const name of ["focus", "blur"]) addEventListener(name, () => state());
  for (const name of ["pointermove", "pointerdown", "keydown", "wheel"])
    addEventListener(name, () => handle(INPUT), PASSIVE);
  // Not capturing: those of the page itself, none of a list within it.
  document.addEventListener(
    "scroll",
    () => {
      handle(INPUT);
      scroll();
    },
    { passive: true },
  );
  state();
  return () => {
    state(true);
    state();
  };
}
