// What this visitor wrote, liked and deleted, kept in the browser. Counts are not kept here:
// those are ClickHouse's.

import { SAMPLES } from "./samples.js";

const KEY = "tallymark-demo-board";
const EMPTY = { userId: "", posts: [], comments: [], liked: [], deleted: [] };

export function openBoard() {
  const state = { ...EMPTY, ...read() };
  if (!state.userId) state.userId = crypto.randomUUID();
  const save = () => write(state);
  save();

  const all = () => [...state.posts, ...SAMPLES];
  return {
    userId: state.userId,
    posts: () => all().filter((post) => !state.deleted.includes(post.id)),
    find: (id) => all().find((post) => post.id === id),
    isDeleted: (id) => state.deleted.includes(id),

    addPost(text) {
      const post = { id: crypto.randomUUID(), author: "You", place: "", text };
      state.posts.unshift(post);
      save();
      return post;
    },
    deletePost(id) {
      state.deleted.push(id);
      save();
    },
    restoreSamples() {
      state.deleted = state.deleted.filter((id) => !SAMPLES.some((sample) => sample.id === id));
      save();
    },

    isLiked: (id) => state.liked.includes(id),
    setLiked(id, liked) {
      state.liked = state.liked.filter((other) => other !== id);
      if (liked) state.liked.push(id);
      save();
    },

    comments: (postId) => state.comments.filter((comment) => comment.postId === postId),
    addComment(postId, text) {
      const comment = { id: crypto.randomUUID(), postId, text };
      state.comments.push(comment);
      save();
      return comment;
    },
    deleteComment(id) {
      state.comments = state.comments.filter((comment) => comment.id !== id);
      save();
    },
  };
}

function read() {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? "{}");
  } catch {
    return {}; // blocked or damaged storage: the board starts afresh
  }
}

function write(state) {
  try {
    localStorage.setItem(KEY, JSON.stringify(state));
  } catch {
    // Blocked or full storage: the board lasts as long as the page.
  }
}
