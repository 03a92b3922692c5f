// Small helpers over the document; nothing here knows what the demo is about.

export const byId = (id) => document.getElementById(id);

/** A fresh copy of the first element in `<template id>`. */
export const fromTemplate = (id) => byId(id).content.firstElementChild.cloneNode(true);

/** Writes a text and lights it up when it replaces another one, so that the eye finds it. */
export function writeChanging(element, text) {
  const before = element.textContent;
  if (before === text) return;
  element.textContent = text;
  if (before !== "" && before !== "–") light(element);
}

function light(element) {
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  element.animate(
    { backgroundColor: ["var(--wash)", "var(--wash)", "transparent"], offset: [0, 0.3, 1] },
    { duration: 1600, easing: still ? "steps(1, end)" : "ease-out" },
  );
}

/** Says a sentence to screen readers without moving the focus. */
export function announce(sentence) {
  byId("announce").textContent = sentence;
}
