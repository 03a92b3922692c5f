//! One run: tabs, browser, network and receiver, driven by one seeded queue of happenings.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use tallymark::answer::{Answer, Response, Word};
use tallymark::destination::Destination;
use tallymark::event::{Event, Page as Place};
use tallymark::journal::{RECORD_HEAD_BYTES, RecordKey};
use tallymark::limits::{REQUEST_TIMEOUT_MS, REQUESTS_AT_LEAVE, STORE_TIMEOUT_MS};
use tallymark::outbox::{Batch, SendId};
use tallymark::rng::Uuid;
use tallymark::split::in_two;
use tallymark::time::{Now, TickMs};
use tallymark::tracker::{Found, Outcome, Output, Report, Send, Tracker};

use crate::browser::{Browser, Mood, Operation, PageId};
use crate::dice::Dice;
use crate::edge::{self, ORIGIN};
use crate::ledger::{Death, Ledger, Tracked};
use crate::page::{Callback, Page, Site, State, now};
use crate::receiver::{Call, Receiver, Reply};
use crate::server::Weakness;
use crate::tally::Tally;

/// Tabs of a run.
pub const TABS: usize = 3;
/// Milliseconds in which things are tracked and go wrong.
const BUSY_MS: u64 = 60_000;
/// Events tracked in that time, at least.
pub const EVENTS: u64 = 200;
/// Faults in that time, at least.
pub const FAULTS: u64 = 20;

/// Milliseconds without faults and events, in which every page delivers what it has: some of the
/// longest waits between two tries.
const QUIET_MS: u64 = 600_000;

/// How a page ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Crash,
    /// After `pagehide`, at once or out of the bfcache.
    Close,
}

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
    /// Of a hundred requests so many meet with something.
    pub trouble_percent: u64,
    pub is_offline: bool,
    /// The site's second deployment goes elsewhere.
    pub destination: usize,
    pub in_the_air: usize,
    /// Requests that have arrived, and whose answers will find their way back.
    answers: BTreeMap<Call, (PageId, SendId)>,
    calls: u64,
    pub adopts_without_lock: bool,
    pub broken: Option<String>,
    /// Whether to tell what happens.
    tells: bool,
    queue: BTreeMap<(u64, u64), Happening>,
    queued: u64,
    leaving: bool,
    /// The batch whose answer is being told: a half of it may be dropped before anybody sees it.
    answered: Option<Uuid>,
    sends: BTreeMap<(PageId, u32), Uuid>,
}

