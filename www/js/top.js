// The list of the most viewed posts, each with a bar against the first.

import { byId, fromTemplate, writeChanging } from "./dom.js";
import { count } from "./format.js";

export function createTop(board) {
  const list = byId("top");

  function line(id) {
    const item = fromTemplate("top-template");
    item.dataset.post = id;
    const name = item.querySelector(".top-name");
    const post = board.find(id);
    const title = document.createElement(board.isDeleted(id) ? "del" : "span");
    // Without a text it was written in another browser: only its id is known here.
    title.textContent = post?.text ?? id;
    name.append(title);
    return item;
  }

  return {
    show(rows) {
      list.setAttribute("aria-busy", "false");
      const before = new Map([...list.children].map((item) => [item.dataset.post, item]));
      const most = Math.max(1, ...rows.map((row) => row.views));
      list.replaceChildren(
        ...rows.map(({ entity_id: id, views }) => {
          const item = before.get(id) ?? line(id);
          writeChanging(item.querySelector(".top-views"), count(views));
          item.querySelector("rect").setAttribute("width", String((100 * views) / most));
          return item;
        }),
      );
      list.hidden = rows.length === 0;
      byId("top-empty").hidden = rows.length > 0;
    },
  };
}
