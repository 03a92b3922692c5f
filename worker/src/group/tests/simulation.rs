//! Whole lives of a shard, seeded: writes that a crash loses, answers that do not come, twins, late
//! retries, batches that are refused. Every batch is stored once in the end, or set aside for a reason;
//! nothing is forgotten that may come again, and everything else is; and each broken rule is seen.
//!
//! A life lasts seconds, or days: then batches are sent again until they are a day old.

mod checks;

use super::object::{Object, Write};
use super::world::{NOON, batch};
use crate::group::{Inserted, Key, Output, Put, PutId, Slice, Taken};
use crate::limits::BATCH_AGE_MS;
use std::collections::{BTreeMap, HashMap, HashSet};
use tallymark::rng::{Rng, Uuid};
use tallymark::time::{Now, TickMs, UnixMs};

const BATCHES: u16 = 60;

const HOUR_MS: u64 = 3_600_000;

/// In a long life, two more batches come this long after everything and after each other: longer than
/// any id is remembered.
const LATE: [u16; 2] = [BATCHES, BATCHES + 1];
const LATE_MS: u64 = 30 * HOUR_MS;

/// A rule that the object, not the core, breaks.
#[derive(Clone, Copy, Debug, PartialEq)]
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
    /// Slices are dropped half a day before they may be.
    DropsEarly,
    /// Slices are never dropped.
    DropsNothing,
    /// A group is set aside that ClickHouse has not refused.
    SetsAside,
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
    /// How long batches come for the first time, and what the rest lasts.
    span_ms: u64,
    rest_ms: u64,
    rng: Rng,
    now_ms: u64,
    events: BTreeMap<(u64, u64), Event>,
    next_event: u64,
    /// The shard that batches belong to, and another.
    shards: [Object; 2],
    /// Tokens that ClickHouse has seen, and how often it has each batch.
    tokens: HashSet<Uuid>,
    stored: HashMap<u16, u32>,
    /// Groups that ClickHouse has refused, and those of which a try ended in another way, or may have.
    refused: HashSet<Uuid>,
    uncertain: HashSet<Uuid>,
    /// When each batch was sent first, and how far its sender's clock is off.
    sent_at: HashMap<u16, u64>,
    skews: HashMap<u16, i64>,
    acknowledged: HashSet<u16>,
    faults: bool,
    /// Keys that were dropped because nobody may send them again.
    dropped: HashSet<Key>,
    wrong: Option<String>,
}

fn is_poison(number: u16) -> bool {
    number % 11 == 7
}

fn block(number: u16) -> [u8; 4] {
    let [low, high] = number.to_le_bytes();
    [1, 1, low, high]
}

impl Simulation {
    fn run(seed: u64, broken: Broken) -> Result<(), String> {
        let mut rng = Rng::new([seed, 2, 3, 4]);
        let shards = [0, 1].map(|_| Object::new(&mut rng));
        let is_long = seed.is_multiple_of(2);
        let (span_ms, rest_ms) =
            if is_long { (30 * HOUR_MS, BATCH_AGE_MS as u64) } else { (20_000, 10_000) };
        let mut simulation = Self {
            broken,
            span_ms,
            rest_ms,
            rng,
            now_ms: 0,
            events: BTreeMap::new(),
            next_event: 0,
            shards,
            tokens: HashSet::new(),
            stored: HashMap::new(),
            refused: HashSet::new(),
            uncertain: HashSet::new(),
            sent_at: HashMap::new(),
            skews: HashMap::new(),
            acknowledged: HashSet::new(),
            faults: true,
            dropped: HashSet::new(),
            wrong: None,
        };
        for number in 0..BATCHES {
            let at = simulation.rng.below(span_ms);
            simulation.after(at, Event::Send(number));
        }
        for number in LATE {
            let at = span_ms + rest_ms + LATE_MS * u64::from(number - BATCHES + 1);
            simulation.after(if is_long { at } else { span_ms }, Event::Send(number));
        }
        for _ in 0..4 {
            let at = simulation.rng.below(span_ms);
            simulation.after(at, Event::Crash);
        }
        simulation.drain(0);
        simulation.finish()
    }

    fn finish(mut self) -> Result<(), String> {
        let last_ms = self.span_ms + self.rest_ms + 3 * LATE_MS;
        // More than any such life needs: what never ends is a failure too.
        for _ in 0..100_000 {
            let Some(((at, _), event)) = self.events.pop_first() else { break };
            self.now_ms = at;
            self.faults = at < self.span_ms + self.rest_ms;
            self.happen(event);
            if let Some(wrong) = self.wrong.take() {
                return Err(wrong);
            }
            if at > last_ms {
                return Err("something waits for ever".into());
            }
        }
        self.check()
    }

    /// A batch's id: of the time at which it was sent first, by a clock that may be off by hours.
    fn id(&self, number: u16) -> Uuid {
        let sent_at = self.sent_at.get(&number).copied().unwrap_or_default() as i64;
        let skew = self.skews.get(&number).copied().unwrap_or_default();
        batch(NOON + sent_at + skew, u32::from(number))
    }

    fn key(&self, number: u16) -> Key {
        Key::new("a", "events", self.id(number))
    }

