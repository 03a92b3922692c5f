//! What an engine has more where a site measures visits: pages that begin without a load, and
//! sessions that go on from page to page. Other pages do not download it.

use wasm_bindgen::prelude::wasm_bindgen;

use super::{now, page_at, with};
use crate::rng::Uuid;
use crate::time::UnixMs;

/// A new page view begins, with what is in the inbox.
#[wasm_bindgen]
pub fn engine_page(wall: f64, tick: f64) {
    with(|engine| {
        engine.inbox.read();
        if let Some(tracker) = &mut engine.tracker {
            tracker.handle_page(now(wall, tick), &page_at(&engine.inbox, 0));
        }
    });
}

/// The session that another page, now or before, has left with its last event at `last`: its id, in
/// four words, where `engine_record` said. Where the id of the current one stands.
#[wasm_bindgen]
#[must_use]
pub fn engine_session(last: f64) -> usize {
    with(|engine| {
        let Some(tracker) = &mut engine.tracker else { return 0 };
        if let Some(id) = engine.record.first_chunk() {
            tracker.handle_session(Uuid(*id), UnixMs(last as i64));
        }
        engine.told_key.batch = tracker.session_id();
        engine.told_key.batch.0.as_ptr() as usize
    })
}
