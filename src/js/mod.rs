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
mod row;
#[cfg(feature = "js-visit")]
mod visit;

extern crate std;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;
use core::mem::ManuallyDrop;

use wasm_bindgen::prelude::wasm_bindgen;

use crate::answer::{Answer, Receiver, Response, Word};
use crate::destination::Target;
use crate::error::DropReason;
use crate::event::Page;
use crate::journal::{DestinationId, RecordKey, StoreId, read_batches};
use crate::outbox::SendId;
use crate::rng::Uuid;
use crate::time::{Now, TickMs, UnixMs};
use crate::tracker::{Config, Found, OnFailure, Outcome, Output, Report, Tracker};
use inbox::Inbox;

/// One tracker, as `src/effects/host.js` drives it.
#[derive(Default)]
struct Engine {
    inbox: Inbox,
    /// `None` until `engine_start`.
    tracker: Option<ManuallyDrop<Tracker>>,
    /// What `engine_poll` tells, and the key that it points at.
    told: [u32; 8],
    told_key: RecordKey,
    /// What `engine_stats` tells.
    counts: Vec<f64>,
    /// A record on its way out, or behind its key on its way in.
    record: Vec<u8>,
}

std::thread_local! {
    /// One an instance of the module: a page's second tracker has its own memory. It lives as long
    /// as its page: never dropped, neither it nor its tracker needs code for that.
    static ENGINE: Cell<Option<ManuallyDrop<Box<Engine>>>> = const { Cell::new(None) };
}

/// Does something with the engine; nothing before there is one, and while somebody else does.
#[inline(always)]
fn with<R: Default>(act: impl FnOnce(&mut Engine) -> R) -> R {
    let Some(mut engine) = ENGINE.take() else { return R::default() };
    let result = act(&mut engine);
    ENGINE.set(Some(engine));
    result
}

/// Does something with the tracker, once it has started.
#[inline(always)]
fn with_tracker<R: Default>(act: impl FnOnce(&mut Tracker) -> R) -> R {
    with(|engine| engine.tracker.as_mut().map_or_else(R::default, |tracker| act(tracker)))
}

/// Makes the engine. Its inbox has to be filled before it starts.
#[wasm_bindgen]
pub fn engine_new() {
    ENGINE.set(Some(ManuallyDrop::new(Box::default())));
}

/// Makes room in the inbox for so many bytes of text, strings and numbers, and says where two
/// addresses stand: of the text, and of the strings' UTF-16 lengths with the numbers behind them.
#[wasm_bindgen]
#[must_use]
pub fn engine_room(text: usize, strings: usize, numbers: usize) -> usize {
    with(|engine| engine.inbox.room(text, strings, numbers))
}

/// Starts the tracker with what is in the inbox: the destination's own name, empty or the value of
/// the column `site`, and the page; the limits, `onFailure` by its first letter, whether it is
/// ClickHouse itself, and eight words of entropy.
#[wasm_bindgen]
pub fn engine_start(wall: f64, tick: f64) {
    with(|engine| {
        engine.inbox.read();
        let inbox = &engine.inbox;
        let word = |at: usize| inbox.number(at) as u32;
        let is_straight = word(6) != 0;
        let config = Config {
            target: Target {
                receiver: if is_straight { Receiver::ClickHouse } else { Receiver::Worker },
                id: DestinationId::of(inbox.string(0)),
                site: is_straight.then(|| String::from(inbox.string(1))),
            },
            max_rows: word(0),
            max_bytes: word(1),
            max_time_ms: word(2),
            max_waiting_rows: word(3),
            journal_bytes: word(4),
            on_failure: match word(5) as u8 {
                b'p' => OnFailure::Persist,
                b'r' => OnFailure::Requeue,
                _ => OnFailure::Discard,
            },
        };
        let seed = core::array::from_fn(|at| {
            u64::from(word(7 + 2 * at)) << 32 | u64::from(word(8 + 2 * at))
        });
        let tracker = Tracker::new(config, seed, now(wall, tick), &page_at(inbox, 2));
        engine.tracker = Some(ManuallyDrop::new(tracker));
    });
}

