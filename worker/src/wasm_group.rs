//! What the Durable Object in JavaScript calls: a shard, its effects as plain objects. Every export
//! is synchronous, and none decides anything.

use crate::config::Config;
use crate::group::{
    Inserted, Output, Put, PutId, Row, Shard, Slice, Status, Stored, StoredGroup, Taken,
};
use crate::insert;
use crate::upstream::{Outcome, Reply};
use crate::wasm::{Worker, request_to_js};
use tallymark::rng::Uuid;
use tallymark::time::{Now, TickMs, UnixMs};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen(module = "/entry/effect.js")]
extern "C" {
    #[wasm_bindgen(js_name = writeShards)]
    fn write_shards(shards: u32) -> JsValue;
    fn answer(put: u32, taken: &str) -> JsValue;
    fn look(put: u32, hour: u32, part: u8) -> JsValue;
    #[wasm_bindgen(js_name = writeGroup)]
    fn write_group(group: &[u8], table: &str, members: &[u8], body: &[u8]) -> JsValue;
    fn sync(group: &[u8]) -> JsValue;
    fn insert(group: &[u8], request: JsValue) -> JsValue;
    #[wasm_bindgen(js_name = clearBody)]
    fn clear_body(group: &[u8]) -> JsValue;
    #[wasm_bindgen(js_name = giveUp)]
    fn give_up(group: &[u8], given_up: f64) -> JsValue;
    fn load(group: &[u8]) -> JsValue;
    fn split(group: &[u8], first: JsValue, second: JsValue) -> JsValue;
    #[wasm_bindgen(js_name = setAside)]
    fn set_aside(group: &[u8], code: &str) -> JsValue;
    fn reopen(group: &[u8]) -> JsValue;
    #[wasm_bindgen(js_name = moveKnown)]
    fn move_known(groups: &[u8], slices: Vec<JsValue>) -> JsValue;
    fn slice(hour: u32, part: u8, run: f64, keys: &[u8]) -> JsValue;
    #[wasm_bindgen(js_name = dropSlices)]
    fn drop_slices(before: f64) -> JsValue;
    fn alarm(at: f64) -> JsValue;
    fn restart() -> JsValue;
    fn log(line: &str) -> JsValue;
    fn wake(at: Option<f64>) -> JsValue;
}

/// One shard; see [`Shard`]. It is fed its stored rows, then opened, then driven.
#[wasm_bindgen]
pub struct GroupShard {
    config: Option<Config>,
    stored: Stored,
    shard: Option<Shard>,
}

