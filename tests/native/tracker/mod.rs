//! The tracker's state machine, driven by hand: time, answers and losses are the test's.

mod adopting;
mod buffering;
mod delivery;
mod flushing;
mod leaving;
mod on_failure;
mod page;
mod splitting;
mod storing;

use tallymark::answer::{Answer, Response, Word};
use tallymark::block;
use tallymark::destination::{Destination, Target};
use tallymark::error::DropReason;
use tallymark::event::{Event, Page};
use tallymark::journal::RecordKey;
use tallymark::outbox::SendId;
use tallymark::pending::FlushResult;
use tallymark::rng::Uuid;
use tallymark::time::{Now, TickMs, UnixMs};
use tallymark::tracker::{Config, Outcome, Output, Report, Send, Store, Tracker};

/// The wall time at tick 0 of every test: 2026-11-23T12:00:00Z.
pub const EPOCH: i64 = 1_795_435_200_000;

/// A worker's acceptance.
pub const ACCEPTED: &str = r#"{"now":1795435200000,"known":false}"#;

/// A shell without a browser: keeps what the tracker asks for until the test looks at it.
pub struct Shell {
    pub tracker: Tracker,
    pub tick: u64,
    pub sends: Vec<Send>,
    pub outcomes: Vec<Outcome>,
    pub flushed: Vec<FlushResult>,
    pub dropped: Vec<(DropReason, u32)>,
    pub splits: Vec<Uuid>,
    /// Journals that it was asked to open.
    pub opens: Vec<Uuid>,
    /// Writes that nobody has answered, each with its record.
    pub stores: Vec<(Store, Vec<u8>)>,
    pub forgotten: Vec<RecordKey>,
    /// How often it was asked to look for orphans.
    pub adopts: u32,
    /// How often it was asked to let go of all locks.
    pub releases: u32,
    pub wake: TickMs,
}

/// The worker that every test's batches go to.
pub fn target() -> Target {
    let endpoint = "https://e.example".into();
    Destination::Worker { endpoint, key: "pk".into() }.target("events")
}

impl Shell {
    /// Without a journal, unless `change` says how large it may be.
    pub fn new(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new(target());
        config.journal_bytes = 0;
        change(&mut config);
        Self {
            tracker: Tracker::new(config, [1, 2, 3, 4], at(0), &Page::default()),
            tick: 0,
            sends: vec![],
            outcomes: vec![],
            flushed: vec![],
            dropped: vec![],
            splits: vec![],
            opens: vec![],
            stores: vec![],
            forgotten: vec![],
            adopts: 0,
            releases: 0,
            wake: TickMs::NEVER,
        }
    }

    pub fn now(&self) -> Now {
        at(self.tick)
    }

    /// Does what the tracker asks for.
    pub fn drain(&mut self) {
        loop {
            match self.tracker.poll_output() {
                Output::Send(send) => self.sends.push(send),
                Output::Split(whole) => self.splits.push(whole),
                Output::Report(Report::Flushed(result)) => self.flushed.push(result),
                Output::Report(Report::Dropped { reason, rows, .. }) => {
                    self.dropped.push((reason, rows));
                }
                Output::Open(journal) => self.opens.push(journal),
                Output::Store(store) => self.stores.push((store, self.tracker.record(store.key))),
                Output::Forget(key) => self.forgotten.push(key),
                Output::Adopt => self.adopts += 1,
                Output::Release => self.releases += 1,
                Output::Wake(at) => {
                    self.wake = at;
                    return;
                }
            }
        }
    }

    /// Tracks `rows` views of the posts `first`, `first + 1`, …
    pub fn track(&mut self, first: u32, rows: u32) {
        for id in first..first + rows {
            let id = id.to_string();
            let (name, entity_type) = ("view", "post");
            let event = Event { name, entity_type, entity_id: &id, ..Event::at(self.now().wall) };
            self.tracker.handle_event(self.now(), &event).unwrap();
        }
        self.drain();
    }

    /// Lets time pass, with a call at each tick that the tracker asked for.
    pub fn pass(&mut self, ms: u64) {
        let end = self.tick + ms;
        while self.wake.0 <= end {
            self.tick = self.tick.max(self.wake.0);
            self.wake = TickMs::NEVER;
            self.tracker.handle_timeout(self.now());
            self.drain();
        }
        self.tick = end;
    }

    pub fn flush(&mut self) {
        self.tracker.handle_flush(self.now());
        self.drain();
    }

    pub fn answer(&mut self, id: SendId, status: u16, body: &str) {
        let word = Word::read(body.as_bytes());
        self.answer_with(id, &Answer::Http(Response { status, word, ..Response::default() }));
    }

    /// The request was blocked, cut off, or too slow.
    pub fn lose(&mut self, id: SendId) {
        self.answer_with(id, &Answer::None);
    }

    fn answer_with(&mut self, id: SendId, answer: &Answer) {
        self.outcomes.extend(self.tracker.handle_answer(self.now(), id, answer));
        self.drain();
    }

    /// Accepts everything that has been sent and not been answered.
    pub fn accept_all(&mut self) {
        while !self.sends.is_empty() {
            let id = self.sends.remove(0).id;
            self.answer(id, 202, ACCEPTED);
        }
    }

    /// The entity ids in a request's block, in order.
    pub fn entity_ids(&self, id: SendId) -> Vec<String> {
        strings(self.tracker.body(id), "entity_id")
    }
}

/// Both clocks at a tick.
pub fn at(tick: u64) -> Now {
    Now { wall: UnixMs(EPOCH + tick as i64), tick: TickMs(tick) }
}

/// A string column of a block, in order.
pub fn strings(body: &[u8], column: &str) -> Vec<String> {
    let block = block::walk(body).unwrap();
    let column = block.column(column).unwrap();
    column.texts().unwrap().map(String::from).collect()
}
