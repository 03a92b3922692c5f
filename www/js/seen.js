// Tells once for each element that it has become visible: what the demo counts as a view.

/** Half of an element in the viewport counts as seen; `onSeen(element)` comes once for each. */
export function createSeen(onSeen) {
  const observer = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        observer.unobserve(entry.target);
        onSeen(entry.target);
      }
    },
    { threshold: 0.5 },
  );
  return { watch: (element) => observer.observe(element) };
}
