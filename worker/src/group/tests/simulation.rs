//! Whole lives of a shard, seeded: writes that a crash loses, answers that do not come, twins, late
//! retries, batches that are refused. Every batch is stored once in the end, or set aside; and each
//! broken rule is seen.

use super::object::{Object, Write};
use super::world::{NOON, batch};
use crate::group::{Inserted, Output, Put, PutId, Taken, decode_members};
use std::collections::{BTreeMap, HashMap, HashSet};
use tallymark::rng::{Rng, Uuid};
use tallymark::time::{Now, TickMs, UnixMs};

const BATCHES: u16 = 60;

/// A rule that the object, not the core, breaks.
#[derive(Clone, Copy, PartialEq)]
enum Broken {
    Nothing,
    /// Every try has a token of its own.
    FreshToken,
    /// Batches are acknowledged while their row may still be lost.
    TellsBeforeSync,
    /// A start does not know what was accepted before it.
    ForgetsKeys,
    /// A retry goes to another shard.
    OtherShard,
}

/// What happens later. A life's events end with it.
enum Event {
    Send(u16),
    Synced { life: u32, group: Uuid, writes: usize },
    Inserted { life: u32, group: Uuid, outcome: Inserted },
    Timeout { life: u32 },
    Crash,
}

struct Simulation {
    broken: Broken,
    rng: Rng,
    now_ms: u64,
    events: BTreeMap<(u64, u64), Event>,
    next_event: u64,
    /// The shard that batches belong to, and another.
    shards: [Object; 2],
    /// Tokens that ClickHouse has seen, and how often it has each batch.
    tokens: HashSet<Uuid>,
    stored: HashMap<u16, u32>,
    acknowledged: HashSet<u16>,
    faults: bool,
}

/// ClickHouse becomes stricter in the middle of a life: then what it has stored, with its answer
/// lost, may be refused at the next try.
fn is_poison(number: u16, now_ms: u64) -> bool {
    number % 11 == 7 && now_ms > 8_000
}

fn block(number: u16) -> [u8; 4] {
    let [low, high] = number.to_le_bytes();
    [1, 1, low, high]
}

impl Simulation {
    fn run(seed: u64, broken: Broken) -> Result<(), String> {
        let mut rng = Rng::new([seed, 2, 3, 4]);
        let shards = [0, 1].map(|_| Object::new(&mut rng));
        let mut simulation = Self {
            broken,
            rng,
            now_ms: 0,
            events: BTreeMap::new(),
            next_event: 0,
            shards,
            tokens: HashSet::new(),
            stored: HashMap::new(),
            acknowledged: HashSet::new(),
            faults: true,
        };
        for number in 0..BATCHES {
            let at = simulation.rng.below(20_000);
            simulation.after(at, Event::Send(number));
        }
        for _ in 0..4 {
            let at = simulation.rng.below(20_000);
            simulation.after(at, Event::Crash);
        }
        simulation.drain(0);
        simulation.finish()
    }

    fn finish(mut self) -> Result<(), String> {
        // More than any such life needs: what never ends is a failure too.
        for _ in 0..100_000 {
            let Some(((at, _), event)) = self.events.pop_first() else { break };
            self.now_ms = at;
            self.faults = at < 30_000;
            self.happen(event);
            if at > 600_000 {
                return Err("something waits for ever".into());
            }
        }
        self.check()
    }

    fn check(&self) -> Result<(), String> {
        let mut aside = HashSet::new();
        for object in &self.shards {
            let set_aside = object.seen.groups.values().filter(|(.., code)| code.is_some());
            for (row, ..) in set_aside {
                let keys = decode_members(&row.members).unwrap();
                aside.extend(keys.iter().map(|member| member.key));
            }
            if object.shard.status(self.now()).batches > 0 {
                return Err("something is left over".into());
            }
        }
        for number in 0..BATCHES {
            let stored = self.stored.get(&number).copied().unwrap_or(0);
            let key = crate::group::Key::new("a", "events", id(number));
            let is_aside = aside.contains(&key);
            // A group that is set aside may have been stored by a try whose answer was lost.
            if !self.acknowledged.contains(&number) || stored > 1 || stored == 0 && !is_aside {
                return Err(format!("batch {number}: stored {stored} times, aside: {is_aside}"));
            }
        }
        Ok(())
    }

    fn now(&self) -> Now {
        Now { wall: UnixMs(NOON + self.now_ms as i64), tick: TickMs(self.now_ms) }
    }

    fn after(&mut self, ms: u64, event: Event) {
        self.events.insert((self.now_ms + ms, self.next_event), event);
        self.next_event += 1;
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.faults && self.rng.below(100) < percent
    }

    fn happen(&mut self, event: Event) {
        let now = self.now();
        match event {
            Event::Send(number) => {
                let other = self.broken == Broken::OtherShard && self.chance(50);
                let at = usize::from(other);
                let object = &mut self.shards[at];
                let call = object.next_call;
                object.next_call += 1;
                object.calls.insert(call, number);
                let (batch, block) = (id(number), block(number));
                let put = Put { id: PutId(call), site: "a", table: "events", batch, block: &block };
                object.shard.handle_put(now, &put);
                self.drain(at);
                // Sent twice at once.
                if self.chance(5) {
                    self.after(0, Event::Send(number));
                }
            }
            Event::Synced { life, group, writes } => {
                for at in 0..2 {
                    if self.shards[at].life == life {
                        self.shards[at].sync(writes);
                        self.shards[at].shard.handle_synced(now, group);
                        self.drain(at);
                    }
                }
            }
            Event::Inserted { life, group, outcome } => {
                for at in 0..2 {
                    if self.shards[at].life == life {
                        self.shards[at].shard.handle_inserted(now, group, &outcome);
                        self.drain(at);
                    }
                }
            }
            Event::Timeout { life } => {
                for at in 0..2 {
                    if self.shards[at].life == life {
                        self.shards[at].shard.handle_timeout(now);
                        self.drain(at);
                    }
                }
            }
            Event::Crash => self.crash(),
        }
    }

