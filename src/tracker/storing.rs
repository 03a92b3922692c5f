//! The tracker's journal: when records are written, who answers for them, and what is adopted.
//!
//! | what happens | what is written |
//! |---|---|
//! | an event is tracked | the open buffer's record, once for all events of [`JOURNAL_DELAY_MS`] |
//! | a buffer is sealed | the batch's record; its first send waits for it |
//! | a batch is settled | its record is deleted |
//! | a batch is split | its record is overwritten by one that holds its halves |
//! | the page goes | what is not there yet; the sends do not wait for it |

use alloc::vec::Vec;

use super::{Output, Store, Tracker};
use crate::journal::{RecordKey, Saved, StoreId, begin_record, push_batch, read, seal_record};
use crate::limits::{
    ADOPT_EVERY_MS, ADOPT_HELD_MS, BATCH_AGE_MS, JOURNAL_DELAY_MS, STORE_TIMEOUT_MS,
};
use crate::outbox::{Entry, Hold};
use crate::pending::Fate;
use crate::time::{Now, TickMs};

/// What the shell found when it looked for journals that nobody holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// No journal with records but its own.
    Nothing,
    /// Others with records, but somebody holds them: another tab, or a page in the bfcache.
    Held,
    /// One that is this page's now.
    Orphans,
}

impl Tracker {
    /// The shell holds the lock of the journal that [`Output::Open`] named and can reach the
    /// database, or (`ok` false) it cannot: then the tracker goes on from memory.
    pub fn handle_opened(&mut self, now: Now, ok: bool) {
        self.observe(now);
        if self.journal.opened(ok) {
            self.save_the_unsaved();
        }
    }

    /// A write of [`Output::Store`] is durable and takes so many bytes; 0 when it failed. The same
    /// write may be told of again once it takes less.
    pub fn handle_stored(&mut self, now: Now, id: StoreId, record_bytes: u32) {
        self.observe(now);
        let ok = record_bytes > 0;
        self.stored_by = TickMs::NEVER;
        let is_back = self.journal.heard(ok);
        let hear = |saved: &mut Saved| {
            let is_meant = matches!(*saved, Saved::Asked(it) | Saved::Yes(it, _) if it == id);
            if is_meant {
                *saved = if ok { Saved::Yes(id, record_bytes) } else { Saved::Maybe };
            }
            is_meant
        };
        hear(&mut self.buffer_saved);
        for entry in self.outbox.entries_mut() {
            if hear(&mut entry.saved) {
                // Its record, or an older one, may be there for somebody else to find.
                entry.unanswered |= !ok;
                // What is being cut does not wait for its record.
                if ok && entry.hold != Hold::Splitting {
                    entry.hold = Hold::Free;
                }
            }
        }
        if is_back {
            self.save_the_unsaved();
        }
        if self.is_writing() {
            self.stored_by = now.tick.plus_ms(STORE_TIMEOUT_MS);
        }
        self.hand_over();
    }

    /// One record of a journal whose lock nobody held and which the shell holds now, and how many
    /// bytes it takes as it is stored. Whether the lock has to be kept: its batches are this page's
    /// now.
    pub fn handle_orphan(
        &mut self,
        now: Now,
        key: RecordKey,
        record: &[u8],
        record_bytes: u32,
    ) -> bool {
        self.observe(now);
        if !self.journal.is_held() {
            return false;
        }
        let horizon = now.wall.plus_ms(-BATCH_AGE_MS);
        let is_too_old = key.batch.v7_time().is_none_or(|time| time < horizon);
        let Some((mut batches, is_mine)) = read(key, self.config.target.id, record) else {
            self.stats.unreadable += 1;
            // Nobody of its own version has come for it in a day.
            if is_too_old {
                self.forgotten.push(key);
            }
            return false;
        };
        if !is_too_old && !is_mine {
            return false;
        }
        for batch in &mut batches {
            let mut entry = Entry::new(core::mem::take(batch), Hold::Free);
            entry.key = key;
            entry.saved = Saved::Yes(StoreId::default(), record_bytes);
            // Nobody knows what has become of its tries.
            entry.unanswered = true;
            self.stats.adopted += u64::from(entry.batch.rows);
            self.outbox.push(entry);
        }
        // What is too old is dropped and counted like everything that is.
        !is_too_old
    }

