//! A shard with a model of its object: storage that keeps what is written, calls that are answered,
//! inserts that a test answers.

use crate::group::{
    Inserted, Options, Output, Problem, Put, PutId, Row, Shard, Slice, Stored, StoredGroup, Taken,
};
use std::collections::BTreeMap;
use tallymark::rng::Uuid;
use tallymark::time::{Now, TickMs, UnixMs};

/// 2026-11-23T12:00:00Z.
pub const NOON: i64 = 1_795_435_200_000;

pub const SEED: [u64; 4] = [1, 2, 3, 4];

/// What an object's storage holds.
#[derive(Clone, Debug, Default)]
pub struct Storage {
    pub shards: Option<u32>,
    pub given_up: u64,
    /// Row, body there or not, code for which it was set aside.
    pub groups: BTreeMap<Uuid, (Row, bool, Option<String>)>,
    pub slices: Vec<Slice>,
}

impl Storage {
    pub fn stored(&self) -> Stored {
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

/// A shard and everything around it. Time is what a test says it is.
pub struct World {
    pub shard: Shard,
    pub storage: Storage,
    pub now: Now,
    pub answers: Vec<(u32, Taken)>,
    /// Inserts that a test has not answered.
    pub inserts: Vec<Uuid>,
    /// Syncs that a test has not answered; `auto_sync` answers at once.
    pub syncs: Vec<Uuid>,
    pub auto_sync: bool,
    pub alarms: Vec<i64>,
    pub logs: Vec<String>,
    pub is_restarted: bool,
    pub wake: Option<u64>,
    options: Options,
}

impl World {
    pub fn new(options: Options) -> Self {
        Self::on(Storage::default(), options).unwrap()
    }

    /// A start from this storage.
    pub fn on(storage: Storage, options: Options) -> Result<Self, Problem> {
        let now = Now { wall: UnixMs(NOON), tick: TickMs(0) };
        let shard = Shard::open(now, SEED, options, &storage.stored())?;
        let mut world = Self {
            shard,
            storage,
            now,
            answers: Vec::new(),
            inserts: Vec::new(),
            syncs: Vec::new(),
            auto_sync: true,
            alarms: Vec::new(),
            logs: Vec::new(),
            is_restarted: false,
            wake: None,
            options,
        };
        world.drain();
        Ok(world)
    }

    /// The process ends, and another starts from the storage.
    pub fn restart(&mut self) {
        let mut next = Self::on(self.storage.clone(), self.options).unwrap();
        next.now = self.now;
        *self = next;
    }

    pub fn advance(&mut self, ms: u64) {
        self.now.tick = self.now.tick.plus_ms(ms);
        self.now.wall = self.now.wall.plus_ms(ms as i64);
        self.shard.handle_timeout(self.now);
        self.drain();
    }

    /// A batch of one row by its number, for `events` of site `a`; the call has the same number.
    pub fn put(&mut self, number: u32) {
        self.put_block(number, number, &block(1, number as u8));
    }

    pub fn put_block(&mut self, call: u32, number: u32, block: &[u8]) {
        self.put_of(call, "events", batch(NOON, number), block);
    }

    pub fn put_of(&mut self, call: u32, table: &str, batch: Uuid, block: &[u8]) {
        let put = Put { id: PutId(call), site: "a", table, batch, block };
        self.shard.handle_put(self.now, &put);
        self.drain();
    }

    /// Asks for a batch by its number.
    pub fn ask(&mut self, number: u32) {
        let id = batch(NOON, number);
        self.shard.handle_ask(self.now, PutId(number), "a", "events", id);
        self.drain();
    }

    /// Puts these, and ends their window.
    pub fn group(&mut self, numbers: &[u32]) -> Uuid {
        for number in numbers {
            self.put(*number);
        }
        self.advance(250);
        *self.storage.groups.keys().next_back().unwrap()
    }

    pub fn synced(&mut self) {
        for group in std::mem::take(&mut self.syncs) {
            self.shard.handle_synced(self.now, group);
        }
        self.drain();
    }

    /// The oldest insert under way ends so.
    pub fn inserted(&mut self, outcome: &Inserted) -> Uuid {
        let group = self.inserts.remove(0);
        self.shard.handle_inserted(self.now, group, outcome);
        self.drain();
        group
    }

    pub fn accept(&mut self) -> Uuid {
        self.inserted(&Inserted::Accepted)
    }

    pub fn refuse(&mut self) -> Uuid {
        self.inserted(&Inserted::Refused("117".into()))
    }

    pub fn lose(&mut self) -> Uuid {
        self.inserted(&uncertain(false))
    }

    /// Answers given since the last look.
    pub fn answered(&mut self) -> Vec<(u32, Taken)> {
        std::mem::take(&mut self.answers)
    }

    pub fn body(&self, group: Uuid) -> Vec<u8> {
        let (row, has_body, _) = &self.storage.groups[&group];
        assert!(has_body);
        crate::zstd::plain(&row.body).unwrap()
    }

    pub fn has_body(&self, group: Uuid) -> bool {
        self.storage.groups.get(&group).is_some_and(|(_, has_body, _)| *has_body)
    }

    /// Does what the shard says, until it wants to be woken.
    pub fn drain(&mut self) {
        loop {
            match self.shard.poll_output() {
                Output::Wake(at) => {
                    self.wake = at.map(|tick| tick.0);
                    return;
                }
                output => self.apply(output),
            }
        }
    }

    fn apply(&mut self, output: Output) {
        let groups = &mut self.storage.groups;
        match output {
            Output::WriteShards(shards) => self.storage.shards = Some(shards),
            Output::Answer(put, taken) => self.answers.push((put.0, taken)),
            Output::Look { put, hour, part } => {
                let slices = self.storage.slices.iter();
                let of = slices.filter(|slice| (slice.hour, slice.part) == (hour, part));
                let keys: Vec<_> = of.map(|slice| slice.keys.as_slice()).collect();
                self.shard.handle_looked(self.now, put, &keys);
            }
            Output::WriteGroup(row) => drop(groups.insert(row.group, (row, true, None))),
            Output::Sync { group } if self.auto_sync => self.shard.handle_synced(self.now, group),
            Output::Sync { group } => self.syncs.push(group),
            Output::Insert { group, table } => {
                assert_eq!(groups[&group].0.table, table);
                self.inserts.push(group);
            }
            Output::ClearBody { group } => {
                let (_, has_body, aside) = groups.get_mut(&group).unwrap();
                (*has_body, *aside) = (false, None);
            }
            Output::GiveUp { group, given_up } => {
                groups.get_mut(&group).unwrap().1 = false;
                self.storage.given_up = given_up;
            }
            Output::Load { group } => {
                let body = groups[&group].0.body.clone();
                self.shard.handle_loaded(self.now, group, &body);
            }
            Output::Split { group, rows } => {
                groups.remove(&group).unwrap();
                groups.extend(rows.map(|row| (row.group, (row, true, None))));
            }
            Output::SetAside { group, code } => groups.get_mut(&group).unwrap().2 = Some(code),
            Output::Reopen { group } => groups.get_mut(&group).unwrap().2 = None,
            Output::MoveKnown { slices, groups: ended } => {
                groups.retain(|id, _| !ended.contains(id));
                self.storage.slices.extend(slices);
                self.shard.handle_moved(self.now, true);
            }
            Output::DropSlices { before } => {
                self.storage.slices.retain(|slice| slice.run >= before);
            }
            Output::Alarm(at) => self.alarms.push(at.0),
            Output::Restart => self.is_restarted = true,
            Output::Log(line) => self.logs.push(line),
            Output::Wake(_) => {}
        }
    }
}

/// A batch's id with this time.
pub fn batch(time: i64, number: u32) -> Uuid {
    let mut id = [0; 16];
    id[..6].copy_from_slice(&time.to_be_bytes()[2..]);
    (id[6], id[8]) = (0x70, 0x80);
    id[12..].copy_from_slice(&number.to_be_bytes());
    Uuid(id)
}

/// A block of `rows` rows as far as a shard looks into it: two counts, then anything.
pub fn block(rows: u8, mark: u8) -> Vec<u8> {
    vec![1, rows, mark, mark]
}

/// A block of these many bytes, of one row.
pub fn block_of(bytes: usize) -> Vec<u8> {
    let mut block = vec![7; bytes];
    block[..2].copy_from_slice(&[1, 1]);
    block
}

pub fn uncertain(by_clickhouse: bool) -> Inserted {
    Inserted::Uncertain { by_clickhouse, line: "lost".into() }
}
