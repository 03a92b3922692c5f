//! What waits in a shard, for people: a part of `/v1/health`.

use super::row::Group;
use serde::{Deserialize, Serialize};
use tallymark::rng::Uuid;

/// What waits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Groups that ClickHouse does not have yet.
    pub groups: usize,
    /// Batches in them, and in the open windows.
    pub batches: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Age of the oldest such group, in milliseconds.
    pub oldest_ms: i64,
    /// Inserts that failed in a row.
    pub failures: u32,
    /// Keys of batches in memory.
    pub known_in_memory: usize,
    /// Refused batches that were given up since the start, because too many were set aside.
    pub given_up: u64,
    /// Groups that ClickHouse refuses for good.
    pub aside_groups: usize,
    /// Batches in them.
    pub aside_batches: usize,
    /// Their bytes.
    pub aside_bytes: u64,
    /// The oldest of them, [`crate::limits::GROUPS_ASIDE_LISTED`] at most.
    pub set_aside: Vec<Aside>,
}

/// A group that was set aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aside {
    /// Its id.
    pub group: String,
    /// Its table.
    pub table: String,
    /// Its batches.
    pub batches: usize,
    /// Their rows.
    pub rows: u64,
    /// Bytes of its body.
    pub bytes: u64,
    /// ClickHouse's exception code.
    pub code: String,
}

impl Aside {
    /// A group, refused with this code.
    #[must_use]
    pub fn new(id: Uuid, group: &Group, code: &str) -> Self {
        Self {
            group: String::from_utf8_lossy(&id.to_text()).into_owned(),
            table: group.table.clone(),
            batches: group.members.len(),
            rows: group.members.iter().map(|member| u64::from(member.rows)).sum(),
            bytes: group.body_bytes,
            code: code.into(),
        }
    }
}
