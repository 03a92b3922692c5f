//! The worker and the ClickHouse behind it.

use tallymark::block;
use tallymark::rng::Uuid;
use tallymark::schema::EVENTS;
use tallymark::time::UnixMs;

use crate::clickhouse::{ClickHouse, Insert, RowKey, Trouble};
use crate::dice::Dice;
use crate::tally::Tally;

/// A whole HTTP answer, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    None,
    Http { status: u16, body: String, retry_after_s: Option<u32> },
}

impl Reply {
    pub fn http(status: u16, body: &str) -> Self {
        Self::Http { status, body: body.into(), retry_after_s: None }
    }

    fn later(status: u16, code: &str, seconds: u32) -> Self {
        Self::Http { status, body: refusal(code), retry_after_s: Some(seconds) }
    }
}

fn refusal(code: &str) -> String {
    format!(r#"{{"code":"{code}","message":"because"}}"#)
}

/// How the worker is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worker {
    Up,
    Down,
    RateLimits,
    /// Deployed without the site's key.
    Keyless,
}

/// How ClickHouse is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    Up,
    Down,
    /// Its view fails every other time.
    ViewFails,
    /// It does what it is asked, and the worker gives up waiting every other time.
    Slow,
}

/// What the receiver leaves out when it is a mutant.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weakness {
    pub window_on_source_only: bool,
    pub placed_by_corrected_time: bool,
    pub no_horizon: bool,
    pub acknowledges_from_memory: bool,
}

impl Weakness {
    pub fn of(mutant: &str) -> Self {
        Self {
            window_on_source_only: mutant == "window_on_source_only",
            placed_by_corrected_time: mutant == "placed_by_corrected_time",
            no_horizon: mutant == "no_horizon",
            acknowledges_from_memory: mutant == "acknowledges_from_memory",
        }
    }
}

/// What the receiver said for good about a batch, for the ledger to hold drops against.
pub type Said = Vec<(Uuid, u16)>;

#[derive(Debug)]
pub struct Receiver {
    pub worker: Worker,
    pub server: Server,
    pub cap_bytes: usize,
    /// Table and rollup of each destination.
    pub tables: [ClickHouse; 2],
    pub said: Said,
    weakness: Weakness,
}

/// One destination by its key and its table.
const KEYS: [(&str, &str); 2] = [("pk_0", "events"), ("pk_1", "events")];

pub fn key(destination: usize) -> &'static str {
    KEYS[destination].0
}

fn parameter<'a>(url: &'a str, name: &str) -> &'a str {
    let parameters = url.split('?').nth(1).unwrap_or_default().split('&');
    parameters.filter_map(|it| it.split_once('=')).find(|it| it.0 == name).map_or("", |it| it.1)
}

impl Receiver {
    pub fn new(weakness: Weakness) -> Self {
        let rollup = if weakness.window_on_source_only { 0 } else { 10_000 };
        let table = || ClickHouse::new(10_000, rollup);
        Self {
            worker: Worker::Up,
            server: Server::Up,
            cap_bytes: 1_000_000,
            tables: [table(), table()],
            said: Vec::new(),
            weakness,
        }
    }

    pub fn heal(&mut self) {
        (self.worker, self.server) = (Worker::Up, Server::Up);
    }

    /// One request as it arrives.
    pub fn post(
        &mut self,
        url: &str,
        body: &[u8],
        now: UnixMs,
        dice: &mut Dice,
        tally: &mut Tally,
    ) -> Reply {
        if self.worker == Worker::Down {
            return if dice.chance(50) {
                Reply::None
            } else {
                Reply::http(502, "<html>bad gateway")
            };
        }
        let Some(id) = Uuid::parse(parameter(url, "id").as_bytes()) else {
            return Reply::http(400, &refusal("bad_request"));
        };
        let known = KEYS.iter().position(|it| it.0 == parameter(url, "k"));
        let Some(destination) = known.filter(|_| self.worker != Worker::Keyless) else {
            self.said.push((id, 401));
            return Reply::http(401, &refusal("bad_key"));
        };
        if self.worker == Worker::RateLimits && dice.chance(70) {
            tally.count("answer: rate limited");
            return Reply::later(429, "rate_limited", dice.between(0, 5) as u32);
        }
        let (Some(time), Ok(at)) = (id.v7_time(), parameter(url, "at").parse::<i64>()) else {
            return Reply::http(400, &refusal("bad_request"));
        };
        if at - time.0 > 24 * 3_600_000 && !self.weakness.no_horizon {
            self.said.push((id, 410));
            return Reply::http(410, &refusal("too_old"));
        }
        if body.len() > self.cap_bytes {
            tally.count("answer: too large");
            self.said.push((id, 413));
            return Reply::http(413, &refusal("too_large"));
        }
        let walked = block::walk(body).unwrap();
        block::check(&walked, &EVENTS).unwrap();
        // Twice as fast as the client's clock since it sent: what any correction does to a time.
        let placed_by = if self.weakness.placed_by_corrected_time { now } else { time };
        let insert = Insert { token: id, placed_by, rows: rows(body) };
        let trouble = match self.server {
            Server::Down => Trouble::BeforeSource,
            Server::ViewFails if dice.chance(50) => Trouble::InView,
            _ => Trouble::None,
        };
        tally.count("insert");
        let durable = self.tables[destination].insert(&insert, trouble);
        let waited = self.server != Server::Slow || dice.chance(50);
        if (durable && waited) || self.weakness.acknowledges_from_memory {
            Reply::http(202, &format!(r#"{{"now":{},"known":false}}"#, now.0))
        } else {
            tally.count("answer: busy");
            Reply::later(503, "busy", dice.between(0, 3) as u32)
        }
    }

    /// Other people's inserts push out the tokens of batches this old.
    pub fn forget(&mut self, before: UnixMs) {
        self.tables.iter_mut().for_each(|table| table.forget(before));
    }
}

/// The rows of a block, in order.
pub fn rows(body: &[u8]) -> Vec<RowKey> {
    let block = block::walk(body).unwrap();
    let pages = block.column("page_id").unwrap().values::<Uuid>().unwrap();
    let seqs = block.column("seq").unwrap().values::<u32>().unwrap();
    let values: Vec<u64> = match block.column("value") {
        Some(column) => column.values::<f64>().unwrap().map(|value| value as u64).collect(),
        None => vec![1; block.rows()],
    };
    let names = block.column("name").unwrap().texts().unwrap();
    let numbers = values.into_iter().zip(names);
    pages
        .zip(seqs)
        .zip(numbers)
        .map(|((page, seq), (value, name))| RowKey {
            page,
            seq,
            event: if name == "$dropped" { 0 } else { value },
        })
        .collect()
}
