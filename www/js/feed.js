// The noticeboard: which cards stand there, and what each thing done to them records.

import { createCard } from "./card.js";
import { announce, byId } from "./dom.js";
import { createSeen } from "./seen.js";

export function createFeed(board, record) {
  const list = byId("posts");
  const cards = new Map();
  const seen = createSeen((element) => record("view", element.dataset.post));

  const act = {
    like(id, liked) {
      board.setLiked(id, liked);
      record(liked ? "like" : "unlike", id);
    },
    comment(id, text) {
      record("comment", id);
      return board.addComment(id, text);
    },
    deleteComment(commentId, postId) {
      board.deleteComment(commentId);
      // Counted against the post, so that its net comments can be known.
      record("delete_comment", postId);
    },
    async share(id) {
      record("share", id);
      announce((await copyLink(id)) ? "Link copied" : "Shared");
    },
    remove(id) {
      const next =
        cards.get(id).root.nextElementSibling ?? cards.get(id).root.previousElementSibling;
      board.deletePost(id);
      record("delete_post", id);
      cards.get(id).root.remove();
      cards.delete(id);
      announce("Post deleted");
      showEmpty();
      (next?.querySelector(".post-author") ?? byId("restore")).focus();
    },
  };

  function add(post, first = false) {
    const card = createCard(post, board, act);
    cards.set(post.id, card);
    if (first) list.prepend(card.root);
    else list.append(card.root);
    seen.watch(card.root);
  }

  function showEmpty() {
    byId("posts-empty").hidden = cards.size > 0;
    list.hidden = cards.size === 0;
  }

  board.posts().forEach((post) => add(post));
  showEmpty();
  // A shared link names a post that was not there yet when the browser looked for it.
  document.getElementById(location.hash.slice(1))?.scrollIntoView();

  byId("compose").addEventListener("submit", (event) => {
    event.preventDefault();
    const field = event.target.elements.text;
    const text = field.value.trim();
    if (!text) return;
    const post = board.addPost(text);
    record("post", post.id);
    add(post, true);
    field.value = "";
    showEmpty();
    announce("Post published");
  });

  byId("compose-text").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey))
      event.target.form.requestSubmit();
  });

  byId("restore").addEventListener("click", () => {
    board.restoreSamples();
    for (const post of board.posts()) if (!cards.has(post.id)) add(post);
    showEmpty();
    byId("feed").focus();
  });

  return {
    ids: () => [...cards.keys()],
    showNumbers({ summaries, hourly }, pending) {
      list.setAttribute("aria-busy", "false");
      for (const [id, card] of cards) {
        card.showCounts(summaries.get(id), pending);
        if (hourly.has(id)) card.showHourly(hourly.get(id));
      }
    },
    showPending(pending) {
      for (const card of cards.values()) card.showPending(pending);
    },
  };
}

async function copyLink(id) {
  try {
    await navigator.clipboard.writeText(`${location.origin}/#post-${id}`);
    return true;
  } catch {
    return false; // no permission: the share still counts
  }
}
