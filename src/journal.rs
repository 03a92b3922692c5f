//! The journal: what a record in the browser's storage holds, and who answers for it.
//!
//! One record is one batch as it would be sealed now. Its key holds the id that the batch was given
//! when its buffer opened; so the open buffer's record and the sealed batch's differ in nothing
//! but their rows, the second overwrites the first, and whoever finds either after a crash sends
//! it as it is, under the same id. A batch that was split leaves its record to its halves: one
//! write replaces the whole by both.
//!
//! ```text
//! 01                         version
//! 8 bytes LE                 checksum: FNV-1a of the key and of all that follows
//! 8 bytes LE                 destination: FNV-1a of where its batches may go
//! then for each batch
//!   16 bytes                 its id
//!   4 bytes LE               its rows
//!   4 bytes LE               bytes of its block
//!   …                        one Native block
//! ```
//! Invariant: neither page nor sequence number nor drop counters stand beside the blocks. They are
//! in their rows, and an adopter goes on with nothing of the dead page's.

use alloc::vec::Vec;

use crate::outbox::Batch;
use crate::rng::Uuid;
use crate::tracker::Output;

/// What a record is stored under; in memory its journal and behind it its batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C)]
pub struct RecordKey {
    /// The journal it belongs to: the name of its owner's Web Lock.
    pub journal: Uuid,
    /// The batch.
    pub batch: Uuid,
}

/// One write of one record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct StoreId(pub u32);

/// What is known of a batch's record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Saved {
    /// There is none.
    #[default]
    No,
    /// It is to be written; an older one may be there.
    Wanted,
    /// A write of it is under way.
    Asked(StoreId),
    /// It is there, as this write put it, and takes so many bytes.
    Yes(StoreId, u32),
    /// A write failed, or could not be asked for: it may be there, whole or with fewer rows.
    Maybe,
}

impl Saved {
    /// Whether there is none, and none is on its way.
    #[must_use]
    pub const fn is_nothing(self) -> bool {
        matches!(self, Self::No)
    }

    /// Whether it is to be written.
    #[must_use]
    pub const fn is_wanted(self) -> bool {
        matches!(self, Self::Wanted)
    }

    /// Whether the record is there.
    #[must_use]
    pub const fn is_there(self) -> bool {
        matches!(self, Self::Yes(..))
    }

    /// Bytes that it takes in storage, of a batch of so many bytes; nothing before it is there, for it
    /// may be compressed on the way.
    #[must_use]
    pub const fn bytes(self, body_bytes: usize) -> usize {
        match self {
            Self::No | Self::Wanted | Self::Asked(_) => 0,
            Self::Yes(_, record_bytes) => record_bytes as usize,
            Self::Maybe => body_bytes,
        }
    }

    /// Whether a write of it is under way, or about to be.
    #[must_use]
    pub const fn is_on_its_way(self) -> bool {
        matches!(self, Self::Wanted | Self::Asked(_))
    }
}

const VERSION: u8 = 1;

/// Bytes of a record beside its blocks: its own head, and a head for each batch.
pub const RECORD_HEAD_BYTES: usize = 1 + 8 + 8;
const BATCH_HEAD_BYTES: usize = 16 + 4 + 4;

/// Where batches go, as a record names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DestinationId(u64);

impl DestinationId {
    /// A destination by its own name, as [`Destination::name`](crate::destination::Destination::name)
    /// gives it.
    #[must_use]
    pub fn of(name: &str) -> Self {
        Self(fnv(FNV_OFFSET, name.as_bytes()))
    }
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a of 64 bits (Fowler, Noll, Vo). Each step is a bijection of the state, so that one wrong
/// byte never goes unseen; more of them do once in 2^64.
fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn checksum(key: RecordKey, behind: &[u8]) -> [u8; 8] {
    fnv(fnv(fnv(FNV_OFFSET, &key.journal.0), &key.batch.0), behind).to_le_bytes()
}

/// Appends a batch in the form that a record has it in.
pub fn push_batch(id: Uuid, rows: u32, block: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&id.0);
    out.extend_from_slice(&rows.to_le_bytes());
    out.extend_from_slice(&(block.len() as u32).to_le_bytes());
    out.extend_from_slice(block);
}

