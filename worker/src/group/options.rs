//! What a shard is told at its start: options, and what its storage holds.

use super::backlog::Load;
use super::row::StoredGroup;
use crate::limits;
use tallymark::rng::Uuid;

/// What a shard is told once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many shards there are; stored at the first start, and never another after it.
    pub shards: u32,
    /// How many tables batches may be for, `events` included: one that ClickHouse answers with
    /// exceptions may hold this part of the backlog's limits, and no more.
    pub tables: usize,
    /// How long a batch waits for others: default 250 ms.
    pub window_ms: u32,
    /// Rows that fill a group: default 5,000.
    pub window_rows: u32,
    /// Bytes of blocks that fill a group: default 1,000,000.
    pub window_bytes: usize,
    /// Inserts in flight at once: default 2.
    pub inserts: usize,
    /// Bytes that may wait for ClickHouse: default 1,000,000,000.
    pub backlog_bytes: u64,
    /// Groups that may wait for ClickHouse: default 20,000.
    pub backlog_groups: usize,
    /// Batches that may wait for ClickHouse: default 400,000.
    pub backlog_batches: usize,
    /// Groups that may be set aside: default 10,000.
    pub aside_groups: usize,
    /// Bytes that may be set aside: default 1,000,000,000.
    pub aside_bytes: u64,
    /// Batches that may be set aside: default 100,000.
    pub aside_batches: usize,
    /// Keys of accepted batches in memory: default 300,000.
    pub known_keys: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            shards: 1,
            tables: 1,
            window_ms: limits::GROUP_WINDOW_MS,
            window_rows: limits::GROUP_ROWS,
            window_bytes: limits::GROUP_BYTES,
            inserts: limits::GROUP_INSERTS,
            backlog_bytes: limits::GROUP_BACKLOG_BYTES,
            backlog_groups: limits::GROUP_BACKLOG_GROUPS,
            backlog_batches: limits::GROUP_BACKLOG_BATCHES,
            aside_groups: limits::GROUPS_ASIDE,
            aside_bytes: limits::GROUPS_ASIDE_BYTES,
            aside_batches: limits::GROUPS_ASIDE_BATCHES,
            known_keys: limits::KNOWN_KEYS,
        }
    }
}

impl Options {
    /// What may wait for ClickHouse, of all tables.
    #[must_use]
    pub const fn backlog(&self) -> Load {
        Load {
            bytes: self.backlog_bytes,
            groups: self.backlog_groups,
            batches: self.backlog_batches,
        }
    }
}

/// What the storage holds at a start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// How many shards there were, by this shard's own storage.
    pub shards: Option<u32>,
    /// The same by the first shard's, for one that has no memory of its own yet.
    pub shards_of_first: Option<u32>,
    /// How many batches were given up.
    pub given_up: u64,
    /// All groups' rows.
    pub groups: Vec<StoredGroup>,
    /// The slices there are: hour and run.
    pub slices: Vec<(u32, i64)>,
}

/// Why a shard cannot start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Ids were routed by another number of shards.
    ShardsChanged {
        /// What it was.
        stored: u32,
        /// What the configuration says now.
        configured: u32,
    },
    /// A group's row cannot be read.
    Damaged(Uuid),
}

impl std::fmt::Display for Problem {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ShardsChanged { stored, configured } => write!(
                out,
                "GROUP_SHARDS is {configured}, but this shard's ids were routed by {stored}: a \
                 retry would reach a shard that does not know it, and count twice. Set \
                 GROUP_SHARDS back to {stored}. To change it: set SINK = \"direct\" and wait until \
                 /v1/health shows that nothing waits and 25 hours have passed, then delete the \
                 shards by a migration (deleted_classes), and set both anew; a batch that was \
                 inserted within the day before and whose answer was lost counts twice then"
            ),
            Self::Damaged(group) => {
                write!(out, "the row of group {group} is damaged; look at this shard's storage")
            }
        }
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_number_of_shards_says_what_to_do() {
        let problem = Problem::ShardsChanged { stored: 1, configured: 4 };
        assert_eq!(
            problem.to_string(),
            "GROUP_SHARDS is 4, but this shard's ids were routed by 1: a retry would reach a shard \
             that does not know it, and count twice. Set GROUP_SHARDS back to 1. To change it: set \
             SINK = \"direct\" and wait until /v1/health shows that nothing waits and 25 hours have \
             passed, then delete the shards by a migration (deleted_classes), and set both anew; a \
             batch that was inserted within the day before and whose answer was lost counts twice \
             then"
        );
    }

    #[test]
    fn a_damaged_row_is_named() {
        assert_eq!(
            Problem::Damaged(Uuid([0x11; 16])).to_string(),
            "the row of group 11111111-1111-1111-1111-111111111111 is damaged; look at this \
             shard's storage"
        );
    }
}