    /// Whether the sender may still send the batch, which it may for a day.
    fn may_come(&self, number: u16) -> bool {
        let sent_at = self.sent_at.get(&number);
        sent_at.is_none_or(|at| self.now_ms - at <= BATCH_AGE_MS as u64)
    }

    fn is_long(&self) -> bool {
        self.span_ms > HOUR_MS
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
            Event::Send(number) if !self.may_come(number) => {}
            Event::Send(number) => {
                self.sent_at.entry(number).or_insert(now.tick.0);
                let skew = i64::from(number % 5) - 2;
                self.skews.entry(number).or_insert(skew * 8 * HOUR_MS as i64);
                let batch = self.id(number);
                let other = self.broken == Broken::OtherShard && self.chance(50);
                let at = usize::from(other);
                let object = &mut self.shards[at];
                let call = object.next_call;
                object.next_call += 1;
                object.calls.insert(call, number);
                let block = block(number);
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
        // A try may be under way, and the next process cannot know.
        self.uncertain.extend(self.shards[0].seen.groups.keys());
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
        } else if self.chance(60) {
            let wait = self.rng.below(self.rest_ms);
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
                Output::GiveUp { group, given_up } => object.write(Write::GiveUp(group, given_up)),
                Output::Split { group, rows } => object.write(Write::Split(group, rows)),
                Output::SetAside { group, code } => {
                    object.write(Write::SetAside(group, Some(code)));
                }
                Output::Reopen { group } => object.write(Write::SetAside(group, None)),
                Output::MoveKnown { slices, groups } => self.moved(at, slices, groups),
                Output::DropSlices { before } => self.drop_slices(at, before),
                Output::Alarm(_) | Output::Log(_) => {}
                Output::Restart => unreachable!("its storage never fails"),
            }
        }
    }

    fn moved(&mut self, at: usize, slices: Vec<Slice>, groups: Vec<Uuid>) {
        let (now, fails) = (self.now(), self.chance(20));
        let object = &mut self.shards[at];
        if !fails {
            object.write(Write::Move(slices, groups));
        }
        object.shard.handle_moved(now, !fails);
    }

    /// Slices go: no batch of theirs may come again.
    fn drop_slices(&mut self, at: usize, before: i64) {
        let before = match self.broken {
            Broken::DropsEarly => before + 12 * HOUR_MS as i64,
            Broken::DropsNothing => return,
            _ => before,
        };
        let may_come: HashSet<Key> =
            self.sent_at.keys().filter(|it| self.may_come(**it)).map(|it| self.key(*it)).collect();
        let object = &mut self.shards[at];
        let gone = object.seen.slices.iter().filter(|slice| slice.run < before);
        let keys: Vec<Key> =
            gone.flat_map(|slice| slice.keys.as_chunks::<16>().0).map(|key| Key(*key)).collect();
        if let Some(key) = keys.iter().find(|key| may_come.contains(key)) {
            self.wrong = Some(format!("{key:?} was dropped, and may come again"));
        }
        self.dropped.extend(keys);
        object.write(Write::Drop(before));
    }

    /// ClickHouse gets the body, or not; its answer comes, or not. It becomes stricter in the middle
    /// of a life: then what it has stored, with its answer lost, may be refused at the next try.
    fn insert(&mut self, at: usize, group: Uuid) {
        let life = self.shards[at].life;
        let body = crate::zstd::plain(&self.shards[at].seen.groups[&group].0.body).unwrap();
        let numbers: Vec<u16> =
            body.chunks(4).map(|block| u16::from_le_bytes([block[2], block[3]])).collect();
        let is_strict = self.now_ms > self.span_ms * 2 / 5;
        let lost = || Inserted::Uncertain { by_clickhouse: false, line: String::new() };
        let mut outcome = lost();
        if !self.chance(10) {
            let token = if self.broken == Broken::FreshToken { self.rng.uuid_v4() } else { group };
            outcome = if is_strict && numbers.iter().any(|number| is_poison(*number)) {
                self.refused.insert(group);
                Inserted::Refused("117".into())
            } else if self.broken == Broken::SetsAside && self.chance(10) {
                Inserted::Refused("252".into())
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
        if outcome == lost() {
            self.uncertain.insert(group);
        }
        let wait = 5 + self.rng.below(200);
        self.after(wait, Event::Inserted { life, group, outcome });
    }
}

#[test]
fn d13_every_batch_is_stored_once_or_set_aside_for_a_reason_over_whole_lives() {
    for seed in 1..=400 {
        assert_eq!(Simulation::run(seed, Broken::Nothing), Ok(()), "seed {seed}");
    }
}

#[test]
fn each_broken_rule_is_seen() {
    for broken in [
        Broken::FreshToken,
        Broken::TellsBeforeSync,
        Broken::ForgetsKeys,
        Broken::OtherShard,
        Broken::DropsEarly,
        Broken::DropsNothing,
        Broken::SetsAside,
    ] {
        let seen = (1..=40).filter(|seed| Simulation::run(*seed, broken).is_err()).count();
        assert!(seen > 0, "{broken:?}");
    }
}
