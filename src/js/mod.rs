//! The npm package's shell: wasm-bindgen alone, no decisions.
//!
//! `src/effects/host.js` calls the exports below with what happened, and `engine_poll` until it
//! says when to come back. Strings and numbers come in through an [`Inbox`], one call for however
//! many events; numbers and places of bytes go out through [`Engine::told`].
//!
//! Invariants: every export takes and returns plain numbers, and nothing is imported, so that the
//! glue is a few lines. No `js-sys`, `format!`, `Display` or `from_utf8` here or below: each of
//! them costs the page more than this module (measured, in brotli bytes).

mod inbox;
#[cfg(all(target_arch = "wasm32", not(target_feature = "atomics"), not(feature = "web")))]
mod memory;
mod row;

extern crate std;

use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::mem::ManuallyDrop;

use wasm_bindgen::prelude::wasm_bindgen;

use crate::answer::{Answer, Response};
use crate::destination::Destination;
use crate::error::DropReason;
use crate::event::Page;
use crate::outbox::SendId;
use crate::pending::FlushId;
use crate::time::{Now, TickMs, UnixMs};
use crate::tracker::{Config, Outcome, Output, Report, Tracker};
use inbox::Inbox;

/// One tracker, as `src/effects/host.js` drives it.
#[derive(Default)]
struct Engine {
    inbox: Inbox,
    /// `None` until `engine_start`.
    tracker: Option<ManuallyDrop<Tracker>>,
    /// Kept for its memory: the properties of one row as JSON.
    properties: String,
    /// What `engine_poll` and `engine_stats` tell.
    told: Vec<f64>,
    /// The bytes that `told` points at: an address, or the text of a batch's id.
    told_bytes: Vec<u8>,
}

std::thread_local! {
    /// By the number that `engine_new` gave. A tracker lives as long as its page: never dropped, it
    /// needs no code for that.
    static ENGINES: ManuallyDrop<RefCell<Vec<Engine>>> =
        const { ManuallyDrop::new(RefCell::new(Vec::new())) };
}

/// Does something with an engine; nothing when there is none. Without generics: there are many
/// callers.
fn with(engine: u32, act: &mut dyn FnMut(&mut Engine)) {
    ENGINES.with(|engines| {
        if let Ok(mut engines) = engines.try_borrow_mut()
            && let Some(engine) = engines.get_mut(engine as usize)
        {
            act(engine);
        }
    });
}

/// Does something with an engine's tracker, once it has started.
fn with_tracker(engine: u32, act: &mut dyn FnMut(&mut Tracker, &mut Inbox)) {
    with(engine, &mut |engine| {
        if let Some(tracker) = &mut engine.tracker {
            act(tracker, &mut engine.inbox);
        }
    });
}

/// A new engine's number. Its inbox has to be filled before it starts.
#[wasm_bindgen]
#[must_use]
pub fn engine_new() -> u32 {
    ENGINES.with(|engines| {
        let Ok(mut engines) = engines.try_borrow_mut() else { return u32::MAX };
        engines.push(Engine::default());
        engines.len() as u32 - 1
    })
}

/// Makes room in the inbox for so many bytes of text, strings and numbers, and says where three
/// addresses stand: of the text, of the strings' UTF-16 lengths, and of the numbers.
#[wasm_bindgen]
#[must_use]
pub fn engine_room(engine: u32, text: usize, strings: usize, numbers: usize) -> *const usize {
    let mut at = core::ptr::null();
    with(engine, &mut |engine| at = engine.inbox.room(text, strings, numbers));
    at
}

