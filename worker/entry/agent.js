// What the user agent's own words tell, by two kept libraries: bowser (MIT) names browser, system
// and device, isbot (Unlicense) knows crawlers, scripts and automated browsers. Both go by patterns
// that change every few months; nothing is decided here. Together they are 75 KB of the bundle.

import Bowser from "bowser";
import { isbot } from "isbot";

/** Parsing takes 20 µs, a tenth of a request; an isolate sees the same few hundred over and over. */
const KNOWN = 1_000;

/** A longer one is no browser's, and a pattern's time grows with it. */
const AGENT_UNITS = 1_000;

const NOBODY = { isBot: false };
const known = new Map();

/** `{ browser, os, device, isBot }` of a header's value; names are undefined where unknown. */
export function agentOf(text) {
  if (!text) return NOBODY;
  const words = text.slice(0, AGENT_UNITS);
  let agent = known.get(words);
  if (!agent) {
    agent = parsed(words);
    if (known.size >= KNOWN) known.clear();
    known.set(words, agent);
  }
  return agent;
}

function parsed(words) {
  const { browser, os, platform } = Bowser.parse(words);
  return { browser: browser.name, os: os.name, device: platform.type, isBot: isbot(words) };
}
