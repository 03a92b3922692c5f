//! Which of the marked elements were seen, and for how long.

use super::attention::Attention;
use crate::limits::{IMPRESSION_MS, LARGE_AREA_PX, OBSERVED_ELEMENTS};
use crate::time::TickMs;

/// An element on the page that is watched.
#[derive(Clone, Copy, Debug)]
struct Element {
    /// Enough of it is in the window.
    is_in: bool,
    key: u16,
}

/// What elements stand for, such as a post; several may stand for the same.
#[derive(Clone, Copy, Debug)]
struct Key {
    /// How many of its elements are in the window.
    elements_in: u16,
    /// It has its impression on this page view.
    is_seen: bool,
    /// That impression is not told yet.
    is_untold: bool,
    /// Since when it is in the window of a visible page.
    since: TickMs,
    /// What the clock said when it came into the window, or when its dwell time was last added.
    from_ms: u64,
    dwell_ms: u64,
}

const NO_ELEMENT: Element = Element { is_in: false, key: 0 };
const NO_KEY: Key = Key {
    elements_in: 0,
    is_seen: false,
    is_untold: false,
    since: TickMs(0),
    from_ms: 0,
    dwell_ms: 0,
};

/// The marked elements of one page view.
///
/// An impression is the viewable one of IAB and MRC (Viewable Ad Impression Measurement
/// Guidelines, 2014): half of the element's pixels, of a large one 30 %, in a visible page for one
/// continuous second. Each key has one a page view. Its dwell time is all the time that it is so
/// in the window while somebody is there ([`Attention`]).
///
/// Keys and elements are numbers that the shell gives in order, from 0.
#[derive(Clone, Debug)]
pub struct Impressions {
    elements: [Element; OBSERVED_ELEMENTS],
    keys: [Key; OBSERVED_ELEMENTS],
    element_count: usize,
    key_count: usize,
    clock: Attention,
    is_visible: bool,
}

impl Impressions {
    /// A page without marked elements.
    pub const NONE: Self = Self {
        elements: [NO_ELEMENT; OBSERVED_ELEMENTS],
        keys: [NO_KEY; OBSERVED_ELEMENTS],
        element_count: 0,
        key_count: 0,
        clock: Attention::OFF,
        is_visible: false,
    };

    /// A new page view: all elements are added again.
    pub fn begin(&mut self) {
        self.element_count = 0;
        self.key_count = 0;
    }

    /// An element that stands for `key`; its number, `None` if there are too many.
    pub fn add(&mut self, key: u16) -> Option<usize> {
        let number = self.element_count;
        *self.elements.get_mut(number)? = Element { key, ..NO_ELEMENT };
        let at = usize::from(key);
        if at >= self.key_count {
            *self.keys.get_mut(at)? = NO_KEY;
            self.key_count = at + 1;
        }
        self.element_count += 1;
        Some(number)
    }

    /// So much of an element is in the window, of its area in CSS pixels.
    pub fn handle_ratio(&mut self, now: TickMs, number: usize, ratio: f64, area_px: f64) {
        let needed = if area_px >= LARGE_AREA_PX { 0.3 } else { 0.5 };
        let is_in = area_px > 0.0 && ratio >= needed;
        let mut elements = self.elements.iter_mut().take(self.element_count);
        let Some(element) = elements.nth(number) else { return };
        let Some(key) = self.keys.get_mut(usize::from(element.key)) else { return };
        if element.is_in == is_in {
            return;
        }
        element.is_in = is_in;
        let clock_ms = self.clock.read_ms(now);
        if !is_in {
            key.elements_in -= 1;
            if key.elements_in == 0 {
                key.add_dwell(clock_ms);
                key.see(now, self.is_visible);
            }
            return;
        }
        if key.elements_in == 0 {
            key.since = now;
            key.from_ms = clock_ms;
        }
        key.elements_in += 1;
    }

    /// Whether the page is visible.
    pub fn handle_state(&mut self, now: TickMs, is_visible: bool) {
        if self.is_visible != is_visible {
            for key in self.keys.iter_mut().take(self.key_count) {
                if key.elements_in > 0 {
                    key.see(now, self.is_visible);
                }
                key.since = now;
            }
        }
        self.is_visible = is_visible;
        self.clock.turn(now, is_visible);
    }

    /// Somebody is there.
    pub fn handle_input(&mut self, now: TickMs) {
        self.clock.handle_input(now);
    }

    /// The key of an impression that is complete at `now` and not told yet.
    pub fn take(&mut self, now: TickMs) -> Option<usize> {
        let is_visible = self.is_visible;
        for (number, key) in self.keys.iter_mut().take(self.key_count).enumerate() {
            if key.elements_in > 0 {
                key.see(now, is_visible);
            }
            if core::mem::take(&mut key.is_untold) {
                return Some(number);
            }
        }
        None
    }

    /// A key that was seen, and the milliseconds of its dwell time that are not told yet.
    pub fn take_dwell(&mut self, now: TickMs) -> Option<(usize, u64)> {
        let clock_ms = self.clock.read_ms(now);
        for (number, key) in self.keys.iter_mut().take(self.key_count).enumerate() {
            if key.elements_in > 0 {
                key.add_dwell(clock_ms);
            }
            if key.is_seen && key.dwell_ms > 0 {
                return Some((number, core::mem::take(&mut key.dwell_ms)));
            }
        }
        None
    }

    /// When the next impression is complete.
    #[must_use]
    pub fn wake_at(&self) -> TickMs {
        let keys = self.keys.iter().take(self.key_count);
        let waiting = keys.filter(|key| self.is_visible && key.elements_in > 0 && !key.is_seen);
        waiting.map(|key| key.since.plus_ms(IMPRESSION_MS)).min().unwrap_or(TickMs::NEVER)
    }
}

impl Key {
    /// It has been in the window up to `now`: is that an impression?
    fn see(&mut self, now: TickMs, is_visible: bool) {
        if is_visible && !self.is_seen && now.since_ms(self.since) >= IMPRESSION_MS {
            self.is_seen = true;
            self.is_untold = true;
        }
    }

    /// It has been in the window until the clock says `clock_ms`.
    fn add_dwell(&mut self, clock_ms: u64) {
        self.dwell_ms += clock_ms - self.from_ms;
        self.from_ms = clock_ms;
    }
}