#[wasm_bindgen]
impl GroupShard {
    /// A shard that is not open yet.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(worker: &Worker) -> Self {
        Self { config: worker.config(), stored: Stored::default(), shard: None }
    }

    /// How many shards there were.
    #[wasm_bindgen(js_name = storedShards)]
    pub fn stored_shards(&mut self, shards: u32) {
        self.stored.shards = Some(shards);
    }

    /// The same by the first shard's storage.
    #[wasm_bindgen(js_name = shardsOfFirst)]
    pub fn shards_of_first(&mut self, shards: u32) {
        self.stored.shards_of_first = Some(shards);
    }

    /// How many batches were given up.
    #[wasm_bindgen(js_name = storedGivenUp)]
    pub fn stored_given_up(&mut self, given_up: f64) {
        self.stored.given_up = given_up as u64;
    }

    /// A group's row.
    #[wasm_bindgen(js_name = storedGroup)]
    pub fn stored_group(
        &mut self,
        group: &[u8],
        table: String,
        members: Vec<u8>,
        body_bytes: f64,
        aside: Option<String>,
    ) {
        let body_bytes = body_bytes as u64;
        let group = StoredGroup { group: uuid(group), table, members, body_bytes, aside };
        self.stored.groups.push(group);
    }

    /// A slice's hour and run.
    #[wasm_bindgen(js_name = storedSlice)]
    pub fn stored_slice(&mut self, hour: u32, run: f64) {
        self.stored.slices.push((hour, run as i64));
    }

    /// See [`Shard::open`]: the problem, if there is one.
    pub fn open(&mut self, wall: f64, tick: f64, seed: &[u64]) -> Option<String> {
        let Some(config) = &self.config else {
            return Some("the worker is not configured, see /v1/health".into());
        };
        let mut words = [0; 4];
        words.iter_mut().zip(seed).for_each(|(to, from)| *to = *from);
        let stored = std::mem::take(&mut self.stored);
        match Shard::open(now(wall, tick), words, config.group, &stored) {
            Ok(shard) => {
                self.shard = Some(shard);
                None
            }
            Err(problem) => Some(problem.to_string()),
        }
    }

    /// See [`Shard::handle_put`].
    #[allow(clippy::too_many_arguments, reason = "one crossing a call, without an object")]
    pub fn put(
        &mut self,
        wall: f64,
        tick: f64,
        put: u32,
        site: &str,
        table: &str,
        batch: &str,
        block: &[u8],
    ) {
        let (now, batch) = (now(wall, tick), Uuid::parse(batch.as_bytes()).unwrap_or_default());
        let put = Put { id: PutId(put), site, table, batch, block };
        self.with(|shard| shard.handle_put(now, &put));
    }

    /// See [`Shard::handle_ask`].
    pub fn ask(&mut self, wall: f64, tick: f64, put: u32, site: &str, table: &str, batch: &str) {
        let (now, batch) = (now(wall, tick), Uuid::parse(batch.as_bytes()).unwrap_or_default());
        self.with(|shard| shard.handle_ask(now, PutId(put), site, table, batch));
    }

    /// See [`Shard::handle_looked`]: slices one behind the other, with the bytes of each.
    pub fn looked(&mut self, wall: f64, tick: f64, put: u32, slices: &[u8], lengths: &[u32]) {
        let mut rest = slices;
        let mut parts = Vec::with_capacity(lengths.len());
        for length in lengths {
            let (part, after) = rest.split_at(rest.len().min(*length as usize));
            parts.push(part);
            rest = after;
        }
        self.with(|shard| shard.handle_looked(now(wall, tick), PutId(put), &parts));
    }

    /// See [`Shard::handle_synced`].
    pub fn synced(&mut self, wall: f64, tick: f64, group: &[u8]) {
        self.with(|shard| shard.handle_synced(now(wall, tick), uuid(group)));
    }

    /// See [`Shard::handle_write_failed`].
    #[wasm_bindgen(js_name = writeFailed)]
    pub fn write_failed(&mut self, wall: f64, tick: f64, group: &[u8], why: &str) {
        self.with(|shard| shard.handle_write_failed(now(wall, tick), uuid(group), why));
    }

    /// See [`Shard::handle_storage_lost`].
    #[wasm_bindgen(js_name = storageLost)]
    pub fn storage_lost(&mut self, wall: f64, tick: f64, why: &str) {
        self.with(|shard| shard.handle_storage_lost(now(wall, tick), why));
    }

    /// See [`Shard::handle_inserted`]: an answer, whole.
    #[allow(clippy::too_many_arguments, reason = "one crossing an insert, without an object")]
    pub fn answered(
        &mut self,
        wall: f64,
        tick: f64,
        group: &[u8],
        status: u16,
        exception_code: Option<String>,
        has_query_id: bool,
        body: Vec<u8>,
    ) {
        let reply = Reply { status, exception_code, has_query_id, body };
        self.inserted(now(wall, tick), group, &Outcome::Answer(reply));
    }

    /// See [`Shard::handle_inserted`]: no answer.
    pub fn lost(&mut self, wall: f64, tick: f64, group: &[u8], timed_out: bool) {
        let outcome = if timed_out { Outcome::TimedOut } else { Outcome::Failed };
        self.inserted(now(wall, tick), group, &outcome);
    }

    fn inserted(&mut self, now: Now, group: &[u8], outcome: &Outcome) {
        let inserted: Inserted = insert::outcome(outcome);
        self.with(|shard| shard.handle_inserted(now, uuid(group), &inserted));
    }

    /// See [`Shard::handle_loaded`].
    pub fn loaded(&mut self, wall: f64, tick: f64, group: &[u8], body: &[u8]) {
        self.with(|shard| shard.handle_loaded(now(wall, tick), uuid(group), body));
    }

    /// See [`Shard::list`], as JSON.
    #[must_use]
    pub fn list(&self, group: &[u8], body: &[u8]) -> Option<Vec<u8>> {
        let listed = self.shard.as_ref()?.list(uuid(group), body)?;
        serde_json::to_vec(&listed).ok()
    }

    /// See [`Shard::handle_replay`].
    pub fn replay(&mut self, wall: f64, tick: f64, group: &[u8]) -> bool {
        let (now, group) = (now(wall, tick), uuid(group));
        self.shard.as_mut().is_some_and(|shard| shard.handle_replay(now, group))
    }

    /// See [`Shard::handle_discard`].
    pub fn discard(&mut self, wall: f64, tick: f64, group: &[u8]) -> bool {
        let (now, group) = (now(wall, tick), uuid(group));
        self.shard.as_mut().is_some_and(|shard| shard.handle_discard(now, group))
    }

    /// See [`Shard::handle_moved`].
    pub fn moved(&mut self, wall: f64, tick: f64, is_written: bool) {
        self.with(|shard| shard.handle_moved(now(wall, tick), is_written));
    }

    /// See [`Shard::handle_timeout`].
    pub fn timeout(&mut self, wall: f64, tick: f64) {
        self.with(|shard| shard.handle_timeout(now(wall, tick)));
    }

    /// See [`Shard::handle_alarm`].
    pub fn alarm(&mut self, wall: f64, tick: f64) {
        self.with(|shard| shard.handle_alarm(now(wall, tick)));
    }

    /// See [`Shard::status`], as JSON.
    #[must_use]
    pub fn status(&self, wall: f64, tick: f64, stored_bytes: f64) -> String {
        // A whole number below 2^53.
        let stored_bytes = stored_bytes as u64;
        let status = self.shard.as_ref().map(|shard| shard.status(now(wall, tick)));
        let status = status.map(|status| Status { stored_bytes, ..status });
        // Text and numbers always serialize.
        serde_json::to_string(&status).unwrap_or_default()
    }

    /// See [`Shard::poll_output`].
    pub fn poll(&mut self) -> JsValue {
        match (self.shard.as_mut().map(Shard::poll_output), &self.config) {
            (Some(output), Some(config)) => to_js(output, config),
            _ => wake(None),
        }
    }

    fn with(&mut self, call: impl FnOnce(&mut Shard)) {
        if let Some(shard) = &mut self.shard {
            call(shard);
        }
    }
}