    /// The shell has looked for journals that nobody holds, as [`Output::Adopt`] asked.
    pub fn handle_adopted(&mut self, now: Now, found: Found) {
        self.observe(now);
        let wait_ms = match found {
            Found::Nothing => ADOPT_EVERY_MS,
            Found::Held => ADOPT_HELD_MS,
            Found::Orphans => 0,
        };
        self.adopt_at = now.tick.plus_ms(wait_ms);
        self.is_orphan_likely = found == Found::Held;
    }

    /// `pagehide`: as [`Tracker::handle_leave`], and the page may be gone, or come back from the
    /// bfcache hours later: see [`Tracker::handle_restore`].
    ///
    /// The lock is given up, so that other pages need not wait for that: at `freeze`, when the shell
    /// calls [`Tracker::handle_timeout`], or once nothing speaks against it. While a record is
    /// written anew, an older one of the same batch may be there; sent by somebody else under the
    /// same id, it would keep the batch's newer rows out of the table.
    pub fn handle_pagehide(&mut self, now: Now) {
        self.handle_leave(now);
        self.journal.leave();
    }

    /// `pageshow` with `persisted`: if the journal was handed over, a new one begins.
    pub fn handle_restore(&mut self, now: Now) {
        self.observe(now);
        if self.journal.come_back() {
            self.journal.reopen(self.rng.uuid_v7(now.wall));
            self.adopt_at = now.tick;
        }
        self.retry.hurry();
    }

    /// Not within [`Tracker::handle_pagehide`]: sites track in `visibilitychange`, which follows.
    ///
    /// A batch whose record is on its way stays here too: if the write fails, nobody else has it;
    /// if not, it may be sent twice, under one id.
    pub(super) fn hand_over(&mut self) {
        if self.may_hand_over() {
            self.journal.hand_over();
            while let Some(entry) = self.outbox.take_saved() {
                self.stats.handed_over += u64::from(entry.batch.rows);
                self.flushes.note(&entry, Fate::Left);
            }
            // Once its record is there, somebody else may send the batch as it is: never its halves.
            self.outbox.entries_mut().for_each(|entry| entry.unanswered = true);
        }
    }

    pub(super) fn may_hand_over(&self) -> bool {
        self.journal.is_leaving() && self.buffer.is_empty() && self.outbox.survey().may_be_left
    }

    /// Whether what waits survives the page; `stats()` tells it as `storage`.
    #[must_use]
    pub const fn is_storing(&self) -> bool {
        self.journal.is_working()
    }

    /// Events whose batches are in storage.
    #[must_use]
    pub fn stored(&self) -> u64 {
        let buffered = if self.buffer_saved.is_there() { self.buffer.rows() } else { 0 };
        self.outbox.survey().saved_rows + u64::from(buffered)
    }

    /// Bytes of all records that this page answers for.
    #[must_use]
    pub fn journal_bytes(&self) -> usize {
        self.outbox.survey().record_bytes + self.buffer_saved.bytes(self.body_bytes())
    }

    /// The record that is stored under a key; not one that was adopted.
    #[must_use]
    pub fn record(&mut self, key: RecordKey) -> Vec<u8> {
        let mut record = begin_record(self.config.target.id);
        if key.batch == self.buffer.id() && !self.buffer.is_empty() {
            let block = self.buffer.block(self.config.target.site.as_deref());
            push_batch(key.batch, self.buffer.rows(), &block, &mut record);
        }
        for entry in self.outbox.entries().filter(|entry| entry.key == key) {
            push_batch(entry.batch.id, entry.batch.rows, &entry.batch.body, &mut record);
        }
        seal_record(&mut record, key);
        record
    }

    /// One journal at a time, and only once everything of one's own has gone: what does not fit into
    /// this page is safe where it is.
    pub(super) const fn may_adopt(&self) -> bool {
        self.outbox.rows() == 0 && self.journal.is_working()
    }

