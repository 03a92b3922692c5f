//! Groups that ClickHouse refuses for good, until somebody has looked at them.

use super::row::Group;
use std::collections::BTreeMap;
use tallymark::rng::Uuid;

/// All of them, each with the exception code that it was refused with, and what they come to.
#[derive(Debug, Default)]
pub struct SetAside {
    /// Oldest first.
    groups: BTreeMap<Uuid, (Group, String)>,
    bytes: u64,
    batches: usize,
}

impl SetAside {
    /// Adds a group.
    pub fn insert(&mut self, id: Uuid, group: Group, code: String) {
        self.bytes += group.body_bytes;
        self.batches += group.members.len();
        self.groups.insert(id, (group, code));
    }

    /// Takes a group out.
    pub fn remove(&mut self, id: &Uuid) -> Option<Group> {
        let (group, _) = self.groups.remove(id)?;
        self.bytes -= group.body_bytes;
        self.batches -= group.members.len();
        Some(group)
    }

    /// All groups, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (Uuid, &Group, &str)> {
        self.groups.iter().map(|(id, (group, code))| (*id, group, code.as_str()))
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Bytes of their bodies.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Batches in them.
    #[must_use]
    pub const fn batches(&self) -> usize {
        self.batches
    }
}
