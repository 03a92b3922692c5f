//! Drives the core: tells it what happened, does what it asks for.

use alloc::format;
use alloc::rc::Rc;
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
use super::json::NotAnObject;
use super::listen::{self, Listener};
use super::options::{InitError, OnBatch, Options};
use super::page::{Browser, Place};
use crate::answer::Answer;
use crate::destination::Destination;
use crate::error::DropReason;
use crate::event::Event;
use crate::pending::{FlushId, FlushResult};
use crate::stats::Stats;
use crate::time::{Now, TickMs};
use crate::tracker::{Outcome, Output, Report, Send, Tracker};

/// One tracker's place in the page.
pub struct Shell {
    core: RefCell<Tracker>,
    browser: Browser,
    destination: Destination,
    on_batch: Option<OnBatch>,
    debug: bool,
    flushes: RefCell<Vec<(FlushId, Rc<Slot>)>>,
    timer: Cell<Option<Timeout>>,
    /// What `timer` is set for.
    wake_at: Cell<Option<TickMs>>,
    listeners: Cell<Option<[Listener; 2]>>,
    /// The shell itself, until a shutdown: what waits is delivered without a handle too.
    alive: Cell<Option<Rc<Self>>>,
}

impl Shell {
    pub fn start(options: Options) -> Result<Rc<Self>, InitError> {
        let Options { config, on_batch, debug } = options.check()?;
        let browser = Browser::open()?;
        let now = browser.now();
        let destination = config.destination.clone();
        let mut core = Tracker::new(config, browser.seed()?, now);
        core.handle_page(now, &Place::read(&browser).page());
        let shell = Rc::new(Self {
            core: RefCell::new(core),
            browser,
            destination,
            on_batch,
            debug,
            flushes: RefCell::default(),
            timer: Cell::default(),
            wake_at: Cell::default(),
            listeners: Cell::default(),
            alive: Cell::default(),
        });
        let weak = Rc::downgrade(&shell);
        let leave = move || {
            if let Some(shell) = weak.upgrade() {
                shell.call(Tracker::handle_leave);
            }
        };
        shell.listeners.set(Some(listen::on_leave(&shell.browser, leave)));
        shell.alive.set(Some(Rc::clone(&shell)));
        Ok(shell)
    }

    pub const fn destination(&self) -> &Destination {
        &self.destination
    }

    pub fn track(self: &Rc<Self>, name: &str, fields: Fields<'_>) {
        let properties = match &fields.properties {
            Ok(properties) => properties,
            Err(NotAnObject(why)) => {
                self.log(console::warn_1, || format!("the properties of {name} are bad: {why}"));
                self.call(|core, _| core.handle_dropped(DropReason::Invalid, 1));
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
            let _ = core.handle_event(now, &event);
        });
    }

    pub fn page_view(self: &Rc<Self>) {
        let place = Place::read(&self.browser);
        self.call(|core, now| core.handle_page(now, &place.page()));
    }

    pub fn flush(self: &Rc<Self>) -> Flush {
        self.settle(Tracker::handle_flush)
    }

    pub fn shutdown(self: &Rc<Self>) -> Flush {
        self.alive.take();
        self.settle(Tracker::handle_shutdown)
    }

    pub fn waiting(&self) -> u64 {
        self.core.try_borrow().map_or(0, |core| core.waiting())
    }

    pub fn stats(&self) -> Stats {
        self.core.try_borrow().map_or_else(|_| Stats::default(), |core| core.stats().clone())
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
                // These come with a journal only.
                Output::Open(_) | Output::Commit(_) | Output::Adopt | Output::Release => {}
                Output::Wake(at) => return self.wake(at),
            }
        }
    }

    fn send(self: &Rc<Self>, send: Send) {
        // Copied here: wasm memory may move while the request is under way.
        let body = self.with_core(|core, _| Uint8Array::from(core.body(send.id)));
        let Some(body) = body else { return };
        let shell = Rc::clone(self);
        spawn_local(async move {
            let answered = fetch::post(&send, &body).await;
            shell.call(|core, now| {
                let answer =
                    answered.as_ref().map_or(Answer::None, |it| Answer::Http(it.response()));
                core.handle_answer(now, send.id, &answer);
            });
        });
    }

    /// Sets the timer, which replaces every earlier one.
    fn wake(self: &Rc<Self>, at: Option<TickMs>) {
        if self.wake_at.replace(at) == at {
            return;
        }
        let Some(at) = at else { return drop(self.timer.take()) };
        // A timer holds at most 31 bits; one that comes too early is harmless.
        let ms = at.since_ms(self.browser.now().tick).min(i32::MAX.unsigned_abs().into());
        let weak = Rc::downgrade(self);
        let timer = Timeout::new(u32::try_from(ms).unwrap_or_default(), move || {
            let Some(shell) = weak.upgrade() else { return };
            shell.wake_at.set(None);
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
            Report::Batch(batch) => {
                let log = match batch.outcome {
                    Outcome::Accepted => console::debug_1,
                    Outcome::Again | Outcome::Refused(_) => console::warn_1,
                };
                self.log(log, || format!("{batch:?}"));
                if let Some(on_batch) = &self.on_batch {
                    on_batch(batch);
                }
            }
            Report::Flushed(result) => self.put_result(*result),
            Report::Dropped { reason, rows, .. } => {
                self.log(console::warn_1, || format!("{rows} events dropped: {reason:?}"));
            }
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

impl fmt::Debug for Shell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shell").field("core", &self.core).finish_non_exhaustive()
    }
}