/// Takes `rows` events from the inbox, laid out as `src/effects/pack.js` says.
#[wasm_bindgen]
pub fn engine_events(wall: f64, tick: f64, rows: u32) {
    with(|engine| {
        let Some(tracker) = &mut engine.tracker else { return };
        engine.inbox.read();
        let mut numbers = engine.inbox.numbers();
        for _ in 0..rows {
            let Some((event, rest)) = row::read(&engine.inbox, numbers) else { return };
            // Refused ones are counted where they are refused.
            let _ = tracker.handle_event(now(wall, tick), &event);
            numbers = rest;
        }
    });
}

/// Rows that the page's side dropped, for the reason of that number.
#[wasm_bindgen]
pub fn engine_dropped(reason: u32, rows: u32) {
    let reason = DropReason::from_number(reason as u16);
    with_tracker(|tracker| tracker.handle_dropped(reason, rows));
}

/// What happened, by its number in `src/effects/host.js`:
///
/// ```text
/// 0 the page hides             4 `pagehide`        6 the journal is open: first says whether
/// 1 the tick has come          5 it is restored    7 the write first takes second bytes, 0 failed
/// 2 `flush()` 3 `shutdown()`                       8 no orphans 9 held ones 10 one found
/// ```
/// For the second line, `engine_poll` tells of the returned number when all has settled.
#[wasm_bindgen]
#[must_use]
pub fn engine_handle(wall: f64, tick: f64, what: u32, first: u32, second: u32) -> u32 {
    let now = now(wall, tick);
    with_tracker(|tracker| {
        match what {
            0 => tracker.handle_leave(now),
            1 => tracker.handle_timeout(now),
            2 => return tracker.handle_flush(now).0,
            3 => return tracker.handle_shutdown(now).0,
            4 => tracker.handle_pagehide(now),
            5 => tracker.handle_restore(now),
            6 => tracker.handle_opened(now, first != 0),
            7 => tracker.handle_stored(now, StoreId(first), second),
            8 => tracker.handle_adopted(now, Found::Nothing),
            9 => tracker.handle_adopted(now, Found::Held),
            _ => tracker.handle_adopted(now, Found::Orphans),
        }
        0
    })
}

/// Where to put a record's key, 16 bytes of journal and 16 of batch, and the record behind it.
#[wasm_bindgen]
#[must_use]
pub fn engine_record(bytes: usize) -> usize {
    with(|engine| {
        engine.record.clear();
        engine.record.resize(bytes, 0);
        engine.record.as_ptr() as usize
    })
}

/// A record of a journal that nobody held, where `engine_record` said, which takes so many bytes as
/// it is stored. Whether it is this page's now.
#[wasm_bindgen]
#[must_use]
pub fn engine_orphan(wall: f64, tick: f64, record_bytes: u32) -> bool {
    with(|engine| {
        if let Some(tracker) = &mut engine.tracker
            && let Some((journal, rest)) = engine.record.split_first_chunk()
            && let Some((batch, record)) = rest.split_first_chunk()
        {
            let key = RecordKey { journal: Uuid(*journal), batch: Uuid(*batch) };
            return tracker.handle_orphan(now(wall, tick), key, record, record_bytes);
        }
        false
    })
}

/// The halves of a batch, as `engine_poll` asked: its id and behind it what the module of
/// `src/js/split.rs` gave, where `engine_record` said.
#[wasm_bindgen]
pub fn engine_split(wall: f64, tick: f64) {
    with(|engine| {
        if let Some(tracker) = &mut engine.tracker
            && let Some((whole, halves)) = engine.record.split_first_chunk()
        {
            tracker.handle_split(now(wall, tick), Uuid(*whole), read_batches(halves));
        }
    });
}

/// The request `id` has ended: `status` 0 is no answer, `word` what its body says by
/// `src/effects/reasons.js`, 0 a header that is missing or no number. Says what becomes of the
/// batch: 0 it is accepted, 1 it goes again, 2 nobody knows the request, from 3 dropped for a reason.
#[wasm_bindgen]
#[allow(clippy::too_many_arguments, reason = "one plain call from JavaScript")]
#[must_use]
pub fn engine_answer(
    wall: f64,
    tick: f64,
    id: u32,
    status: u16,
    word: u8,
    retry_after_s: u32,
    exception_code: u16,
    has_query_id: bool,
) -> u32 {
    with_tracker(|tracker| {
        let word = Word(word);
        let response = Response { status, word, retry_after_s, exception_code, has_query_id };
        let answer = if status == 0 { Answer::None } else { Answer::Http(response) };
        match tracker.handle_answer(now(wall, tick), SendId(id), &answer) {
            Some(Outcome::Accepted) => 0,
            Some(Outcome::Again) => 1,
            None => 2,
            Some(Outcome::Refused(reason)) => 3 + u32::from(reason.number()),
        }
    })
}

