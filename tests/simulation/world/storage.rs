//! A page's dealings with storage and locks.

use tallymark::journal::{RECORD_HEAD_BYTES, RecordKey};
use tallymark::rng::Uuid;
use tallymark::tracker::Found;

use super::words::short;
use super::{End, Happening, World};
use crate::browser::{Mood, Operation, PageId};
use crate::page::{Callback, State};

impl World {
    pub(super) fn begin(&mut self, id: PageId, operation: Operation) {
        let wait = self.dice.between(0, self.browser.lag_ms);
        self.tell(|| {
            format!("{id:?} begins {}", short(&operation).chars().take(150).collect::<String>())
        });
        if let Operation::Store(_, record) = &operation {
            for (batch, _) in blocks_of(record) {
                let most = self.record_bytes.entry(batch).or_default();
                *most = record.len().max(*most);
            }
        }
        let due = self.browser.begin(id, operation, self.tick, wait);
        self.pages[id.0].slowest_ms = self.pages[id.0].slowest_ms.max(due - self.tick);
        self.at(due, Happening::Storage);
    }

    pub(super) fn storage(&mut self) {
        let Some(pending) = self.browser.queue.pop_front_if(|first| first.due <= self.tick) else {
            return;
        };
        let id = pending.page;
        match pending.operation {
            Operation::Store(store, record) => {
                if self.browser.mood != Mood::Refuses {
                    for (batch, block) in blocks_of(&record) {
                        self.browser.were_stored.insert(batch);
                        self.ledger.note(batch, block, true);
                    }
                }
                self.tally.count("write");
                self.tell(|| format!("{id:?} store {:?} {}", self.browser.mood, short(&store.key)));
                let parts = if store.squeeze { 2 } else { 1 };
                let (store_id, bytes) = (store.id, record.len() as u32 / parts);
                let ok = self.browser.store(store.key, record);
                if !ok {
                    self.tally.count("write failed");
                    self.pages[id.0].failed_at = Some(self.tick);
                    if let Some(death) = self.ledger.deaths.get_mut(&id) {
                        death.unsafe_before = self.tick;
                    }
                }
                let bytes = if ok { bytes } else { 0 };
                if self.pages[id.0].runs() {
                    self.call(id, |tracker, now| tracker.handle_stored(now, store_id, bytes));
                } else if self.pages[id.0].is_alive() {
                    self.pages[id.0].callbacks.push(Callback::Stored(store_id, bytes));
                }
            }
            Operation::Forget(key) => self.browser.forget(key),
            Operation::Read(journal) => self.read(id, journal),
        }
    }

    pub(super) fn opened(&mut self, id: PageId, journal: Uuid) {
        if !self.pages[id.0].is_alive() {
            return;
        }
        if !self.pages[id.0].runs() {
            return self.after(1_000, Happening::Opened(id, journal));
        }
        let ok = self.pages[id.0].has_storage;
        if ok {
            self.browser.locks.insert(journal, id);
        }
        self.call(id, |tracker, now| tracker.handle_opened(now, ok));
    }

    /// The shell looks through the journals: those that nobody holds, but for those in which it
    /// has found nothing for itself.
    pub(super) fn adopt(&mut self, id: PageId) {
        if !self.pages[id.0].runs() {
            return self.after(1_000, Happening::Adopt(id));
        }
        let mut found = Found::Nothing;
        for journal in self.browser.journals() {
            let holder = self.browser.locks.get(&journal).copied();
            if holder == Some(id) || self.pages[id.0].passed.contains(&journal) {
                continue;
            }
            if holder.is_none() || self.adopts_without_lock {
                return self.after(20, Happening::Take(id, journal));
            }
            found = Found::Held;
        }
        self.pages[id.0].passed.clear();
        self.call(id, |tracker, now| tracker.handle_adopted(now, found));
    }

    pub(super) fn take(&mut self, id: PageId, journal: Uuid) {
        if !self.pages[id.0].is_alive() {
            return;
        }
        if !self.pages[id.0].runs() {
            return self.after(1_000, Happening::Take(id, journal));
        }
        let holder = self.browser.locks.get(&journal).copied();
        if let Some(holder) = holder {
            if self.pages[holder.0].state == State::Cached {
                self.tally.count("page evicted by a request for its lock");
                self.end(holder, End::Close);
            }
            if !self.adopts_without_lock || holder == id {
                return self.adopt(id);
            }
        }
        self.browser.locks.insert(journal, id);
        self.begin(id, Operation::Read(journal));
    }

    pub(super) fn read(&mut self, id: PageId, journal: Uuid) {
        if !self.pages[id.0].runs() {
            if self.pages[id.0].is_alive() {
                self.begin(id, Operation::Read(journal));
            }
            return;
        }
        // All locks were let go meanwhile.
        if self.browser.locks.get(&journal) != Some(&id) {
            return self.call(id, |tracker, now| tracker.handle_adopted(now, Found::Nothing));
        }
        let is_of = |key: &&RecordKey| key.journal == journal;
        let keys: Vec<RecordKey> = self.browser.records.keys().filter(is_of).copied().collect();
        let records: Vec<(RecordKey, Vec<u8>)> =
            keys.iter().map(|key| (*key, self.browser.records[key].clone())).collect();
        let mut keep = false;
        for (key, record) in &records {
            let bytes = record.len() as u32;
            keep |= self.call(id, |tracker, now| tracker.handle_orphan(now, *key, record, bytes));
        }
        self.tell(|| format!("{id:?} adopts {keep} {}", short(&keys)));
        if keep {
            self.tally.count("journal adopted");
            self.call(id, |tracker, now| tracker.handle_adopted(now, Found::Orphans));
        } else {
            self.browser.locks.remove(&journal);
            self.pages[id.0].passed.push(journal);
            self.adopt(id);
        }
    }
}

/// The batches of a record, as the head of `src/journal.rs` draws it; of a damaged one, the first.
fn blocks_of(record: &[u8]) -> Vec<(Uuid, &[u8])> {
    let mut blocks = Vec::new();
    let mut rest = record.get(RECORD_HEAD_BYTES..).unwrap_or_default();
    while let Some((head, behind)) = rest.split_first_chunk::<24>() {
        let bytes = u32::from_le_bytes(head[20..].try_into().unwrap()) as usize;
        let Some((block, behind)) = behind.split_at_checked(bytes) else { break };
        blocks.push((Uuid(head[..16].try_into().unwrap()), block));
        rest = behind;
    }
    blocks
}
