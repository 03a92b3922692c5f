//! What the tracker may ask of a page; `src/effects/host.js` does it.

use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    /// The object `effects` of `src/effects/host.js`.
    pub type Effects;

    #[wasm_bindgen(method)]
    pub fn send(this: &Effects, id: u32, url: &[u8], body: &[u8], keepalive: bool, timeout_ms: u32);

    #[wasm_bindgen(method)]
    pub fn wake(this: &Effects, tick: f64);

    #[wasm_bindgen(method)]
    #[allow(clippy::too_many_arguments, reason = "one plain call into JavaScript")]
    pub fn batch(
        this: &Effects,
        id: &[u8],
        rows: u32,
        bytes: u32,
        ms: u32,
        status: u16,
        outcome: u32,
        reason: u32,
    );

    #[wasm_bindgen(method)]
    pub fn flushed(this: &Effects, id: u32, ok: bool, delivered: u32, dropped: u32);

    #[wasm_bindgen(method)]
    pub fn dropped(this: &Effects, reason: u32, rows: u32);
}
