//! What the tabs of one browser share: IndexedDB and Web Locks.
//!
//! Transactions over one store run one after another in the order they were begun, across tabs
//! (Indexed Database API 3.0, 2.7.2). A page that closes leaves its transactions to be done; one
//! that crashes leaves the first few. A lock ends with its page; asking for one that a page in the
//! bfcache holds evicts that page (measured, Chromium 156).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tallymark::journal::RecordKey;
use tallymark::rng::Uuid;
use tallymark::tracker::Store;

/// A page that ever was, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PageId(pub usize);

/// What a page asked of the database.
#[derive(Debug)]
pub enum Operation {
    Store(Store, Vec<u8>),
    Forget(RecordKey),
    /// All records of a journal.
    Read(Uuid),
}

#[derive(Debug)]
pub struct Pending {
    pub page: PageId,
    pub due: u64,
    pub operation: Operation,
}

/// How storage behaves at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Well,
    /// Every transaction fails.
    Refuses,
    /// Every transaction is done, and the page is told that it failed.
    Lies,
}

#[derive(Debug)]
pub struct Browser {
    pub records: BTreeMap<RecordKey, Vec<u8>>,
    pub queue: VecDeque<Pending>,
    pub locks: BTreeMap<Uuid, PageId>,
    pub mood: Mood,
    pub lag_ms: u64,
    /// Batches that have been in a record, as they are sent.
    pub were_stored: BTreeSet<Uuid>,
    /// Records in which a bit was turned.
    pub damaged: BTreeSet<RecordKey>,
}

impl Browser {
    pub fn new() -> Self {
        Self {
            records: BTreeMap::new(),
            queue: VecDeque::new(),
            locks: BTreeMap::new(),
            mood: Mood::Well,
            lag_ms: 5,
            were_stored: BTreeSet::new(),
            damaged: BTreeSet::new(),
        }
    }

    /// Queues an operation; when it will run.
    pub fn begin(&mut self, page: PageId, operation: Operation, now: u64, wait: u64) -> u64 {
        let after = self.queue.back().map_or(0, |last| last.due);
        let due = after.max(now + wait);
        self.queue.push_back(Pending { page, due, operation });
        due
    }

    /// Does a write; whether the page is told that it succeeded.
    pub fn store(&mut self, key: RecordKey, record: Vec<u8>) -> bool {
        if self.mood != Mood::Refuses {
            self.damaged.remove(&key);
            self.records.insert(key, record);
        }
        self.mood == Mood::Well
    }

    pub fn forget(&mut self, key: RecordKey) {
        if self.mood != Mood::Refuses {
            self.records.remove(&key);
        }
    }

    /// The page crashed: of its transactions only the first `kept` will be done.
    pub fn crash(&mut self, page: PageId, kept: usize) {
        let mut seen = 0;
        self.queue.retain(|pending| {
            seen += usize::from(pending.page == page);
            pending.page != page || seen <= kept
        });
    }

    /// How many operations a page waits for.
    pub fn pending_of(&self, page: PageId) -> usize {
        self.queue.iter().filter(|pending| pending.page == page).count()
    }

    pub fn release(&mut self, page: PageId) {
        self.locks.retain(|_, holder| *holder != page);
    }

    /// The journals in storage, each once.
    pub fn journals(&self) -> Vec<Uuid> {
        let mut journals: Vec<Uuid> = self.records.keys().map(|key| key.journal).collect();
        journals.dedup();
        journals
    }
}
