//! The journal: which batches have a record in the browser's storage, and what has to be written.
//!
//! One record is one batch as it would be sealed now: its key holds the id that the batch was
//! given when its buffer opened, its bytes the block. So the open buffer's record and the sealed
//! batch's differ in nothing but their rows, the second overwrites the first, and whoever finds
//! either after a crash sends it as it is, under the same id. Neither page nor sequence number nor
//! drop counters stand beside the block: they are rows in it (`$dropped`), and an adopter goes on
//! with nothing of the dead page's.
//!
//! ```text
//! 54 4D 01                   "TM", version 1
//! 8 bytes                    checksum: FNV-1a of the key and of all that follows
//! 8 bytes                    destination: FNV-1a of where the batch may go
//! 4 bytes LE                 rows
//! …                          one Native block
//! ```
//! Invariant: everything that changes storage is a transaction that the shell is asked for; the
//! record of a batch that was split disappears in the one in which its halves' records appear.

use alloc::vec::Vec;

use crate::destination::Destination;
use crate::limits::MAX_BYTES;
use crate::rng::Uuid;

/// What a record is stored under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordKey {
    /// The journal it belongs to: the name of its owner's Web Lock.
    pub journal: Uuid,
    /// The batch.
    pub batch: Uuid,
}

/// One change of storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Store the bytes, over an older record of this key.
    Put(RecordKey, Vec<u8>),
    /// Delete the record, if there is one.
    Delete(RecordKey),
}

/// A transaction that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CommitId(pub u32);

/// Changes that happen together or not at all, in the order of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// For [`Tracker::handle_committed`](crate::tracker::Tracker::handle_committed).
    pub id: CommitId,
    /// The changes.
    pub writes: Vec<Write>,
}

/// Why a record is of no use to this tracker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordFault {
    /// Not written by a tracker, or not read back as it was written.
    Damaged,
    /// Written by a later version, which may still be open in another tab.
    Newer,
    /// For another endpoint, site or table; it has this many rows.
    Foreign(u32),
}

/// Where batches go, as a record names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DestinationId(u64);

impl DestinationId {
    /// The name of a destination and a table. Database and site belong to it; a password does
    /// not: a new one lets the same rows into the same table.
    #[must_use]
    pub fn of(destination: &Destination, table: &str) -> Self {
        let texts = match destination {
            Destination::Worker { endpoint, key } => ["w", endpoint, key, table],
            Destination::ClickHouse { url, database, site, .. } => [url, database, site, table],
        };
        let mut hash = Fnv::new();
        for text in texts {
            hash.add(text.as_bytes());
            hash.add(&[0xff]);
        }
        Self(hash.0)
    }
}

/// FNV-1a of 64 bits (Fowler, Noll, Vo). Each step is a bijection of the state, so that one wrong
/// byte never goes unseen; more of them do once in 2^64.
struct Fnv(u64);

impl Fnv {
    const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

const VERSION: u8 = 1;
const HEAD: [u8; 3] = [b'T', b'M', VERSION];

/// Bytes of a record in front of its block.
pub const RECORD_HEAD_BYTES: usize = HEAD.len() + 8 + 8 + 4;

fn checksum(key: RecordKey, behind: &[u8]) -> [u8; 8] {
    let mut hash = Fnv::new();
    hash.add(&key.journal.0);
    hash.add(&key.batch.0);
    hash.add(behind);
    hash.0.to_le_bytes()
}

/// The record of a batch of `rows` rows.
#[must_use]
pub fn encode(key: RecordKey, to: DestinationId, rows: u32, block: &[u8]) -> Vec<u8> {
    let mut record = Vec::with_capacity(RECORD_HEAD_BYTES + block.len());
    record.extend_from_slice(&HEAD);
    record.extend_from_slice(&[0; 8]);
    record.extend_from_slice(&to.0.to_le_bytes());
    record.extend_from_slice(&rows.to_le_bytes());
    record.extend_from_slice(block);
    if let Some((head, behind)) = record.split_first_chunk_mut::<{ HEAD.len() + 8 }>() {
        let sum = checksum(key, behind);
        head.iter_mut().skip(HEAD.len()).zip(sum).for_each(|(byte, of_sum)| *byte = of_sum);
    }
    record
}

/// The rows and the block of a record.
///
/// # Errors
///
/// [`RecordFault`], one variant a cause.
pub fn decode(
    key: RecordKey,
    to: DestinationId,
    record: &[u8],
) -> Result<(u32, &[u8]), RecordFault> {
    let rest = record.strip_prefix(b"TM").ok_or(RecordFault::Damaged)?;
    let (&version, rest) = rest.split_first().ok_or(RecordFault::Damaged)?;
    if version > VERSION {
        return Err(RecordFault::Newer);
    }
    let (sum, behind) = rest.split_first_chunk::<8>().ok_or(RecordFault::Damaged)?;
    if version != VERSION || *sum != checksum(key, behind) || behind.len() > 2 * MAX_BYTES {
        return Err(RecordFault::Damaged);
    }
    let (destination, rest) = behind.split_first_chunk::<8>().ok_or(RecordFault::Damaged)?;
    let (rows, block) = rest.split_first_chunk::<4>().ok_or(RecordFault::Damaged)?;
    let rows = u32::from_le_bytes(*rows);
    if u64::from_le_bytes(*destination) == to.0 {
        Ok((rows, block))
    } else {
        Err(RecordFault::Foreign(rows))
    }
}

/// How the browser's storage is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not wanted, or not to be had.
    Off,
    /// The shell was asked for the lock and the database.
    Opening,
    /// The lock is held; the last transaction, if any, succeeded.
    Working,
    /// The lock is held; the last transaction failed or has not come back in time.
    Failing,
    /// As `Working`, and the page goes: the lock is given up once all is there.
    Leaving,
    /// The lock is given up, and with it every record.
    Away,
}

