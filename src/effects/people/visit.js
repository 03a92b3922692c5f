// A visit that outlives its page: the visitor's id and the session, kept in localStorage.
//
// Which session an event belongs to is decided in src/session.rs; this tells it what other pages
// of the visitor know.

import { forgetVisitor, keepSession, keptSession, visitorId } from "./kept.js";

/** SESSION_IDLE_MS of src/limits.rs. */
const SESSION_IDLE_MS = 1_800_000;

/** How far the kept time may lie behind the session's last event, but for a page that hides. */
const KEEP_EVERY_MS = 60_000;

/** The session that a new page goes on with, `{ id, last, isIn }`, unless it is over. */
export function runningSession() {
  const session = keptSession();
  return Date.now() - session?.last <= SESSION_IDLE_MS ? session : undefined;
}

/** A visit on the running `host`. */
export function makeVisit(host) {
  let visitor = visitorId();
  /** The last event's time, and the one that is kept. */
  let last = 0;
  let written = 0;

  let isOver = false;
  const keep = () => {
    if (!last || isOver) return;
    written = last;
    keepSession({ visitor, id: host.session(), last, isIn: true });
  };
  const join = () => {
    const theirs = keptSession();
    // Not another visitor's, nor one that is not in the sample.
    if (theirs?.isIn && theirs.visitor === visitor && theirs.last > last)
      host.session(theirs.id, theirs.last);
  };
  globalThis.document?.addEventListener("visibilitychange", keep);
  globalThis.window?.addEventListener("pagehide", keep);

  return {
    id: () => visitor,

    /** An event is about to be handed over. */
    follow(time) {
      const isDue = time - written > KEEP_EVERY_MS;
      // Another tab may have gone on meanwhile, or begun the next one.
      if (isDue) join();
      last = Math.max(last, Math.min(time, Date.now()) || 0);
      if (!isDue) return;
      written = last;
      // Once it has been handed over: it may have begun a session.
      setTimeout(keep, 0);
    },

    /** Its engine is no more: nothing is kept from now on. */
    end() {
      isOver = true;
    },

    /** The next visitor, in a session of their own. */
    renew() {
      forgetVisitor();
      visitor = visitorId();
      last = written = 0;
    },
  };
}
