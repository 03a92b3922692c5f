// What `snippet.js` makes: `/// <reference types="tallymark/snippet.js" />`.

import type { Tally } from "./index.js";

declare global {
  /** Takes every call from the first moment on; see `tallymark/snippet.js`. */
  const tally: Tally;
}