/// Says what the tracker wants done next, as the place of eight numbers; belongs behind every
/// other call but `engine_stats`, until it says 0. `@` is a place of bytes.
///
/// ```text
/// 0 wake     milliseconds from `tick`, 2^32 - 1 for never
/// 1 send     try, @id, rows, keepalive, @body, its bytes, squeeze
/// 2 flushed  flush, ok, delivered, dropped
/// 3 dropped  reason, rows
/// 4 open     @journal
/// 5 store    write, @key, squeeze, @record, its bytes
/// 6 forget   @key
/// 7 adopt
/// 8 release
/// 9 split    @id, @body, its bytes
/// ```
/// An id has 16 bytes; a key is the journal's id and the batch's.
#[wasm_bindgen]
#[must_use]
pub fn engine_poll(tick: f64) -> usize {
    with(|engine| {
        let Some(tracker) = &mut engine.tracker else { return 0 };
        let output = tracker.poll_output();
        let key = &mut engine.told_key;
        let batch_at = key.batch.0.as_ptr() as u32;
        let key_at = key.journal.0.as_ptr() as u32;
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g] = [0; 7];
        let kind = match output {
            Output::Wake(at) => {
                // Not from the last tick that the tracker was told: a drain of nothing tells none.
                a = at.since_ms(TickMs(tick as u64)).min(u32::MAX.into()) as u32;
                0
            }
            Output::Send(send) => {
                key.batch = send.batch;
                (a, b, c, d) = (send.id.0, batch_at, send.rows, send.keepalive.into());
                (e, f) = place(tracker.body(send.id));
                g = send.squeeze.into();
                1
            }
            Output::Report(Report::Flushed(it)) => {
                (a, b, c, d) = (it.id.0, it.ok.into(), it.delivered, it.dropped);
                2
            }
            Output::Report(Report::Dropped { reason, rows, .. }) => {
                (a, b) = (reason.number().into(), rows);
                3
            }
            Output::Open(journal) => {
                key.journal = journal;
                a = key_at;
                4
            }
            Output::Store(store) => {
                *key = store.key;
                engine.record = tracker.record(store.key);
                (a, b, c) = (store.id.0, key_at, store.squeeze.into());
                (d, e) = place(&engine.record);
                5
            }
            Output::Forget(forgotten) => {
                *key = forgotten;
                a = key_at;
                6
            }
            Output::Adopt => 7,
            Output::Release => 8,
            Output::Split(whole) => {
                key.batch = whole;
                a = batch_at;
                (b, c) = place(tracker.block(whole));
                9
            }
        };
        engine.told = [kind, a, b, c, d, e, f, g];
        engine.told.as_ptr() as usize
    })
}

/// The place of the counters: how many numbers follow; tracked, sent, delivered, requests, bytes,
/// waiting, stored, whether there is storage; then number and count of each drop reason.
#[wasm_bindgen]
#[must_use]
pub fn engine_stats() -> usize {
    with(|engine| {
        let Some(tracker) = &engine.tracker else { return 0 };
        let stats = tracker.stats();
        let dropped = stats.dropped();
        let told = &mut engine.counts;
        told.clear();
        let counts = [
            8 + 2 * dropped.len() as u64,
            stats.tracked,
            stats.sent,
            stats.delivered,
            stats.requests,
            stats.bytes,
            tracker.waiting(),
            tracker.stored(),
            tracker.is_storing().into(),
        ];
        told.extend(counts.iter().map(|&count| count as f64));
        for &(reason, rows) in dropped {
            told.extend([f64::from(reason.number()), rows as f64]);
        }
        told.as_ptr() as usize
    })
}

/// The page whose texts begin at the inbox's string `first`.
fn page_at(inbox: &Inbox, first: usize) -> Page<'_> {
    Page::of(core::array::from_fn(|at| inbox.string(first + at)))
}

fn now(wall: f64, tick: f64) -> Now {
    Now { wall: UnixMs(wall as i64), tick: TickMs(tick as u64) }
}

/// Where bytes are and how many, for a view of the wasm memory.
fn place(bytes: &[u8]) -> (u32, u32) {
    (bytes.as_ptr() as u32, bytes.len() as u32)
}
