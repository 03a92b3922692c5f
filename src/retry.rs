//! How long to wait after a failed try: exponential backoff with full jitter, and `Retry-After`.

use crate::limits::{BACKOFF_BASE_MS, BACKOFF_CAP_MS, BREAKER_FAILURES, RETRY_AFTER_MAX_MS};
use crate::rng::Rng;
use crate::time::TickMs;

/// How the receiver has been doing: it is trusted until a try fails, and after a failure one
/// probe at a time finds out whether it is back.
#[derive(Clone, Debug, Default)]
pub struct Retry {
    /// Tries that failed since the last that got an answer.
    failures: u32,
    /// No try before this.
    resume_at: TickMs,
    /// The receiver itself asked for this much: not even `flush()` goes before it.
    asked_for: TickMs,
}

impl Retry {
    /// A try got an answer that counts, whichever: the receiver is there.
    pub fn answered(&mut self) {
        *self = Self::default();
    }

    /// A try failed at `now`; `retry_after_ms` is what the receiver asked for, 0 for nothing.
    ///
    /// The wait is `random(0 ..= min(cap, base × 2^failures))`, "full jitter" (AWS Architecture
    /// Blog, 2015): of the usual forms the one that spreads a crowd of clients best.
    pub fn failed(&mut self, now: TickMs, retry_after_ms: u64, rng: &mut Rng) {
        let doubled = BACKOFF_BASE_MS << self.failures.min(16);
        let wait_ms = rng.below(doubled.min(BACKOFF_CAP_MS) + 1);
        self.failures = self.failures.saturating_add(1);
        self.asked_for = now.plus_ms(retry_after_ms.min(RETRY_AFTER_MAX_MS));
        self.resume_at = now.plus_ms(wait_ms).max(self.asked_for);
    }

    /// The site asks for a try now: skips the backoff, not what the receiver asked for, and not
    /// after [`BREAKER_FAILURES`]: a blocker refuses at once, and a site may flush at every click.
    pub fn hurry(&mut self) {
        if self.failures < BREAKER_FAILURES {
            self.resume_at = self.resume_at.min(self.asked_for);
        }
    }

    /// When the next try may go.
    #[must_use]
    pub const fn resume_at(&self) -> TickMs {
        self.resume_at
    }

    /// Whether the last try failed, so that only one at a time may go.
    #[must_use]
    pub const fn is_probing(&self) -> bool {
        self.failures > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seeded() -> Rng {
        Rng::new([0x9e37_79b9_7f4a_7c15, 0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb, 7])
    }

    /// The longest of many waits after `failures` earlier failures, and the shortest.
    fn waits_ms(failures: u32) -> (u64, u64) {
        let mut rng = seeded();
        let waits = (0..4000).map(|_| {
            let mut retry = Retry { failures, ..Retry::default() };
            retry.failed(TickMs(0), 0, &mut rng);
            retry.resume_at().0
        });
        waits.fold((u64::MAX, 0), |(least, most), wait| (least.min(wait), most.max(wait)))
    }

    #[test]
    fn s4_16_the_wait_is_drawn_from_zero_up_to_a_bound_that_doubles_to_a_cap() {
        for (failures, bound) in [(0, 1_000), (1, 2_000), (5, 32_000), (6, 60_000), (90, 60_000)] {
            let (least, most) = waits_ms(failures);
            assert!(least < bound / 50, "{failures}: {least}");
            assert!(most <= bound && most > bound - bound / 50, "{failures}: {most}");
        }
    }

    #[test]
    fn retry_after_is_kept_even_in_a_hurry() {
        let mut rng = seeded();
        let mut retry = Retry::default();
        retry.failed(TickMs(100), 5_000, &mut rng);
        assert_eq!(retry.resume_at(), TickMs(5_100));
        retry.hurry();
        assert_eq!(retry.resume_at(), TickMs(5_100));
    }

    #[test]
    fn a_retry_after_of_years_is_cut_to_the_limit() {
        let mut retry = Retry::default();
        retry.failed(TickMs(0), u64::MAX, &mut seeded());
        assert_eq!(retry.resume_at(), TickMs(RETRY_AFTER_MAX_MS));
    }

    #[test]
    fn a_hurry_skips_the_backoff_and_an_answer_ends_the_probing() {
        let mut rng = seeded();
        let mut retry = Retry { failures: 6, ..Retry::default() };
        retry.failed(TickMs(100), 0, &mut rng);
        assert!(retry.resume_at() > TickMs(100) && retry.is_probing());
        retry.hurry();
        assert_eq!(retry.resume_at(), TickMs(100));
        retry.answered();
        assert!(!retry.is_probing());
    }

    #[test]
    fn the_breaker_holds_against_a_hurry() {
        let mut retry = Retry { failures: BREAKER_FAILURES - 1, ..Retry::default() };
        retry.failed(TickMs(100), 0, &mut seeded());
        let resume_at = retry.resume_at();
        retry.hurry();
        assert_eq!(retry.resume_at(), resume_at);
    }
}
