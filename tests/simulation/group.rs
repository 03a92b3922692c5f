//! The group-maker's objects: the real shards, each over a model of its storage, in processes that
//! end whenever the platform likes.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::rc::Rc;

use tallymark::rng::Uuid;
use tallymark::time::{Now, UnixMs};
use tallymark_worker::exchange::{Exchange, Step};
use tallymark_worker::group::{Inserted, Options, Output, Put, Taken, decode_members};
use tallymark_worker::worker::Worker;
use tallymark_worker::{insert, sink, zstd};

use crate::dice::Dice;
use crate::edge::SHARDS;
use crate::object::{Object, Write};
use crate::receiver::Call;
use crate::server::Server;
use crate::tally::Tally;

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
    /// `GROUP_SHARDS`.
    shards: u32,
    /// Writes and syncs fail now and then.
    pub disk_fails: bool,
    replies: Vec<(Call, Step)>,
}

/// Everything around that a shard's effects reach.
pub struct Around<'a> {
    pub now: Now,
    pub server: &'a mut Server,
    pub dice: &'a mut Dice,
    pub tally: &'a mut Tally,
}

impl Group {
    pub fn new(worker: Rc<Worker>, around: &mut Around) -> Self {
        let mut group = Self {
            worker,
            objects: Vec::new(),
            events: BTreeMap::new(),
            alarms: BTreeSet::new(),
            next_event: 0,
            is_broken: false,
            routes_by_session: false,
            has_fresh_tokens: false,
            tells_before_sync: false,
            forgets_keys: false,
            shards: SHARDS,
            disk_fails: false,
            replies: Vec::new(),
        };
        group.reach(SHARDS as usize - 1, around);
        group
    }

    /// Objects come to be when they are first asked.
    fn reach(&mut self, last: usize, around: &mut Around) {
        while self.objects.len() <= last {
            self.objects.push(Object::new());
            self.start(self.objects.len() - 1, around);
        }
    }