/// Whether a record is in storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stored {
    /// This transaction writes it.
    By(CommitId),
    /// It is there as it was last put.
    Yes,
    /// Nobody knows, and an older one of fewer rows may be there.
    Maybe,
}

/// A record that this page answers for.
#[derive(Debug)]
struct Record {
    key: RecordKey,
    bytes: usize,
    stored: Stored,
}

/// What became of a batch's record with a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is there, and this page's.
    Stored,
    /// Nobody knows.
    Unknown,
}

/// The records of one page.
#[derive(Debug)]
pub struct Journal {
    state: State,
    id: Uuid,
    to: DestinationId,
    records: Vec<Record>,
    writes: Vec<Write>,
    /// Deletions and the transaction that each was asked for in; those of one that failed wait
    /// for the next that stores something.
    deletions: Vec<(RecordKey, Option<CommitId>)>,
    next_commit: u32,
    /// Transactions that have been asked for and not ended.
    under_way: u32,
}

impl Journal {
    /// A journal that is off.
    #[must_use]
    pub fn off(to: DestinationId) -> Self {
        let (records, writes, deletions) = (Vec::new(), Vec::new(), Vec::new());
        let (state, id) = (State::Off, Uuid([0; 16]));
        Self { state, id, to, records, writes, deletions, next_commit: 0, under_way: 0 }
    }

    /// Waits to be opened under a new name.
    pub fn reopen(&mut self, id: Uuid) {
        (self.state, self.id) = (State::Opening, id);
    }

    /// The shell has, or has not, got lock and database for the journal `id`. Whether that was
    /// waited for, and went well.
    pub fn opened(&mut self, id: Uuid, ok: bool) -> bool {
        let waited = self.state == State::Opening && self.id == id;
        if waited {
            self.state = if ok { State::Working } else { State::Off };
        }
        waited && ok
    }

    /// Whether a batch is safe once it has been written.
    #[must_use]
    pub fn is_working(&self) -> bool {
        matches!(self.state, State::Working | State::Leaving)
    }