/// Starts the tracker with what is in the inbox: the table, the destination (endpoint, key;
/// url, database, user, password, site), the page; the limits and eight words of entropy.
#[wasm_bindgen]
pub fn engine_start(engine: u32, wall: f64, tick: f64) {
    with(engine, &mut |engine| {
        engine.inbox.read();
        let inbox = &engine.inbox;
        let owned = |at: usize| inbox.owned(at);
        let destination = if inbox.string(1).is_empty() {
            Destination::ClickHouse {
                url: owned(3),
                database: owned(4),
                user: owned(5),
                password: owned(6),
                site: owned(7),
            }
        } else {
            Destination::Worker { endpoint: owned(1), key: owned(2) }
        };
        let word = |at: usize| inbox.number(at) as u32;
        let config = Config {
            destination,
            table: owned(0),
            max_rows: word(0),
            max_bytes: word(1),
            max_time_ms: word(2),
            max_waiting_rows: word(3),
        };
        let seed = [4, 6, 8, 10].map(|at| u64::from(word(at)) << 32 | u64::from(word(at + 1)));
        let page = Page {
            hostname: inbox.string(8),
            pathname: inbox.string(9),
            referrer: inbox.string(10),
            utm_source: inbox.string(11),
            utm_medium: inbox.string(12),
            utm_campaign: inbox.string(13),
        };
        let now = now(wall, tick);
        let mut tracker = Tracker::new(config, seed, now);
        tracker.handle_page(now, &page);
        engine.tracker = Some(ManuallyDrop::new(tracker));
    });
}

/// Takes `rows` events from the inbox, laid out as `src/effects/pack.js` says.
#[wasm_bindgen]
pub fn engine_events(engine: u32, wall: f64, tick: f64, rows: u32) {
    with(engine, &mut |engine| {
        let Some(tracker) = &mut engine.tracker else { return };
        engine.inbox.read();
        let mut numbers = engine.inbox.all_numbers();
        for _ in 0..rows {
            let row = row::read(&engine.inbox, numbers, &mut engine.properties);
            let Some((event, rest)) = row else { return };
            // Refused ones are counted where they are refused.
            let _ = tracker.handle_event(now(wall, tick), &event);
            numbers = rest;
        }
    });
}

/// Rows that the page's side dropped, for the reason of that number.
#[wasm_bindgen]
pub fn engine_dropped(engine: u32, reason: u32, rows: u32) {
    let reason = match reason {
        1 => DropReason::BeforeSend,
        4 => DropReason::QueueFull,
        _ => DropReason::Invalid,
    };
    with_tracker(engine, &mut |tracker, _| tracker.handle_dropped(reason, rows));
}

/// What happened, by its number in `src/effects/host.js`: 0 the page hides, 1 the tick that
/// `engine_poll` asked for has come, 2 `flush()`, 3 `shutdown()`. For the last two, `engine_poll`
/// tells of the returned number when all has settled.
#[wasm_bindgen]
#[must_use]
pub fn engine_handle(engine: u32, wall: f64, tick: f64, what: u32) -> u32 {
    let now = now(wall, tick);
    let mut id = FlushId(u32::MAX);
    with_tracker(engine, &mut |tracker, _| match what {
        0 => tracker.handle_leave(now),
        1 => tracker.handle_timeout(now),
        2 => id = tracker.handle_flush(now),
        _ => id = tracker.handle_shutdown(now),
    });
    id.0
}

/// The request `id` has ended: `status` 0 is no answer, NaN a header that is missing or no
/// number. The body is the inbox's only string.
#[wasm_bindgen]
#[allow(clippy::too_many_arguments, reason = "one plain call from JavaScript")]
pub fn engine_answer(
    engine: u32,
    wall: f64,
    tick: f64,
    id: u32,
    status: u16,
    retry_after_s: f64,
    exception_code: f64,
    has_query_id: bool,
) {
    with_tracker(engine, &mut |tracker, inbox| {
        inbox.read();
        let answer = if status == 0 {
            Answer::None
        } else {
            Answer::Http(Response {
                status,
                body: inbox.string(0).as_bytes(),
                retry_after_s: (retry_after_s >= 0.0).then_some(retry_after_s as u32),
                exception_code: exception_code as u16,
                has_query_id,
            })
        };
        tracker.handle_answer(now(wall, tick), SendId(id), &answer);
    });
}