    /// The process ends. Some of what was written since the last sync is durable all the same.
    fn crash(&mut self) {
        let kept = self.rng.below(self.shards[0].pending.len() as u64 + 1) as usize;
        let forgets = self.broken == Broken::ForgetsKeys;
        let (seed, now) = (self.rng.next_u64(), self.now());
        let calls = self.shards[0].restart(kept, seed, now, forgets);
        // Nobody was answered; each sends again.
        for number in calls {
            let wait = self.rng.below(2_000);
            self.after(wait, Event::Send(number));
        }
        self.drain(0);
    }

    fn answered(&mut self, number: u16, taken: Taken) {
        let is_taken = taken != Taken::Busy;
        if is_taken {
            self.acknowledged.insert(number);
        }
        // Refused for now, or the answer was lost, or the client is a late one.
        if !is_taken || self.chance(20) {
            let wait = 100 + self.rng.below(8_000);
            self.after(wait, Event::Send(number));
        }
    }

    fn drain(&mut self, at: usize) {
        loop {
            let now = self.now();
            let object = &mut self.shards[at];
            match object.shard.poll_output() {
                Output::Wake(tick) => {
                    if let Some(tick) = tick {
                        let life = object.life;
                        self.after(tick.0.saturating_sub(self.now_ms), Event::Timeout { life });
                    }
                    return;
                }
                Output::Answer(put, taken) => {
                    if let Some(number) = object.calls.remove(&put.0) {
                        self.answered(number, taken);
                    }
                }
                Output::Look { put, hour, part } => {
                    let slices = object.seen.slices.iter();
                    let of = slices.filter(|slice| (slice.hour, slice.part) == (hour, part));
                    let keys: Vec<_> = of.map(|slice| slice.keys.as_slice()).collect();
                    object.shard.handle_looked(now, put, &keys);
                }
                Output::Sync { group } => {
                    let (life, writes) = (object.life, object.synced + object.pending.len());
                    if self.broken == Broken::TellsBeforeSync {
                        self.shards[at].shard.handle_synced(now, group);
                    }
                    let wait = self.rng.below(40);
                    self.after(wait, Event::Synced { life, group, writes });
                }
                Output::Insert { group, .. } => self.insert(at, group),
                Output::Load { group } => {
                    let body = object.seen.groups[&group].0.body.clone();
                    object.shard.handle_loaded(now, group, &body);
                }
                Output::WriteShards(shards) => object.write(Write::Shards(shards)),
                Output::WriteGroup(row) => object.write(Write::Group(row)),
                Output::ClearBody { group } => object.write(Write::ClearBody(group)),
                Output::Split { group, rows } => object.write(Write::Split(group, rows)),
                Output::SetAside { group, code } => {
                    object.write(Write::SetAside(group, Some(code)));
                }
                Output::Reopen { group } => object.write(Write::SetAside(group, None)),
                Output::MoveKnown { slices, groups } => {
                    object.write(Write::Move(slices, groups));
                    object.shard.handle_moved(now, true);
                }
                Output::DropSlices { before } => object.write(Write::Drop(before)),
                Output::Alarm(_) | Output::Log(_) => {}
                Output::Restart => unreachable!("its storage never fails"),
            }
        }
    }

    /// ClickHouse gets the body, or not; its answer comes, or not.
    fn insert(&mut self, at: usize, group: Uuid) {
        let life = self.shards[at].life;
        let body = crate::zstd::plain(&self.shards[at].seen.groups[&group].0.body).unwrap();
        let numbers: Vec<u16> =
            body.chunks(4).map(|block| u16::from_le_bytes([block[2], block[3]])).collect();
        let lost = || Inserted::Uncertain { by_clickhouse: false, line: String::new() };
        let mut outcome = lost();
        if !self.chance(10) {
            let token = if self.broken == Broken::FreshToken { self.rng.uuid_v4() } else { group };
            outcome = if numbers.iter().any(|number| is_poison(*number, self.now_ms)) {
                Inserted::Refused("117".into())
            } else {
                if self.tokens.insert(token) {
                    for number in numbers {
                        *self.stored.entry(number).or_insert(0) += 1;
                    }
                }
                Inserted::Accepted
            };
        }
        if self.chance(15) {
            outcome = lost();
        }
        let wait = 5 + self.rng.below(200);
        self.after(wait, Event::Inserted { life, group, outcome });
    }
}

fn id(number: u16) -> Uuid {
    batch(NOON, u32::from(number))
}

#[test]
fn d13_every_batch_is_stored_once_or_set_aside_over_whole_lives() {
    for seed in 1..=400 {
        assert_eq!(Simulation::run(seed, Broken::Nothing), Ok(()), "seed {seed}");
    }
}

#[test]
fn each_broken_rule_is_seen() {
    for broken in
        [Broken::FreshToken, Broken::TellsBeforeSync, Broken::ForgetsKeys, Broken::OtherShard]
    {
        let seen = (1..=40).filter(|seed| Simulation::run(*seed, broken).is_err()).count();
        assert!(seen > 0);
    }
}
