// What the trackers of the kit find where others find the page's: esbuild puts each name that this
// file exports in place of the global one (xtask/src/build/package.rs).

import { world } from "./world.js";

const Real = globalThis.Date;

/** Dates of whoever tracks are dates here, too. */
class Virtual extends Real {
  static now() {
    return world().now();
  }
  static [Symbol.hasInstance](value) {
    return Real[Symbol.hasInstance](value);
  }
}
export { Virtual as Date };

export const performance = { now: () => world().elapsed() };
export const setTimeout = (...given) => world().setTimeout(...given);
export const clearTimeout = (id) => world().clearTimeout(id);
export const fetch = (...given) => world().fetch(...given);
export const AbortSignal = { timeout: (ms) => ({ ms }) };

export const crypto = {
  getRandomValues(array) {
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    for (let at = 0; at < bytes.length; at++) bytes[at] = world().random() * 256;
    return array;
  },
};

/** Storage takes a time of its own: here everything waits in memory. */
export const indexedDB = undefined;

/** So does compression: here every body travels as it is. */
export const CompressionStream = undefined;
