//! Whether ClickHouse may be tried now: backoff with jitter after what failed, one probe at a time.

use crate::limits::{GROUP_BACKOFF_BASE_MS, GROUP_BACKOFF_CAP_MS};
use tallymark::rng::Rng;
use tallymark::time::TickMs;

/// How ClickHouse has been doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gate {
    /// Inserts that failed since the last that got a whole answer.
    pub failures: u32,
    /// No insert before this.
    pub resume_at: TickMs,
}

impl Gate {
    /// An insert was answered, whichever way.
    pub fn answered(&mut self) {
        *self = Self::default();
    }

    /// An insert failed.
    pub fn failed(&mut self, now: TickMs, rng: &mut Rng) {
        self.failures = self.failures.saturating_add(1);
        self.resume_at = now.plus_ms(backoff_ms(self.failures, rng));
    }

    /// How many inserts may be in flight, of `most`.
    #[must_use]
    pub const fn in_flight(&self, most: usize) -> usize {
        if self.failures > 0 { 1 } else { most }
    }
}

/// The wait after the n-th failure in a row: from half of `base × 2^(n − 1)`, or of the cap, to all
/// of it. A group-maker waits for one server that others wait for too, so some of it is chance;
/// none of it would be a busy loop.
pub fn backoff_ms(failures: u32, rng: &mut Rng) -> u64 {
    let doublings = failures.saturating_sub(1).min(32);
    let most = GROUP_BACKOFF_BASE_MS
        .checked_shl(doublings)
        .unwrap_or(GROUP_BACKOFF_CAP_MS)
        .min(GROUP_BACKOFF_CAP_MS);
    most / 2 + rng.below(most / 2 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_the_cap_and_keep_half() {
        let mut rng = Rng::new([1, 2, 3, 4]);
        for (failures, most) in [(1, 100), (2, 200), (3, 400), (7, 5_000), (60, 5_000)] {
            for _ in 0..200 {
                let wait = backoff_ms(failures, &mut rng);
                assert!((most / 2..=most).contains(&wait), "{failures}: {wait}");
            }
        }
    }

    #[test]
    fn after_a_failure_one_probe_goes_and_an_answer_opens_it_again() {
        let mut rng = Rng::new([1, 2, 3, 4]);
        let mut gate = Gate::default();
        assert_eq!((gate.in_flight(2), gate.resume_at), (2, TickMs(0)));
        gate.failed(TickMs(1_000), &mut rng);
        assert_eq!(gate.in_flight(2), 1);
        assert!(gate.resume_at >= TickMs(1_050) && gate.resume_at <= TickMs(1_100));
        gate.answered();
        assert_eq!(gate, Gate::default());
    }
}
