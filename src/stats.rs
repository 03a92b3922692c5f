//! What a tracker has counted since it began; nothing is dropped without a trace here.

use alloc::vec::Vec;

use crate::error::DropReason;

/// Counters of events unless they say otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Handed to the tracker, dropped ones included.
    pub tracked: u64,
    /// Left in at least one request.
    pub sent: u64,
    /// Accepted by the receiver.
    pub delivered: u64,
    /// Requests begun.
    pub requests: u64,
    /// Bytes of all bodies, each try counted.
    pub bytes: u64,
    /// Taken over from a journal that nobody held.
    pub adopted: u64,
    /// Left to whoever takes over this page's journal.
    pub handed_over: u64,
    /// Records, not events, that were of no use: damaged, another version's, for elsewhere.
    pub unreadable: u32,
    dropped: Vec<(DropReason, u64)>,
}

impl Stats {
    /// Counts `rows` events as dropped. Reasons are few: their list is searched, not hashed.
    pub fn count_dropped(&mut self, reason: DropReason, rows: u32) {
        let rows = u64::from(rows);
        match self.dropped.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += rows,
            None => self.dropped.push((reason, rows)),
        }
    }

    /// How many events were dropped for each reason that has occurred.
    #[must_use]
    pub fn dropped(&self) -> &[(DropReason, u64)] {
        &self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_counted_by_itself() {
        let mut stats = Stats::default();
        let refused = DropReason::clickhouse(60);
        for (reason, rows) in [(DropReason::INVALID, 1), (refused, 5), (DropReason::INVALID, 2)] {
            stats.count_dropped(reason, rows);
        }
        assert_eq!(stats.dropped(), [(DropReason::INVALID, 3), (refused, 5)]);
    }
}
