//! A clock that runs only while somebody is there.

use crate::limits::IDLE_MS;
use crate::time::TickMs;

/// Counts milliseconds while it is on and the last input is not older than [`IDLE_MS`]; so a
/// forgotten page, and a machine that slept, add half a minute and no more.
///
/// What turns it on (a page that becomes visible, a window that gets the focus) counts as input:
/// somebody did that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attention {
    is_on: bool,
    /// Up to here it is counted.
    since: TickMs,
    last_input: TickMs,
    counted_ms: u64,
}

impl Attention {
    /// A clock at 0 that is off.
    pub const OFF: Self =
        Self { is_on: false, since: TickMs(0), last_input: TickMs(0), counted_ms: 0 };

    /// Turns it on or off.
    pub fn turn(&mut self, now: TickMs, is_on: bool) {
        self.read_ms(now);
        if is_on && !self.is_on {
            self.last_input = now;
        }
        self.is_on = is_on;
    }

    /// A key, a pointer, a wheel: somebody is there.
    pub fn handle_input(&mut self, now: TickMs) {
        self.read_ms(now);
        self.last_input = now;
    }

    /// Milliseconds counted since the beginning.
    pub fn read_ms(&mut self, now: TickMs) -> u64 {
        if self.is_on {
            let until = now.min(self.last_input.plus_ms(IDLE_MS));
            self.counted_ms += until.since_ms(self.since);
        }
        self.since = self.since.max(now);
        self.counted_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_while_it_is_on() {
        let mut clock = Attention::OFF;
        assert_eq!(clock.read_ms(TickMs(500)), 0);
        clock.turn(TickMs(1_000), true);
        clock.turn(TickMs(4_000), false);
        clock.turn(TickMs(9_000), true);
        assert_eq!(clock.read_ms(TickMs(9_250)), 3_250);
    }

    #[test]
    fn a_clock_that_is_forgotten_stops_half_a_minute_after_the_last_input() {
        let mut clock = Attention::OFF;
        clock.turn(TickMs(0), true);
        clock.handle_input(TickMs(10_000));
        assert_eq!(clock.read_ms(TickMs(40_000)), 40_000);
        assert_eq!(clock.read_ms(TickMs(8 * 3_600_000)), 40_000);
        clock.handle_input(TickMs(8 * 3_600_000));
        assert_eq!(clock.read_ms(TickMs(8 * 3_600_000 + 7)), 40_007);
    }

    #[test]
    fn being_turned_on_twice_is_no_input() {
        let mut clock = Attention::OFF;
        clock.turn(TickMs(0), true);
        clock.turn(TickMs(29_000), true);
        assert_eq!(clock.read_ms(TickMs(60_000)), 30_000);
    }

    #[test]
    fn a_tick_that_runs_backwards_counts_nothing() {
        let mut clock = Attention::OFF;
        clock.turn(TickMs(1_000), true);
        assert_eq!(clock.read_ms(TickMs(2_000)), 1_000);
        assert_eq!(clock.read_ms(TickMs(1_500)), 1_000);
        assert_eq!(clock.read_ms(TickMs(2_500)), 1_500);
    }
}
