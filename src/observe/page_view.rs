//! When a page view begins, and when it can be told.

use crate::limits::{MOVING_MS, SETTLE_MS};
use crate::time::{Now, TickMs, UnixMs};

/// What a page view began with; the number is what `src/effects/observe/` gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Navigation {
    /// The document was loaded, prerendered ones included.
    Load = 0,
    /// The page put another address in its place, as single-page applications do.
    Route = 1,
    /// The document came back out of the bfcache.
    Restore = 2,
}

/// A page view to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// When it began.
    pub at: UnixMs,
    /// With what.
    pub navigation: Navigation,
}

/// A change of the page's address within one document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The whole address differs from the one before, fragment and query included.
    pub is_changed: bool,
    /// It took the place of the entry before in the history, as redirects do.
    pub is_replaced: bool,
    /// The page still works on it; [`PageViews::handle_settled`] follows.
    pub is_moving: bool,
}

/// How a page view begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// The document's first, under the id that the tracker began with.
    First = 0,
    /// Under an id of its own, coming from the page view before.
    Next = 1,
    /// Under an id of its own, coming from where the one before came from: after a redirect, or out
    /// of the bfcache.
    Again = 2,
}

/// One document's page views, one after the other.
///
/// A view begins when the page is first seen: not while it is prerendered, or opened in a tab in
/// the background. It is told a moment later, since applications set the title after the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageViews {
    is_visible: bool,
    /// The view that begins as soon as the page is visible.
    unseen: Option<Navigation>,
    is_redirected: bool,
    /// One has begun already.
    has_begun: bool,
    /// It has begun and is not told.
    untold: Option<View>,
    is_moving: bool,
    due: TickMs,
}

impl PageViews {
    /// A document that has just been loaded and that nobody has seen.
    pub const UNSEEN: Self = Self {
        is_visible: false,
        unseen: Some(Navigation::Load),
        is_redirected: false,
        has_begun: false,
        untold: None,
        is_moving: false,
        due: TickMs(0),
    };

    /// Whether the page can be seen.
    pub fn handle_state(&mut self, is_visible: bool) {
        self.is_visible = is_visible;
    }

    /// The address, or the entry in the history, has changed; whether the current view ends by that.
    pub fn handle_route(&mut self, now: TickMs, route: Route) -> bool {
        if !route.is_changed {
            return false;
        }
        self.settle(now, route.is_moving);
        if self.unseen.is_some() {
            // What was never seen has the address at which it is seen first.
            false
        } else if route.is_replaced && self.untold.is_some() {
            // The view that has just begun goes on at the address that it was sent to.
            self.is_redirected = true;
            false
        } else {
            self.unseen = Some(Navigation::Route);
            true
        }
    }

    /// The page has done what belongs to its last route.
    pub fn handle_settled(&mut self, now: TickMs) {
        self.settle(now, false);
    }

    /// The document came back out of the bfcache.
    pub fn handle_restore(&mut self) {
        self.unseen = Some(Navigation::Restore);
    }

    /// Whether a view begins at `now`. The one before has to be taken first.
    pub fn take_begin(&mut self, now: Now) -> Option<Begin> {
        if core::mem::take(&mut self.is_redirected) {
            return Some(Begin::Again);
        }
        if !self.is_visible {
            return None;
        }
        let navigation = self.unseen.take()?;
        self.untold = Some(View { at: now.wall, navigation });
        self.settle(now.tick, self.is_moving);
        let is_first = !core::mem::replace(&mut self.has_begun, true);
        Some(match navigation {
            _ if is_first => Begin::First,
            Navigation::Restore => Begin::Again,
            _ => Begin::Next,
        })
    }

    /// The view that can be told at `now`: at once, where `is_closing`.
    pub fn take(&mut self, now: TickMs, is_closing: bool) -> Option<View> {
        if is_closing || self.due <= now { self.untold.take() } else { None }
    }

    /// When the current view can be told.
    #[must_use]
    pub fn wake_at(&self) -> TickMs {
        if self.untold.is_some() { self.due } else { TickMs::NEVER }
    }

    fn settle(&mut self, now: TickMs, is_moving: bool) {
        self.is_moving = is_moving;
        self.due = now.plus_ms(if is_moving { MOVING_MS } else { SETTLE_MS });
    }
}
