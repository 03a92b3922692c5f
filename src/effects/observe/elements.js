// The elements that a site has marked with `data-tally-view`, those that come later too.

import { entityOf } from "./entity.js";

const MARK = "data-tally-view";

/** src/observe/impression.rs decides at these. */
const RATIOS = { threshold: [0, 0.3, 0.5] };

/**
 * Watches them where the browser can. `add(key)` gives an element's number, -1 for none;
 * `onRatio(element, ratio, area)` hears how much of it is in the window.
 *
 * @returns `again()` adds all elements once more, for a new page view; `entity(key)`
 */
export function elements(add, onRatio, tell) {
  const { document } = globalThis;
  let watched = new WeakMap();
  let keys = new Map();
  let entities = [];

  const seen = new IntersectionObserver((entries) => {
    for (const { target, intersectionRatio, boundingClientRect } of entries) {
      const { width, height } = boundingClientRect;
      const number = watched.get(target)?.number;
      if (number >= 0) onRatio(number, intersectionRatio, width * height);
    }
  }, RATIOS);
  const look = (element) => {
    // What is observed anew is reported at once.
    seen.unobserve(element);
    seen.observe(element);
  };
  // One that grows beyond 242,500 px² needs less of it in the window, without a threshold passed.
  const sized = new ResizeObserver((entries) => entries.forEach(({ target }) => look(target)));

  const watch = (element) => {
    const mark = element.getAttribute(MARK);
    const known = watched.get(element);
    // It has only moved within the page.
    if (known?.mark === mark) return;
    if (known) onRatio(known.number, 0, 0);
    watched.delete(element);
    const entity = mark !== null && entityOf(mark, tell);
    if (!entity) return;
    const key = keys.get(mark) ?? entities.length;
    const number = add(key);
    if (number < 0) return tell("there are too many marked elements");
    keys.set(mark, key);
    entities[key] = entity;
    watched.set(element, { mark, number });
    look(element);
    sized.observe(element);
  };
  const watchIn = (node) => {
    if (node.hasAttribute?.(MARK)) watch(node);
    node.querySelectorAll?.(`[${MARK}]`).forEach(watch);
  };

  new MutationObserver((records) => {
    for (const { type, target, addedNodes } of records) {
      if (type === "attributes") watch(target);
      else addedNodes.forEach(watchIn);
    }
  }).observe(document, { subtree: true, childList: true, attributeFilter: [MARK] });

  return {
    entity: (key) => entities[key],
    again() {
      watched = new WeakMap();
      keys = new Map();
      entities = [];
      watchIn(document);
    },
  };
}
