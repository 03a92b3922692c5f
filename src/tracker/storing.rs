//! The tracker's journal: when records are written, who owns them, and what is adopted.
//!
//! | what happens | what is written |
//! |---|---|
//! | an event is tracked | the open buffer's record, once for all events of [`JOURNAL_DELAY_MS`] |
//! | a buffer is sealed | the batch's record; its first send waits for it |
//! | a batch is settled | its record is deleted |
//! | a batch is split | its record goes and its halves' come, in one transaction |
//! | the page goes | what is not there yet; the sends do not wait for it |

use alloc::vec::Vec;

use super::{Output, Tracker};
use crate::error::DropReason;
use crate::journal::{CommitId, Fate, RecordFault, RecordKey, decode};
use crate::limits::{ADOPT_EVERY_MS, BATCH_AGE_MS, JOURNAL_DELAY_MS, STORE_TIMEOUT_MS};
use crate::outbox::{Batch, Hold};
use crate::rng::Uuid;
use crate::time::{Now, TickMs};

impl Tracker {
    /// The shell holds the lock of the journal that [`Output::Open`] named and can reach the
    /// database, or (`ok` false) it cannot: then the tracker goes on from memory.
    pub fn handle_opened(&mut self, now: Now, journal: Uuid, ok: bool) {
        self.observe(now);
        if self.journal.opened(journal, ok) {
            self.store_unstored();
            self.note_unwritten(now.tick);
            self.look_for_orphans(now.tick);
        }
        self.pump(now);
    }

    /// A transaction of [`Output::Commit`] has completed, or (`ok` false) was aborted, refused or
    /// could not begin.
    pub fn handle_committed(&mut self, now: Now, id: CommitId, ok: bool) {
        self.observe(now);
        let was_working = self.journal.is_working();
        for (batch, fate) in self.journal.committed(id, ok) {
            self.apply_fate(batch, fate);
        }
        if self.journal.is_working() && !was_working {
            self.store_unstored();
            self.note_unwritten(now.tick);
        } else if !self.journal.is_working() {
            self.outbox.release_all();
        }
        self.trim();
        self.report_flushes();
        self.hand_over();
        self.pump(now);
    }

    /// What the shell found in a journal whose lock nobody held and which it holds now: all of its
    /// records. Whether the lock has to be kept; if not, none of them is this page's.
    ///
    /// A journal is adopted whole or, while there is no room for it, left to somebody else.
    pub fn handle_orphans(&mut self, now: Now, records: &[(RecordKey, &[u8])]) -> bool {
        self.observe(now);
        if !self.journal.is_working() {
            return false;
        }
        let horizon = now.wall.plus_ms(-BATCH_AGE_MS);
        let (mut batches, mut useless): (Vec<_>, Vec<_>) = Default::default();
        for &(key, record) in records {
            let is_too_old = key.batch.v7_time().is_none_or(|time| time < horizon);
            match decode(key, self.to, record) {
                Ok((rows, _)) if is_too_old => useless.push((key, rows)),
                Ok((rows, block)) => batches.push((key, record.len(), rows, block)),
                Err(fault) => {
                    self.stats.count_unreadable(fault);
                    match fault {
                        // Nobody of its own destination has come for it in a day.
                        RecordFault::Foreign(rows) if is_too_old => useless.push((key, rows)),
                        RecordFault::Foreign(_) => {}
                        RecordFault::Newer if !is_too_old => {}
                        RecordFault::Newer | RecordFault::Damaged => useless.push((key, 0)),
                    }
                }
            }
        }
        let rows: u64 = batches.iter().map(|(_, _, rows, _)| u64::from(*rows)).sum();
        let bytes: usize = batches.iter().map(|(_, bytes, _, _)| bytes).sum();
        let fits = self.waiting() + rows <= u64::from(self.config.max_waiting_rows)
            && self.journal.bytes() + bytes <= self.config.journal_bytes as usize;
        // Somebody has to take what is too much for everybody.
        if !fits && self.outbox.rows() > 0 {
            return false;
        }
        for (key, rows) in useless {
            self.journal.delete(key);
            if rows > 0 {
                self.stats.adopted += u64::from(rows);
                self.count_dropped(Some(key.batch), DropReason::TooOld, rows);
            }
        }
        let has_mine = !batches.is_empty();
        for (key, bytes, rows, block) in batches {
            if self.journal.is_stored(key.batch) {
                // Kept over a bfcache because nobody could know that it was stored: one is enough.
                self.journal.delete(key);
                continue;
            }
            self.journal.adopt(key, bytes);
            if let Some(entry) = self.outbox.get_mut(key.batch) {
                (entry.unanswered, entry.hold) = (true, Hold::Free);
            } else {
                self.stats.adopted += u64::from(rows);
                self.outbox.adopt(Batch { id: key.batch, rows, body: block.to_vec() });
            }
        }
        self.make_room();
        self.trim();
        self.pump(now);
        has_mine
    }

