//! What was dropped on one page view, to be told to the table as `$dropped` events.
//!
//! Totals are cumulative and read with `max()`: one that got lost is made good by the next. The
//! shell sends them along with the page's next events; the npm package's does it in
//! `src/effects/host.js`.

use alloc::vec::Vec;

use crate::error::DropReason;

/// The name of the events.
pub const DROPPED: &str = "$dropped";

#[derive(Debug)]
struct Total {
    reason: DropReason,
    rows: u32,
    told: bool,
}

/// Totals by reason.
#[derive(Debug, Default)]
pub struct PageDrops {
    totals: Vec<Total>,
}

impl PageDrops {
    /// Counts `rows` under the reason.
    pub fn count(&mut self, reason: DropReason, rows: u32) {
        match self.totals.iter_mut().find(|total| total.reason == reason) {
            Some(total) => {
                total.rows = total.rows.saturating_add(rows);
                total.told = false;
            }
            None => self.totals.push(Total { reason, rows, told: false }),
        }
    }

    /// A total that changed since it was told last; asking for it tells it.
    pub fn tell(&mut self) -> Option<(DropReason, u32)> {
        let total = self.totals.iter_mut().find(|total| !total.told)?;
        total.told = true;
        Some((total.reason, total.rows))
    }

    /// Another page view begins.
    pub fn clear(&mut self) {
        self.totals.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_total_is_told_once_and_again_after_it_grew() {
        let mut drops = PageDrops::default();
        assert_eq!(drops.tell(), None);
        drops.count(DropReason::QUEUE_FULL, 10);
        drops.count(DropReason::TOO_OLD, 1);
        drops.count(DropReason::QUEUE_FULL, 5);
        assert_eq!(drops.tell(), Some((DropReason::QUEUE_FULL, 15)));
        assert_eq!(drops.tell(), Some((DropReason::TOO_OLD, 1)));
        assert_eq!(drops.tell(), None);
        drops.count(DropReason::QUEUE_FULL, 1);
        assert_eq!(drops.tell(), Some((DropReason::QUEUE_FULL, 16)));
        drops.clear();
        drops.count(DropReason::QUEUE_FULL, 2);
        assert_eq!(drops.tell(), Some((DropReason::QUEUE_FULL, 2)), "each page view counts from 0");
    }
}
