// Clicks on elements that a site has marked with `data-tally-click`, and on links that lead away.

import { entityOf } from "./entity.js";

/** Flags of a click, and of what it counts as: src/js/observe.rs. */
const TRUSTED = 1;
const MAIN_OR_MIDDLE = 2;
const MARKED = 4;
const LINK = 8;
const OWN_HOST = 16;
const IS_MARKED = 1;
const IS_OUTBOUND = 2;

/** src/limits.rs, ID_BYTES; an address is ASCII. */
const ID_BYTES = 512;

/** `counts(flags)` says what a click counts as. */
export function clicks(counts, track, tell) {
  const onClick = (event) => {
    let mark;
    let link;
    // Not `target.closest`: it does not look out of a shadow tree.
    for (const node of event.composedPath()) {
      if (!node.matches) continue;
      mark ??= node.getAttribute("data-tally-click");
      if (node.matches("a[href], area[href]")) link ??= node;
    }
    const kind = counts(
      (event.isTrusted && TRUSTED) +
        (event.button < 2 && MAIN_OR_MIDDLE) +
        (mark != null && MARKED) +
        (/^https?:$/.test(link?.protocol) && LINK) +
        (link?.hostname === location.hostname && OWN_HOST),
    );
    const entity = kind & IS_MARKED && entityOf(mark, tell);
    if (entity) track("click", entity);
    if (kind & IS_OUTBOUND) {
      const entityId = (link.origin + link.pathname).slice(0, ID_BYTES);
      track("outbound_click", { entityType: "link", entityId });
    }
  };
  // On the window and capturing: a page that stops the event does not hide it.
  for (const name of ["click", "auxclick"]) addEventListener(name, onClick, true);
}