impl World {
    pub fn new(seed: u64, mutant: &str, tells: bool) -> Self {
        let mut dice = Dice::new(seed);
        let site = Site::draw(&mut dice);
        let mut world = Self {
            tick: 0,
            slept_ms: 0,
            tally: Tally::default(),
            site,
            browser: Browser::new(),
            receiver: Receiver::new(Weakness::of(mutant)),
            ledger: Ledger::default(),
            pages: Vec::new(),
            tabs: [None; TABS],
            trouble_percent: dice.pick(&[0, 10, 30, 50]),
            is_offline: false,
            destination: 0,
            in_the_air: 0,
            answers: BTreeMap::new(),
            calls: 0,
            adopts_without_lock: mutant == "adopts_without_lock",
            broken: None,
            tells,
            queue: BTreeMap::new(),
            queued: 0,
            leaving: false,
            answered: None,
            sends: BTreeMap::new(),
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
        self.heal();
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
        self.ledger.check(&self.receiver, &mut self.tally)
    }

    /// The records in storage. One that was damaged may be another version's, and is left alone for
    /// a day.
    fn left(&self) -> Vec<RecordKey> {
        let keys = self.browser.records.keys();
        keys.filter(|key| !self.browser.damaged.contains(key)).copied().collect()
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
        self.receiver.heal();
        self.receiver.deployment.cap_bytes = 1_000_000;
        (self.trouble_percent, self.is_offline) = (0, false);
        (self.browser.mood, self.browser.lag_ms) = (Mood::Well, 5);
    }

    /// A queue that failed goes on by itself, not at the next event.
    fn check_all_sent(&mut self) {
        let waits = |page: &&Page| page.takes_events() && page.tracker.waiting() > 0;
        if let Some(page) = self.pages.iter().find(waits) {
            let waiting = page.tracker.waiting();
            self.broken.get_or_insert(format!("{:?} waits with {waiting} for no reason", page.id));
        }
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
                }
            }
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
                let now = self.server_now();
                self.receiver.handle_timeout(now, &mut self.tally);
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
                self.tally.count("fault");
                self.fault();
            }
        }
    }

    /// Every connection breaks: what is in the air is lost.
    pub fn break_connections(&mut self) {
        let mut unanswered = Vec::new();
        self.queue.retain(|_, happening| {
            let Happening::Arrive { page, send, answered, .. } = happening else { return true };
            if *answered {
                unanswered.push((*page, *send));
            }
            false
        });
        self.in_the_air = 0;
        unanswered.extend(std::mem::take(&mut self.answers).into_values());
        for (page, send) in unanswered {
            self.after(1_000, Happening::Answer(page, send, Reply::None));
        }
    }

    pub fn server_now(&self) -> Now {
        now(self.tick, self.slept_ms, 0)
    }

    /// Carries back what the receiver has answered, and sees to it that it is woken.
    fn after_receiver(&mut self) {
        while let Some((call, reply)) = self.receiver.take_reply() {
            if let Some((page, send)) = self.answers.remove(&call) {
                self.after(200, Happening::Answer(page, send, reply));
            }
        }
        if let Some(due) = self.receiver.due() {
            self.at(due.max(self.tick + 1), Happening::Receiver);
        }
        if let Some(broken) = self.receiver.take_broken() {
            self.broken = Some(broken);
        }
    }

    pub fn open_page(&mut self, tab: usize, destination: usize, has_storage: bool) {
        let id = PageId(self.pages.len());
        let skew_ms = self.dice.below(3_600_000) as i64 - 1_800_000;
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
            sent_at_leave: Vec::new(),
            passed: Vec::new(),
        });
        self.tabs[tab] = Some(id);
        self.tally.count("page opened");
        self.drain(id);
    }

    fn track(&mut self, id: PageId, rows: u64) {
        for _ in 0..rows {
            let page = &mut self.pages[id.0];
            let now = page.now(self.tick, self.slept_ms);
            let number = self.ledger.next_number();
            let entity_id = ["1", "2", "3", "4", "5"][number as usize % 5];
            let event = Event {
                name: "view",
                entity_type: "post",
                entity_id,
                value: number as f64,
                ..Event::at(now.wall)
            };
            let before = page.tracker.open_batch();
            if page.tracker.handle_event(now, &event).is_err() {
                self.tally.count("event refused");
                continue;
            }
            self.tally.count("event");
            let batch = page.tracker.open_batch().or(before);
            let (at, destination) = (self.tick, page.destination);
            let (stored, dropped) = (false, false);
            self.ledger.events.push(Tracked { page: id, at, destination, stored, dropped, batch });
            // Where one buffer made way for another, from outside it could be in either: the
            // tracker's own `$dropped` may have been what no longer fitted.
            for batch in before.filter(|before| Some(*before) != batch).into_iter().chain(batch) {
                self.ledger.join(batch, number);
            }
            if self.dice.chance(20) {
                self.drain(id);
            }
        }
        self.drain(id);
    }

    /// Tells a page's tracker something, then does what it asks for.
    pub fn call<R>(&mut self, id: PageId, tell: impl FnOnce(&mut Tracker, Now) -> R) -> R {
        let page = &mut self.pages[id.0];
        let now = page.now(self.tick, self.slept_ms);
        let told = tell(&mut page.tracker, now);
        self.drain(id);
        told
    }

    fn answer(&mut self, id: PageId, send: SendId, reply: &Reply) {
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
        let outcome = page.tracker.handle_answer(now, send, &answer);
        self.tally.count(match outcome {
            Some(Outcome::Accepted) => "batch accepted",
            Some(Outcome::Again) => "batch to go again",
            Some(Outcome::Refused(_)) => "batch refused",
            None => "answer too late",
        });
        self.drain(id);
        self.answered = None;
    }

    fn drain(&mut self, id: PageId) {
        loop {
            match self.pages[id.0].tracker.poll_output() {
                Output::Send(send) => self.send(id, &send),
                Output::Report(report) => self.report(id, &report),
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
        self.check_limits(id);
    }

    /// The shell cuts a batch in two; now and then it cannot load what it needs for that.
    fn split(&mut self, id: PageId, whole: Uuid) {
        let can = self.dice.chance(95);
        let tracker = &mut self.pages[id.0].tracker;
        let halves = if can { in_two(tracker.block(whole)) } else { Vec::new() };
        let wait = if self.dice.chance(70) { 0 } else { 500 };
        self.after(wait, Happening::Split(id, whole, halves));
    }

    fn halves(&mut self, id: PageId, whole: Uuid, halves: Vec<Batch>) {
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
                self.ledger.note(batch.id, &batch.body, false);
            }
        }
        self.answered = Some(whole);
        self.drain(id);
        self.answered = None;
    }

    fn set_timer(&mut self, id: PageId, at: TickMs) {
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

    fn check_limits(&mut self, id: PageId) {
        let page = &self.pages[id.0];
        let in_flight_rows = u64::from(page.config.max_rows) * REQUESTS_AT_LEAVE as u64;
        let most_rows = u64::from(page.config.max_waiting_rows.max(page.config.max_rows));
        // What is in flight, and the open buffer, cannot be let go.
        let open_bytes =
            (page.config.max_bytes as usize).min(800 + 120 * page.config.max_rows as usize);
        if page.tracker.waiting() > most_rows + in_flight_rows {
            self.broken = Some(format!("{id:?}: {} rows in memory", page.tracker.waiting()));
        }
        let over = page.tracker.journal_bytes().saturating_sub(page.config.journal_bytes as usize);
        if over > 0 {
            let sent = self.sends.range((id, 0)..=(id, u32::MAX));
            let sent: BTreeSet<Uuid> = sent.map(|(_, batch)| *batch).collect();
            let in_flight = page.tracker.batches().filter(|batch| sent.contains(&batch.id));
            let record_bytes = |batch: &Batch| batch.body.len() + RECORD_HEAD_BYTES + 24;
            if over > open_bytes + in_flight.map(record_bytes).sum::<usize>() {
                self.broken = Some(format!("{id:?}: {over} bytes too many in storage"));
            }
        }
    }

    fn report(&mut self, id: PageId, report: &Report) {
        self.tell(|| format!("{id:?} {}", short(report)));
        match report {
            Report::Dropped { reason, batch: Some(batch), .. } => {
                if !self.ledger.is_justified(*batch, *reason, &self.receiver) {
                    self.broken = Some(format!("{id:?}: dropped as {reason:?}, which nobody said"));
                }
                self.tally.count(&reason.name());
                let whole = self.answered.filter(|_| !self.ledger.knows(*batch));
                self.ledger.drop_batch(whole.unwrap_or(*batch));
            }
            Report::Dropped { .. } | Report::Flushed(_) => {}
        }
    }

    /// A request begins: its fate is drawn here.
    fn send(&mut self, id: PageId, send: &Send) {
        self.tally.count("request");
        let page = &self.pages[id.0];
        let body: Rc<[u8]> = page.tracker.body(send.id).into();
        let endpoint = ORIGIN.into();
        let key = edge::key(page.destination).into();
        let now = page.now(self.tick, self.slept_ms).wall;
        let url: Rc<str> =
            Destination::Worker { endpoint, key }.url("events", send.batch, now).into();
        self.tell(|| format!("{id:?} sends {}", &url[url.find("&id=").unwrap_or(0)..]));
        self.check_stored_before_sent(id, send.id, &url);
        let arrive = |answered| Happening::Arrive {
            page: id,
            send: send.id,
            url: Rc::clone(&url),
            body: Rc::clone(&body),
            answered,
        };
        if self.is_offline {
            return self.after(50, Happening::Answer(id, send.id, Reply::None));
        }
        let wait = self.dice.between(1, 300);
        if !self.dice.chance(self.trouble_percent) {
            self.in_the_air += 1;
            return self.at(self.tick + wait, arrive(true));
        }
        let html = |status| Reply::http(status, "<html>not ours</html>");
        let timed_out = self.tick + u64::from(REQUEST_TIMEOUT_MS);
        match self.dice.below(9) {
            0 => {
                self.tally.count("request lost");
                self.at(self.tick + wait, Happening::Answer(id, send.id, Reply::None));
            }
            1 | 2 => {
                self.tally.count("answer lost");
                self.in_the_air += 1;
                self.at(self.tick + wait, arrive(false));
                let later = self.dice.between(0, 5_000);
                self.at(self.tick + wait + later, Happening::Answer(id, send.id, Reply::None));
            }
            3 => {
                self.tally.count("request sent again by the browser itself");
                self.in_the_air += 2;
                let first = self.dice.between(1, 3_000);
                self.at(self.tick + first, arrive(false));
                self.at(self.tick + wait, arrive(true));
            }
            4 => {
                self.tally.count("request late");
                self.in_the_air += 1;
                let late = self.dice.between(1_000, 40_000);
                self.at(self.tick + late, arrive(false));
                self.at(timed_out, Happening::Answer(id, send.id, Reply::None));
            }
            5 => {
                self.tally.count("answer lost");
                self.in_the_air += 1;
                self.at(self.tick + wait, arrive(false));
                let status = self.dice.pick(&[500, 502, 504]);
                self.at(self.tick + wait + 50, Happening::Answer(id, send.id, html(status)));
            }
            _ => {
                self.tally.count("answer of somebody else's");
                let status = self.dice.pick(&[200, 403, 401, 404, 413, 429, 500, 503]);
                self.at(self.tick + wait, Happening::Answer(id, send.id, html(status)));
            }
        }
    }

    /// Storage that is well has a batch before the network has, but for those sent at leaving.
    fn check_stored_before_sent(&mut self, id: PageId, send: SendId, url: &str) {
        let page = &mut self.pages[id.0];
        let batch = url.split("&id=").nth(1).and_then(|rest| Uuid::parse(&rest.as_bytes()[..36]));
        let Some(batch) = batch else { return };
        self.sends.insert((id, send.0), batch);
        let is_well = page.failed_at.is_none() && page.slowest_ms < STORE_TIMEOUT_MS;
        let since = page.storing_since.map_or(u64::MAX, |since| since + STORE_TIMEOUT_MS);
        if self.leaving {
            page.sent_at_leave.push(batch);
        }
        if page.sent_at_leave.contains(&batch)
            || !page.tracker.is_storing()
            || !is_well
            || since > self.tick
        {
            return;
        }
        if !self.browser.were_stored.contains(&batch) {
            self.broken = Some(format!("{id:?}: sent a batch that is not in storage"));
        }
    }

    fn begin(&mut self, id: PageId, operation: Operation) {
        let wait = self.dice.between(0, self.browser.lag_ms);
        self.tell(|| {
            format!("{id:?} begins {}", short(&operation).chars().take(150).collect::<String>())
        });
        let due = self.browser.begin(id, operation, self.tick, wait);
        self.pages[id.0].slowest_ms = self.pages[id.0].slowest_ms.max(due - self.tick);
        self.at(due, Happening::Storage);
    }

    fn storage(&mut self) {
        let Some(pending) = self.browser.queue.pop_front_if(|first| first.due <= self.tick) else {
            return;
        };
        let id = pending.page;
        match pending.operation {
            Operation::Store(store, record) => {
                if self.browser.mood != Mood::Refuses {
                    for (batch, block) in blocks_of(&record) {
                        self.browser.were_stored.insert(batch);
                        self.ledger.note(batch, block, true);
                    }
                }
                self.tally.count("write");
                self.tell(|| format!("{id:?} store {:?} {}", self.browser.mood, short(&store.key)));
                let parts = if store.squeeze { 2 } else { 1 };
                let (store_id, bytes) = (store.id, record.len() as u32 / parts);
                let ok = self.browser.store(store.key, record);
                if !ok {
                    self.tally.count("write failed");
                    self.pages[id.0].failed_at = Some(self.tick);
                    if let Some(death) = self.ledger.deaths.get_mut(&id) {
                        death.unsafe_before = self.tick;
                    }
                }
                let bytes = if ok { bytes } else { 0 };
                if self.pages[id.0].runs() {
                    self.call(id, |tracker, now| tracker.handle_stored(now, store_id, bytes));
                } else if self.pages[id.0].is_alive() {
                    self.pages[id.0].callbacks.push(Callback::Stored(store_id, bytes));
                }
            }
            Operation::Forget(key) => self.browser.forget(key),
            Operation::Read(journal) => self.read(id, journal),
        }
    }

    fn opened(&mut self, id: PageId, journal: Uuid) {
        if !self.pages[id.0].is_alive() {
            return;
        }
        if !self.pages[id.0].runs() {
            return self.after(1_000, Happening::Opened(id, journal));
        }
        let ok = self.pages[id.0].has_storage;
        if ok {
            self.browser.locks.insert(journal, id);
        }
        self.call(id, |tracker, now| tracker.handle_opened(now, ok));
    }

    /// The shell looks through the journals: those that nobody holds, but for those in which it
    /// has found nothing for itself.
    fn adopt(&mut self, id: PageId) {
        if !self.pages[id.0].runs() {
            return self.after(1_000, Happening::Adopt(id));
        }
        let mut found = Found::Nothing;
        for journal in self.browser.journals() {
            let holder = self.browser.locks.get(&journal).copied();
            if holder == Some(id) || self.pages[id.0].passed.contains(&journal) {
                continue;
            }
            if holder.is_none() || self.adopts_without_lock {
                return self.after(20, Happening::Take(id, journal));
            }
            found = Found::Held;
        }
        self.pages[id.0].passed.clear();
        self.call(id, |tracker, now| tracker.handle_adopted(now, found));
    }

    fn take(&mut self, id: PageId, journal: Uuid) {
        if !self.pages[id.0].is_alive() {
            return;
        }
        if !self.pages[id.0].runs() {
            return self.after(1_000, Happening::Take(id, journal));
        }
        let holder = self.browser.locks.get(&journal).copied();
        if let Some(holder) = holder {
            if self.pages[holder.0].state == State::Cached {
                self.tally.count("page evicted by a request for its lock");
                self.end(holder, End::Close);
            }
            if !self.adopts_without_lock || holder == id {
                return self.adopt(id);
            }
        }
        self.browser.locks.insert(journal, id);
        self.begin(id, Operation::Read(journal));
    }

    fn read(&mut self, id: PageId, journal: Uuid) {
        if !self.pages[id.0].runs() {
            if self.pages[id.0].is_alive() {
                self.begin(id, Operation::Read(journal));
            }
            return;
        }
        // All locks were let go meanwhile.
        if self.browser.locks.get(&journal) != Some(&id) {
            return self.call(id, |tracker, now| tracker.handle_adopted(now, Found::Nothing));
        }
        let is_of = |key: &&RecordKey| key.journal == journal;
        let keys: Vec<RecordKey> = self.browser.records.keys().filter(is_of).copied().collect();
        let records: Vec<(RecordKey, Vec<u8>)> =
            keys.iter().map(|key| (*key, self.browser.records[key].clone())).collect();
        let mut keep = false;
        for (key, record) in &records {
            let bytes = record.len() as u32;
            keep |= self.call(id, |tracker, now| tracker.handle_orphan(now, *key, record, bytes));
        }
        self.tell(|| format!("{id:?} adopts {keep} {}", short(&keys)));
        if keep {
            self.tally.count("journal adopted");
            self.call(id, |tracker, now| tracker.handle_adopted(now, Found::Orphans));
        } else {
            self.browser.locks.remove(&journal);
            self.pages[id.0].passed.push(journal);
            self.adopt(id);
        }
    }

    pub fn hide(&mut self, id: PageId) {
        self.tell(|| format!("{id:?} hides"));
        self.leaving = true;
        self.pages[id.0].state = State::Hidden;
        self.call(id, Tracker::handle_leave);
        self.leaving = false;
    }

    pub fn show(&mut self, id: PageId) {
        self.pages[id.0].state = State::Visible;
        self.pages[id.0].frozen_at = None;
        self.call_back(id);
    }

    pub fn freeze(&mut self, id: PageId) {
        self.tell(|| format!("{id:?} freezes"));
        self.pages[id.0].state = State::Frozen;
        self.pages[id.0].frozen_at = Some(self.tick);
    }

    /// `pagehide`, and what a site still tracks in its own `visibilitychange` after it.
    pub fn hide_over(&mut self, id: PageId) {
        self.tell(|| format!("{id:?} pagehide"));
        self.leaving = true;
        let was_well = self.pages[id.0].storing_since.is_some();
        self.pages[id.0].hidden_over = Some((self.tick, was_well));
        self.call(id, Tracker::handle_pagehide);
        if self.dice.chance(30) {
            self.track(id, 2);
            self.call(id, Tracker::handle_leave);
        }
        self.leaving = false;
    }

    pub fn restore(&mut self, id: PageId) {
        self.tell(|| format!("{id:?} is restored"));
        self.tally.count("page back from the bfcache");
        self.pages[id.0].state = State::Visible;
        self.pages[id.0].hidden_over = None;
        self.call(id, Tracker::handle_restore);
        self.call_back(id);
    }

    fn call_back(&mut self, id: PageId) {
        for callback in std::mem::take(&mut self.pages[id.0].callbacks) {
            match callback {
                Callback::Answer(send, reply) => self.answer(id, send, &reply),
                Callback::Stored(store, bytes) => {
                    self.call(id, |tracker, now| tracker.handle_stored(now, store, bytes));
                }
            }
        }
        self.call(id, Tracker::handle_timeout);
    }

    /// A page ends; what it may have lost is settled here.
    pub fn end(&mut self, id: PageId, how: End) {
        self.tell(|| format!("{id:?} ends: {how:?}"));
        let pending = self.browser.pending_of(id) as u64;
        let page = &mut self.pages[id.0];
        let end = page.frozen_at.unwrap_or(self.tick);
        let death = match (how, page.hidden_over) {
            (End::Close, Some((_, true))) => {
                let unsafe_before =
                    page.failed_at.filter(|at| Some(*at) >= page.hidden_over.map(|it| it.0));
                Death { too_late_from: u64::MAX, unsafe_before: unsafe_before.unwrap_or(0) }
            }
            (End::Crash, _) if page.storing_since.is_some() => {
                // A timer that is set again on the second waits another.
                let throttled_ms = if page.state == State::Visible { 0 } else { 2_000 };
                let bound_ms = 150 + 3 * page.slowest_ms + throttled_ms;
                let since = page.storing_since.unwrap_or(0);
                let is_young = end.saturating_sub(since) <= bound_ms;
                Death {
                    too_late_from: end.saturating_sub(bound_ms),
                    unsafe_before: if is_young { since } else { 0 },
                }
            }
            _ => Death { too_late_from: u64::MAX, unsafe_before: self.tick },
        };
        page.state = State::Gone;
        page.callbacks.clear();
        self.ledger.deaths.insert(id, death);
        if how == End::Crash {
            self.tally.count("page crashed");
            let kept = self.dice.below(pending + 1) as usize;
            self.browser.crash(id, kept);
        } else {
            self.tally.count("page closed");
        }
        self.after(50, Happening::Unlock(id));
        if let Some(tab) = self.tabs.iter().position(|page| *page == Some(id)) {
            self.tabs[tab] = None;
            if self.tick < BUSY_MS {
                self.after(3_000, Happening::OpenPage(tab));
            }
        }
    }
}

