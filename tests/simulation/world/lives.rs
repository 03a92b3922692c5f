//! How pages hide, freeze, leave, come back and end.

use tallymark::tracker::Tracker;

use super::{BUSY_MS, Happening, World};
use crate::browser::PageId;
use crate::ledger::Death;
use crate::page::{Callback, State};

/// How a page ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Crash,
    /// After `pagehide`, at once or out of the bfcache.
    Close,
}

impl World {
    pub fn hide(&mut self, id: PageId) {
        self.tell(|| format!("{id:?} hides"));
        self.leaving = true;
        self.pages[id.0].state = State::Hidden;
        self.call(id, Tracker::handle_leave);
        self.leaving = false;
    }

    pub fn show(&mut self, id: PageId) {
        let page = &mut self.pages[id.0];
        page.state = State::Visible;
        if let Some(frozen_at) = page.frozen_at.take() {
            page.thawed = Some((frozen_at, self.tick));
        }
        self.call_back(id);
    }

    pub fn freeze(&mut self, id: PageId) {
        self.tell(|| format!("{id:?} freezes"));
        // The shell listens to `freeze`.
        self.call(id, Tracker::handle_timeout);
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
            let rows = self.dice.pick(&[2, 30]);
            self.track(id, rows);
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

    pub(super) fn call_back(&mut self, id: PageId) {
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
                // Time in which nothing ran was no time to store anything.
                let too_late_from = match page.thawed {
                    Some((frozen_at, at)) if end < at + bound_ms => {
                        frozen_at.saturating_sub(at + bound_ms - end)
                    }
                    _ => end.saturating_sub(bound_ms),
                };
                Death { too_late_from, unsafe_before: if is_young { since } else { 0 } }
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
