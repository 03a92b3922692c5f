//! When the open buffer is flushed by time: ticks on a fixed grid that nothing else moves.

use crate::time::TickMs;

/// Ticks every `max_time_ms` after the start. A tick is due only while something waits for it, so
/// that an idle page has no timer at all; a threshold flush does not move the grid.
#[derive(Clone, Debug)]
pub struct FlushTimer {
    start: TickMs,
    max_time_ms: u64,
    /// The tick that the open buffer waits for; never while it is empty.
    due: TickMs,
}

impl FlushTimer {
    /// A grid that begins at `start`; an interval of 0 counts as 1.
    #[must_use]
    pub fn new(start: TickMs, max_time_ms: u64) -> Self {
        Self { start, max_time_ms: max_time_ms.max(1), due: TickMs::NEVER }
    }

    /// The buffer has got a row at `now`: the next tick after it is due, unless one is already.
    pub fn arm(&mut self, now: TickMs) {
        if self.due == TickMs::NEVER {
            let passed = now.since_ms(self.start).checked_div(self.max_time_ms).unwrap_or(0);
            let ms = (passed + 1) * self.max_time_ms;
            self.due = self.start.plus_ms(ms);
        }
    }

    /// The buffer is empty again: no tick is due.
    pub fn disarm(&mut self) {
        self.due = TickMs::NEVER;
    }

    /// The tick that is waited for.
    #[must_use]
    pub const fn due(&self) -> TickMs {
        self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_buffer_waits_for_no_tick() {
        let timer = FlushTimer::new(TickMs(7), 10_000);
        assert_eq!(timer.due(), TickMs::NEVER);
    }

    #[test]
    fn s1_10_each_tick_is_followed_by_the_next_and_a_threshold_flush_moves_none() {
        let mut timer = FlushTimer::new(TickMs(7), 10_000);
        timer.arm(TickMs(8));
        assert_eq!(timer.due(), TickMs(10_007));
        // A threshold flush empties the buffer at 9,000; the row after it waits for the same tick.
        timer.disarm();
        timer.arm(TickMs(9_000));
        assert_eq!(timer.due(), TickMs(10_007));
        timer.disarm();
        timer.arm(TickMs(10_007));
        assert_eq!(timer.due(), TickMs(20_007));
    }

    #[test]
    fn a_second_row_does_not_move_the_tick() {
        let mut timer = FlushTimer::new(TickMs(0), 100);
        timer.arm(TickMs(99));
        timer.arm(TickMs(150));
        assert_eq!(timer.due(), TickMs(100));
    }
}
