//! One run: tabs, browser, network and receiver, driven by one seeded queue of happenings.

mod checks;
mod lives;
mod network;
mod shell;
mod storage;
mod words;

pub use lives::End;

use std::collections::BTreeMap;
use std::rc::Rc;

use tallymark::outbox::{Batch, SendId};
use tallymark::rng::Uuid;
use tallymark::time::Now;
use tallymark::tracker::Tracker;

use crate::browser::{Browser, Mood, PageId};
use crate::dice::Dice;
use crate::ledger::Ledger;
use crate::page::{Callback, Page, Site, State, now};
use crate::receiver::{Call, Receiver, Reply};
use crate::tally::Tally;
use words::short;

/// Tabs of a run.
pub const TABS: usize = 3;
/// Milliseconds in which things are tracked and go wrong.
const BUSY_MS: u64 = 60_000;
/// Events tracked in that time, at least.
pub const EVENTS: u64 = 200;
/// Faults in that time that something met with, at least.
pub const FAULTS: u64 = 20;
/// What faults do, as it is told where it happens: one that nothing met with shows nothing. Between
/// two draws each counts once, however many requests it met.
const EFFECTS: [&str; 19] = [
    "answer lost",
    "answer of somebody else's",
    "answer: busy",
    "answer: rate limited",
    "answer: too large",
    "clock turned",
    "page crashed",
    "page frozen",
    "page into the bfcache",
    "record damaged",
    "request late",
    "request lost",
    "request sent again by the browser itself",
    "request to a worker that is down",
    "request without a network",
    "shard restarted",
    "shards deployed anew",
    "sleep",
    "write failed",
];

/// Milliseconds without faults and events, in which every page delivers what it has: some of the
/// longest waits between two tries.
const QUIET_MS: u64 = 600_000;

#[derive(Debug)]
pub enum Happening {
    OpenPage(usize),
    Track(usize, u64),
    Wake(PageId, u64),
    Opened(PageId, Uuid),
    Adopt(PageId),
    Take(PageId, Uuid),
    Storage,
    Unlock(PageId),
    Split(PageId, Uuid, Vec<Batch>),
    /// A page that `pagehide` has left goes to the bfcache.
    Cache(PageId),
    /// The visitor comes back to it.
    Back(PageId),
    Arrive {
        page: PageId,
        send: SendId,
        url: Rc<str>,
        body: Rc<[u8]>,
        answered: bool,
    },
    Answer(PageId, SendId, Reply),
    /// Worker or ClickHouse have something to do.
    Receiver,
    Fault,
}

/// Everything there is.
#[derive(Debug)]
pub struct World {
    pub tick: u64,
    pub slept_ms: i64,
    pub dice: Dice,
    pub tally: Tally,
    pub site: Site,
    pub browser: Browser,
    pub receiver: Receiver,
    pub ledger: Ledger,
    pub pages: Vec<Page>,
    /// The page in each tab.
    pub tabs: [Option<PageId>; TABS],
    /// Events tracked in each.
    pub tracked_on: [u64; TABS],
    /// Of a hundred requests so many meet with something.
    pub trouble_percent: u64,
    pub is_offline: bool,
    /// The site's second deployment goes elsewhere.
    pub destination: usize,
    pub in_the_air: usize,
    /// Requests that have arrived, and whose answers will find their way back.
    answers: BTreeMap<Call, (PageId, SendId)>,
    calls: u64,
    /// When the receiver is woken.
    receiver_due: u64,
    pub adopts_without_lock: bool,
    broken: Option<String>,
    /// How often each of [`EFFECTS`] had come when they were last noted, and how many were noted.
    seen: [u64; EFFECTS.len()],
    effects: u64,
    /// Whether to tell what happens.
    tells: bool,
    queue: BTreeMap<(u64, u64), Happening>,
    queued: u64,
    leaving: bool,
    /// The batch whose answer is being told: a half of it may be dropped before anybody sees it.
    answered: Option<Uuid>,
    sends: BTreeMap<(PageId, u32), Uuid>,
    /// The largest record that each batch was in.
    record_bytes: BTreeMap<Uuid, usize>,
}

impl World {
    pub fn new(seed: u64, mutant: &str, tells: bool) -> Self {
        let mut dice = Dice::new(seed);
        let site = Site::draw(&mut dice);
        let is_grouped = dice.chance(50);
        let mut tally = Tally::default();
        let receiver = Receiver::new(mutant, is_grouped, now(0, 0, 0), &mut dice, &mut tally);
        let mut world = Self {
            tick: 0,
            slept_ms: 0,
            site,
            browser: Browser::new(),
            receiver,
            tally,
            ledger: Ledger::default(),
            pages: Vec::new(),
            tabs: [None; TABS],
            tracked_on: [0; TABS],
            trouble_percent: dice.pick(&[0, 10, 30, 50]),
            is_offline: false,
            destination: 0,
            in_the_air: 0,
            answers: BTreeMap::new(),
            calls: 0,
            receiver_due: u64::MAX,
            adopts_without_lock: mutant == "adopts_without_lock",
            broken: None,
            seen: [0; EFFECTS.len()],
            effects: 0,
            tells,
            queue: BTreeMap::new(),
            queued: 0,
            leaving: false,
            answered: None,
            sends: BTreeMap::new(),
            record_bytes: BTreeMap::new(),
            dice,
        };
        world.plan();
        world
    }

