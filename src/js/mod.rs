//! The npm package's shell: wasm-bindgen alone, no decisions.
//!
//! `src/effects/host.js` calls [`Engine`] with what happened; [`Engine::poll`] calls the effects
//! that the tracker asks for. Strings and numbers come through the [`inbox`], in one call however
//! many events there are.
//!
//! Invariant: no `js-sys`, `format!`, `Display` or float formatting here or below; each of them
//! costs more than the shell (measured, in brotli bytes of the page).

mod effects;
mod inbox;
#[cfg(all(target_arch = "wasm32", not(target_feature = "atomics"), not(feature = "web")))]
mod memory;
mod row;

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use wasm_bindgen::prelude::wasm_bindgen;

use crate::answer::{Answer, Response};
use crate::destination::Destination;
use crate::error::DropReason;
use crate::event::Page;
use crate::outbox::SendId;
use crate::pending::FlushId;
use crate::time::{Now, TickMs, UnixMs};
use crate::tracker::{Config, OnFailure, Outcome, Output, Report, Tracker};
use effects::Effects;
use inbox::Inbox;

/// One tracker, as `src/effects/host.js` drives it.
#[wasm_bindgen]
#[derive(Default)]
pub struct Engine {
    inbox: Inbox,
    /// `None` until [`Engine::start`].
    tracker: Option<Tracker>,
    /// Kept for its memory: the properties of one row as JSON.
    properties: String,
}

#[wasm_bindgen]
impl Engine {
    /// An engine that has not started: its inbox has to be filled for that.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes room for `bytes` of text in the inbox and says where.
    pub fn text(&mut self, bytes: usize) -> *const u8 {
        self.inbox.text(bytes)
    }

    /// Makes room for the UTF-16 lengths of `count` strings and says where.
    pub fn lengths(&mut self, count: usize) -> *const u32 {
        self.inbox.lengths(count)
    }

    /// Makes room for `count` numbers and says where.
    pub fn numbers(&mut self, count: usize) -> *const f64 {
        self.inbox.numbers(count)
    }