    /// `pagehide`: as [`Tracker::handle_leave`], and the page may be gone, or come back from the
    /// bfcache hours later: see [`Tracker::handle_restore`].
    ///
    /// The lock is given up, so that other tabs need not wait for that, but only once everything
    /// is in storage. While it is not, an older record of the last batch may be there: sent by
    /// somebody else under the same id, it would keep the batch's newer rows out of the table.
    pub fn handle_pagehide(&mut self, now: Now) {
        self.handle_leave(now);
        self.journal.leave();
    }

    /// `pageshow` with `persisted`: if the journal was handed over, a new one begins.
    pub fn handle_restore(&mut self, now: Now) {
        self.observe(now);
        if self.journal.come_back() {
            self.open_journal(now);
        }
        self.retry.hurry();
        self.pump(now);
    }

    /// Not within [`Tracker::handle_pagehide`]: sites track in `visibilitychange`, which follows.
    pub(super) fn hand_over(&mut self) {
        if self.open.is_none() && self.journal.may_hand_over() {
            for batch in self.journal.hand_over() {
                if let Some(batch) = self.outbox.take(batch) {
                    self.stats.handed_over += u64::from(batch.rows);
                    self.flushes.settled(batch.id, 0, false);
                }
            }
            self.report_flushes();
            self.outputs.push_back(Output::Release);
        }
    }

    /// Whether what waits survives the page; `stats()` tells it as `storage`.
    #[must_use]
    pub fn is_storing(&self) -> bool {
        self.journal.is_working()
    }

    /// Events whose batches are in storage.
    #[must_use]
    pub fn stored(&self) -> u64 {
        let stored = |batch: &&Batch| self.journal.is_stored(batch.id);
        let sealed = self.outbox.batches().filter(stored).map(|batch| batch.rows);
        let open = self.open.as_ref().filter(|buffer| self.journal.is_stored(buffer.id()));
        sealed.chain(open.map(|buffer| buffer.rows())).map(u64::from).sum()
    }

    /// Bytes of all records that this page answers for.
    #[must_use]
    pub fn journal_bytes(&self) -> usize {
        self.journal.bytes()
    }

    pub(super) fn open_journal(&mut self, now: Now) {
        let id = self.rng.uuid_v7(now.wall);
        self.journal.reopen(id);
        self.adopt_at = now.tick;
        self.outputs.push_back(Output::Open(id));
    }

    /// The open buffer has rows that its record has not.
    pub(super) fn note_unwritten(&mut self, now: TickMs) {
        if self.open.is_some() && self.journal.is_working() && self.write_at.is_none() {
            self.write_at = Some(now.plus_ms(JOURNAL_DELAY_MS));
        }
    }

    /// When the open buffer has to be written: not while an older write of it is under way, or
    /// slow storage would get ever more of them.
    pub(super) fn write_at(&self) -> Option<TickMs> {
        let buffer = self.open.as_ref()?;
        self.write_at.filter(|_| !self.journal.is_writing_batch(buffer.id()))
    }

    pub(super) fn write_open(&mut self, now: TickMs) {
        if self.write_at().is_some_and(|at| at <= now)
            && let Some(buffer) = &self.open
        {
            self.journal.put(buffer.id(), buffer.rows(), &buffer.block());
            self.write_at = None;
            self.make_room();
        }
    }

    /// What a batch that is sealed now has to wait for.
    pub(super) fn hold(&self) -> Hold {
        if self.journal.is_working() {
            Hold::Until(self.last_tick.plus_ms(STORE_TIMEOUT_MS))
        } else {
            Hold::Free
        }
    }

    /// Stores one batch of the outbox.
    pub(super) fn store(&mut self, batch: Uuid) {
        if let Some(entry) = self.outbox.get_mut(batch) {
            self.journal.put(batch, entry.batch.rows, &entry.batch.body);
            self.make_room();
        }
    }

    fn store_unstored(&mut self) {
        let ids: Vec<Uuid> = self.outbox.ids().collect();
        for batch in ids {
            if !self.journal.is_stored(batch) && !self.journal.is_writing_batch(batch) {
                self.store(batch);
            }
        }
    }

    /// Drops the oldest batches until the journal is within its cap.
    fn make_room(&mut self) {
        while self.journal.bytes() > self.config.journal_bytes as usize {
            let Some(batch) = self.outbox.drop_oldest() else { break };
            self.drop_batch(batch.id, batch.rows, DropReason::StorageFull);
        }
    }

    pub(super) fn look_for_orphans(&mut self, now: TickMs) {
        if self.journal.is_working() && self.adopt_at <= now {
            self.adopt_at = now.plus_ms(ADOPT_EVERY_MS);
            self.outputs.push_back(Output::Adopt);
        }
    }

    fn apply_fate(&mut self, batch: Uuid, fate: Fate) {
        match fate {
            Fate::Stored => {
                if let Some(entry) = self.outbox.get_mut(batch) {
                    entry.hold = Hold::Free;
                }
            }
            Fate::Unknown => {
                let Some(entry) = self.outbox.get_mut(batch) else { return };
                // Its record, or an older one, may be there for somebody else to find.
                entry.unanswered = true;
                if entry.hold == Hold::Strict {
                    let rows = entry.batch.rows;
                    self.outbox.take(batch);
                    self.drop_batch(batch, rows, DropReason::RefusedUncertain);
                }
            }
        }
    }
}
