//! How long a page had its reader's attention, and how far down it was read.

use super::attention::Attention;
use crate::time::TickMs;

/// What has not been told yet of one page view's engagement. Several of these add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Engaged {
    /// Milliseconds during which the page was visible, had the focus, and had had input within the
    /// last half minute: Google Analytics' `engagement_time_msec`, without the time of idle tabs.
    pub ms: u64,
    /// The deepest that the lower edge of the window has been, in percent of the page's height.
    pub scroll_percent: u8,
}

/// Measures one page view after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Engagement {
    clock: Attention,
    told_ms: u64,
    scroll_percent: u8,
}

impl Engagement {
    /// Nothing measured, and nobody there.
    pub const NONE: Self = Self { clock: Attention::OFF, told_ms: 0, scroll_percent: 0 };

    /// Whether the page is visible and has the focus.
    pub fn handle_state(&mut self, now: TickMs, is_engaged: bool) {
        self.clock.turn(now, is_engaged);
    }

    /// Somebody is there.
    pub fn handle_input(&mut self, now: TickMs) {
        self.clock.handle_input(now);
    }

    /// The lower edge of the window is `bottom_px` below the page's top, of `height_px`.
    pub fn handle_scroll(&mut self, bottom_px: f64, height_px: f64) {
        // The cast saturates, and makes 0 of what is no number.
        let percent = (100.0 * bottom_px / height_px) as u8;
        self.scroll_percent = self.scroll_percent.max(percent.min(100));
    }

    /// What is to be told; `None` if the page had no attention since it was last told.
    pub fn take(&mut self, now: TickMs) -> Option<Engaged> {
        let counted_ms = self.clock.read_ms(now);
        let ms = counted_ms - self.told_ms;
        self.told_ms = counted_ms;
        (ms > 0).then_some(Engaged { ms, scroll_percent: self.scroll_percent })
    }

    /// The next page view begins, at its top.
    pub fn begin(&mut self) {
        self.scroll_percent = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engaged(ms: u64, scroll_percent: u8) -> Option<Engaged> {
        Some(Engaged { ms, scroll_percent })
    }

    #[test]
    fn several_of_one_page_view_add_up() {
        let mut page = Engagement::NONE;
        page.handle_state(TickMs(0), true);
        assert_eq!(page.take(TickMs(3_000)), engaged(3_000, 0));
        assert_eq!(page.take(TickMs(3_000)), None);
        assert_eq!(page.take(TickMs(4_500)), engaged(1_500, 0));
    }

    #[test]
    fn the_deepest_scroll_counts_and_a_new_page_view_begins_at_its_top() {
        let mut page = Engagement::NONE;
        page.handle_state(TickMs(0), true);
        page.handle_scroll(600.0, 3_000.0);
        page.handle_scroll(2_999.0, 3_000.0);
        page.handle_scroll(600.0, 3_000.0);
        assert_eq!(page.take(TickMs(1)), engaged(1, 99));
        page.begin();
        page.handle_scroll(600.0, 600.0);
        assert_eq!(page.take(TickMs(3)), engaged(2, 100));
    }

    #[test]
    fn a_height_that_makes_no_sense_is_no_depth() {
        let mut page = Engagement::NONE;
        page.handle_state(TickMs(0), true);
        for (bottom, height) in [(0.0, 0.0), (f64::NAN, 1.0), (-5.0, 10.0)] {
            page.handle_scroll(bottom, height);
        }
        assert_eq!(page.take(TickMs(1)), engaged(1, 0));
        // A page shorter than its window, and one that is pulled beyond its end.
        page.handle_scroll(900.0, 10.0);
        assert_eq!(page.take(TickMs(2)), engaged(1, 100));
    }
}