/// Says what the tracker wants done next, as the place of numbers; belongs behind every other
/// call but `engine_stats`, until it says 0. `@` is a place of bytes.
///
/// ```text
/// 0 wake     tick, or -1 for never
/// 1 send     try, keepalive, timeout ms, @address, its bytes, @body, its bytes
/// 2 batch    @id, rows, bytes, ms, status, outcome 0 accepted 1 again 2 refused, reason
/// 3 flushed  flush, ok, delivered, dropped
/// 4 dropped  reason, rows
/// ```
#[wasm_bindgen]
#[must_use]
pub fn engine_poll(engine: u32) -> *const f64 {
    let mut at = core::ptr::null();
    with(engine, &mut |engine| {
        let Some(tracker) = &mut engine.tracker else { return };
        let told: [f64; 8] = match tracker.poll_output() {
            Output::Wake(tick) => {
                [0.0, tick.map_or(-1.0, |tick| tick.0 as f64), 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
            }
            Output::Send(send) => {
                engine.told_bytes = send.url.into_bytes();
                let (url, body) = (&engine.told_bytes, tracker.body(send.id));
                [
                    1.0,
                    send.id.0.into(),
                    u32::from(send.keepalive).into(),
                    send.timeout_ms.into(),
                    place(url),
                    url.len() as f64,
                    place(body),
                    body.len() as f64,
                ]
            }
            Output::Report(Report::Batch(batch)) => {
                let (outcome, reason) = match batch.outcome {
                    Outcome::Accepted => (0.0, 0),
                    Outcome::Again => (1.0, 0),
                    Outcome::Refused(reason) => (2.0, reason.number()),
                };
                engine.told_bytes = batch.id.to_text().into();
                [
                    2.0,
                    place(&engine.told_bytes),
                    batch.rows.into(),
                    batch.body_bytes.into(),
                    batch.elapsed_ms.into(),
                    batch.status.into(),
                    outcome,
                    reason.into(),
                ]
            }
            Output::Report(Report::Flushed(result)) => [
                3.0,
                result.id.0.into(),
                u32::from(result.ok).into(),
                result.delivered.into(),
                result.dropped.into(),
                0.0,
                0.0,
                0.0,
            ],
            Output::Report(Report::Dropped { reason, rows }) => {
                [4.0, reason.number().into(), rows.into(), 0.0, 0.0, 0.0, 0.0, 0.0]
            }
        };
        engine.told.clear();
        engine.told.extend_from_slice(&told);
        at = engine.told.as_ptr();
    });
    at
}

/// The place of the counters: how many numbers follow; tracked, sent, delivered, requests, bytes,
/// waiting; then number and count of each drop reason.
#[wasm_bindgen]
#[must_use]
pub fn engine_stats(engine: u32) -> *const f64 {
    let mut at = core::ptr::null();
    with(engine, &mut |engine| {
        let Some(tracker) = &engine.tracker else { return };
        let stats = tracker.stats();
        let dropped = stats.dropped();
        let told = &mut engine.told;
        told.clear();
        for count in [
            6 + 2 * dropped.len() as u64,
            stats.tracked,
            stats.sent,
            stats.delivered,
            stats.requests,
            stats.bytes,
            tracker.waiting(),
        ] {
            told.push(count as f64);
        }
        for &(reason, rows) in dropped {
            told.push(reason.number().into());
            told.push(rows as f64);
        }
        at = told.as_ptr();
    });
    at
}

fn now(wall: f64, tick: f64) -> Now {
    Now { wall: UnixMs(wall as i64), tick: TickMs(tick as u64) }
}

/// Where bytes are, for a view of the wasm memory.
fn place(bytes: &[u8]) -> f64 {
    bytes.as_ptr() as usize as f64
}
