//! Queries on their way: one after the other from the cache or from ClickHouse, their results into
//! one answer.

use super::cache::{Age, Cache, Kept};
use super::run::{Prepared, known};
use super::{Ask, Catalogue, Query, prepare};
use crate::access::Grant;
use crate::answer::Answer;
use crate::config::Config;
use crate::limits;
use crate::refusal::{Code, Refusal};
use crate::upstream::{Outcome, Request};
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::rc::Rc;
use tallymark::time::UnixMs;

/// The queries of one request.
#[derive(Debug)]
pub struct Pending {
    /// Not yet answered; the first is the one that is being answered.
    waiting: VecDeque<Prepared>,
    /// Answered by a stale result, to be fetched again behind the answer.
    behind: VecDeque<Prepared>,
    now: UnixMs,
    timeout_ms: u32,
    /// Whether the caller wants no cached answer.
    refresh: bool,
    /// What the first of `waiting` has tried.
    tried: Tried,
    /// What came last, for a cache that isolates share.
    store: Option<Store>,
    /// The answer so far.
    body: Vec<u8>,
    /// Whether the answer is one result, not a list.
    single: bool,
}

/// Where a query was looked for before it is sent.
#[derive(Debug, Default)]
struct Tried {
    shared: bool,
    joined: bool,
    /// It was sent, and others may wait for it.
    flies: bool,
}

/// What to do next.
#[derive(Debug)]
pub enum Turn {
    /// Send this, then [`Pending::take`].
    Fetch(Request),
    /// Look this up in the cache that isolates share, then [`Pending::found`].
    Look(String),
    /// Wait for the flight of this name, then [`Pending::next`].
    Join(String),
    /// Everything is answered.
    Done,
}

/// A result for the cache that isolates share.
#[derive(Debug)]
pub struct Store {
    /// Under which name.
    pub name: String,
    /// When it was computed.
    pub at: UnixMs,
    /// For how long, in seconds.
    pub seconds: i64,
    /// ClickHouse's rows.
    pub rows: Rc<[u8]>,
}

impl Pending {
    /// Checks every question, so that a wrong one costs the database nothing.
    ///
    /// # Errors
    /// The first refusal; in a list it names the query.
    pub fn new(
        asks: &[Ask],
        catalogue: &Catalogue,
        grant: &Grant,
        now: UnixMs,
        config: &Config,
        single: bool,
    ) -> Result<Self, Refusal> {
        let mut waiting = VecDeque::with_capacity(asks.len());
        for (index, ask) in asks.iter().enumerate() {
            let prepared = prepare(ask, catalogue, grant, now, config).map_err(|refusal| {
                let message = format!("query {index}: {}", refusal.message);
                if single { refusal } else { Refusal { message, ..refusal } }
            })?;
            waiting.push_back(prepared);
        }
        Ok(Self {
            waiting,
            behind: VecDeque::new(),
            now,
            timeout_ms: config.upstream_timeout_ms,
            refresh: false,
            tried: Tried::default(),
            store: None,
            body: if single { Vec::new() } else { b"[".to_vec() },
            single,
        })
    }

    /// The same, without a cached answer.
    #[must_use]
    pub fn refreshed(mut self, refresh: bool) -> Self {
        self.refresh = refresh;
        self
    }

    /// Answers what the cache can answer, and says what the next query needs.
    ///
    /// # Errors
    /// `502 upstream`.
    pub fn next(&mut self, cache: &mut Cache, catalogue: &Catalogue) -> Result<Turn, Answer> {
        while let Some(first) = self.waiting.front() {
            if first.cache_seconds == 0 {
                return Ok(self.fetch(None));
            }
            let name = flight_name(&first.key);
            if !self.refresh {
                let kept = cache.get(&first.key).cloned();
                let age = kept.as_ref().map(|kept| Age::of(kept.at, self.now, first.cache_seconds));
                if let (Some(kept), Some(Age::Fresh | Age::Stale)) = (kept, age) {
                    let query = known(&first.name, catalogue)?;
                    self.push(query, &kept.rows, Some(kept.at));
                    self.answered(age == Some(Age::Stale));
                    continue;
                }
                if !self.tried.joined && cache.is_in_flight(&first.key, self.now, self.timeout_ms) {
                    self.tried.joined = true;
                    return Ok(Turn::Join(name));
                }
                if !self.tried.shared {
                    self.tried.shared = true;
                    return Ok(Turn::Look(name));
                }
            }
            cache.take_off(&first.key, self.now);
            self.tried.flies = true;
            return Ok(self.fetch(Some(name)));
        }
        Ok(Turn::Done)
    }