/// Reads batches in that form; what is cut off at the end is left out.
#[must_use]
pub fn read_batches(mut bytes: &[u8]) -> Vec<Batch> {
    let mut batches = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk::<BATCH_HEAD_BYTES>()
        && let Some((id, numbers)) = head.split_first_chunk()
        && let Some((rows, length)) = numbers.split_first_chunk()
        && let Some(length) = length.first_chunk()
        && let Some((block, rest)) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)
    {
        batches.push(Batch { id: Uuid(*id), rows: u32::from_le_bytes(*rows), body: block.into() });
        bytes = rest;
    }
    batches
}

/// The head of a record, before its batches: [`seal_record`] completes it.
#[must_use]
pub fn begin_record(to: DestinationId) -> Vec<u8> {
    let mut record = Vec::new();
    record.extend_from_slice(&[VERSION, 0, 0, 0, 0, 0, 0, 0, 0]);
    record.extend_from_slice(&to.0.to_le_bytes());
    record
}

/// Writes the checksum of a record that is to be stored under `key`.
pub fn seal_record(record: &mut [u8], key: RecordKey) {
    if let Some((head, behind)) = record.split_first_chunk_mut::<9>()
        && let [_, sum @ ..] = head
    {
        *sum = checksum(key, behind);
    }
}

/// The batches of a record, and whether it is for this destination; `None` if it is damaged, or of
/// another version, which may still be open in another tab.
#[must_use]
pub fn read(key: RecordKey, to: DestinationId, record: &[u8]) -> Option<(Vec<Batch>, bool)> {
    let (&[version, ref sum @ ..], behind) = record.split_first_chunk::<9>()?;
    let (destination, batches) = behind.split_first_chunk()?;
    let is_whole = version == VERSION && *sum == checksum(key, behind);
    is_whole.then(|| (read_batches(batches), u64::from_le_bytes(*destination) == to.0))
}

/// How the browser's storage is doing, and whose the journal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not wanted, or not to be had.
    Off,
    /// The shell was asked for the lock and the database.
    Opening,
    /// The lock is held.
    Open,
    /// The lock is held, and the page goes: it is given up once everything is stored.
    Leaving,
    /// The lock is given up, and with it every record.
    Away,
}

/// What only the shell can do for the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Open,
    Release,
}

/// The journal of one page.
#[derive(Debug)]
pub struct Journal {
    state: State,
    id: Uuid,
    /// The last write failed or has not come back in time.
    is_failing: bool,
    next_store: u32,
    /// What the shell is to be asked for.
    wish: Option<Wish>,
}

impl Default for Journal {
    fn default() -> Self {
        let (state, id) = (State::Off, Uuid::default());
        Self { state, id, is_failing: false, next_store: 0, wish: None }
    }
}

impl Journal {
    /// The name of its lock.
    #[must_use]
    pub const fn id(&self) -> Uuid {
        self.id
    }

    /// Waits to be opened under a new name.
    pub fn reopen(&mut self, id: Uuid) {
        self.state = State::Opening;
        self.id = id;
        self.is_failing = false;
        self.wish = Some(Wish::Open);
    }

    /// What the shell has to be asked for, once.
    pub fn next_output(&mut self) -> Option<Output> {
        Some(match self.wish.take()? {
            Wish::Open => Output::Open(self.id),
            Wish::Release => Output::Release,
        })
    }

    /// The shell has, or has not, got lock and database. Whether that was waited for, and went
    /// well.
    pub fn opened(&mut self, ok: bool) -> bool {
        let waited = self.state == State::Opening;
        if waited {
            self.state = if ok { State::Open } else { State::Off };
        }
        waited && ok
    }

    /// Whether the lock is held: records may be written and taken over.
    #[must_use]
    pub const fn is_held(&self) -> bool {
        matches!(self.state, State::Open | State::Leaving)
    }

    /// Whether a batch is safe once it has been written.
    #[must_use]
    pub const fn is_working(&self) -> bool {
        self.is_held() && !self.is_failing
    }

    /// A write succeeded or not. Whether storage is back by it.
    pub fn heard(&mut self, ok: bool) -> bool {
        let was_failing = core::mem::replace(&mut self.is_failing, !ok);
        if !ok && self.state == State::Leaving {
            self.state = State::Open;
        }
        was_failing && ok
    }

    /// The number of a write that is asked for now.
    pub fn next_store(&mut self) -> StoreId {
        self.next_store = self.next_store.wrapping_add(1);
        StoreId(self.next_store)
    }

