//! The group-maker's objects: the real shards, each over a model of its storage, in processes that
//! end whenever the platform likes.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::rc::Rc;

use tallymark::rng::Uuid;
use tallymark::time::{Now, UnixMs};
use tallymark_worker::exchange::{Exchange, Step, Worker};
use tallymark_worker::group::{
    Inserted, Options, Output, Put, PutId, Row, Shard, Slice, Stored, StoredGroup, Taken,
    decode_members,
};
use tallymark_worker::{insert, sink, zstd};

use crate::dice::Dice;
use crate::edge::SHARDS;
use crate::receiver::Call;
use crate::server::Server;
use crate::tally::Tally;

/// What an object's storage holds.
#[derive(Clone, Debug, Default)]
struct Storage {
    shards: Option<u32>,
    /// Row, body there or not, code for which it was set aside.
    groups: BTreeMap<Uuid, (Row, bool, Option<String>)>,
    slices: Vec<Slice>,
}

/// A write that may be lost with its process.
#[derive(Clone, Debug)]
enum Write {
    Shards(u32),
    Group(Row),
    ClearBody(Uuid),
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
                    row.1 = false;
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
        Stored { shards: self.shards, shards_of_first: None, groups: groups.collect(), slices }
    }
}

/// What happens to a process later; it ends with it.
#[derive(Debug)]
enum Event {
    /// So many of its writes are durable.
    Synced {
        group: Uuid,
        writes: usize,
    },
    Inserted {
        group: Uuid,
        outcome: Inserted,
    },
    Timeout,
}

/// A shard with its storage.
#[derive(Debug)]
struct Object {
    shard: Shard,
    life: u32,
    /// What this process sees, and what the next one would.
    seen: Storage,
    durable: Storage,
    pending: Vec<Write>,
    synced: usize,
    waiting: BTreeMap<PutId, (Call, Exchange)>,
    next_put: u32,
}

/// All of them.
#[derive(Debug)]
pub struct Group {
    worker: Rc<Worker>,
    objects: Vec<Object>,
    events: BTreeMap<(u64, u64), (usize, u32, Event)>,
    alarms: BTreeSet<(UnixMs, usize)>,
    next_event: u64,
    is_broken: bool,
    /// A mutant: retries reach whichever object.
    pub routes_by_session: bool,
    /// A mutant: a token of its own for each try.
    pub has_fresh_tokens: bool,
    /// A mutant: what is written is believed to be durable.
    pub tells_before_sync: bool,
    /// A mutant: a start finds no keys.
    pub forgets_keys: bool,
    replies: Vec<(Call, Step)>,
}

/// Small enough that keys move into slices all the time.
fn options() -> Options {
    Options { shards: SHARDS, known_keys: 12, window_rows: 120, ..Options::default() }
}

/// Everything around that a shard's effects reach.
pub struct Around<'a> {
    pub now: Now,
    pub server: &'a mut Server,
    pub dice: &'a mut Dice,
    pub tally: &'a mut Tally,
}

impl Group {
    pub fn new(worker: Rc<Worker>, now: Now, dice: &mut Dice) -> Self {
        let objects = (0..SHARDS).map(|_| Object::new(now, dice)).collect();
        Self {
            worker,
            objects,
            events: BTreeMap::new(),
            alarms: BTreeSet::new(),
            next_event: 0,
            is_broken: false,
            routes_by_session: false,
            has_fresh_tokens: false,
            tells_before_sync: false,
            forgets_keys: false,
            replies: Vec::new(),
        }
    }

    /// A checked batch comes; its call is answered by [`Group::take_reply`].
    pub fn put(&mut self, call: Call, exchange: Exchange, put: &sink::Put, around: &mut Around) {
        around.tally.count("batch put");
        let at = if self.routes_by_session {
            around.dice.below(u64::from(SHARDS)) as usize
        } else {
            put.shard as usize
        };
        let object = &mut self.objects[at];
        object.next_put += 1;
        let id = PutId(object.next_put);
        object.waiting.insert(id, (call, exchange));
        let (site, table, batch, block) = (&*put.site, put.table, put.id, &*put.block);
        object.shard.handle_put(around.now, &Put { id, site, table, batch, block });
        self.drain(at, around);
    }

    /// The step that ends a call.
    pub fn take_reply(&mut self) -> Option<(Call, Step)> {
        self.replies.pop()
    }

