//! Calls to `flush()` that wait until everything they covered has settled.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::limits::{FLUSH_TRIES, FLUSHES_WAITING};
use crate::list;
use crate::outbox::{Entry, Outbox};

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

/// What became of a batch, as far as a flush is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The receiver has it.
    Delivered,
    /// It is lost, and counted.
    Dropped,
    /// It is left to whoever takes over this page's journal.
    Left,
    /// It goes on as two.
    Split,
    /// A try of it has failed: after [`FLUSH_TRIES`] of them a flush stops waiting.
    Failed,
}

#[derive(Debug)]
struct Pending {
    /// It covers the batches with lower numbers that were there.
    end: u32,
    /// How many of them have not settled.
    left: u32,
    tries_left: u8,
    result: FlushResult,
}

impl Pending {
    fn is_done(&self) -> bool {
        self.left == 0 || self.tries_left == 0
    }
}

/// All flushes that somebody waits for.
#[derive(Debug, Default)]
pub struct PendingFlushes {
    #[allow(clippy::vec_box, reason = "taking one out moves pointers")]
    pending: Vec<Box<Pending>>,
    next_id: u32,
}

impl PendingFlushes {
    /// A flush that covers all batches of the outbox; with none it is done at once, and well.
    pub fn begin(&mut self, outbox: &Outbox) -> FlushId {
        let id = FlushId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        if let Some(oldest) = self.pending.iter_mut().rev().nth(FLUSHES_WAITING - 1) {
            oldest.tries_left = 0;
        }
        self.pending.push(Box::new(Pending {
            end: outbox.next_number(),
            left: outbox.batches(),
            tries_left: FLUSH_TRIES,
            result: FlushResult { id, ok: true, delivered: 0, dropped: 0 },
        }));
        id
    }

    /// Something became of a batch.
    pub fn note(&mut self, batch: &Entry, fate: Fate) {
        for flush in self.pending.iter_mut().filter(|flush| batch.number < flush.end) {
            let result = &mut flush.result;
            match fate {
                Fate::Delivered => result.delivered += batch.batch.rows,
                Fate::Dropped => result.dropped += batch.batch.rows,
                Fate::Left => {}
                Fate::Split => {
                    flush.left += 1;
                    continue;
                }
                Fate::Failed => {
                    flush.tries_left = flush.tries_left.saturating_sub(1);
                    continue;
                }
            }
            flush.left -= 1;
            result.ok &= fate == Fate::Delivered;
        }
    }

    /// A flush that is done, if there is one.
    pub fn pop_done(&mut self) -> Option<FlushResult> {
        let at = self.pending.iter().position(|flush| flush.is_done())?;
        let flush = list::take(&mut self.pending, at)?;
        Some(FlushResult { ok: flush.result.ok && flush.left == 0, ..flush.result })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::{Batch, Hold};
    use crate::rng::Uuid;

    /// An outbox of as many batches, each with as many rows as it says; oldest first.
    fn outbox(rows: &[u32]) -> Outbox {
        let mut outbox = Outbox::default();
        for &rows in rows {
            let batch = Batch { id: Uuid::default(), rows, body: Vec::new() };
            outbox.push(Entry::new(batch, Hold::Free));
        }
        outbox
    }

    fn take(outbox: &mut Outbox) -> Box<Entry> {
        outbox.take_oldest(&|_| true).unwrap()
    }

    #[test]
    fn s4_14_a_flush_of_nothing_is_done_at_once_and_well() {
        let mut flushes = PendingFlushes::default();
        let id = flushes.begin(&Outbox::default());
        let result = FlushResult { id, ok: true, delivered: 0, dropped: 0 };
        assert_eq!(flushes.pop_done(), Some(result));
        assert_eq!(flushes.pop_done(), None);
    }

    #[test]
    fn s4_12_a_flush_waits_until_all_its_batches_have_settled() {
        let mut flushes = PendingFlushes::default();
        let mut outbox = outbox(&[3, 4]);
        let id = flushes.begin(&outbox);
        flushes.note(&take(&mut outbox), Fate::Delivered);
        assert_eq!(flushes.pop_done(), None);
        flushes.note(&take(&mut outbox), Fate::Dropped);
        let result = FlushResult { id, ok: false, delivered: 3, dropped: 4 };
        assert_eq!(flushes.pop_done(), Some(result));
    }

    #[test]
    fn a_flush_does_not_wait_for_what_was_sealed_after_it() {
        let mut flushes = PendingFlushes::default();
        let mut outbox = outbox(&[3]);
        let id = flushes.begin(&outbox);
        let later = Batch { id: Uuid::default(), rows: 5, body: Vec::new() };
        outbox.push(Entry::new(later, Hold::Free));
        let first = take(&mut outbox);
        flushes.note(&take(&mut outbox), Fate::Delivered);
        assert_eq!(flushes.pop_done(), None);
        flushes.note(&first, Fate::Delivered);
        let result = FlushResult { id, ok: true, delivered: 3, dropped: 0 };
        assert_eq!(flushes.pop_done(), Some(result));
    }

    #[test]
    fn a_flush_waits_for_both_halves_of_a_batch_that_was_split() {
        let mut flushes = PendingFlushes::default();
        let mut outbox = outbox(&[7]);
        let id = flushes.begin(&outbox);
        let whole = take(&mut outbox);
        flushes.note(&whole, Fate::Split);
        for rows in [3, 4] {
            assert_eq!(flushes.pop_done(), None);
            let batch = Batch { id: Uuid::default(), rows, body: Vec::new() };
            flushes.note(&whole.half(batch, Hold::Free), Fate::Delivered);
        }
        let result = FlushResult { id, ok: true, delivered: 7, dropped: 0 };
        assert_eq!(flushes.pop_done(), Some(result));
    }

    #[test]
    fn a_flush_whose_batch_is_left_to_another_page_is_done_and_not_well() {
        let mut flushes = PendingFlushes::default();
        let mut outbox = outbox(&[7]);
        let id = flushes.begin(&outbox);
        flushes.note(&take(&mut outbox), Fate::Left);
        let result = FlushResult { id, ok: false, delivered: 0, dropped: 0 };
        assert_eq!(flushes.pop_done(), Some(result));
    }

    #[test]
    fn s4_12_a_flush_reports_an_error_after_its_tries() {
        let mut flushes = PendingFlushes::default();
        let mut outbox = outbox(&[7]);
        let id = flushes.begin(&outbox);
        let later = Batch { id: Uuid::default(), rows: 5, body: Vec::new() };
        outbox.push(Entry::new(later, Hold::Free));
        let (covered, later) = (take(&mut outbox), take(&mut outbox));
        (0..FLUSH_TRIES).for_each(|_| {
            flushes.note(&later, Fate::Failed);
            assert_eq!(flushes.pop_done(), None, "a later batch's tries do not count");
            flushes.note(&covered, Fate::Failed);
        });
        let result = FlushResult { id, ok: false, delivered: 0, dropped: 0 };
        assert_eq!(flushes.pop_done(), Some(result));
    }

    #[test]
    fn the_oldest_flush_is_let_go_when_too_many_wait() {
        let mut flushes = PendingFlushes::default();
        let outbox = outbox(&[7]);
        let ids: Vec<_> = (0..=FLUSHES_WAITING).map(|_| flushes.begin(&outbox)).collect();
        assert_eq!(flushes.pop_done().map(|result| (result.id, result.ok)), Some((ids[0], false)));
        assert_eq!(flushes.pop_done(), None);
    }
}
