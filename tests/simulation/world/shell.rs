//! A page's shell: what the tracker asks for is done, and what comes of it is told.

use tallymark::answer::{Answer, Receiver, Response, Verdict, Word};
use tallymark::drops::{DROPPED, PageDrops};
use tallymark::event::{Event, Page as Place};
use tallymark::outbox::{Batch, SendId};
use tallymark::rng::Uuid;
use tallymark::split::in_two;
use tallymark::time::{Now, TickMs};
use tallymark::tracker::{Outcome, Output, Tracker};

use super::{Happening, World};
use crate::browser::{Operation, PageId};
use crate::ledger::{Told, Tracked};
use crate::page::{Page, State, now};
use crate::receiver::Reply;

impl World {
    pub fn open_page(&mut self, tab: usize, destination: usize, has_storage: bool) {
        let id = PageId(self.pages.len());
        let skew_ms = self.site.skew_ms + self.dice.below(3_600_000) as i64 - 1_800_000;
        let config = self.site.config(destination);
        let began = now(self.tick, self.slept_ms, skew_ms);
        let place = Place { hostname: "e.example", pathname: "/", ..Place::default() };
        let tracker = Tracker::new(config.clone(), self.dice.seed(), began, &place);
        self.pages.push(Page {
            id,
            tracker,
            destination,
            state: State::Visible,
            config,
            skew_ms,
            has_storage,
            wake: u64::MAX,
            callbacks: Vec::new(),
            storing_since: None,
            failed_at: None,
            slowest_ms: 0,
            hidden_over: None,
            frozen_at: None,
            thawed: None,
            sent_at_leave: Vec::new(),
            given_up: Vec::new(),
            passed: Vec::new(),
            view: 0,
            drops: PageDrops::default(),
            told_in: None,
        });
        self.tabs[tab] = Some(id);
        self.tally.count("page opened");
        self.drain(id);
    }

    pub(super) fn track(&mut self, id: PageId, rows: u64) {
        if let Some(tab) = self.tabs.iter().position(|page| *page == Some(id)) {
            self.tracked_on[tab] += rows;
        }
        for _ in 0..rows {
            let now = self.pages[id.0].now(self.tick, self.slept_ms);
            let number = self.ledger.next_number();
            let entity_id = ["1", "2", "3", "4", "5"][number as usize % 5];
            let event = Event {
                name: "view",
                entity_type: "post",
                entity_id,
                value: number as f64,
                ..Event::at(now.wall)
            };
            if self.push(id, &event, None) {
                self.tally.count("event");
                self.tell_drops(id);
            } else {
                self.tally.count("event refused");
            }
            if self.dice.chance(20) {
                self.drain(id);
            }
        }
        self.drain(id);
    }

    /// Along with the page's own events, once a batch, as both shells do.
    fn tell_drops(&mut self, id: PageId) {
        let page = &mut self.pages[id.0];
        let batch = page.tracker.open_batch();
        if batch.is_none() || std::mem::replace(&mut page.told_in, batch) == batch {
            return;
        }
        while let Some((reason, rows)) = self.pages[id.0].drops.tell() {
            let page = &self.pages[id.0];
            let told = Told { view: page.view, reason, total: rows };
            let number = self.ledger.next_number().to_string();
            let event = Event {
                name: DROPPED,
                entity_type: &reason.name(),
                entity_id: &number,
                value: f64::from(rows),
                ..Event::at(page.now(self.tick, self.slept_ms).wall)
            };
            if self.push(id, &event, Some(told)) {
                self.tally.count("total of drops told");
            }
        }
    }

    /// Whether the tracker took the event.
    fn push(&mut self, id: PageId, event: &Event<'_>, told: Option<Told>) -> bool {
        let page = &mut self.pages[id.0];
        let now = page.now(self.tick, self.slept_ms);
        let number = self.ledger.next_number();
        let before = page.tracker.open_batch();
        if page.tracker.handle_event(now, event).is_err() {
            return false;
        }
        let batch = page.tracker.open_batch().or(before);
        let (at, destination) = (self.tick, page.destination);
        let (stored, dropped) = (false, false);
        let tracked = Tracked { page: id, at, destination, stored, dropped, batch, told };
        self.ledger.events.push(tracked);
        // Where one buffer made way for another, from outside it could be in either.
        for batch in before.filter(|before| Some(*before) != batch).into_iter().chain(batch) {
            self.ledger.join(batch, number);
        }
        true
    }

    /// Tells a page's tracker something, then does what it asks for.
    pub fn call<R>(&mut self, id: PageId, tell: impl FnOnce(&mut Tracker, Now) -> R) -> R {
        let page = &mut self.pages[id.0];
        let now = page.now(self.tick, self.slept_ms);
        let told = tell(&mut page.tracker, now);
        self.drain(id);
        told
    }

