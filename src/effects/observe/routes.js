// Changes of the page's address without a load.

/** Flags of a route: src/js/observe.rs. */
const CHANGED = 1;
const REPLACED = 2;
const MOVING = 4;

/**
 * `onRoute(flags)` hears of every change of the history's current entry, `onSettled()` of the end of
 * those that the page works on.
 */
export function routes(onRoute, onSettled, tell) {
  const { location, history, navigation } = globalThis;
  let address = location.href;
  const route = (flags) => {
    const isChanged = address !== location.href;
    address = location.href;
    onRoute(flags + (isChanged ? CHANGED : 0));
  };

  if (navigation?.addEventListener) {
    navigation.addEventListener("currententrychange", ({ navigationType }) =>
      route((navigationType === "replace" ? REPLACED : 0) + (navigation.transition ? MOVING : 0)),
    );
    for (const name of ["navigatesuccess", "navigateerror"])
      navigation.addEventListener(name, onSettled);
    return;
  }

  // Browsers without the Navigation API (Safari before 26.2, Firefox before 147) tell of these two
  // nothing. What the page sees of them stays as it was: arguments, result, errors.
  for (const [name, flags] of [
    ["pushState", 0],
    ["replaceState", REPLACED],
  ]) {
    const original = history[name];
    if (!original) continue;
    try {
      history[name] = function (...args) {
        const result = original.apply(this, args);
        try {
          route(flags);
        } catch (error) {
          tell("a route could not be read", error);
        }
        return result;
      };
    } catch (error) {
      tell(`history.${name} cannot be watched`, error);
    }
  }
  addEventListener("popstate", () => route(0));
  addEventListener("hashchange", () => route(0));
}