    pub fn due(&self, now: Now) -> Option<u64> {
        let alarm = self
            .alarms
            .first()
            .map(|(at, _)| now.tick.0 + u64::try_from(at.since_ms(now.wall)).unwrap_or_default());
        self.events.first_key_value().map(|((tick, _), _)| *tick).into_iter().chain(alarm).min()
    }

    pub fn handle_timeout(&mut self, around: &mut Around) {
        while let Some((wall, at)) = self.alarms.pop_first() {
            if wall > around.now.wall {
                self.alarms.insert((wall, at));
                break;
            }
            self.objects[at].shard.handle_alarm(around.now);
            self.drain(at, around);
        }
        while let Some(first) =
            self.events.first_entry().filter(|it| it.key().0 <= around.now.tick.0)
        {
            let (at, life, event) = first.remove();
            if self.objects[at].life == life {
                self.happen(at, event, around);
            }
        }
    }

    fn happen(&mut self, at: usize, event: Event, around: &mut Around) {
        let object = &mut self.objects[at];
        match event {
            Event::Synced { group, writes } => {
                object.sync(writes);
                object.shard.handle_synced(around.now, group);
            }
            Event::Inserted { group, outcome } => {
                object.shard.handle_inserted(around.now, group, &outcome);
            }
            Event::Timeout => object.shard.handle_timeout(around.now),
        }
        self.drain(at, around);
    }

    fn after(&mut self, at: usize, tick: u64, event: Event) {
        self.next_event += 1;
        self.events.insert((tick, self.next_event), (at, self.objects[at].life, event));
    }

    /// Does what a shard says, until it wants to be woken.
    fn drain(&mut self, at: usize, around: &mut Around) {
        loop {
            let now = around.now;
            let object = &mut self.objects[at];
            match object.shard.poll_output() {
                Output::Wake(tick) => {
                    if let Some(tick) = tick {
                        self.after(at, tick.0.max(now.tick.0 + 1), Event::Timeout);
                    }
                    return;
                }
                Output::WriteShards(shards) => object.write(Write::Shards(shards)),
                Output::WriteGroup(row) => {
                    around.tally.count("group made");
                    object.write(Write::Group(row));
                }
                Output::ClearBody { group } => object.write(Write::ClearBody(group)),
                Output::Split { group, rows } => {
                    around.tally.count("group split");
                    object.write(Write::Split(group, rows));
                }
                Output::SetAside { group, code } => {
                    around.tally.count("group set aside");
                    object.write(Write::SetAside(group, Some(code)));
                }
                Output::Reopen { group } => object.write(Write::SetAside(group, None)),
                Output::MoveKnown { slices, groups } => {
                    object.write(Write::Move(slices, groups));
                    object.shard.handle_moved(now, true);
                }
                Output::DropSlices { before } => object.write(Write::Drop(before)),
                Output::Look { put, hour, part } => {
                    let slices = object.seen.slices.iter();
                    let of = slices.filter(|slice| (slice.hour, slice.part) == (hour, part));
                    let keys: Vec<_> = of.map(|slice| slice.keys.as_slice()).collect();
                    object.shard.handle_looked(now, put, &keys);
                }
                Output::Load { group } => {
                    let body = object.seen.groups[&group].0.body.clone();
                    object.shard.handle_loaded(now, group, &body);
                }
                Output::Sync { group } if self.tells_before_sync => {
                    object.shard.handle_synced(now, group);
                }
                Output::Sync { group } => {
                    let writes = object.synced + object.pending.len();
                    let tick = now.tick.0 + around.dice.between(1, 20);
                    self.after(at, tick, Event::Synced { group, writes });
                }
                Output::Insert { group, .. } => self.insert(at, group, around),
                Output::Answer(put, taken) => {
                    if let Some((call, mut exchange)) = object.waiting.remove(&put) {
                        let word = match taken {
                            Taken::Accepted => "accepted",
                            Taken::Known => "known",
                            Taken::Busy => "busy",
                        };
                        around.tally.count(&format!("put: {word}"));
                        self.replies.push((call, exchange.put(Some(word))));
                    }
                }
                Output::Alarm(wall) => drop(self.alarms.insert((wall, at))),
                Output::Restart => self.end(at, around),
                Output::Log(_) => {}
            }
        }
    }