    /// A checked batch comes; its call is answered by [`Group::take_reply`].
    pub fn put(
        &mut self,
        call: Call,
        mut exchange: Exchange,
        put: &sink::Put,
        around: &mut Around,
    ) {
        around.tally.count("batch put");
        let at = if self.routes_by_session {
            around.dice.below(u64::from(SHARDS)) as usize
        } else {
            put.shard as usize
        };
        self.reach(at, around);
        let object = &mut self.objects[at];
        if object.shard.is_none() {
            around.tally.count("put to a shard that refuses to start");
            return self.replies.push((call, exchange.put(Some("busy"))));
        }
        let id = object.wait(call, exchange);
        let (site, table, batch, block) = (&*put.site, put.table, put.id, &*put.block);
        if let Some(shard) = &mut object.shard {
            shard.handle_put(around.now, &Put { id, site, table, batch, block });
        }
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
            if let Some(shard) = &mut self.objects[at].shard {
                shard.handle_alarm(around.now);
            }
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
        if let Event::Synced { writes, .. } = event {
            object.sync(writes);
        }
        let Some(shard) = &mut object.shard else { return };
        match event {
            Event::Synced { group, .. } => shard.handle_synced(around.now, group),
            Event::Inserted { group, outcome } => {
                shard.handle_inserted(around.now, group, &outcome);
            }
            Event::Timeout => shard.handle_timeout(around.now),
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
            let Some(shard) = &mut object.shard else { return };
            let fails = self.disk_fails && around.dice.chance(20);
            match shard.poll_output() {
                Output::Wake(tick) => {
                    if let Some(tick) = tick {
                        self.after(at, tick.0.max(now.tick.0 + 1), Event::Timeout);
                    }
                    return;
                }
                Output::WriteShards(shards) => object.write(Write::Shards(shards)),
                Output::WriteGroup(row) if fails => {
                    around.tally.count("row not written");
                    shard.handle_write_failed(now, row.group, "full");
                }
                Output::WriteGroup(row) => {
                    around.tally.count("group made");
                    object.write(Write::Group(row));
                }
                Output::ClearBody { group } => object.write(Write::ClearBody(group)),
                Output::GiveUp { group, given_up } => {
                    around.tally.count("batch given up");
                    object.write(Write::GiveUp(group, given_up));
                }
                Output::Split { group, rows } => {
                    around.tally.count("group split");
                    object.write(Write::Split(group, rows));
                }
                Output::SetAside { group, code } => {
                    around.tally.count("group set aside");
                    object.write(Write::SetAside(group, Some(code)));
                }
                Output::Reopen { group } => object.write(Write::SetAside(group, None)),
                Output::MoveKnown { .. } if fails => shard.handle_moved(now, false),
                Output::MoveKnown { slices, groups } => {
                    shard.handle_moved(now, true);
                    object.write(Write::Move(slices, groups));
                }
                Output::DropSlices { before } => {
                    around.tally.count("slices dropped");
                    object.write(Write::Drop(before));
                }
                Output::Look { put, hour, part } => {
                    around.tally.count("look into slices");
                    let slices = object.seen.slices.iter();
                    let of = slices.filter(|slice| (slice.hour, slice.part) == (hour, part));
                    let keys: Vec<_> = of.map(|slice| slice.keys.as_slice()).collect();
                    shard.handle_looked(now, put, &keys);
                }
                Output::Load { group } => {
                    shard.handle_loaded(now, group, &object.seen.groups[&group].0.body);
                }
                Output::Sync { group } if self.tells_before_sync => {
                    shard.handle_synced(now, group);
                }
                Output::Sync { .. } if fails => {
                    around.tally.count("sync failed");
                    shard.handle_storage_lost(now, "gone");
                }
                Output::Sync { group } => {
                    let writes = object.writes();
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
                            Taken::Unknown => "unknown",
                        };
                        around.tally.count(&format!("put: {word}"));
                        self.replies.push((call, exchange.put(Some(word))));
                    }
                }
                Output::Alarm(wall) => drop(self.alarms.insert((wall, at))),
                Output::Restart => self.restart(at, around),
                Output::Log(_) => {}
            }
        }
    }

    fn insert(&mut self, at: usize, group: Uuid, around: &mut Around) {
        // A row that could not be written has no body to send.
        let Some((row, has_body, _)) = self.objects[at].seen.groups.get(&group) else { return };
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
    pub fn crash(&mut self, around: &mut Around) {
        around.tally.count("shard restarted");
        let at = around.dice.below(self.objects.len() as u64) as usize;
        self.restart(at, around);
    }

    /// Somebody deploys with this `GROUP_SHARDS`: every process ends.
    pub fn redeploy(&mut self, shards: u32, around: &mut Around) {
        around.tally.count("shards deployed anew");
        self.shards = shards;
        for at in 0..self.objects.len() {
            self.restart(at, around);
        }
    }

    fn restart(&mut self, at: usize, around: &mut Around) {
        for (call, mut exchange) in self.objects[at].end(around.dice) {
            self.replies.push((call, exchange.put(None)));
        }
        self.start(at, around);
    }

    fn start(&mut self, at: usize, around: &mut Around) {
        // The first shard answers this after a sync.
        self.objects[0].sync(usize::MAX);
        let mut stored = self.objects[at].stored();
        stored.shards_of_first = self.objects[0].seen.shards.filter(|_| at > 0);
        if self.forgets_keys {
            stored.groups.retain(|group| group.body_bytes > 0);
            stored.slices.clear();
        }
        let options = Options {
            shards: self.shards,
            // So few that they move into slices all the time.
            known_keys: 12,
            // So long that batches of several pages meet.
            window_ms: 1_500,
            window_rows: 120,
            ..Options::default()
        };
        self.objects[at].start(around.now, around.dice.seed(), options, &stored);
        self.drain(at, around);
    }

    /// Somebody has everything that was set aside tried again.
    pub fn replay(&mut self, around: &mut Around) {
        for at in 0..self.objects.len() {
            let object = &mut self.objects[at];
            let Some(shard) = &mut object.shard else { continue };
            let aside = object.seen.groups.iter().filter(|(_, (.., aside))| aside.is_some());
            for group in aside.map(|(id, _)| *id).collect::<Vec<_>>() {
                around.tally.count("group replayed");
                shard.handle_replay(around.now, group);
            }
            self.drain(at, around);
        }
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

    /// What was set aside, for people to look at: each group with its blocks.
    pub fn set_aside(&self) -> Vec<(Uuid, Vec<Vec<u8>>)> {
        let groups = self.objects.iter().flat_map(|object| object.seen.groups.values());
        let mut aside = Vec::new();
        for (row, ..) in groups.filter(|(_, has_body, aside)| *has_body && aside.is_some()) {
            let body = zstd::plain(&row.body).unwrap();
            let mut rest = body.as_slice();
            let mut blocks = Vec::new();
            for member in decode_members(&row.members).unwrap() {
                let (block, behind) = rest.split_at(member.block_bytes as usize);
                blocks.push(block.to_vec());
                rest = behind;
            }
            aside.push((row.group, blocks));
        }
        aside
    }

    /// What may not be.
    pub fn broken(&self) -> Option<String> {
        self.is_broken.then(|| "a group is sent again after ClickHouse has it".into())
    }

    /// Groups that still wait for ClickHouse.
    pub fn waiting(&self, now: Now) -> usize {
        let shards = self.objects.iter().filter_map(|object| object.shard.as_ref());
        shards.map(|shard| shard.status(now).batches).sum()
    }
}
