//! Drives the core: tells it what happened, does what it asks for.

use alloc::format;
use alloc::rc::{Rc, Weak};
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt;

use gloo_timers::callback::Timeout;
use js_sys::Uint8Array;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;
use web_sys::console;

use super::fetch;
use super::fields::Fields;
use super::flush::{Flush, Slot};
use super::journal::{Heard, Journal};
use super::json::NotAnObject;
use super::listen::{self, Listener};
use super::options::{InitError, OnBatch, Options};
use super::page::{Browser, Place};
use super::report::{BatchReport, Stats, Storage};
use crate::answer::Answer;
use crate::destination::Destination;
use crate::drops::{DROPPED, PageDrops};
use crate::error::DropReason;
use crate::event::Event;
use crate::journal::{RecordKey, StoreId};
use crate::pending::{FlushId, FlushResult};
use crate::rng::Uuid;
use crate::split::in_two;
use crate::time::{Now, TickMs};
use crate::tracker::{Found, Outcome, Output, Report, Send, Tracker};

/// One tracker's place in the page.
pub struct Shell {
    core: RefCell<Tracker>,
    browser: Browser,
    destination: Destination,
    table: String,
    journal: Journal,
    drops: RefCell<PageDrops>,
    /// The batch that was open when they were told last.
    told_in: Cell<Option<Uuid>>,
    on_batch: Option<OnBatch>,
    debug: bool,
    flushes: RefCell<Vec<(FlushId, Rc<Slot>)>>,
    /// The flush that begins when the code that runs now has ended.
    soon: RefCell<Option<Rc<Slot>>>,
    group_type_indexes: Vec<(String, u8)>,
    timer: Cell<Option<Timeout>>,
    /// What `timer` is set for.
    wake_at: Cell<TickMs>,
    listeners: Cell<Option<[Listener; 4]>>,
    /// The shell itself, until a shutdown: what waits is delivered without a handle too.
    alive: Cell<Option<Rc<Self>>>,
}

impl Shell {
    pub fn start(options: Options) -> Result<Rc<Self>, InitError> {
        let Options { destination, table, config, on_batch, debug, group_type_indexes } =
            options.check()?;
        let browser = Browser::open()?;
        let place = Place::read(&browser);
        let core = Tracker::new(config, browser.seed()?, browser.now(), &place.page());
        let shell = Rc::new_cyclic(|shell| Self {
            core: RefCell::new(core),
            browser,
            destination,
            table,
            journal: Journal::new(Ears(shell.clone())),
            drops: RefCell::default(),
            told_in: Cell::default(),
            on_batch,
            debug,
            flushes: RefCell::default(),
            soon: RefCell::default(),
            group_type_indexes,
            timer: Cell::default(),
            wake_at: Cell::new(TickMs::NEVER),
            listeners: Cell::default(),
            alive: Cell::default(),
        });
        let weak = Rc::downgrade(&shell);
        let tell = move |happened: listen::Happened| {
            if let Some(shell) = weak.upgrade() {
                shell.call(happened);
            }
        };
        shell.listeners.set(Some(listen::on_page(&shell.browser, tell)));
        shell.alive.set(Some(Rc::clone(&shell)));
        shell.drain();
        Ok(shell)
    }

    pub const fn destination(&self) -> &Destination {
        &self.destination
    }

    pub fn group_type_indexes(&self) -> &[(String, u8)] {
        &self.group_type_indexes
    }

    pub fn track(self: &Rc<Self>, name: &str, fields: Fields<'_>) {
        let properties = match &fields.properties {
            Ok(properties) => properties,
            Err(NotAnObject(why)) => {
                self.log(console::warn_1, || format!("the properties of {name} are bad: {why}"));
                self.call(|core, _| core.handle_dropped(DropReason::INVALID, 1));
                return;
            }
        };
        self.call(|core, now| {
            let event = Event {
                name,
                entity_type: fields.entity_type,
                entity_id: fields.entity_id,
                value: fields.value,
                user_id: fields.user_id,
                properties,
                ..Event::at(fields.occurred_at.unwrap_or(now.wall))
            };
            // A refused one is counted where it is refused, and reported.
            if core.handle_event(now, &event).is_ok() {
                self.tell_drops(core, now);
            }
        });
    }

