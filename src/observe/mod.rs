//! Automatic measurement: page views, engagement, impressions and clicks as state machines over
//! plain inputs.
//!
//! | module | job |
//! |---|---|
//! | [`page_view`] | when a page view begins, and when it can be told |
//! | [`engagement`] | how long and how deep it was read |
//! | [`impression`] | which marked elements were seen, and for how long |
//! | [`click`] | which clicks count |
//! | [`attention`] | the clock that runs only while somebody is there |
//!
//! [`Observer`] joins them: the shell says what happened (`handle_*`), then asks
//! [`Observer::poll_output`] what to track until it says [`Output::Wake`].
//!
//! Invariant: no text crosses. Addresses, titles and elements are the shell's; here an address has
//! changed or not, and an element is a number. Nothing is allocated: the module that the page
//! downloads has no allocator.

pub mod attention;
pub mod click;
pub mod engagement;
pub mod impression;
pub mod page_view;

use crate::time::{Now, TickMs};
use engagement::{Engaged, Engagement};
use impression::Impressions;
use page_view::{Begin, PageViews, Route, View};

/// What the shell is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Nothing until this tick.
    Wake(TickMs),
    /// A page view begins; all marked elements are to be added again.
    Begin(Begin),
    /// Track the current page view.
    View(View),
    /// Track the engagement with the current page view.
    Engagement(Engaged),
    /// Track the impression of a key.
    Impression {
        /// Which one.
        key: usize,
    },
    /// Track how long a key that was seen was in the window.
    Dwell {
        /// Which one.
        key: usize,
        /// Milliseconds that have not been told yet.
        ms: u64,
    },
}

/// What the page is like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// `document.visibilityState`, and the page is not about to go.
    pub is_visible: bool,
    /// `document.hasFocus()`.
    pub is_focused: bool,
    /// `document.prerendering`: nobody has asked for the page yet.
    pub is_prerendering: bool,
}

/// All observers of one document.
#[derive(Clone, Debug)]
pub struct Observer {
    pages: PageViews,
    engagement: Engagement,
    impressions: Impressions,
    /// The current page view ends or the page hides: all that is measured is told.
    is_closing: bool,
    now: Now,
}

impl Observer {
    /// Those of a document that has just been loaded.
    pub const NEW: Self = Self {
        pages: PageViews::UNSEEN,
        engagement: Engagement::NONE,
        impressions: Impressions::NONE,
        is_closing: false,
        now: Now { wall: crate::time::UnixMs(0), tick: TickMs(0) },
    };

    /// What the page is like now.
    pub fn handle_state(&mut self, now: Now, state: State) {
        self.now = now;
        let is_visible = state.is_visible && !state.is_prerendering;
        self.is_closing |= !is_visible;
        self.pages.handle_state(is_visible);
        self.engagement.handle_state(now.tick, is_visible && state.is_focused);
        self.impressions.handle_state(now.tick, is_visible);
    }

    /// Somebody is there. Needs no [`Observer::poll_output`].
    pub fn handle_input(&mut self, now: Now) {
        self.engagement.handle_input(now.tick);
        self.impressions.handle_input(now.tick);
    }

    /// How deep the page is read, in CSS pixels. Needs no [`Observer::poll_output`].
    pub fn handle_scroll(&mut self, bottom_px: f64, height_px: f64) {
        self.engagement.handle_scroll(bottom_px, height_px);
    }

    /// The page's address, or its entry in the history, has changed.
    pub fn handle_route(&mut self, now: Now, route: Route) {
        self.now = now;
        self.is_closing |= self.pages.handle_route(now.tick, route);
    }

    /// The page has done what belongs to its last route.
    pub fn handle_settled(&mut self, now: Now) {
        self.now = now;
        self.pages.handle_settled(now.tick);
    }

    /// The document came back out of the bfcache.
    pub fn handle_restore(&mut self, now: Now) {
        self.now = now;
        self.pages.handle_restore();
    }

    /// A marked element that stands for `key`; its number, `None` if there are too many.
    pub fn add(&mut self, key: u16) -> Option<usize> {
        self.impressions.add(key)
    }

    /// So much of an element is in the window, of its area in CSS pixels.
    pub fn handle_ratio(&mut self, now: Now, element: usize, ratio: f64, area_px: f64) {
        self.now = now;
        self.impressions.handle_ratio(now.tick, element, ratio, area_px);
    }

    /// The tick of [`Output::Wake`] has come.
    pub fn handle_timeout(&mut self, now: Now) {
        self.now = now;
    }

    /// What to do next.
    pub fn poll_output(&mut self) -> Output {
        let now = self.now.tick;
        if let Some(key) = self.impressions.take(now) {
            return Output::Impression { key };
        }
        // What belongs to the view that ends is told before the next one begins.
        if let Some(view) = self.pages.take(now, self.is_closing) {
            return Output::View(view);
        }
        if self.is_closing {
            if let Some(engaged) = self.engagement.take(now) {
                return Output::Engagement(engaged);
            }
            if let Some((key, ms)) = self.impressions.take_dwell(now) {
                return Output::Dwell { key, ms };
            }
            self.is_closing = false;
        }
        if let Some(begin) = self.pages.take_begin(self.now) {
            self.engagement.begin();
            self.impressions.begin();
            return Output::Begin(begin);
        }
        Output::Wake(self.pages.wake_at().min(self.impressions.wake_at()))
    }
}