    pub fn tell(&self, what: impl FnOnce() -> String) {
        if self.tells {
            println!("{:>8}  {}", self.tick, what());
        }
    }

    fn plan(&mut self) {
        for tab in 0..TABS {
            self.at(0, Happening::OpenPage(tab));
        }
        let mut events = 0;
        while events < EVENTS + 20 {
            let rows = if self.dice.chance(80) {
                self.dice.between(1, 6)
            } else {
                self.dice.between(7, 40)
            };
            events += rows;
            let (when, tab) = (self.dice.below(BUSY_MS), self.dice.below(TABS as u64) as usize);
            self.at(when, Happening::Track(tab, rows));
        }
        for _ in 0..FAULTS + self.dice.below(20) {
            let when = self.dice.below(BUSY_MS);
            self.at(when, Happening::Fault);
        }
    }

    pub fn at(&mut self, tick: u64, happening: Happening) {
        self.queued += 1;
        self.queue.insert((tick, self.queued), happening);
    }

    pub fn after(&mut self, most_ms: u64, happening: Happening) {
        let wait = self.dice.between(0, most_ms);
        self.at(self.tick + wait, happening);
    }

    /// Runs to the end and holds the tables against the promise.
    pub fn run(&mut self) -> Result<(), String> {
        self.run_until(BUSY_MS);
        self.track_the_rest();
        self.fault_the_rest();
        self.check_enough()?;
        self.tally.add("fault that took effect", self.effects);
        self.heal();
        if self.dice.chance(50) {
            let now = self.server_now();
            self.receiver.replay(now, &mut self.dice, &mut self.tally);
            self.after_receiver();
        }
        self.show_everybody();
        self.run_until(self.tick + QUIET_MS);
        self.check_all_sent();
        for round in 0..40 {
            if self.broken.is_some() {
                break;
            }
            self.wake_everybody(round);
            self.run_until(self.tick + 61_000);
            let waiting =
                self.pages.iter().any(|page| page.is_alive() && page.tracker.waiting() > 0);
            if self.broken.is_some() || (!waiting && self.left().is_empty()) {
                break;
            }
        }
        if let Some(broken) = self.broken.take() {
            return Err(broken);
        }
        if let Some(page) =
            self.pages.iter().find(|page| page.is_alive() && page.tracker.waiting() > 0)
        {
            return Err(format!("{:?} still waits with {}", page.id, page.tracker.waiting()));
        }
        if !self.left().is_empty() {
            return Err(format!("records are left: {}", short(&self.left())));
        }
        let waiting = self.receiver.waiting(self.server_now());
        if waiting > 0 {
            return Err(format!("{waiting} batches wait in the group-maker for no reason"));
        }
        for (group, blocks) in self.receiver.set_aside() {
            if !self.receiver.server.refused.contains(&group) {
                return Err(format!("{group:?} was set aside, and ClickHouse never refused it"));
            }
            for block in blocks {
                self.ledger.set_aside(&block, &mut self.tally);
            }
        }
        self.ledger.check(&self.receiver, &mut self.tally)
    }

    /// Where tabs were away for long, the visitor goes on until each has had a part in enough events.
    fn track_the_rest(&mut self) {
        for tab in 0..TABS {
            while self.broken.is_none() && !self.has_enough(tab) {
                match self.tabs[tab] {
                    Some(page) if self.pages[page.0].takes_events() => self.track(page, 6),
                    Some(page) if self.pages[page.0].state == State::Cached => self.restore(page),
                    Some(page) if !self.pages[page.0].runs() => self.show(page),
                    _ => self.open_page(tab, self.destination, true),
                }
                self.run_until(self.tick + 100);
            }
        }
    }

    /// Where little went wrong, more does, until enough has.
    fn fault_the_rest(&mut self) {
        self.note_effects();
        while self.broken.is_none() && self.effects < FAULTS {
            let tab = self.dice.below(TABS as u64) as usize;
            match self.tabs[tab] {
                Some(page) if self.pages[page.0].takes_events() => self.track(page, 3),
                Some(_) => {}
                None => self.open_page(tab, self.destination, true),
            }
            self.tally.count("fault drawn");
            self.fault();
            self.run_until(self.tick + 500);
            self.note_effects();
        }
    }

    fn note_effects(&mut self) {
        for (what, seen) in EFFECTS.iter().zip(&mut self.seen) {
            let times = self.tally.of(what);
            self.effects += u64::from(times > *seen);
            *seen = times;
        }
    }

    /// Whether enough was tracked, as far as this tab and those before it are about.
    fn has_enough(&self, tab: usize) -> bool {
        self.tracked_on[tab] > 0 && (tab + 1 < TABS || self.tally.of("event") >= EVENTS)
    }