    /// Along with the page's own events, once a batch: by themselves, or with each event, they
    /// would drop others and tell of it for ever.
    fn tell_drops(&self, core: &mut Tracker, now: Now) {
        let batch = core.open_batch();
        if batch.is_some() && self.told_in.replace(batch) != batch {
            self.tell_all_drops(core, now);
        }
    }

    fn tell_all_drops(&self, core: &mut Tracker, now: Now) {
        while let Some((reason, rows)) = self.drops.borrow_mut().tell() {
            let (entity_type, value) = (&*reason.name(), f64::from(rows));
            let event = Event { name: DROPPED, entity_type, value, ..Event::at(now.wall) };
            let _ = core.handle_event(now, &event);
        }
    }

    pub fn page_view(self: &Rc<Self>) {
        let place = Place::read(&self.browser);
        self.call(|core, now| {
            // What is not told yet belongs to the page view that ends.
            self.tell_all_drops(core, now);
            self.drops.borrow_mut().clear();
            core.handle_page(now, &place.page());
        });
    }

    pub fn flush(self: &Rc<Self>) -> Flush {
        self.settle(Tracker::handle_flush)
    }

    /// One flush for all who ask for it before it begins. The executor runs it in a microtask of
    /// its own, after every task that is ready now.
    pub fn flush_soon(self: &Rc<Self>) -> Flush {
        let mut soon = self.soon.borrow_mut();
        let slot = soon.get_or_insert_with(|| {
            let slot = Rc::new(Slot::default());
            let (shell, promised) = (Rc::clone(self), Rc::clone(&slot));
            spawn_local(async move {
                shell.soon.take();
                promised.put(shell.flush().await);
            });
            slot
        });
        Flush::new(Rc::clone(slot), Rc::clone(self))
    }

    pub fn shutdown(self: &Rc<Self>) -> Flush {
        self.alive.take();
        self.settle(Tracker::handle_shutdown)
    }

    pub fn waiting(&self) -> u64 {
        self.core.try_borrow().map_or(0, |core| core.waiting())
    }

    pub fn stats(&self) -> Stats {
        let Ok(core) = self.core.try_borrow() else { return Stats::default() };
        Stats {
            counts: core.stats().clone(),
            waiting: core.waiting(),
            stored: core.stored(),
            storage: if core.is_storing() { Storage::IndexedDb } else { Storage::Memory },
        }
    }

    /// Tells the core something, then does what it asks for.
    fn call<R>(self: &Rc<Self>, tell: impl FnOnce(&mut Tracker, Now) -> R) -> Option<R> {
        let told = self.with_core(|core, now| tell(core, now));
        self.drain();
        told
    }

    /// The only place that borrows the core to change it. Whatever `tell` does, it calls nothing
    /// that could come back here.
    fn with_core<R>(&self, tell: impl FnOnce(&mut Tracker, Now) -> R) -> Option<R> {
        let core = self.core.try_borrow_mut();
        debug_assert!(core.is_ok(), "the core is borrowed across a call");
        Some(tell(&mut *core.ok()?, self.browser.now()))
    }

    fn drain(self: &Rc<Self>) {
        while let Some(output) = self.with_core(|core, _| core.poll_output()) {
            match output {
                Output::Send(send) => self.send(send),
                Output::Report(report) => self.tell(&report),
                Output::Split(whole) => {
                    self.with_core(|core, now| {
                        let halves = in_two(core.block(whole));
                        core.handle_split(now, whole, halves);
                    });
                }
                Output::Open(journal) => self.journal.open(journal),
                Output::Store(store) => {
                    if let Some(record) = self.with_core(|core, _| core.record(store.key)) {
                        self.journal.store(store, &record);
                    }
                }
                Output::Forget(key) => self.journal.forget(key),
                Output::Adopt => self.journal.adopt(),
                Output::Release => self.journal.release(),
                Output::Wake(at) => return self.wake(at),
            }
        }
    }

