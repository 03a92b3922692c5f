//! One shard's state machine: what came in, and what to do.

use super::aside::SetAside;
use super::backlog::{Backlog, Load};
use super::effect::{Inserted, Output, Put, PutId, Taken};
use super::key::{self, Key, Member, hour_of};
use super::known::{self, Known, Moved};
use super::options::{Options, Problem, Stored};
use super::row::{self, Group, State, StoredGroup};
use super::status::{Aside, Status};
use super::window::{Waiting, Window};
use crate::limits;
use std::collections::{BTreeMap, HashMap, VecDeque};
use tallymark::column::Cursor;
use tallymark::rng::{Rng, Uuid};
use tallymark::time::{Now, TickMs, UnixMs};

/// One shard. See [the module](super) for how to drive it.
#[derive(Debug)]
pub struct Shard {
    pub(super) options: Options,
    pub(super) rng: Rng,
    last_tick: TickMs,
    /// Groups to be, by table.
    windows: BTreeMap<String, Window>,
    /// Calls that wait for a look into the slices.
    looking: HashMap<PutId, Looking>,
    /// Groups that ClickHouse does not have.
    pub(super) open: Backlog,
    /// Groups whose row is being written, by the keys of their batches.
    writing: HashMap<Key, Uuid>,
    /// Groups set aside.
    pub(super) aside: SetAside,
    pub(super) known: Known,
    /// Batches given up, ever.
    pub(super) given_up: u64,
    alarm: Option<UnixMs>,
    /// Storage is not what this shard believes; everything is busy until it starts again.
    is_lost: bool,
    pub(super) outputs: VecDeque<Output>,
}

#[derive(Debug)]
struct Looking {
    table: String,
    member: Member,
    /// Empty when the batch is only asked for.
    block: Vec<u8>,
}

impl Shard {
    /// Starts from what the storage holds. What ClickHouse has not accepted is sent first.
    ///
    /// # Errors
    /// [`Problem`]: nothing may be taken then.
    pub fn open(
        now: Now,
        seed: [u64; 4],
        options: Options,
        stored: &Stored,
    ) -> Result<Self, Problem> {
        let configured = options.shards;
        let mut outputs = VecDeque::new();
        match stored.shards.or(stored.shards_of_first) {
            Some(stored) if stored != configured => {
                return Err(Problem::ShardsChanged { stored, configured });
            }
            // A start writes nothing else, so that one works while the disk is full.
            _ if stored.shards.is_none() => outputs.push_back(Output::WriteShards(configured)),
            _ => {}
        }
        let mut shard = Self {
            options,
            rng: Rng::new(seed),
            last_tick: now.tick,
            windows: BTreeMap::new(),
            looking: HashMap::new(),
            open: Backlog::default(),
            writing: HashMap::new(),
            aside: SetAside::default(),
            known: Known::new(&stored.slices, options.known_keys),
            given_up: stored.given_up,
            alarm: None,
            is_lost: false,
            outputs,
        };
        for row in &stored.groups {
            shard.restore(row)?;
        }
        shard.pump(now);
        Ok(shard)
    }

    fn restore(&mut self, row: &StoredGroup) -> Result<(), Problem> {
        let members = key::decode_members(&row.members).ok_or(Problem::Damaged(row.group))?;
        self.known.add(&members);
        if row.body_bytes == 0 {
            let made_at = row.group.v7_time().unwrap_or_default();
            self.known.settle(made_at, row.group, members);
            return Ok(());
        }
        let mut group = Group::new(row.table.clone(), members, row.body_bytes, State::Waiting);
        group.is_uncertain = true;
        match &row.aside {
            Some(code) => self.aside.insert(row.group, group, code.clone()),
            None => self.open.insert(row.group, group),
        }
        Ok(())
    }

    /// Somebody brings a batch. An [`Output::Answer`] follows, sooner or later.
    pub fn handle_put(&mut self, now: Now, put: &Put<'_>) {
        self.observe(now);
        let key = Key::new(put.site, put.table, put.batch);
        let hour = hour_of(put.batch);
        if let Some(answer) = self.is_settled_at_once(key, put) {
            self.outputs.extend(answer.map(|taken| Output::Answer(put.id, taken)));
            return;
        }
        let (Some(rows), Ok(block_bytes)) = (rows(put.block), u32::try_from(put.block.len()))
        else {
            self.refuse(put.id, "a batch without a block");
            return;
        };
        let member = Member { hour, key, rows, block_bytes };
        if self.known.may_be_stored(hour) {
            let looking = Looking { table: put.table.into(), member, block: put.block.to_vec() };
            self.looking.insert(put.id, looking);
            self.outputs.push_back(Output::Look { put: put.id, hour, part: key.part() });
            return;
        }
        self.join(now, put.id, put.table, member, put.block);
    }

