//! The tracker's state machine, driven by hand: time, answers and losses are the test's.

mod buffering;
mod delivery;
mod flushing;
mod page;

use tallymark::answer::{Answer, Response};
use tallymark::block;
use tallymark::destination::Destination;
use tallymark::event::Event;
use tallymark::outbox::SendId;
use tallymark::pending::FlushResult;
use tallymark::time::{Now, TickMs, UnixMs};
use tallymark::tracker::{BatchReport, Config, Output, Report, Send, Tracker};

/// The wall time at tick 0 of every test: 2026-11-23T12:00:00Z.
pub const EPOCH: i64 = 1_795_435_200_000;

/// A worker's acceptance.
pub const ACCEPTED: &str = r#"{"now":1795435200000,"known":false}"#;

/// A shell without a browser: keeps what the tracker asks for until the test looks at it.
pub struct Shell {
    pub tracker: Tracker,
    pub tick: u64,
    pub sends: Vec<Send>,
    pub batches: Vec<BatchReport>,
    pub flushed: Vec<FlushResult>,
    pub wake: Option<TickMs>,
}

impl Shell {
    pub fn new(change: impl FnOnce(&mut Config)) -> Self {
        let endpoint = "https://e.example".into();
        let mut config = Config::new(Destination::Worker { endpoint, key: "pk".into() });
        change(&mut config);
        let tracker = Tracker::new(config, [1, 2, 3, 4], at(0));
        let (sends, batches, flushed) = (vec![], vec![], vec![]);
        Self { tracker, tick: 0, sends, batches, flushed, wake: None }
    }

    pub fn now(&self) -> Now {
        at(self.tick)
    }

    /// Does what the tracker asks for.
    pub fn drain(&mut self) {
        loop {
            match self.tracker.poll_output() {
                Output::Send(send) => self.sends.push(send),
                Output::Report(Report::Batch(report)) => self.batches.push(report),
                Output::Report(Report::Flushed(result)) => self.flushed.push(result),
                Output::Report(Report::Dropped { .. }) => {}
                output
                @ (Output::Open(_) | Output::Commit(_) | Output::Adopt | Output::Release) => {
                    panic!("without a journal: {output:?}")
                }
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
        while let Some(wake) = self.wake.filter(|wake| wake.0 <= end) {
            self.tick = self.tick.max(wake.0);
            self.wake = None;
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
        let response = Response { status, body: body.as_bytes(), ..Response::default() };
        self.tracker.handle_answer(self.now(), id, &Answer::Http(response));
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