    fn send(self: &Rc<Self>, send: Send) {
        // Copied here: wasm memory may move while the request is under way.
        let body = self.with_core(|core, _| Uint8Array::from(core.body(send.id)));
        let Some(body) = body else { return };
        let began = self.browser.now();
        let url = self.destination.url(&self.table, send.batch, began.wall);
        let shell = Rc::clone(self);
        spawn_local(async move {
            let response = fetch::post(&url, send.keepalive, &body).await;
            let ended = shell.browser.now().tick;
            let answer = response.map_or(Answer::None, Answer::Http);
            let outcome = shell.call(|core, now| core.handle_answer(now, send.id, &answer));
            // Nobody knows of it any more: another page answers for its batch.
            let Some(outcome) = outcome.flatten() else { return };
            shell.tell_batch(&BatchReport {
                id: send.batch,
                rows: send.rows,
                body_bytes: body.length(),
                elapsed_ms: u32::try_from(ended.since_ms(began.tick)).unwrap_or(u32::MAX),
                status: response.map_or(0, |response| response.status),
                outcome,
            });
        });
    }

    /// Sets the timer, which replaces every earlier one.
    fn wake(self: &Rc<Self>, at: TickMs) {
        if self.wake_at.replace(at) == at {
            return;
        }
        if at == TickMs::NEVER {
            return drop(self.timer.take());
        }
        // A timer holds at most 31 bits; one that comes too early is harmless.
        let ms = at.since_ms(self.browser.now().tick).min(i32::MAX.unsigned_abs().into());
        let weak = Rc::downgrade(self);
        let timer = Timeout::new(u32::try_from(ms).unwrap_or_default(), move || {
            let Some(shell) = weak.upgrade() else { return };
            shell.wake_at.set(TickMs::NEVER);
            shell.call(Tracker::handle_timeout);
        });
        self.timer.set(Some(timer));
    }

    fn settle(self: &Rc<Self>, flush: fn(&mut Tracker, Now) -> FlushId) -> Flush {
        let slot = Rc::new(Slot::default());
        match self.with_core(flush) {
            Some(id) => self.flushes.borrow_mut().push((id, Rc::clone(&slot))),
            None => slot.put(FlushResult { id: FlushId(0), ok: false, delivered: 0, dropped: 0 }),
        }
        self.drain();
        Flush::new(slot, Rc::clone(self))
    }

    fn tell(&self, report: &Report) {
        match report {
            Report::Flushed(result) => self.put_result(*result),
            Report::Dropped { reason, rows, .. } => {
                self.drops.borrow_mut().count(*reason, *rows);
                self.log(console::warn_1, || format!("{rows} events dropped: {reason:?}"));
            }
        }
    }

    fn tell_batch(&self, batch: &BatchReport) {
        let log = match batch.outcome {
            Outcome::Accepted => console::debug_1,
            Outcome::Again | Outcome::Refused(_) => console::warn_1,
        };
        self.log(log, || format!("{batch:?}"));
        if let Some(on_batch) = &self.on_batch {
            on_batch(batch);
        }
    }

    fn put_result(&self, result: FlushResult) {
        let mut flushes = self.flushes.borrow_mut();
        let at = flushes.iter().position(|(id, _)| *id == result.id);
        let slot = at.map(|at| flushes.swap_remove(at).1);
        // Waking may poll at once, and so come back here.
        drop(flushes);
        if let Some(slot) = slot {
            slot.put(result);
        }
    }

    fn log(&self, log: fn(&JsValue), text: impl FnOnce() -> String) {
        if self.debug {
            log(&JsValue::from_str(&format!("[tallymark] {}", text())));
        }
    }
}

/// Hears of the journal as long as there is a shell to tell.
#[derive(Clone)]
struct Ears(Weak<Shell>);

impl Ears {
    fn tell<R: Default>(&self, tell: impl FnOnce(&mut Tracker, Now) -> R) -> R {
        let told = self.0.upgrade().and_then(|shell| shell.call(tell));
        told.unwrap_or_default()
    }
}

impl Heard for Ears {
    fn opened(&self, ok: bool) {
        self.tell(|core, now| core.handle_opened(now, ok));
    }

    fn stored(&self, id: StoreId, record_bytes: u32) {
        self.tell(|core, now| core.handle_stored(now, id, record_bytes));
    }

    fn orphan(&self, key: RecordKey, record: &[u8], record_bytes: u32) -> bool {
        self.tell(|core, now| core.handle_orphan(now, key, record, record_bytes))
    }

    fn adopted(&self, found: Found) {
        self.tell(|core, now| core.handle_adopted(now, found));
    }
}

impl fmt::Debug for Shell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shell").field("core", &self.core).finish_non_exhaustive()
    }
}