    /// Somebody wants to know whether this shard took a batch, because it is to be inserted by
    /// itself. An [`Output::Answer`] follows: never [`Taken::Accepted`], and [`Taken::Busy`] while
    /// it is on its way here.
    pub fn handle_ask(&mut self, now: Now, id: PutId, site: &str, table: &str, batch: Uuid) {
        self.observe(now);
        let key = Key::new(site, table, batch);
        let hour = hour_of(batch);
        if !self.is_on_its_way(key) && !self.known.has(key) && self.known.may_be_stored(hour) {
            let member = Member { hour, key, rows: 0, block_bytes: 0 };
            self.looking.insert(id, Looking { table: table.into(), member, block: Vec::new() });
            self.outputs.push_back(Output::Look { put: id, hour, part: key.part() });
            return;
        }
        self.tell(id, key);
    }

    fn tell(&mut self, id: PutId, key: Key) {
        let taken = if self.is_on_its_way(key) {
            Taken::Busy
        } else if self.known.has(key) {
            Taken::Known
        } else {
            Taken::Unknown
        };
        self.outputs.push_back(Output::Answer(id, taken));
    }

    /// Whether a batch may become durable here, and is not yet.
    fn is_on_its_way(&self, key: Key) -> bool {
        let brought = |looking: &Looking| looking.member.key == key && !looking.block.is_empty();
        self.is_lost
            || self.writing.contains_key(&key)
            || self.windows.values().any(|window| window.has(key))
            || self.looking.values().any(brought)
    }

    /// The answer to a call that changes nothing; `Some(None)` when it waits with its twin.
    fn is_settled_at_once(&mut self, key: Key, put: &Put<'_>) -> Option<Option<Taken>> {
        if self.is_lost {
            return Some(Some(Taken::Busy));
        }
        let writing = self.writing.get(&key).and_then(|group| self.open.get_mut(*group));
        if let Some(Group { state: State::Writing(waiting), .. }) = writing {
            waiting.push(Waiting { put: put.id, is_twin: true });
            return Some(None);
        }
        if self.windows.get_mut(put.table).is_some_and(|window| window.join(key, put.id)) {
            return Some(None);
        }
        if self.known.has(key) {
            return Some(Some(Taken::Known));
        }
        if self.is_full(put.table, put.block.len()) {
            return Some(Some(Taken::Busy));
        }
        None
    }

    /// A batch that never can be taken: a mistake of the caller's.
    fn refuse(&mut self, put: PutId, why: &str) {
        self.outputs.push_back(Output::Log(format!("group: {why} was refused")));
        self.outputs.push_back(Output::Answer(put, Taken::Busy));
    }

    /// The slices that [`Output::Look`] asked for are there, each as it was written.
    pub fn handle_looked(&mut self, now: Now, put: PutId, slices: &[&[u8]]) {
        self.observe(now);
        let Some(looking) = self.looking.remove(&put) else { return };
        let key = looking.member.key;
        if slices.iter().any(|slice| known::holds(slice, key)) {
            self.outputs.push_back(Output::Answer(put, Taken::Known));
            return;
        }
        if looking.block.is_empty() {
            self.tell(put, key);
            return;
        }
        // A twin may have come, or the shard may have filled up, in between.
        let again = Put {
            id: put,
            site: "",
            table: &looking.table,
            batch: Uuid::default(),
            block: &looking.block,
        };
        match self.is_settled_at_once(key, &again) {
            Some(answer) => {
                self.outputs.extend(answer.map(|taken| Output::Answer(put, taken)));
            }
            None => self.join(now, put, &looking.table, looking.member, &looking.block),
        }
    }

    /// Adds a batch that nobody knows to its table's window.
    fn join(&mut self, now: Now, put: PutId, table: &str, member: Member, block: &[u8]) {
        let most = self.options.window_bytes;
        if let Some(window) = self.windows.get(table)
            && window.blocks.len() + block.len() > most
        {
            self.seal(now, table);
        }
        let window = self.windows.entry(table.into()).or_insert_with(|| Window::new(now.tick));
        window.push(member, block, put);
        if window.rows >= self.options.window_rows || window.blocks.len() >= most {
            self.seal(now, table);
        }
    }

