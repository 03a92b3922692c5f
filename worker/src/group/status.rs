//! What waits in a shard, for people: a part of `/v1/health`.

use super::backlog::Load;
use super::lane::Lane;
use super::row::Group;
use crate::exception;
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
    /// Inserts in a row that nobody answered, or that the server refused whatever they were.
    pub failures: u32,
    /// The tables whose inserts fail.
    pub failing: Vec<Failing>,
    /// Keys of batches in memory.
    pub known_in_memory: usize,
    /// Bytes of the storage that are in use: whoever has the storage adds them.
    pub stored_bytes: u64,
    /// Refused batches that were given up, because too many were set aside.
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

/// A table whose inserts fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    /// Its name.
    pub table: String,
    /// Groups that wait for it.
    pub groups: usize,
    /// Batches in them.
    pub batches: usize,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// Its inserts that failed in a row.
    pub failures: u32,
    /// What was wrong with the last of them: a sentence.
    pub problem: String,
}

impl Failing {
    /// A table by what waits for it.
    #[must_use]
    pub fn new(table: &str, lane: &Lane) -> Self {
        let Load { bytes, groups, batches } = lane.load();
        let (failures, problem) = (lane.failures(), lane.why().into());
        Self { table: table.into(), groups, batches, bytes, failures, problem }
    }
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
    /// The same as a sentence.
    pub problem: String,
}

/// What a group holds that was set aside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Its table.
    pub table: String,
    /// Its batches' ids; none where its rows do not tell them.
    pub batches: Vec<String>,
}

impl Aside {
    /// A group, refused with this code.
    #[must_use]
    pub fn new(id: Uuid, group: &Group, code: &str) -> Self {
        Self {
            group: id.to_string(),
            table: group.table.clone(),
            batches: group.members.len(),
            rows: group.members.iter().map(|member| u64::from(member.rows)).sum(),
            bytes: group.body_bytes,
            code: code.into(),
            problem: Self::problem(code),
        }
    }

    /// Why a group is set aside that was refused with this code.
    #[must_use]
    pub fn problem(code: &str) -> String {
        format!("ClickHouse refuses it with {}", exception::told(code))
    }
}
