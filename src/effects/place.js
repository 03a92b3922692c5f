// Where a page is, where its visitor came from, and who that is.

/**
 * A page view's columns, in the order of `Page::of` in src/event.rs. What `place` leaves out is read
 * from the page, and is nothing outside one.
 */
export function placeOf(place) {
  const { location, document } = globalThis;
  const query = new URLSearchParams(location?.search);
  return {
    hostname: location?.hostname,
    pathname: location?.pathname,
    referrer: document?.referrer,
    utm_source: query.get("utm_source"),
    utm_medium: query.get("utm_medium"),
    utm_campaign: query.get("utm_campaign"),
    visitor_id: "",
    ...place,
  };
}