    /// A window becomes a group; nothing of it is acknowledged before its row is durable.
    fn seal(&mut self, now: Now, table: &str) {
        let Some(window) = self.windows.remove(table) else { return };
        let id = self.rng.uuid_v7(now.wall);
        let row = row::row(id, table, &window.members, &window.blocks);
        for member in &window.members {
            self.writing.insert(member.key, id);
        }
        let state = State::Writing(window.waiting);
        self.open
            .insert(id, Group::new(table.into(), window.members, row.body.len() as u64, state));
        self.outputs.push_back(Output::WriteGroup(row));
        self.outputs.push_back(Output::Sync { group: id });
    }

    /// The group's row is durable.
    pub fn handle_synced(&mut self, now: Now, id: Uuid) {
        self.observe(now);
        let Some(group) = self.open.get_mut(id) else { return };
        let State::Writing(waiting) = &mut group.state else { return };
        let waiting = std::mem::take(waiting);
        group.state = State::Waiting;
        self.known.add(&group.members);
        for member in &group.members {
            self.writing.remove(&member.key);
        }
        for Waiting { put, is_twin } in waiting {
            let taken = if is_twin { Taken::Known } else { Taken::Accepted };
            self.outputs.push_back(Output::Answer(put, taken));
        }
        self.pump(now);
    }

    /// The group's row could not be written, and is not there.
    pub fn handle_write_failed(&mut self, now: Now, id: Uuid, why: &str) {
        self.observe(now);
        let Some(Group { members, state: State::Writing(waiting), .. }) = self.open.remove(id)
        else {
            return;
        };
        self.outputs.push_back(Output::Log(format!("group: a row could not be written: {why}")));
        for member in members {
            self.writing.remove(&member.key);
        }
        self.outputs.extend(waiting.iter().map(|call| Output::Answer(call.put, Taken::Busy)));
    }

    /// A sync, or a write that nobody waits for, has failed: what is durable is not known.
    pub fn handle_storage_lost(&mut self, now: Now, why: &str) {
        self.observe(now);
        self.is_lost = true;
        self.outputs.push_back(Output::Log(format!("group: storage failed: {why}")));
        let writing = self.open.groups_mut().filter_map(|group| match &mut group.state {
            State::Writing(waiting) => Some(std::mem::take(waiting)),
            _ => None,
        });
        let windows = std::mem::take(&mut self.windows).into_values().map(|window| window.waiting);
        let calls: Vec<_> = writing.chain(windows).flatten().map(|call| call.put).collect();
        let looking = self.looking.drain().map(|(put, _)| put);
        self.outputs
            .extend(calls.into_iter().chain(looking).map(|put| Output::Answer(put, Taken::Busy)));
        self.outputs.push_back(Output::Restart);
    }

    /// An insert has ended.
    pub fn handle_inserted(&mut self, now: Now, id: Uuid, outcome: &Inserted) {
        self.observe(now);
        if !self.open.end(id) {
            return;
        }
        match outcome {
            Inserted::Accepted => {
                self.open.answered(id);
                self.settle(now, id);
            }
            Inserted::Refused(code) => {
                self.open.answered(id);
                self.refused(now, id, code);
            }
            Inserted::Uncertain { by_clickhouse, line } => {
                self.open.failed(now.tick, id, *by_clickhouse, line, &mut self.rng);
                if let Some(group) = self.open.get_mut(id) {
                    self.outputs.push_back(Output::Log(group.log(id, &format!("waits: {line}"))));
                }
            }
        }
        self.pump(now);
    }

    pub(super) fn settle(&mut self, now: Now, id: Uuid) {
        let Some(group) = self.open.remove(id) else { return };
        self.outputs.push_back(Output::ClearBody { group: id });
        self.known.settle(now.wall, id, group.members);
    }

    /// The move that [`Output::MoveKnown`] asked for has been written, or not at all.
    pub fn handle_moved(&mut self, now: Now, is_written: bool) {
        self.observe(now);
        self.known.moved(now.wall, is_written);
    }

