//! Calls to `flush()` that wait until everything they covered has settled.

use alloc::vec::Vec;

use crate::limits::{FLUSH_TRIES, FLUSHES_WAITING};
use crate::rng::Uuid;

/// One call to `flush()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlushId(pub u32);

/// How a flush ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlushResult {
    /// The call that it answers.
    pub id: FlushId,
    /// Whether every batch it covered was delivered.
    pub ok: bool,
    /// Events delivered.
    pub delivered: u32,
    /// Events dropped: refused, too old, or over a limit.
    pub dropped: u32,
}

#[derive(Debug)]
struct Pending {
    batches: Vec<Uuid>,
    tries_left: u8,
    result: FlushResult,
}

impl Pending {
    fn is_done(&self) -> bool {
        self.batches.is_empty() || self.tries_left == 0
    }
}

/// All flushes that somebody waits for.
#[derive(Debug, Default)]
pub struct PendingFlushes {
    pending: Vec<Pending>,
    next_id: u32,
}

impl PendingFlushes {
    /// A flush that covers `batches`; with none it is done at once, and well.
    pub fn begin(&mut self, batches: Vec<Uuid>) -> FlushId {
        let id = FlushId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        if let Some(oldest) = self.pending.iter_mut().rev().nth(FLUSHES_WAITING - 1) {
            oldest.tries_left = 0;
        }
        let result = FlushResult { id, ok: true, delivered: 0, dropped: 0 };
        self.pending.push(Pending { batches, tries_left: FLUSH_TRIES, result });
        id
    }

    /// A batch has been delivered, or dropped.
    pub fn settled(&mut self, batch: Uuid, rows: u32, delivered: bool) {
        for flush in &mut self.pending {
            let Some(at) = flush.batches.iter().position(|&id| id == batch) else { continue };
            flush.batches.swap_remove(at);
            if delivered {
                flush.result.delivered += rows;
            } else {
                flush.result.dropped += rows;
                flush.result.ok = false;
            }
        }
    }

    /// A batch goes on as two.
    pub fn split(&mut self, batch: Uuid, halves: [Uuid; 2]) {
        for flush in &mut self.pending {
            if let Some(at) = flush.batches.iter().position(|&id| id == batch) {
                flush.batches.swap_remove(at);
                flush.batches.extend(halves);
            }
        }
    }

    /// A try of a batch has failed: after [`FLUSH_TRIES`] of them a flush stops waiting.
    pub fn failed(&mut self, batch: Uuid) {
        for flush in self.pending.iter_mut().filter(|flush| flush.batches.contains(&batch)) {
            flush.tries_left = flush.tries_left.saturating_sub(1);
        }
    }

    /// A flush that is done, if there is one.
    pub fn pop_done(&mut self) -> Option<FlushResult> {
        let at = self.pending.iter().position(Pending::is_done)?;
        let flush = self.pending.remove(at);
        Some(FlushResult { ok: flush.result.ok && flush.batches.is_empty(), ..flush.result })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Uuid = Uuid([1; 16]);
    const B: Uuid = Uuid([2; 16]);

    #[test]
    fn s4_14_a_flush_of_nothing_is_done_at_once_and_well() {
        let mut flushes = PendingFlushes::default();
        let id = flushes.begin(Vec::new());
        let result = FlushResult { id, ok: true, delivered: 0, dropped: 0 };
        assert_eq!(flushes.pop_done(), Some(result));
        assert_eq!(flushes.pop_done(), None);
    }

    #[test]
    fn s4_12_a_flush_waits_until_all_its_batches_have_settled() {
        let mut flushes = PendingFlushes::default();
        let id = flushes.begin(alloc::vec![A, B]);
        flushes.settled(A, 3, true);
        assert_eq!(flushes.pop_done(), None);
        flushes.settled(B, 4, false);
        let result = FlushResult { id, ok: false, delivered: 3, dropped: 4 };
        assert_eq!(flushes.pop_done(), Some(result));
    }

    #[test]
    fn a_flush_waits_for_both_halves_of_a_batch_that_was_split() {
        let mut flushes = PendingFlushes::default();
        let id = flushes.begin(alloc::vec![A]);
        flushes.split(A, [B, Uuid([3; 16])]);
        flushes.settled(B, 3, true);
        assert_eq!(flushes.pop_done(), None);
        flushes.settled(Uuid([3; 16]), 4, true);
        let result = FlushResult { id, ok: true, delivered: 7, dropped: 0 };
        assert_eq!(flushes.pop_done(), Some(result));
    }

    #[test]
    fn s4_12_a_flush_reports_an_error_after_its_tries() {
        let mut flushes = PendingFlushes::default();
        let id = flushes.begin(alloc::vec![A]);
        (0..FLUSH_TRIES).for_each(|_| {
            flushes.failed(B);
            assert_eq!(flushes.pop_done(), None, "another batch's tries do not count");
            flushes.failed(A);
        });
        let result = FlushResult { id, ok: false, delivered: 0, dropped: 0 };
        assert_eq!(flushes.pop_done(), Some(result));
    }

    #[test]
    fn the_oldest_flush_is_let_go_when_too_many_wait() {
        let mut flushes = PendingFlushes::default();
        let ids: Vec<_> = (0..=FLUSHES_WAITING).map(|_| flushes.begin(alloc::vec![A])).collect();
        assert_eq!(flushes.pop_done().map(|result| (result.id, result.ok)), Some((ids[0], false)));
        assert_eq!(flushes.pop_done(), None);
    }
}