    pub(super) fn answer(&mut self, id: PageId, send: SendId, reply: &Reply) {
        let answer = match reply {
            Reply::None => Answer::None,
            Reply::Http { status, body, retry_after_s } => Answer::Http(Response {
                status: *status,
                word: Word::read(body.as_bytes()),
                retry_after_s: retry_after_s.unwrap_or(0),
                ..Response::default()
            }),
        };
        let page = &mut self.pages[id.0];
        let now = page.now(self.tick, self.slept_ms);
        self.answered = self.sends.remove(&(id, send.0));
        let is_given_up = self.answered.is_some_and(|batch| page.given_up.contains(&batch));
        if is_given_up && answer.verdict(Receiver::Worker) == Verdict::TooLarge {
            self.tally.count("batch too large after its record was given up");
        }
        let outcome = page.tracker.handle_answer(now, send, &answer);
        if let (Some(Outcome::Accepted), Some(batch)) = (outcome, self.answered) {
            self.ledger.settled(id, batch);
        }
        self.tally.count(match outcome {
            Some(Outcome::Accepted) => "batch accepted",
            Some(Outcome::Again) => "batch to go again",
            Some(Outcome::Refused(_)) => "batch refused",
            None => "answer too late",
        });
        self.drain(id);
        self.answered = None;
    }

    pub(super) fn drain(&mut self, id: PageId) {
        let mut reports = Vec::new();
        loop {
            match self.pages[id.0].tracker.poll_output() {
                Output::Send(send) => self.send(id, &send),
                Output::Report(report) => {
                    self.report(id, &report);
                    reports.push(report);
                }
                Output::Open(journal) => self.after(80, Happening::Opened(id, journal)),
                Output::Store(store) => {
                    let record = self.pages[id.0].tracker.record(store.key);
                    self.begin(id, Operation::Store(store, record));
                }
                Output::Forget(key) => self.begin(id, Operation::Forget(key)),
                Output::Adopt => self.after(30, Happening::Adopt(id)),
                Output::Split(whole) => self.split(id, whole),
                Output::Release => {
                    self.tally.count("journal handed over");
                    let page = &mut self.pages[id.0];
                    let waiting: Vec<Uuid> = page.tracker.batches().map(|batch| batch.id).collect();
                    if !waiting.is_empty() {
                        self.tally.count("journal handed over with a record on its way");
                    }
                    page.given_up.extend(waiting);
                    self.browser.release(id);
                }
                Output::Wake(at) => {
                    self.set_timer(id, at);
                    break;
                }
            }
        }
        let page = &mut self.pages[id.0];
        if !page.tracker.is_storing() {
            page.storing_since = None;
        } else if page.storing_since.is_none() {
            page.storing_since = Some(self.tick);
        }
        self.check_drops(id, &reports);
        self.check_limits(id);
    }

    /// The shell cuts a batch in two; now and then it cannot load what it needs for that.
    pub(super) fn split(&mut self, id: PageId, whole: Uuid) {
        let can = self.dice.chance(95);
        let tracker = &mut self.pages[id.0].tracker;
        let halves = if can { in_two(tracker.block(whole)) } else { Vec::new() };
        let wait = if self.dice.chance(70) { 0 } else { 500 };
        self.after(wait, Happening::Split(id, whole, halves));
    }

    pub(super) fn halves(&mut self, id: PageId, whole: Uuid, halves: Vec<Batch>) {
        if !self.pages[id.0].is_alive() {
            return;
        }
        if !self.pages[id.0].runs() {
            return self.after(1_000, Happening::Split(id, whole, halves));
        }
        let page = &mut self.pages[id.0];
        let now = page.now(self.tick, self.slept_ms);
        page.tracker.handle_split(now, whole, halves);
        for batch in page.tracker.batches() {
            if !self.ledger.knows(batch.id) {
                self.tally.count("half of a split");
                self.ledger.split(whole, batch.id);
                self.ledger.note(batch.id, &batch.body, false);
            }
        }
        self.answered = Some(whole);
        self.drain(id);
        self.answered = None;
    }

    pub(super) fn set_timer(&mut self, id: PageId, at: TickMs) {
        let page = &mut self.pages[id.0];
        if at == TickMs::NEVER {
            page.wake = u64::MAX;
            return;
        }
        let mut tick = at.0.max(self.tick + 1);
        if page.state != State::Visible {
            tick = tick.next_multiple_of(1_000);
        }
        if page.wake != tick {
            page.wake = tick;
            if self.tells {
                println!("{:>8}  {id:?} wakes at {tick}", self.tick);
            }
            self.at(tick, Happening::Wake(id, tick));
        }
    }
}