    /// What a run is, at least.
    fn check_enough(&self) -> Result<(), String> {
        let (events, faults) = (self.tally.of("event"), self.effects);
        let tabs = self.tracked_on.iter().filter(|events| **events > 0).count();
        if self.broken.is_none() && (events < EVENTS || faults < FAULTS || tabs < TABS) {
            return Err(format!("a run of {events} events, {faults} faults and {tabs} tabs"));
        }
        Ok(())
    }

    fn run_until(&mut self, end: u64) {
        while self.broken.is_none() {
            let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= end) else {
                break;
            };
            self.tick = self.tick.max(entry.key().0);
            let happening = entry.remove();
            self.happen(happening);
        }
        self.tick = end;
    }

    fn heal(&mut self) {
        // As for every deployment with another cap: no request's twin is under way.
        self.break_connections();
        let now = self.server_now();
        self.receiver.heal(now, &mut self.dice, &mut self.tally);
        self.after_receiver();
        self.receiver.deployment.cap_bytes = 1_000_000;
        (self.trouble_percent, self.is_offline) = (0, false);
        (self.browser.mood, self.browser.lag_ms) = (Mood::Well, 5);
    }

    /// Brings every page to the front.
    fn show_everybody(&mut self) {
        for at in 0..self.pages.len() {
            let id = PageId(at);
            match self.pages[at].state {
                State::Cached => self.restore(id),
                State::Frozen | State::Hidden => self.show(id),
                State::Visible | State::Gone => {}
            }
        }
    }

    /// The same, with some events, and one page more for what dead ones left.
    fn wake_everybody(&mut self, round: usize) {
        self.show_everybody();
        for at in 0..self.pages.len() {
            if round < 3 && self.pages[at].takes_events() {
                self.track(PageId(at), 1);
            }
        }
        // A record whose deletion failed stays with its page: whoever comes after it sends the batch
        // once more, under an id that the receiver knows.
        for at in (0..self.pages.len()).filter(|_| round == 3) {
            if self.pages[at].is_alive() {
                self.hide_over(PageId(at));
                self.end(PageId(at), End::Close);
            }
        }
        if self.site.on_failure == tallymark::tracker::OnFailure::Persist {
            self.open_page(0, round % 2, true);
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::OpenPage(tab) => {
                if self.tabs[tab].is_none() {
                    let has_storage = self.dice.chance(95);
                    self.open_page(tab, self.destination, has_storage);
                }
            }
            Happening::Track(tab, rows) => {
                if let Some(page) = self.tabs[tab].filter(|id| self.pages[id.0].takes_events()) {
                    self.track(page, rows);
                } else if self.tick < BUSY_MS {
                    // The visitor looks at another tab.
                    let other = self.dice.below(TABS as u64) as usize;
                    self.after(3_000, Happening::Track(other, rows));
                }
            }
            Happening::Wake(id, tick) => {
                if self.pages[id.0].runs() && self.pages[id.0].wake == tick {
                    self.pages[id.0].wake = u64::MAX;
                    self.call(id, Tracker::handle_timeout);
                }
            }
            Happening::Opened(id, journal) => self.opened(id, journal),
            Happening::Adopt(id) => self.adopt(id),
            Happening::Take(id, journal) => self.take(id, journal),
            Happening::Storage => self.storage(),
            Happening::Cache(id) => {
                if self.pages[id.0].hidden_over.is_some() && self.pages[id.0].is_alive() {
                    // `freeze`.
                    self.call(id, Tracker::handle_timeout);
                    self.pages[id.0].state = State::Cached;
                    self.tally.count("page into the bfcache");
                    if !self.pages[id.0].given_up.is_empty() {
                        let later = self.dice.between(3_000, 20_000);
                        self.at(self.tick + later, Happening::Back(id));
                    }
                }
            }
            Happening::Back(id) => self.come_back(id),
            Happening::Unlock(id) => self.browser.release(id),
            Happening::Split(id, whole, halves) => self.halves(id, whole, halves),
            Happening::Arrive { page, send, url, body, answered } => {
                self.in_the_air -= 1;
                self.tell(|| format!("arrives {}", &url[url.find("&id=").unwrap_or(0)..]));
                self.calls += 1;
                let call = Call(self.calls);
                if answered {
                    self.answers.insert(call, (page, send));
                }
                let now = self.server_now();
                self.receiver.post(call, &url, &body, now, &mut self.dice, &mut self.tally);
                self.after_receiver();
            }
            Happening::Receiver => {
                self.receiver_due = u64::MAX;
                let now = self.server_now();
                self.receiver.handle_timeout(now, &mut self.dice, &mut self.tally);
                self.after_receiver();
            }
            Happening::Answer(id, send, reply) => {
                if self.pages[id.0].runs() {
                    self.answer(id, send, &reply);
                } else if self.pages[id.0].is_alive() {
                    self.pages[id.0].callbacks.push(Callback::Answer(send, reply));
                }
            }
            Happening::Fault => {
                self.note_effects();
                self.tally.count("fault drawn");
                self.fault();
            }
        }
    }

    pub fn server_now(&self) -> Now {
        now(self.tick, self.slept_ms, 0)
    }
}
