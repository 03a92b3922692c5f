//! Groups that ClickHouse does not have yet, in the order in which they are sent.

use super::row::{Group, State};
use std::collections::BTreeMap;
use tallymark::rng::Uuid;
use tallymark::time::TickMs;

/// All of them, with what they come to: limits are asked for at every batch.
#[derive(Debug, Default)]
pub struct Backlog {
    /// By id, which begins with the group's time: the oldest first.
    groups: BTreeMap<Uuid, Group>,
    bytes: u64,
    batches: usize,
}

impl Backlog {
    /// Adds a group.
    pub fn insert(&mut self, id: Uuid, group: Group) {
        self.bytes += group.body_bytes;
        self.batches += group.members.len();
        self.groups.insert(id, group);
    }

    /// Takes a group out.
    pub fn remove(&mut self, id: &Uuid) -> Option<Group> {
        let group = self.groups.remove(id)?;
        self.bytes -= group.body_bytes;
        self.batches -= group.members.len();
        Some(group)
    }

    /// A group.
    pub fn get_mut(&mut self, id: &Uuid) -> Option<&mut Group> {
        self.groups.get_mut(id)
    }

    /// All groups, oldest first.
    pub fn groups_mut(&mut self) -> impl Iterator<Item = (&Uuid, &mut Group)> {
        self.groups.iter_mut()
    }

    /// The id of the oldest.
    #[must_use]
    pub fn oldest(&self) -> Option<Uuid> {
        self.groups.keys().next().copied()
    }

    /// The group to send now: the oldest of those that ClickHouse itself has failed least often, so
    /// that nobody waits for a group that it never takes.
    pub fn next(&mut self, now: TickMs) -> Option<(Uuid, &mut Group)> {
        let mut best: Option<(u32, Uuid)> = None;
        for (id, group) in &self.groups {
            if group.state != State::Waiting || group.due > now {
                continue;
            }
            if best.is_none_or(|(exceptions, _)| group.exceptions < exceptions) {
                best = Some((group.exceptions, *id));
            }
            if group.exceptions == 0 {
                break;
            }
        }
        let (_, id) = best?;
        self.groups.get_mut(&id).map(|group| (id, group))
    }

    /// When the next of them may be sent, but not before `resume_at`.
    #[must_use]
    pub fn due(&self, resume_at: TickMs) -> Option<TickMs> {
        let mut first = None;
        for group in self.groups.values().filter(|group| group.state == State::Waiting) {
            let due = group.due.max(resume_at);
            if due == resume_at {
                return Some(due);
            }
            first = Some(first.map_or(due, |first: TickMs| first.min(due)));
        }
        first
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
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
