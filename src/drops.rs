//! What was dropped on one page view, to be told to the table as `$dropped` events.
//!
//! Totals are cumulative and read with `max()`: one that got lost is made good by the next.

use alloc::vec::Vec;

use crate::error::DropReason;

/// The name of the events.
pub const DROPPED: &str = "$dropped";

#[derive(Debug)]
struct Total {
    name: &'static str,
    rows: u32,
    told: bool,
}

/// Totals by reason.
#[derive(Debug, Default)]
pub struct PageDrops {
    totals: Vec<Total>,
}

impl PageDrops {
    /// Counts `rows` under the reason's name.
    pub fn count(&mut self, reason: DropReason, rows: u32) {
        let name = reason.name();
        match self.totals.iter_mut().find(|total| total.name == name) {
            Some(total) => {
                total.rows = total.rows.saturating_add(rows);
                total.told = false;
            }
            None => self.totals.push(Total { name, rows, told: false }),
        }
    }

    /// A total that changed since it was told last; asking for it tells it.
    pub fn tell(&mut self) -> Option<(&'static str, u32)> {
        let total = self.totals.iter_mut().find(|total| !total.told)?;
        total.told = true;
        Some((total.name, total.rows))
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
        drops.count(DropReason::QueueFull, 10);
        drops.count(DropReason::TooOld, 1);
        drops.count(DropReason::QueueFull, 5);
        assert_eq!(drops.tell(), Some(("queue_full", 15)));
        assert_eq!(drops.tell(), Some(("too_old", 1)));
        assert_eq!(drops.tell(), None);
        drops.count(DropReason::QueueFull, 1);
        assert_eq!(drops.tell(), Some(("queue_full", 16)));
        drops.clear();
        drops.count(DropReason::QueueFull, 2);
        assert_eq!(drops.tell(), Some(("queue_full", 2)), "each page view counts from 0");
    }
}
