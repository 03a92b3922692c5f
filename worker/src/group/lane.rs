//! What waits for one table, and how its inserts have been doing.

use super::backlog::Load;
use super::gate::Gate;
use super::row::{Group, State};
use std::collections::BTreeMap;
use tallymark::rng::{Rng, Uuid};
use tallymark::time::TickMs;

/// One table's groups.
#[derive(Debug, Default)]
pub struct Lane {
    /// By id, which begins with the group's time: the oldest first.
    groups: BTreeMap<Uuid, Group>,
    bytes: u64,
    batches: usize,
    in_flight: usize,
    /// Inserts that ClickHouse answered with an exception.
    gate: Gate,
    /// Inserts that failed in a row, in whichever way.
    failures: u32,
    /// What was wrong with the last of them.
    why: String,
}

impl Lane {
    /// Adds a group.
    pub fn insert(&mut self, id: Uuid, group: Group) {
        self.bytes += group.body_bytes;
        self.batches += group.members.len();
        self.groups.insert(id, group);
    }

    /// Takes a group out.
    pub fn remove(&mut self, id: Uuid) -> Option<Group> {
        let group = self.groups.remove(&id)?;
        debug_assert_ne!(group.state, State::InFlight, "it is under way");
        self.bytes -= group.body_bytes;
        self.batches -= group.members.len();
        Some(group)
    }

    /// A group.
    #[must_use]
    pub fn get(&self, id: Uuid) -> Option<&Group> {
        self.groups.get(&id)
    }

    /// A group.
    pub fn get_mut(&mut self, id: Uuid) -> Option<&mut Group> {
        self.groups.get_mut(&id)
    }

    /// All groups, oldest first.
    pub fn groups_mut(&mut self) -> impl Iterator<Item = &mut Group> {
        self.groups.values_mut()
    }

    /// The id of the oldest.
    #[must_use]
    pub fn oldest(&self) -> Option<Uuid> {
        self.groups.keys().next().copied()
    }

    /// The group to send now: the oldest of those that ClickHouse itself has failed least often, so
    /// that nobody waits for a group that it never takes. With how often that was.
    #[must_use]
    pub fn next(&self, now: TickMs) -> Option<(u32, Uuid)> {
        if self.gate.resume_at > now {
            return None;
        }
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
        best
    }

    /// When the next of them may be sent, but not before `resume_at`.
    #[must_use]
    pub fn due(&self, resume_at: TickMs) -> Option<TickMs> {
        let resume_at = resume_at.max(self.gate.resume_at);
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

    /// Whether one more insert may be under way, of `most`; of a table that fails only as a probe.
    #[must_use]
    pub const fn has_room(&self, most: usize, may_probe: bool) -> bool {
        if self.fails() { may_probe } else { self.in_flight < most }
    }

    /// An insert begins.
    pub fn begin(&mut self, id: Uuid) {
        if let Some(group) = self.groups.get_mut(&id) {
            group.state = State::InFlight;
            self.in_flight += 1;
        }
    }

    /// An insert has ended; false if none was under way.
    pub fn end(&mut self, id: Uuid) -> bool {
        let group = self.groups.get_mut(&id);
        let Some(group) = group.filter(|group| group.state == State::InFlight) else {
            return false;
        };
        group.state = State::Waiting;
        self.in_flight -= 1;
        true
    }

    /// ClickHouse has read a body for this table.
    pub fn answered(&mut self) {
        self.gate.answered();
        self.failures = 0;
    }

    /// An insert failed.
    pub fn failed(&mut self, why: &str) {
        self.failures = self.failures.saturating_add(1);
        self.why = why.into();
    }

    /// And it was ClickHouse that said so.
    pub fn refused(&mut self, now: TickMs, rng: &mut Rng) {
        self.gate.failed(now, rng);
    }

    /// Whether the last insert failed.
    #[must_use]
    pub const fn fails(&self) -> bool {
        self.failures > 0
    }

    /// Whether ClickHouse has said so since it last read a body.
    #[must_use]
    pub const fn is_refused(&self) -> bool {
        self.gate.failures > 0
    }

    /// Inserts that failed in a row.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// What was wrong with the last of them: a sentence.
    #[must_use]
    pub fn why(&self) -> &str {
        &self.why
    }

    /// Inserts under way.
    #[must_use]
    pub const fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// How much waits.
    #[must_use]
    pub fn load(&self) -> Load {
        Load { bytes: self.bytes, groups: self.groups.len(), batches: self.batches }
    }
}