    /// Whether the page has given up its lock.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.state == State::Away
    }

    /// Storage does not keep up: what waits for it shall not wait longer.
    pub fn fail(&mut self) {
        if self.is_working() {
            self.state = State::Failing;
        }
    }

    /// Bytes of all records that this page answers for.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.records.iter().map(|record| record.bytes).sum()
    }

    /// Writes a batch's record. While storage fails, one transaction at a time finds out whether
    /// it is back; then, and without a journal, nothing happens.
    pub fn put(&mut self, batch: Uuid, rows: u32, block: &[u8]) {
        let may_write = match self.state {
            State::Working | State::Leaving => true,
            State::Failing => self.under_way == 0 && self.writes.is_empty(),
            State::Off | State::Opening | State::Away => false,
        };
        if !may_write {
            // What is on its way is older than this.
            if let Some(record) = self.records.iter_mut().find(|it| it.key.batch == batch) {
                record.stored = Stored::Maybe;
            }
            return;
        }
        let key = RecordKey { journal: self.id, batch };
        let record = encode(key, self.to, rows, block);
        let bytes = record.len();
        self.writes.push(Write::Put(key, record));
        for (key, commit) in self.deletions.iter_mut().filter(|(_, commit)| commit.is_none()) {
            *commit = Some(CommitId(self.next_commit));
            self.writes.push(Write::Delete(*key));
        }
        let stored = Stored::By(CommitId(self.next_commit));
        self.replace(Record { key, bytes, stored });
    }

    /// Deletes a batch's record, if it has one.
    pub fn forget(&mut self, batch: Uuid) {
        if let Some(at) = self.records.iter().position(|record| record.key.batch == batch) {
            let key = self.records.swap_remove(at).key;
            self.delete(key);
        }
    }

    /// Deletes a record that is nobody's.
    pub fn delete(&mut self, key: RecordKey) {
        self.writes.push(Write::Delete(key));
        self.deletions.push((key, Some(CommitId(self.next_commit))));
    }

    /// Takes over a dead page's record.
    pub fn adopt(&mut self, key: RecordKey, bytes: usize) {
        self.replace(Record { key, bytes, stored: Stored::Yes });
    }

    /// Whether a batch has a record, or may have one.
    #[must_use]
    pub fn has(&self, batch: Uuid) -> bool {
        self.record(batch).is_some()
    }

    /// Whether a batch's record is there.
    #[must_use]
    pub fn is_stored(&self, batch: Uuid) -> bool {
        self.record(batch).is_some_and(|record| record.stored == Stored::Yes)
    }

    /// Whether a transaction that stores this batch is under way, or about to be.
    #[must_use]
    pub fn is_writing_batch(&self, batch: Uuid) -> bool {
        self.record(batch).is_some_and(|record| matches!(record.stored, Stored::By(_)))
    }

    fn record(&self, batch: Uuid) -> Option<&Record> {
        self.records.iter().find(|record| record.key.batch == batch)
    }

    fn replace(&mut self, new: Record) {
        self.records.retain(|record| record.key.batch != new.key.batch);
        self.records.push(new);
    }

    /// The changes since the last call, as one transaction.
    pub fn commit(&mut self) -> Option<Commit> {
        if self.writes.is_empty() {
            return None;
        }
        let id = CommitId(self.next_commit);
        self.next_commit = self.next_commit.wrapping_add(1);
        self.under_way += 1;
        Some(Commit { id, writes: core::mem::take(&mut self.writes) })
    }

    /// A transaction has ended. Says of each batch that was written in it what became of its
    /// record; whether storage is back is told by [`Journal::is_working`].
    pub fn committed(&mut self, id: CommitId, ok: bool) -> Vec<(Uuid, Fate)> {
        self.state = match self.state {
            State::Failing if ok => State::Working,
            State::Working | State::Leaving if !ok => State::Failing,
            other => other,
        };
        self.under_way = self.under_way.saturating_sub(1);
        self.deletions.retain_mut(|(_, commit)| {
            let ended = *commit == Some(id);
            if ended {
                *commit = None;
            }
            !(ended && ok)
        });
        let mut fates = Vec::new();
        for record in self.records.iter_mut().filter(|it| it.stored == Stored::By(id)) {
            record.stored = if ok { Stored::Yes } else { Stored::Maybe };
            let fate = if ok { Fate::Stored } else { Fate::Unknown };
            fates.push((record.key.batch, fate));
        }
        fates
    }

    /// The page goes, and may come back.
    pub fn leave(&mut self) {
        if self.state == State::Working {
            self.state = State::Leaving;
        }
    }

    /// The page has come back. Whether it needs a new journal.
    pub fn come_back(&mut self) -> bool {
        if self.state == State::Leaving {
            self.state = State::Working;
        }
        self.state == State::Away
    }

    /// Whether the page goes and everything is in storage, so that another may have it.
    #[must_use]
    pub fn may_hand_over(&self) -> bool {
        self.state == State::Leaving
            && self.writes.is_empty()
            && self.records.iter().all(|record| record.stored == Stored::Yes)
    }

    /// Gives everything up; the batches that are others' now.
    pub fn hand_over(&mut self) -> Vec<Uuid> {
        self.state = State::Away;
        // What could not be deleted is found by whoever takes the lock.
        self.deletions.clear();
        core::mem::take(&mut self.records).into_iter().map(|record| record.key.batch).collect()
    }
}