    /// Starts the tracker with what is in the inbox: the table, the destination (endpoint, key;
    /// url, database, user, password, site), the page; the limits and eight words of entropy.
    pub fn start(&mut self, wall: f64, tick: f64) {
        let now = now(wall, tick);
        self.inbox.read();
        let inbox = &self.inbox;
        let owned = |at: usize| inbox.string(at).to_string();
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
            on_failure: OnFailure::Requeue,
            journal_bytes: 0,
        };
        let seed = [4, 6, 8, 10].map(|at| u64::from(word(at)) << 32 | u64::from(word(at + 1)));
        let mut tracker = Tracker::new(config, seed, now);
        let page = Page {
            hostname: inbox.string(8),
            pathname: inbox.string(9),
            referrer: inbox.string(10),
            utm_source: inbox.string(11),
            utm_medium: inbox.string(12),
            utm_campaign: inbox.string(13),
        };
        tracker.handle_page(now, &page);
        self.tracker = Some(tracker);
    }

    /// Takes `rows` events from the inbox, laid out as `src/effects/pack.js` says.
    pub fn events(&mut self, wall: f64, tick: f64, rows: u32) {
        let Some(tracker) = &mut self.tracker else { return };
        self.inbox.read();
        let mut numbers = self.inbox.all_numbers();
        for _ in 0..rows {
            let Some((event, rest)) = row::read(&self.inbox, numbers, &mut self.properties) else {
                return;
            };
            // Refused ones are counted where they are refused.
            let _ = tracker.handle_event(now(wall, tick), &event);
            numbers = rest;
        }
    }

    /// Rows that the page's side dropped, for the reason of that number.
    pub fn dropped(&mut self, reason: u32, rows: u32) {
        let reason = match reason {
            1 => DropReason::BeforeSend,
            4 => DropReason::QueueFull,
            _ => DropReason::Invalid,
        };
        if let Some(tracker) = &mut self.tracker {
            tracker.handle_dropped(reason, rows);
        }
    }

    /// Flushes; `flushed` is called with the returned number when all has settled.
    pub fn flush(&mut self, wall: f64, tick: f64) -> u32 {
        self.flush_by(wall, tick, Tracker::handle_flush)
    }

    /// Flushes and stops the timer; as [`Engine::flush`] otherwise.
    pub fn shutdown(&mut self, wall: f64, tick: f64) -> u32 {
        self.flush_by(wall, tick, Tracker::handle_shutdown)
    }

    /// The page hides.
    pub fn leave(&mut self, wall: f64, tick: f64) {
        if let Some(tracker) = &mut self.tracker {
            tracker.handle_leave(now(wall, tick));
        }
    }

    /// The tick that `wake` asked for has come.
    pub fn timeout(&mut self, wall: f64, tick: f64) {
        if let Some(tracker) = &mut self.tracker {
            tracker.handle_timeout(now(wall, tick));
        }
    }

    /// The request `id` has ended: `status` 0 is no answer, NaN a header that is missing or no
    /// number. The body is the inbox's only string.
    #[allow(clippy::too_many_arguments, reason = "one plain call from JavaScript")]
    pub fn answer(
        &mut self,
        wall: f64,
        tick: f64,
        id: u32,
        status: u16,
        retry_after_s: f64,
        exception_code: f64,
        has_query_id: bool,
    ) {
        let Some(tracker) = &mut self.tracker else { return };
        self.inbox.read();
        let answer = if status == 0 {
            Answer::None
        } else {
            Answer::Http(Response {
                status,
                body: self.inbox.string(0).as_bytes(),
                retry_after_s: (retry_after_s >= 0.0).then_some(retry_after_s as u32),
                exception_code: exception_code as u16,
                has_query_id,
            })
        };
        tracker.handle_answer(now(wall, tick), SendId(id), &answer);
    }

    /// Does what the tracker wants done; belongs behind every other call but `stats`.
    pub fn poll(&mut self, effects: &Effects) {
        let Some(tracker) = &mut self.tracker else { return };
        loop {
            match tracker.poll_output() {
                Output::Send(send) => effects.send(
                    send.id.0,
                    send.url.as_bytes(),
                    tracker.body(send.id),
                    send.keepalive,
                    send.timeout_ms,
                ),
                Output::Report(report) => tell(effects, &report),
                // These come with a journal only.
                Output::Open(_) | Output::Commit(_) | Output::Adopt | Output::Release => {}
                Output::Wake(at) => {
                    return effects.wake(at.map_or(-1.0, |tick| tick.0 as f64));
                }
            }
        }
    }

    /// Events that nobody has accepted, refused or dropped yet.
    #[must_use]
    pub fn waiting(&self) -> f64 {
        self.tracker.as_ref().map_or(0.0, |tracker| tracker.waiting() as f64)
    }

    /// tracked, sent, delivered, requests, bytes; then number and count of each drop reason.
    #[must_use]
    pub fn stats(&self) -> Vec<f64> {
        let Some(tracker) = &self.tracker else { return Vec::new() };
        let stats = tracker.stats();
        let mut counts: Vec<f64> =
            [stats.tracked, stats.sent, stats.delivered, stats.requests, stats.bytes]
                .map(|count| count as f64)
                .into();
        for &(reason, rows) in stats.dropped() {
            counts.extend([f64::from(reason.number()), rows as f64]);
        }
        counts
    }
}

impl Engine {
    fn flush_by(&mut self, wall: f64, tick: f64, flush: fn(&mut Tracker, Now) -> FlushId) -> u32 {
        self.tracker.as_mut().map_or(0, |tracker| flush(tracker, now(wall, tick)).0)
    }
}

fn now(wall: f64, tick: f64) -> Now {
    Now { wall: UnixMs(wall as i64), tick: TickMs(tick as u64) }
}

fn tell(effects: &Effects, report: &Report) {
    match report {
        Report::Batch(batch) => {
            let (outcome, reason) = match batch.outcome {
                Outcome::Accepted => (0, 0),
                Outcome::Again => (1, 0),
                Outcome::Refused(reason) => (2, reason.number()),
            };
            effects.batch(
                &batch.id.to_text(),
                batch.rows,
                batch.body_bytes,
                batch.elapsed_ms,
                batch.status,
                outcome,
                reason,
            );
        }
        Report::Flushed(result) => {
            effects.flushed(result.id.0, result.ok, result.delivered, result.dropped);
        }
        Report::Dropped { reason, rows, .. } => effects.dropped(reason.number(), *rows),
    }
}
