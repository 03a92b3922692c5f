// What every event is given before the site's own `beforeSend` sees it: the user, registered
// properties, the sample's rate; and what is taken out of it.

import { forgetVisitor, uuid } from "./kept.js";
import { redactProperties, redacted, redactedPage } from "./redact.js";
import { makeVisit } from "./visit.js";
import { visitOf } from "../visit.js";

/** As ID_BYTES of src/limits.rs; a longer one is no user's. */
const ID_UNITS = 512;

/** Whose ids are paths and addresses: those of automatic events. */
const PLACES = /^(page|link)$/;

export function makeDress(config, log) {
  const { sample, redact, gpc, visitor } = config;
  const isPrivate = gpc !== "ignore" && !!globalThis.navigator?.globalPrivacyControl;
  const isKept = visitor && !isPrivate;
  let user;
  let shared = {};
  let visit;
  let isOn = false;

  const site = config.beforeSend;
  /** Events are taken apart for it, which costs: only once there is something to do. */
  const turnOn = () => {
    if (isOn) return;
    isOn = true;
    config.beforeSend = (event) => {
      // The engine's own count of what was dropped belongs to no one.
      if (event.name !== "$dropped") {
        event.userId ??= user;
        event.properties = { ...shared, ...event.properties };
        if (sample < 1) event.properties.$sample_rate = sample;
        if (redact) {
          redactProperties(event.properties);
          if (PLACES.test(event.entityType)) event.entityId = redacted(`${event.entityId}`);
        }
        visit?.follow(+event.occurredAt);
      }
      return site ? site(event) : event;
    };
  };
  if (sample < 1 || redact || isKept) turnOn();
  if (isPrivate) log("Global Privacy Control: nothing is kept");

  /** What a turn is given by the engine, or by the one without wasm; each page gets its visitor. */
  const hostOf = ([engine, ...tools]) => {
    const host = typeof engine === "function" ? visitOf(engine, ...tools) : engine;
    const page = (given) => {
      const place = redact ? redactedPage(given) : { ...given };
      if (visit) place.visitor_id = visit.id();
      host.page(place);
    };
    return { page, session: host.session };
  };

  return {
    isKept,
    isPrivate,
    hostOf,

    identify(userId) {
      if (isPrivate) return;
      // What is no id would make every later event invalid.
      const isId = /^(string|bigint)$/.test(typeof userId) || Number.isFinite(userId);
      user = isId && `${userId}`.length <= ID_UNITS ? userId : undefined;
      turnOn();
    },

    register(properties) {
      shared = { ...shared, ...properties };
      turnOn();
    },

    reset(tools) {
      const host = hostOf(tools);
      user = undefined;
      shared = {};
      visit?.renew();
      // Newer than every event before.
      host.session(uuid(), Date.now() + 1);
      host.page();
    },

    /** The engine is no more. */
    end() {
      visit?.end();
      visit = undefined;
    },

    /** The first turn of an engine: before its first event. */
    greet(tools) {
      if (!isKept) forgetVisitor();
      if (!isKept && !redact) return;
      const host = hostOf(tools);
      if (isKept) visit = makeVisit(host);
      host.page();
    },
  };
}