    fn insert(&mut self, at: usize, group: Uuid, around: &mut Around) {
        let (row, has_body, _) = &self.objects[at].seen.groups[&group];
        self.is_broken |= !has_body;
        let config = self.worker.checked_config().unwrap();
        let token = if self.has_fresh_tokens {
            Uuid(std::array::from_fn(|at| {
                if at < 10 { group.0[at] } else { around.dice.below(256) as u8 }
            }))
        } else {
            group
        };
        let request = insert::request(config, &row.table, token, row.body.clone());
        let blocks: Vec<usize> = decode_members(&row.members)
            .unwrap()
            .iter()
            .map(|it| it.block_bytes as usize)
            .collect();
        around.tally.count("insert of a group");
        let (now, dice, tally) = (around.now, &mut *around.dice, &mut *around.tally);
        let outcome =
            insert::outcome(&around.server.fetch_group(&request, &blocks, now, dice, tally));
        let tick = now.tick.0 + dice.between(1, 200);
        self.after(at, tick, Event::Inserted { group, outcome });
    }

    /// The process of some object ends, and another starts.
    pub fn restart(&mut self, around: &mut Around) {
        around.tally.count("shard restarted");
        let at = around.dice.below(u64::from(SHARDS)) as usize;
        self.end(at, around);
        self.drain(at, around);
    }

    fn end(&mut self, at: usize, around: &mut Around) {
        let object = &mut self.objects[at];
        let kept = around.dice.below(object.pending.len() as u64 + 1) as usize;
        object.sync(object.synced + kept);
        for (call, mut exchange) in std::mem::take(&mut object.waiting).into_values() {
            self.replies.push((call, exchange.put(None)));
        }
        let mut stored = object.durable.stored();
        if self.forgets_keys {
            stored.groups.retain(|group| group.body_bytes > 0);
            stored.slices.clear();
        }
        object.seen = object.durable.clone();
        object.pending.clear();
        object.synced = 0;
        object.life += 1;
        object.shard = Shard::open(around.now, around.dice.seed(), options(), &stored).unwrap();
    }

    /// Hours pass: whatever was written is durable by then.
    pub fn rest(&mut self) {
        for object in &mut self.objects {
            object.sync(usize::MAX);
        }
    }

    /// Ids of the groups that ClickHouse may have, or not.
    pub fn open_groups(&self) -> HashSet<Uuid> {
        let groups = self.objects.iter().flat_map(|object| &object.seen.groups);
        groups.filter(|(_, group)| group.1).map(|(id, _)| *id).collect()
    }

    /// The blocks that were set aside, for people to look at.
    pub fn set_aside(&self) -> Vec<Vec<u8>> {
        let groups = self.objects.iter().flat_map(|object| object.seen.groups.values());
        let mut blocks = Vec::new();
        for (row, ..) in groups.filter(|(_, has_body, aside)| *has_body && aside.is_some()) {
            let body = zstd::plain(&row.body).unwrap();
            let mut rest = body.as_slice();
            for member in decode_members(&row.members).unwrap() {
                let (block, behind) = rest.split_at(member.block_bytes as usize);
                blocks.push(block.to_vec());
                rest = behind;
            }
        }
        blocks
    }

    /// What may not be.
    pub fn broken(&self) -> Option<String> {
        self.is_broken.then(|| "a group is sent again after ClickHouse has it".into())
    }

    /// Groups that still wait for ClickHouse.
    pub fn waiting(&self, now: Now) -> usize {
        self.objects.iter().map(|object| object.shard.status(now).batches).sum()
    }
}

impl Object {
    fn new(now: Now, dice: &mut Dice) -> Self {
        let storage = Storage::default();
        Self {
            shard: Shard::open(now, dice.seed(), options(), &storage.stored()).unwrap(),
            life: 0,
            seen: storage.clone(),
            durable: storage,
            pending: Vec::new(),
            synced: 0,
            waiting: BTreeMap::new(),
            next_put: 0,
        }
    }

    fn write(&mut self, write: Write) {
        self.seen.apply(write.clone());
        self.pending.push(write);
    }

    /// The first writes of this process up to this number are durable.
    fn sync(&mut self, writes: usize) {
        let count = writes.saturating_sub(self.synced).min(self.pending.len());
        for write in self.pending.drain(..count) {
            self.durable.apply(write);
        }
        self.synced += count;
    }
}