/// The batches of a record, as the head of `src/journal.rs` draws it; of a damaged one, the first.
fn blocks_of(record: &[u8]) -> Vec<(Uuid, &[u8])> {
    let mut blocks = Vec::new();
    let mut rest = record.get(RECORD_HEAD_BYTES..).unwrap_or_default();
    while let Some((head, behind)) = rest.split_first_chunk::<24>() {
        let bytes = u32::from_le_bytes(head[20..].try_into().unwrap()) as usize;
        let Some((block, behind)) = behind.split_at_checked(bytes) else { break };
        blocks.push((Uuid(head[..16].try_into().unwrap()), block));
        rest = behind;
    }
    blocks
}

/// Debug's text with each UUID as its last bytes.
fn short(what: &impl std::fmt::Debug) -> String {
    let text = format!("{what:?}");
    let mut parts = text.split("Uuid([");
    let mut out = String::from(parts.next().unwrap_or_default());
    for part in parts {
        let (bytes, rest) = part.split_once("])").unwrap_or((part, ""));
        let last: Vec<&str> = bytes.rsplit(", ").take(3).collect();
        for byte in last.iter().rev() {
            out.push_str(&format!("{:02x}", byte.parse::<u8>().unwrap_or(0)));
        }
        out.push_str(rest);
    }
    out
}
