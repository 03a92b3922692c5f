// One post on the board: its text, its four counts, its chart and its comments.

import { announce, fromTemplate, writeChanging } from "./dom.js";
import { count } from "./format.js";
import { createSparkline } from "./sparkline.js";

const METRICS = ["views", "likes", "comments", "shares"];

/** `act` is what a visitor can do to the post: `{ like, comment, deleteComment, share, remove }`. */
export function createCard(post, board, act) {
  const root = fromTemplate("post-template");
  const find = (selector) => root.querySelector(selector);
  const metric = (name) => find(`[data-metric="${name}"]`);
  root.id = `post-${post.id}`;
  root.dataset.post = post.id;

  const author = find(".post-author");
  author.id = `author-${post.id}`;
  author.textContent = post.author;
  if (post.place) {
    const place = document.createElement("small");
    place.textContent = `, ${post.place}`;
    author.append(place);
  }
  find("article").setAttribute("aria-labelledby", author.id);
  find(".post-text").textContent = post.text;
  const sparkline = createSparkline(find(".post-chart"));

  const like = metric("likes");
  const showLiked = () => like.setAttribute("aria-pressed", String(board.isLiked(post.id)));
  like.addEventListener("click", () => {
    act.like(post.id, !board.isLiked(post.id));
    showLiked();
  });
  showLiked();

  metric("shares").addEventListener("click", () => act.share(post.id));
  find(".post-delete").addEventListener("click", () => act.remove(post.id));
  wireComments(post.id, root, metric("comments"), board, act);

  return {
    root,
    author,
    /** `summary` is undefined for a post without events. */
    showCounts(summary, pending) {
      const counts = {
        views: summary?.views ?? 0,
        likes: summary?.net_likes ?? 0,
        comments: summary?.net_comments ?? 0,
        shares: summary?.shares ?? 0,
      };
      for (const name of METRICS) {
        writeChanging(metric(name).querySelector(".metric-count"), count(counts[name]));
      }
      this.showPending(pending);
    },
    showPending(pending) {
      for (const name of METRICS) {
        const by = pending(post.id, name);
        const chip = metric(name).querySelector(".metric-pending");
        chip.hidden = by === 0;
        chip.textContent = by > 0 ? `+${count(by)}` : `−${count(-by)}`;
      }
    },
    showHourly: (rows) => sparkline.show(rows),
  };
}

function wireComments(postId, root, button, board, act) {
  const panel = root.querySelector(".post-comments");
  const list = root.querySelector(".comments");
  const form = root.querySelector(".comment-form");
  const label = form.querySelector("label");
  panel.id = `comments-${postId}`;
  form.elements.text.id = `comment-${postId}`;
  label.htmlFor = form.elements.text.id;
  form.elements.text.placeholder = label.textContent;
  button.setAttribute("aria-controls", panel.id);

  button.addEventListener("click", () => {
    panel.hidden = !panel.hidden;
    button.setAttribute("aria-expanded", String(!panel.hidden));
    if (!panel.hidden) form.elements.text.focus();
  });

  const add = (comment) => {
    const item = fromTemplate("comment-template");
    item.querySelector(".comment-text").textContent = comment.text;
    item.querySelector("button").addEventListener("click", () => {
      act.deleteComment(comment.id, postId);
      item.remove();
      form.elements.text.focus();
      announce("Comment deleted");
    });
    list.append(item);
  };
  board.comments(postId).forEach(add);

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = form.elements.text.value.trim();
    if (!text) return;
    add(act.comment(postId, text));
    form.reset();
    announce("Comment added");
  });
}