    /// What storage has to be asked for now.
    pub(super) fn next_store(&mut self) -> Option<Output> {
        if let Some(output) = self.journal.next_output() {
            return Some(output);
        }
        let journal = self.journal.id();
        if self.may_adopt() && self.adopt_at <= self.now.tick {
            self.adopt_at = TickMs::NEVER;
            return Some(Output::Adopt);
        }
        let batch = if self.buffer_saved.is_wanted() {
            self.buffer.id()
        } else {
            self.outbox.entries().find(|entry| entry.saved.is_wanted())?.key.batch
        };
        let (id, key) = (self.journal.next_store(), RecordKey { journal, batch });
        if self.buffer_saved.is_wanted() {
            self.buffer_saved = Saved::Asked(id);
        } else {
            for entry in self.outbox.entries_mut().filter(|entry| entry.key.batch == batch) {
                entry.key = key;
                entry.saved = Saved::Asked(id);
            }
        }
        self.stored_by = self.stored_by.min(self.now.tick.plus_ms(STORE_TIMEOUT_MS));
        // When records pile up, and nobody waits for them.
        let squeeze = self.retry.is_probing()
            || self.outbox.survey().body_bytes > self.config.journal_bytes as usize / 2;
        Some(Output::Store(Store { id, key, squeeze }))
    }

    /// The open buffer has rows that its record has not.
    pub(super) fn note_unwritten(&mut self) {
        if !self.buffer.is_empty() && self.journal.is_held() && self.write_at == TickMs::NEVER {
            self.write_at = self.now.tick.plus_ms(JOURNAL_DELAY_MS);
        }
    }

    /// When the open buffer has to be written: not while an older write of it is under way, or
    /// slow storage would get ever more of them.
    pub(super) fn write_at(&self) -> TickMs {
        if self.buffer_saved.is_on_its_way() || !self.may_write() {
            TickMs::NEVER
        } else {
            self.write_at
        }
    }

    pub(super) fn write_open(&mut self) {
        if self.write_at() <= self.now.tick {
            self.write_at = TickMs::NEVER;
            self.buffer_saved = Saved::Wanted;
        }
    }

    /// What a batch that is sealed now has to wait for.
    pub(super) fn hold(&self) -> Hold {
        if self.journal.is_working() { Hold::Stored } else { Hold::Free }
    }

    /// What is known of the record of rows that have changed.
    pub(super) fn to_be_saved(&self, was: Saved) -> Saved {
        if self.may_write() {
            Saved::Wanted
        } else if was.is_nothing() {
            Saved::No
        } else {
            Saved::Maybe
        }
    }

    /// While storage fails, one write at a time finds out whether it is back; a page that goes
    /// writes all the same, for it has no other time.
    fn may_write(&self) -> bool {
        let is_urgent = self.journal.is_working() || self.is_leaving;
        self.journal.is_held() && (is_urgent || !self.is_writing())
    }

    fn is_writing(&self) -> bool {
        self.buffer_saved.is_on_its_way() || self.outbox.survey().is_on_its_way
    }

    /// Storage that does not keep up is as good as none: what waits for it goes.
    pub(super) fn note_slow_storage(&mut self) {
        if self.stored_by <= self.now.tick {
            self.stored_by = TickMs::NEVER;
            self.journal.heard(false);
        }
        if !self.journal.is_working() {
            for entry in self.outbox.entries_mut() {
                if entry.hold == Hold::Stored {
                    entry.hold = Hold::Free;
                }
            }
        }
    }

    /// Stores what could not be stored before.
    fn save_the_unsaved(&mut self) {
        self.note_unwritten();
        for entry in self.outbox.entries_mut() {
            if matches!(entry.saved, Saved::No | Saved::Maybe) {
                entry.saved = Saved::Wanted;
            }
        }
    }

    /// Deletes the record of a batch that is gone from the outbox, unless others are in it.
    pub(super) fn forget(&mut self, entry: &Entry) {
        let is_shared = || self.outbox.entries().any(|other| other.key == entry.key);
        if !entry.saved.is_nothing() && !is_shared() {
            self.forgotten.push(entry.key);
        }
    }
}
