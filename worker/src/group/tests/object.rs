//! A shard over storage whose newest writes its process may lose.

use super::world::{NOON, Storage};
use crate::group::{Options, Row, Shard, Slice};
use std::collections::BTreeMap;
use tallymark::rng::{Rng, Uuid};
use tallymark::time::{Now, TickMs, UnixMs};

/// A shard with its storage.
pub struct Object {
    pub shard: Shard,
    pub life: u32,
    /// What this life sees, and what the next one would.
    pub seen: Storage,
    durable: Storage,
    pub pending: Vec<Write>,
    /// Writes of this life that have become durable.
    pub synced: usize,
    pub calls: BTreeMap<u32, u16>,
    pub next_call: u32,
}

fn options() -> Options {
    // Small enough that keys move to storage all the time.
    Options { known_keys: 4, window_rows: 6, ..Options::default() }
}

impl Object {
    pub fn new(rng: &mut Rng) -> Self {
        let now = Now { wall: UnixMs(NOON), tick: TickMs(0) };
        let seed = [rng.next_u64(), 1, 2, 3];
        let shard = Shard::open(now, seed, options(), &Storage::default().stored()).unwrap();
        Self {
            shard,
            life: rng.next_u64() as u32,
            seen: Storage::default(),
            durable: Storage::default(),
            pending: Vec::new(),
            synced: 0,
            calls: BTreeMap::new(),
            next_call: 0,
        }
    }

    pub fn write(&mut self, write: Write) {
        write.clone().apply(&mut self.seen);
        self.pending.push(write);
    }

    /// The first so many writes of this life are durable.
    pub fn sync(&mut self, writes: usize) {
        let new = writes.saturating_sub(self.synced).min(self.pending.len());
        for write in self.pending.drain(..new) {
            write.apply(&mut self.durable);
        }
        self.synced += new;
    }

    /// Gives the batches whose callers get no answer.
    pub fn restart(&mut self, kept: usize, seed: u64, now: Now, forgets: bool) -> Vec<u16> {
        self.sync(self.synced + kept);
        self.pending.clear();
        self.synced = 0;
        self.seen = self.durable.clone();
        if forgets {
            self.seen.slices.clear();
            self.seen.groups.retain(|_, (_, has_body, _)| *has_body);
            self.durable = self.seen.clone();
        }
        self.life = seed as u32;
        self.shard = Shard::open(now, [seed, 1, 2, 3], options(), &self.seen.stored()).unwrap();
        std::mem::take(&mut self.calls).into_values().collect()
    }
}

/// A write that is not durable yet.
#[derive(Clone)]
pub enum Write {
    Shards(u32),
    Group(Row),
    ClearBody(Uuid),
    GiveUp(Uuid, u64),
    Split(Uuid, [Row; 2]),
    SetAside(Uuid, Option<String>),
    Move(Vec<Slice>, Vec<Uuid>),
    Drop(i64),
}

impl Write {
    fn apply(self, to: &mut Storage) {
        match self {
            Self::Shards(shards) => to.shards = Some(shards),
            Self::Group(row) => drop(to.groups.insert(row.group, (row, true, None))),
            Self::ClearBody(group) => {
                to.groups.get_mut(&group).unwrap().1 = false;
            }
            Self::GiveUp(group, given_up) => {
                to.groups.get_mut(&group).unwrap().1 = false;
                to.given_up = given_up;
            }
            Self::Split(group, rows) => {
                to.groups.remove(&group).unwrap();
                to.groups.extend(rows.map(|row| (row.group, (row, true, None))));
            }
            Self::SetAside(group, code) => to.groups.get_mut(&group).unwrap().2 = code,
            Self::Move(slices, groups) => {
                to.groups.retain(|id, _| !groups.contains(id));
                to.slices.extend(slices);
            }
            Self::Drop(before) => to.slices.retain(|slice| slice.run >= before),
        }
    }
}