/// Both clocks; `Date.now()` is whole milliseconds, `performance.now()` is rounded down.
fn now(wall: f64, tick: f64) -> Now {
    Now { wall: UnixMs(wall as i64), tick: TickMs(tick as u64) }
}

fn uuid(bytes: &[u8]) -> Uuid {
    bytes.try_into().map(Uuid).unwrap_or_default()
}

/// An effect as the entry's object; bytes are copied once, out of wasm's memory.
fn to_js(output: Output, config: &Config) -> JsValue {
    match output {
        Output::WriteShards(shards) => write_shards(shards),
        Output::Answer(put, taken) => answer(put.0, taken_name(taken)),
        Output::Look { put, hour, part } => look(put.0, hour, part),
        Output::WriteGroup(row) => row_to_js(&row),
        Output::Sync { group } => sync(&group.0),
        Output::Insert { group, table } => {
            let request = insert::request(config, &table, group, Vec::new());
            insert(&group.0, request_to_js(&request))
        }
        Output::ClearBody { group } => clear_body(&group.0),
        Output::GiveUp { group, given_up } => give_up(&group.0, given_up as f64),
        Output::Load { group } => load(&group.0),
        Output::Split { group, rows: [first, second] } => {
            split(&group.0, row_to_js(&first), row_to_js(&second))
        }
        Output::SetAside { group, code } => set_aside(&group.0, &code),
        Output::Reopen { group } => reopen(&group.0),
        Output::MoveKnown { slices, groups } => {
            let ids: Vec<u8> = groups.iter().flat_map(|group| group.0).collect();
            move_known(&ids, slices.iter().map(slice_to_js).collect())
        }
        Output::DropSlices { before } => drop_slices(before as f64),
        Output::Alarm(at) => alarm(at.0 as f64),
        Output::Restart => restart(),
        Output::Log(line) => log(&line),
        Output::Wake(at) => wake(at.map(|tick| tick.0 as f64)),
    }
}

fn row_to_js(row: &Row) -> JsValue {
    write_group(&row.group.0, &row.table, &row.members, &row.body)
}

fn slice_to_js(of: &Slice) -> JsValue {
    slice(of.hour, of.part, of.run as f64, &of.keys)
}

/// As the API spells it.
const fn taken_name(taken: Taken) -> &'static str {
    match taken {
        Taken::Accepted => "accepted",
        Taken::Known => "known",
        Taken::Busy => "busy",
        Taken::Unknown => "unknown",
    }
}
