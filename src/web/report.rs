//! What a tracker tells its application: of each request, and of everything so far.

use crate::rng::Uuid;
use crate::stats;
use crate::tracker::Outcome;

/// One try of one batch, as it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchReport {
    /// The batch.
    pub id: Uuid,
    /// Its events.
    pub rows: u32,
    /// Bytes of its body.
    pub body_bytes: u32,
    /// Milliseconds from request to answer.
    pub elapsed_ms: u32,
    /// The answer's status, 0 for none.
    pub status: u16,
    /// What became of the batch.
    pub outcome: Outcome,
}

/// Where a tracker's events wait until they are delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Storage {
    /// In memory alone: they are gone with the page.
    #[default]
    Memory,
    /// In IndexedDB too: another page delivers them if this one cannot.
    IndexedDb,
}

/// Everything that a tracker has counted, as it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// What was counted since the tracker began.
    pub counts: stats::Stats,
    /// Events that nobody has accepted, refused or dropped yet.
    pub waiting: u64,
    /// How many of them are in IndexedDB.
    pub stored: u64,
    /// Where they wait.
    pub storage: Storage,
}