    /// The tick that [`Output::Wake`] asked for has come.
    pub fn handle_timeout(&mut self, now: Now) {
        self.observe(now);
        let window_ms = u64::from(self.options.window_ms);
        let due: Vec<String> = self
            .windows
            .iter()
            .filter(|(_, window)| window.opened.plus_ms(window_ms) <= now.tick)
            .map(|(table, _)| table.clone())
            .collect();
        for table in due {
            self.seal(now, &table);
        }
        self.pump(now);
    }

    /// The time that [`Output::Alarm`] asked for has come.
    pub fn handle_alarm(&mut self, now: Now) {
        self.alarm = None;
        self.handle_timeout(now);
    }

    /// What to do next; [`Output::Wake`] is always the last of a series.
    pub fn poll_output(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or_else(|| Output::Wake(self.wake_at()))
    }

    /// What waits, for people.
    #[must_use]
    pub fn status(&self, now: Now) -> Status {
        let oldest = self.open.oldest().and_then(Uuid::v7_time);
        let load = self.load(|_| true);
        Status {
            groups: load.groups,
            batches: load.batches,
            bytes: load.bytes,
            oldest_ms: oldest.map_or(0, |time| now.wall.since_ms(time).max(0)),
            failures: self.open.failures(),
            failing: self.open.failing(),
            known_in_memory: self.known.len(),
            stored_bytes: 0,
            given_up: self.given_up,
            aside_groups: self.aside.len(),
            aside_batches: self.aside.batches(),
            aside_bytes: self.aside.bytes(),
            set_aside: self
                .aside
                .iter()
                .take(limits::GROUPS_ASIDE_LISTED)
                .map(|(id, group, code)| Aside::new(id, group, code))
                .collect(),
        }
    }

    /// Ticks never run backwards: a caller's clock that does is a bug of the caller's.
    pub(super) fn observe(&mut self, now: Now) {
        debug_assert!(now.tick >= self.last_tick, "ticks run backwards");
        self.last_tick = self.last_tick.max(now.tick);
    }

    /// Begins as many inserts as may be under way, oldest group first, and tidies up.
    pub(super) fn pump(&mut self, now: Now) {
        if self.is_lost {
            return;
        }
        while let Some((group, table)) = self.open.next(now.tick, self.options.inserts) {
            self.outputs.push_back(Output::Insert { group, table });
        }
        if let Some(Moved { slices, groups }) = self.known.move_out(now.wall) {
            self.outputs.push_back(Output::MoveKnown { slices, groups });
        }
        if let Some(before) = self.known.drop_before(now.wall) {
            self.outputs.push_back(Output::DropSlices { before });
        }
        if self.alarm.is_none() && !self.open.is_empty() {
            let at = now.wall.plus_ms(limits::GROUP_ALARM_MS);
            self.alarm = Some(at);
            self.outputs.push_back(Output::Alarm(at));
        }
    }

    fn wake_at(&self) -> Option<TickMs> {
        let window_ms = u64::from(self.options.window_ms);
        let windows = self.windows.values().map(|window| window.opened.plus_ms(window_ms));
        let sends = self.open.due(self.options.inserts).filter(|_| !self.is_lost);
        windows.min().into_iter().chain(sends).min()
    }

    /// Whether a batch of these bytes for this table is one too many. A table that ClickHouse
    /// refuses may hold no more than its share: there is always room for the others then.
    fn is_full(&self, table: &str, block_bytes: usize) -> bool {
        let all = self.options.backlog();
        self.load(|_| true).is_full(all, block_bytes)
            || self.open.refuses(table)
                && self.load(|of| of == table).is_full(all.share(self.options.tables), block_bytes)
    }

    /// How much waits for the tables that `is_meant` says, in groups and on the way there.
    fn load(&self, is_meant: impl Fn(&str) -> bool) -> Load {
        let mut load = self.open.load(&is_meant);
        let windows = self.windows.iter().filter(|(table, _)| is_meant(table));
        for (_, window) in windows {
            load.bytes += window.blocks.len() as u64;
            load.batches += window.members.len();
        }
        for looking in self.looking.values().filter(|looking| is_meant(&looking.table)) {
            load.bytes += looking.block.len() as u64;
            load.batches += 1;
        }
        load
    }
}

/// The rows of a block that is one; a block without rows would end the insert that it is in.
fn rows(block: &[u8]) -> Option<u32> {
    let mut block = Cursor::new(block);
    block.varint().ok()?;
    let rows = block.varint().ok()?;
    u32::try_from(rows).ok().filter(|rows| *rows > 0)
}