    /// What the shared cache has, and when that was computed.
    pub fn found(&mut self, at: UnixMs, rows: &[u8], cache: &mut Cache) {
        if let Some(first) = self.waiting.front() {
            cache.put(&first.key, Kept { at, rows: rows.into() });
        }
    }

    /// Takes what came of the request that was sent.
    ///
    /// # Errors
    /// `502 upstream`, with its cause in the log alone.
    pub fn take(
        &mut self,
        outcome: &Outcome,
        cache: &mut Cache,
        catalogue: &Catalogue,
    ) -> Result<(), Answer> {
        self.land(cache);
        let Some(first) = self.waiting.front() else { return Ok(()) };
        let query = known(&first.name, catalogue)?;
        let rows = outcome.success().map_err(|line| {
            let refusal = Refusal::new(Code::Upstream, "the database did not answer this query");
            Answer::from(refusal).logged(format!("query {}: {line}", query.head.name))
        })?;
        let rows = rows.body.trim_ascii_end();
        self.store = keep(first, rows, self.now, cache);
        self.push(query, rows, None);
        self.answered(false);
        Ok(())
    }

    /// The result that came last, if it is one to share.
    pub fn to_store(&mut self) -> Option<Store> {
        self.store.take()
    }

    /// The next query that was answered by a stale result and that nobody is fetching.
    pub fn next_behind(&mut self, cache: &mut Cache) -> Option<Request> {
        while let Some(first) = self.behind.front_mut() {
            if !cache.is_in_flight(&first.key, self.now, self.timeout_ms) {
                cache.take_off(&first.key, self.now);
                let mut request = first.request.clone();
                request.flight = Some(flight_name(&first.key));
                return Some(request);
            }
            self.behind.pop_front();
        }
        None
    }

    /// Takes what came of it; a failure leaves the stale result.
    pub fn take_behind(&mut self, outcome: &Outcome, cache: &mut Cache) {
        let Some(first) = self.behind.pop_front() else { return };
        cache.land(&first.key);
        if let Ok(reply) = outcome.success() {
            self.store = keep(&first, reply.body.trim_ascii_end(), self.now, cache);
        }
    }

    /// Whoever waits for a fetch of ours need not any more.
    pub fn land(&mut self, cache: &mut Cache) {
        if let (true, Some(first)) = (self.tried.flies, self.waiting.front()) {
            cache.land(&first.key);
            self.tried.flies = false;
        }
    }

    /// The whole answer.
    #[must_use]
    pub fn answer(&mut self) -> Answer {
        let mut body = std::mem::take(&mut self.body);
        if !self.single {
            body.push(b']');
        }
        Answer::json(200, body)
    }

    /// The first query's request, with what is left of the bytes that one answer may have.
    fn fetch(&mut self, flight: Option<String>) -> Turn {
        let left = limits::RESULT_BYTES.saturating_sub(self.body.len());
        match self.waiting.front() {
            Some(first) => {
                let request = first.request.clone();
                Turn::Fetch(Request { answer_bytes: left, flight, ..request })
            }
            None => Turn::Done,
        }
    }

    fn answered(&mut self, is_stale: bool) {
        self.tried = Tried::default();
        self.behind.extend(self.waiting.pop_front().filter(|_| is_stale));
    }

    /// Appends `{"data", "columns", "cached_at"}`.
    ///
    /// The rows are not parsed: they are JSON objects, a line each, and JSON text holds no line
    /// break.
    fn push(&mut self, query: &Query, rows: &[u8], cached_at: Option<UnixMs>) {
        let body = &mut self.body;
        if !self.single && body.len() > 1 {
            body.push(b',');
        }
        body.reserve(rows.len() + query.columns_json.len() + 64);
        body.extend_from_slice(b"{\"data\":[");
        body.extend(rows.iter().map(|&byte| if byte == b'\n' { b',' } else { byte }));
        body.extend_from_slice(b"],\"columns\":");
        body.extend_from_slice(query.columns_json.as_bytes());
        let at = cached_at.map_or("null".into(), |at| at.0.to_string());
        body.extend_from_slice(format!(",\"cached_at\":{at}}}").as_bytes());
    }
}

/// Keeps a result for its query's time; what other isolates may have of it.
fn keep(query: &Prepared, rows: &[u8], at: UnixMs, cache: &mut Cache) -> Option<Store> {
    if query.cache_seconds == 0 {
        return None;
    }
    let rows: Rc<[u8]> = rows.into();
    cache.put(&query.key, Kept { at, rows: Rc::clone(&rows) });
    let seconds = i64::from(query.cache_seconds) * limits::CACHE_STALE_TIMES;
    Some(Store { name: flight_name(&query.key), at, seconds, rows })
}

/// A key of any length and content as a name for a URL.
fn flight_name(key: &str) -> String {
    Sha256::digest(key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
