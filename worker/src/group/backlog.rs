//! Groups that ClickHouse does not have yet, and which of them is sent next.
//!
//! What ClickHouse itself says against an insert is about its table as a rule: it is missing, or the
//! inserting user may not write to it, or it has too many parts. Such a table backs off by itself,
//! one probe at a time, beside the others' inserts. Silence is about the server, and so are its full
//! disk or a wrong password: then all tables back off together, and the next probe is another table's.

use super::gate::{Gate, backoff_ms};
use super::lane::Lane;
use super::row::Group;
use super::status::Failing;
use std::collections::BTreeMap;
use tallymark::rng::{Rng, Uuid};
use tallymark::time::TickMs;

/// All of them.
#[derive(Debug, Default)]
pub struct Backlog {
    /// By table; one that nothing waits for has none.
    lanes: BTreeMap<String, Lane>,
    /// Inserts that nobody answered, or that the server refused whatever they were.
    server: Gate,
}

/// How much waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Bytes of bodies and blocks.
    pub bytes: u64,
    /// Groups.
    pub groups: usize,
    /// Batches.
    pub batches: usize,
}

impl Load {
    /// A table's share of this limit, where there are so many tables; one batch has room in it.
    #[must_use]
    pub fn share(self, tables: usize) -> Self {
        let tables = tables.max(1);
        Self {
            bytes: self.bytes / tables as u64,
            groups: (self.groups / tables).max(1),
            batches: (self.batches / tables).max(1),
        }
    }

    /// Whether a batch of these bytes more would be over the limit.
    #[must_use]
    pub const fn is_full(self, limit: Self, block_bytes: usize) -> bool {
        self.bytes + block_bytes as u64 > limit.bytes
            || self.groups >= limit.groups
            || self.batches >= limit.batches
    }
}

impl std::ops::AddAssign for Load {
    fn add_assign(&mut self, more: Self) {
        self.bytes += more.bytes;
        self.groups += more.groups;
        self.batches += more.batches;
    }
}

impl Backlog {
    /// Adds a group.
    pub fn insert(&mut self, id: Uuid, group: Group) {
        self.lanes.entry(group.table.clone()).or_default().insert(id, group);
    }

    /// Takes a group out.
    pub fn remove(&mut self, id: Uuid) -> Option<Group> {
        let group = self.lanes.values_mut().find_map(|lane| lane.remove(id))?;
        self.lanes.retain(|_, lane| lane.load().groups > 0);
        Some(group)
    }

    /// A group.
    pub fn get_mut(&mut self, id: Uuid) -> Option<&mut Group> {
        self.lanes.values_mut().find_map(|lane| lane.get_mut(id))
    }

    /// All groups, each table's oldest first.
    pub fn groups_mut(&mut self) -> impl Iterator<Item = &mut Group> {
        self.lanes.values_mut().flat_map(Lane::groups_mut)
    }

    /// The id of the oldest.
    #[must_use]
    pub fn oldest(&self) -> Option<Uuid> {
        self.lanes.values().filter_map(Lane::oldest).min()
    }

    /// The group to send now, with `most` inserts under way at most; it counts as under way then.
    ///
    /// The oldest of the tables that do well goes first. Beside one that is under way, a table that
    /// fails is probed, the one that failed least often first: it waits for nobody, and nobody for it.
    pub fn next(&mut self, now: TickMs, most: usize) -> Option<(Uuid, String)> {
        if !self.has_room(most) || self.server.resume_at > now {
            return None;
        }
        let may_probe = self.may_probe();
        let first = |fails: bool| {
            let lanes = self.lanes.iter().filter(|(_, lane)| lane.fails() == fails);
            lanes
                .filter(|(_, lane)| lane.has_room(most, may_probe))
                .filter_map(|(table, lane)| {
                    let (exceptions, id) = lane.next(now)?;
                    Some((lane.failures(), exceptions, id, table))
                })
                .min()
        };
        let (_, _, id, table) = match self.in_flight() {
            0 => first(false).or_else(|| first(true)),
            _ => first(true).or_else(|| first(false)),
        }?;
        let table = table.clone();
        self.lanes.get_mut(&table)?.begin(id);
        Some((id, table))
    }

    /// When the next of them may be sent, with `most` inserts under way at most.
    #[must_use]
    pub fn due(&self, most: usize) -> Option<TickMs> {
        if !self.has_room(most) {
            return None;
        }
        let may_probe = self.may_probe();
        let lanes = self.lanes.values().filter(|lane| lane.has_room(most, may_probe));
        lanes.filter_map(|lane| lane.due(self.server.resume_at)).min()
    }

    /// A group's insert has ended; false if none was under way.
    pub fn end(&mut self, id: Uuid) -> bool {
        self.lane_of(id).is_some_and(|lane| lane.end(id))
    }

    /// ClickHouse has read the group's body, and taken or refused it.
    pub fn answered(&mut self, id: Uuid) {
        self.server.answered();
        if let Some(lane) = self.lane_of(id) {
            lane.answered();
        }
    }

    /// The group's rows may be stored or not; `by_clickhouse` when that is what ClickHouse said.
    pub fn failed(&mut self, now: TickMs, id: Uuid, by_clickhouse: bool, why: &str, rng: &mut Rng) {
        if by_clickhouse {
            self.server.answered();
        } else {
            self.server.failed(now, rng);
        }
        let Some(lane) = self.lane_of(id) else { return };
        lane.failed(why);
        if by_clickhouse {
            lane.refused(now, rng);
        }
        let Some(group) = lane.get_mut(id) else { return };
        group.is_uncertain = true;
        if by_clickhouse {
            // It may be about this group alone, so others go before it.
            group.exceptions = group.exceptions.saturating_add(1);
            group.due = now.plus_ms(backoff_ms(group.exceptions, rng));
        }
    }

    /// Inserts in a row that failed for the server's sake.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.server.failures
    }

    /// Whether ClickHouse has answered this table's last inserts with exceptions.
    #[must_use]
    pub fn refuses(&self, table: &str) -> bool {
        self.lanes.get(table).is_some_and(Lane::is_refused)
    }

    /// How much waits for the tables that `is_meant` says.
    pub fn load(&self, is_meant: impl Fn(&str) -> bool) -> Load {
        let mut load = Load::default();
        for (_, lane) in self.lanes.iter().filter(|(table, _)| is_meant(table)) {
            load += lane.load();
        }
        load
    }

    /// The tables whose inserts fail, for people.
    pub fn failing(&self) -> Vec<Failing> {
        let lanes = self.lanes.iter().filter(|(_, lane)| lane.fails());
        lanes.map(|(table, lane)| Failing::new(table, lane)).collect()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    fn lane_of(&mut self, id: Uuid) -> Option<&mut Lane> {
        self.lanes.values_mut().find(|lane| lane.get(id).is_some())
    }

    fn in_flight(&self) -> usize {
        self.lanes.values().map(Lane::in_flight).sum()
    }

    fn has_room(&self, most: usize) -> bool {
        self.in_flight() < self.server.in_flight(most)
    }

    /// One table that fails is probed at a time: the rest of what may be under way is the others'.
    fn may_probe(&self) -> bool {
        self.lanes.values().all(|lane| !lane.fails() || lane.in_flight() == 0)
    }
}