    /// The page goes, and may come back.
    pub fn leave(&mut self) {
        if self.is_working() {
            self.state = State::Leaving;
        }
    }

    /// Whether the page goes, so that another may have the journal once it is stored.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.state == State::Leaving
    }

    /// Gives the journal up.
    pub fn hand_over(&mut self) {
        self.state = State::Away;
        self.wish = Some(Wish::Release);
    }

    /// The page has come back. Whether it needs a new journal.
    pub fn come_back(&mut self) -> bool {
        if self.state == State::Leaving {
            self.state = State::Open;
        }
        self.state == State::Away
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: RecordKey = RecordKey { journal: Uuid([1; 16]), batch: Uuid([2; 16]) };

    fn to(key: &str) -> DestinationId {
        DestinationId::of(key)
    }

    fn record() -> Vec<u8> {
        let mut record = begin_record(to("k"));
        push_batch(Uuid([3; 16]), 7, b"block", &mut record);
        push_batch(Uuid([4; 16]), 1, b"", &mut record);
        seal_record(&mut record, KEY);
        record
    }

    #[test]
    fn a_record_reads_back_as_its_batches() {
        let (batches, is_mine) = read(KEY, to("k"), &record()).unwrap();
        assert!(is_mine);
        assert_eq!(
            batches,
            [
                Batch { id: Uuid([3; 16]), rows: 7, body: b"block".to_vec() },
                Batch { id: Uuid([4; 16]), rows: 1, body: Vec::new() },
            ]
        );
        assert_eq!(record().len(), RECORD_HEAD_BYTES + 2 * BATCH_HEAD_BYTES + 5);
    }

    #[test]
    fn every_single_damaged_bit_is_seen() {
        for at in 0..record().len() * 8 {
            let mut damaged = record();
            damaged[at / 8] ^= 1 << (at % 8);
            assert_eq!(read(KEY, to("k"), &damaged), None, "bit {at}");
        }
        for end in 1..record().len() {
            assert_eq!(read(KEY, to("k"), &record()[..end]), None, "{end}");
        }
        assert_eq!(read(KEY, to("k"), b""), None);
    }

    #[test]
    fn a_record_under_anothers_key_is_damaged() {
        let other = RecordKey { batch: Uuid([9; 16]), ..KEY };
        assert_eq!(read(other, to("k"), &record()), None);
        let other = RecordKey { journal: Uuid([9; 16]), ..KEY };
        assert_eq!(read(other, to("k"), &record()), None);
    }

    #[test]
    fn another_version_is_not_read() {
        let mut other = record();
        other[0] = 2;
        assert_eq!(read(KEY, to("k"), &other), None);
    }

    #[test]
    fn a_record_for_elsewhere_is_foreign() {
        let (batches, is_mine) = read(KEY, to("j"), &record()).unwrap();
        assert_eq!((batches.len(), is_mine), (2, false));
    }

    #[test]
    fn storage_is_back_with_the_first_write_that_succeeds_again() {
        let mut journal = Journal::default();
        assert!(!journal.opened(true), "nobody waited for it");
        journal.reopen(Uuid([1; 16]));
        assert!(!journal.is_working());
        assert!(journal.opened(true));
        assert!(!journal.heard(true), "it was never away");
        assert!(!journal.heard(false));
        assert!(journal.is_held() && !journal.is_working());
        assert!(journal.heard(true));
        assert!(journal.is_working());
    }

    #[test]
    fn a_page_that_comes_back_needs_a_new_journal_only_if_it_gave_its_own_up() {
        let mut journal = Journal::default();
        journal.reopen(Uuid([1; 16]));
        journal.opened(true);
        journal.leave();
        assert!(journal.is_leaving());
        assert!(!journal.come_back());
        assert!(!journal.is_leaving());
        journal.leave();
        journal.hand_over();
        assert!(!journal.is_held());
        assert!(journal.come_back());
    }

    #[test]
    fn a_page_keeps_the_journal_that_it_could_not_store_at_leaving() {
        let mut journal = Journal::default();
        journal.reopen(Uuid([1; 16]));
        journal.opened(true);
        journal.leave();
        journal.heard(false);
        assert!(!journal.is_leaving());
        journal.leave();
        assert!(!journal.is_leaving(), "storage still fails");
    }
}
