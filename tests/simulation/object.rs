//! One of the group-maker's objects: a shard over a model of its storage, in a process that may end.
//!
//! A write is seen at once by the process that made it; the next process sees what was synced, and as
//! many of the writes behind it as chance keeps.

use std::collections::BTreeMap;

use tallymark::rng::Uuid;
use tallymark::time::Now;
use tallymark_worker::exchange::Exchange;
use tallymark_worker::group::{Options, PutId, Row, Shard, Slice, Stored, StoredGroup};

use crate::dice::Dice;
use crate::receiver::Call;

/// A shard with its storage.
#[derive(Debug)]
pub struct Object {
    /// None while it refuses to start.
    pub shard: Option<Shard>,
    /// Its process, by number.
    pub life: u32,
    /// What this process sees.
    pub seen: Storage,
    /// What the next one would.
    durable: Storage,
    pending: Vec<Write>,
    synced: usize,
    /// Calls that wait for an answer.
    pub waiting: BTreeMap<PutId, (Call, Exchange)>,
    next_put: u32,
}

impl Object {
    /// An object that nothing was ever stored in, and that runs no process yet.
    pub fn new() -> Self {
        let (seen, durable, pending, waiting) = Default::default();
        Self { shard: None, life: 0, seen, durable, pending, synced: 0, waiting, next_put: 0 }
    }

    /// A process starts, on what is durable.
    pub fn start(&mut self, now: Now, seed: [u64; 4], options: Options, stored: &Stored) {
        self.seen = self.durable.clone();
        (self.pending, self.synced) = (Vec::new(), 0);
        self.life += 1;
        self.shard = Shard::open(now, seed, options, stored).ok();
    }

    /// What a start finds.
    pub fn stored(&self) -> Stored {
        self.durable.stored()
    }

    /// The process ends, and of what it has not synced some is durable all the same. The calls that
    /// nobody answers.
    pub fn end(&mut self, dice: &mut Dice) -> Vec<(Call, Exchange)> {
        let kept = dice.below(self.pending.len() as u64 + 1) as usize;
        self.sync(self.synced + kept);
        self.shard = None;
        std::mem::take(&mut self.waiting).into_values().collect()
    }

    /// A call waits; its number.
    pub fn wait(&mut self, call: Call, exchange: Exchange) -> PutId {
        self.next_put += 1;
        let id = PutId(self.next_put);
        self.waiting.insert(id, (call, exchange));
        id
    }

    pub fn write(&mut self, write: Write) {
        self.seen.apply(write.clone());
        self.pending.push(write);
    }

    /// How many writes this process has made.
    pub fn writes(&self) -> usize {
        self.synced + self.pending.len()
    }

    /// The first writes of this process up to this number are durable.
    pub fn sync(&mut self, writes: usize) {
        let count = writes.saturating_sub(self.synced).min(self.pending.len());
        for write in self.pending.drain(..count) {
            self.durable.apply(write);
        }
        self.synced += count;
    }
}

/// What an object's storage holds.
#[derive(Clone, Debug, Default)]
pub struct Storage {
    /// How many shards there are.
    pub shards: Option<u32>,
    /// How many batches were given up.
    pub given_up: u64,
    /// Row, body there or not, code for which it was set aside.
    pub groups: BTreeMap<Uuid, (Row, bool, Option<String>)>,
    pub slices: Vec<Slice>,
}

/// A write that may be lost with its process.
#[derive(Clone, Debug)]
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

impl Storage {
    fn apply(&mut self, write: Write) {
        match write {
            Write::Shards(shards) => self.shards = Some(shards),
            Write::Group(row) => drop(self.groups.insert(row.group, (row, true, None))),
            Write::ClearBody(group) => {
                if let Some(row) = self.groups.get_mut(&group) {
                    (row.1, row.2) = (false, None);
                }
            }
            Write::GiveUp(group, given_up) => {
                self.given_up = given_up;
                if let Some(row) = self.groups.get_mut(&group) {
                    (row.1, row.2) = (false, None);
                }
            }
            Write::Split(group, rows) => {
                self.groups.remove(&group);
                self.groups.extend(rows.map(|row| (row.group, (row, true, None))));
            }
            Write::SetAside(group, code) => self.groups.get_mut(&group).unwrap().2 = code,
            Write::Move(slices, ended) => {
                self.groups.retain(|id, _| !ended.contains(id));
                self.slices.extend(slices);
            }
            Write::Drop(before) => self.slices.retain(|slice| slice.run >= before),
        }
    }

    fn stored(&self) -> Stored {
        let groups = self.groups.iter().map(|(id, (row, has_body, aside))| StoredGroup {
            group: *id,
            table: row.table.clone(),
            members: row.members.clone(),
            body_bytes: if *has_body { row.body.len() as u64 } else { 0 },
            aside: aside.clone(),
        });
        let slices = self.slices.iter().map(|slice| (slice.hour, slice.run)).collect();
        Stored {
            shards: self.shards,
            shards_of_first: None,
            given_up: self.given_up,
            groups: groups.collect(),
            slices,
        }
    }
}
