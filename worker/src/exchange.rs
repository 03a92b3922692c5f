//! One request from begin to end, without IO: each call takes what happened and says what to do.
//!
//! ```text
//! begin ─┬─> Respond                                      refused, preflight
//!        ├─> Read ── body ──> Put ── put ──> Respond      a batch or events for a group
//!        ├─> Read ── body ──> insert ──> Respond          the same, inserted by itself
//!        ├─> Read ── body ──> insert … ──> Respond        changes
//!        ├─> query ──> Respond                            GET /v1/query/<name>
//!        ├─> Read ── body ──> query … ──> Respond         POST /v1/query
//!        ├─> Read ── body ──> Fetch ── upstream ──> Respond             a statement of the admin's
//!        ├─> Read ── body ──> Fetch ── upstream ──> Fetch … ──> Respond migrations
//!        ├─> Fetch ── upstream ──> [Shards ── shards ──>] Respond       health
//!        ├─> Admin ── admin ──> Respond                   a group that was set aside
//!        ├─> Admin ── admin ──> Fetch ── upstream ──> Admin ── admin ──> Respond    … tried again
//!        └─> Asset ── asset ──> Relay                     a file
//!
//! insert:  [Ask ── put ──>]           did a group take it?
//!          [Fetch ── upstream ──>]    has the table got it?
//!          Fetch ── upstream ──>      unless one of them said so
//! query:   [Join ── joined ──>] [Look ── found ──>] [Fetch ── upstream ──>]
//! ```

use crate::access::{self, Grant};
use crate::admin::{self, Migration};
use crate::answer::Answer;
use crate::aside::{self, Action, Target};
use crate::assets;
use crate::batch::Head;
use crate::block;
use crate::cdc::{self, Changes};
use crate::config::Config;
use crate::enrich::{Agent, Place, Sender, truncated_ip, whole_ip};
use crate::events::{self, Receipt};
use crate::health;
use crate::insert::{self, Found};
use crate::limits;
use crate::query::{self, Ask, Pending, Store, Turn};
use crate::refusal::{Code, Refusal};
use crate::replay::{self, Replay};
use crate::routes::Route;
use crate::sink::{self, Asked, Next, Put};
use crate::sites::caller;
use crate::sql;
use crate::upstream::{self, Outcome};
use crate::url::Url;
use crate::worker::Worker;
use std::borrow::Cow;
use std::rc::Rc;
use tallymark::time::UnixMs;

/// What the entry has to say about a request before its body.
#[derive(Clone, Debug, Default)]
pub struct Request<'a> {
    /// The method, upper case.
    pub method: &'a str,
    /// The whole URL.
    pub url: &'a str,
    /// The header `Origin`.
    pub origin: Option<&'a str>,
    /// The header `Sec-Fetch-Site`.
    pub fetch_site: Option<&'a str>,
    /// The header `Authorization`.
    pub authorization: Option<&'a str>,
    /// The header `x-api-key`.
    pub api_key: Option<&'a str>,
    /// The header `Content-Length`, in bytes.
    pub content_length: Option<usize>,
    /// Whether there is a header `Transfer-Encoding`. Then the length says nothing, and workerd
    /// hands out both (RFC 9112, 6.3).
    pub transfer_encoding: bool,
    /// The header that [`Worker::client_ip_header`] names.
    pub client_ip: Option<&'a str>,
    /// What the platform's limiter said about [`Worker::limit_name`], where there is one.
    pub is_within_limit: Option<bool>,
    /// Where the platform says that the request comes from.
    pub place: Place,
    /// What the header `User-Agent` tells, if [`Worker::reads_agents`].
    pub agent: Agent,
    /// The time.
    pub now: UnixMs,
}

/// What the entry does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Read the request's body up to this many bytes, then call [`Exchange::body`], or
    /// [`Exchange::too_large`].
    Read {
        /// The most to read, in bytes.
        cap_bytes: usize,
        /// Whether the body ends within the cap for sure, so that nobody need count its chunks:
        /// for 36 KB that takes 65 of 170 µs off workerd's reading and forwarding.
        at_once: bool,
    },
    /// Send this, then call [`Exchange::upstream`].
    Fetch(upstream::Request),
    /// Hand the batch to its shard, then call [`Exchange::put`].
    Put(Put),
    /// Ask its shard whether it took the batch, then call [`Exchange::put`].
    Ask(Asked),
    /// Ask this many shards for their status, then call [`Exchange::shards`].
    Shards {
        /// How many, from 0.
        count: u32,
    },
    /// Have the shard do this to a group, then call [`Exchange::admin`].
    Admin(Target),
    /// Look this name up in the cache that isolates share, then call [`Exchange::found`].
    Look(String),
    /// Wait until another request's fetch of this name has ended, but no longer than a fetch may
    /// take; then call [`Exchange::joined`].
    Join {
        /// The fetch's `flight`.
        name: String,
        /// The longest to wait, in milliseconds.
        timeout_ms: u32,
    },
    /// Get the request's path from the assets, then call [`Exchange::asset`].
    Asset,
    /// Send the asset's body under these headers. The end.
    Relay(Answer),
    /// Send this. The end.
    Respond(Answer),
}

/// One request in progress.
#[derive(Debug)]
pub struct Exchange {
    worker: Rc<Worker>,
    now: UnixMs,
    state: State,
    after: After,
}

/// What follows once a batch is durable.
#[derive(Debug)]
enum After {
    /// The client is told so.
    Tell,
    /// The client is told which of its events were taken.
    Receipt(Receipt),
    /// The next of these changes is stored.
    Changes(Changes),
}

/// What the entry's next call will be about.
#[derive(Debug)]
enum State {
    /// Nothing: not begun, or ended.
    Idle,
    /// The body of a batch.
    Batch(Head, Sender),
    /// The body of events as JSON.
    Events(events::Head, Sender),
    /// The body of changes for this site.
    Changes(String),
    /// The shard's answer to a batch.
    Put,
    /// The shard's answer whether it took a batch; what follows if it did not.
    Asked(Box<Next>),
    /// ClickHouse's answer to a look-up; the insert that follows it.
    LookUp(upstream::Request),
    /// ClickHouse's answer to an insert of a batch that its table had already, or had not.
    Insert { known: bool },
    /// The body with several queries; whether they are to be fetched anew.
    Queries(Grant, bool),
    /// ClickHouse's answer to the next of these queries.
    Query(Pending),
    /// All are answered; some are fetched anew behind the answer.
    Behind(Pending),
    /// The body of a statement, for this URL.
    Statement(String),
    /// ClickHouse's answer to it.
    Sql,
    /// The body of a migration, which says nothing, for this URL.
    Migrate(String),
    /// ClickHouse's answer to one of its statements.
    Migration(Migration),
    /// ClickHouse's answer to the health question.
    Health,
    /// What the shards say, beside what ClickHouse said.
    Shards(String),
    /// What the shard did.
    Admin(Target),
    /// ClickHouse's answer whether it has any of a group that is to be replayed.
    Replay(Replay),
    /// A file's status.
    Asset(String),
}

impl Exchange {
    /// An exchange that waits for its begin.
    #[must_use]
    pub fn new(worker: Rc<Worker>) -> Self {
        Self { worker, now: UnixMs(0), state: State::Idle, after: After::Tell }
    }

    /// The request is there, its body not yet read.
    pub fn begin(&mut self, request: &Request<'_>) -> Step {
        self.now = request.now;
        self.route(request).unwrap_or_else(Step::Respond)
    }

    fn route(&mut self, request: &Request<'_>) -> Result<Step, Answer> {
        let url = Url::parse(request.url);
        let worker = Rc::clone(&self.worker);
        let route = Route::choose(request.method, url.path)?;
        if request.url.len() > limits::URL_BYTES {
            return Err(Refusal::new(Code::BadRequest, "the URL is too long").into());
        }
        if route.is_limited() {
            worker.limit(route, request, &url)?;
        }
        if let Some((code, name)) = route.doubled_code().zip(url.doubled()) {
            let name: String = name.chars().take(limits::SITE_BYTES).collect();
            return Err(Refusal::new(code, format!("parameter {name} is there twice")).into());
        }
        match route {
            Route::Asset(file) => {
                if assets::content_type(file).is_none() {
                    return Err(crate::routes::not_found());
                }
                self.state = State::Asset(file.into());
                Ok(Step::Asset)
            }
            Route::Health => match &worker.config {
                Ok(config) => {
                    self.state = State::Health;
                    Ok(Step::Fetch(health::request(config)))
                }
                Err(problems) => Err(health::misconfigured(problems)),
            },
            Route::Group(path) => {
                let config = worker.config()?;
                access::admin(request.authorization, config)?;
                Ok(self.ask_admin(Target::parse(path, &url, config)?))
            }
            Route::Batch => {
                let config = worker.config()?;
                let head =
                    Head::read(&url, request.origin, request.fetch_site, request.now, config)?;
                // A server's own address and place say nothing of whom its events are about.
                let sender =
                    if head.is_server { Sender::default() } else { sender(request, config) };
                self.state = State::Batch(head, sender);
                read(request, config.body_bytes)
            }
            Route::Events(form) => {
                let config = worker.config()?;
                let origin = caller(request.origin, request.fetch_site, &url);
                // Nothing that could borrow it again runs meanwhile.
                let mut ids = worker.ids.try_borrow_mut().map_err(|_| out_of_turn())?;
                let (key, now) = (request.api_key, request.now);
                let head = events::Head::read(form, &url, origin, key, now, config, &mut ids)?;
                self.state = State::Events(head, sender(request, config));
                read(request, config.body_bytes)
            }
            Route::Changes => {
                let config = worker.config()?;
                let origin = caller(request.origin, request.fetch_site, &url);
                self.state = State::Changes(cdc::authorize(&url, origin, request.api_key, config)?);
                read(request, config.body_bytes)
            }
            Route::Queries => {
                let grant = grant(request, &url, worker.config()?)?;
                self.state = State::Queries(grant, is_refresh(&url));
                read(request, limits::QUERY_BODY_BYTES)
            }
            Route::Query(name) => {
                let config = worker.config()?;
                let grant = grant(request, &url, config)?;
                let ask = Ask::of_url(name, &url, &worker.catalogue)?;
                self.ask(&[ask], &grant, true, is_refresh(&url))
            }
            Route::Sql => {
                access::admin(request.authorization, worker.config()?)?;
                self.state = State::Statement(request.url.into());
                read(request, limits::SQL_BYTES)
            }
            Route::Migrate => {
                access::admin(request.authorization, worker.config()?)?;
                self.state = State::Migrate(request.url.into());
                read(request, 0)
            }
        }
    }

    /// The whole body is there.
    pub fn body(&mut self, body: &[u8]) -> Step {
        self.take_body(body).unwrap_or_else(Step::Respond)
    }

    fn take_body(&mut self, body: &[u8]) -> Result<Step, Answer> {
        let worker = Rc::clone(&self.worker);
        let config = worker.config()?;
        let cap_bytes = self.cap_bytes();
        match std::mem::replace(&mut self.state, State::Idle) {
            // Should the platform ever hand out more than it declared.
            _ if body.len() > cap_bytes => Err(too_large(cap_bytes)),
            State::Batch(head, sender) => {
                let block = block::complete(body, &head, head.table, &sender, self.now)?;
                config.tables.check_near(head.table, &block, self.now)?;
                Ok(self.store(sink::next(config, head, block)?))
            }
            State::Events(head, sender) => {
                let events::Taken { batch, receipt } =
                    head.take(body, &sender, self.now, config)?;
                let Some((head, block)) = batch else {
                    return Ok(Step::Respond(receipt.answer(self.now)));
                };
                config.tables.check_near(head.table, &block, self.now)?;
                self.after = After::Receipt(receipt);
                Ok(self.store(sink::next(config, head, block)?))
            }
            State::Changes(site) => {
                let changes = Changes::read(body, &site, self.now, config)?;
                Ok(self.store_next(config, changes))
            }
            State::Queries(grant, refresh) => self.ask(&query::asks(body)?, &grant, false, refresh),
            State::Statement(url) => {
                self.state = State::Sql;
                Ok(Step::Fetch(sql::request(body, &Url::parse(&url), config)?))
            }
            State::Migrate(url) => {
                let (migration, turn) = Migration::begin(&Url::parse(&url), config)?;
                Ok(self.migrate(migration, turn))
            }
            _ => Err(out_of_turn()),
        }
    }

    /// Hands a complete block to the store; its answer comes to [`Exchange::settled`].
    fn store(&mut self, next: Next) -> Step {
        let (state, step) = match next {
            Next::Put(put) => (State::Put, Step::Put(put)),
            Next::Ask { asked, then } => (State::Asked(then), Step::Ask(asked)),
            Next::Insert(insert) => (State::Insert { known: false }, Step::Fetch(insert)),
            Next::LookUp { question, insert } => (State::LookUp(insert), Step::Fetch(question)),
        };
        self.state = state;
        step
    }

    /// The shard said `accepted`, `known`, `unknown` or `busy`; `None` when it could not be asked.
    pub fn put(&mut self, taken: Option<&str>) -> Step {
        let answer = match (std::mem::replace(&mut self.state, State::Idle), taken) {
            (State::Asked(then), Some("unknown")) => return self.store(*then),
            (State::Put, Some("accepted")) => Answer::accepted(self.now, false),
            (State::Put | State::Asked(_), Some("known")) => Answer::accepted(self.now, true),
            (State::Put, Some("busy")) => {
                Refusal::new(Code::Busy, "too much waits already; send it again, unchanged").into()
            }
            (State::Put | State::Asked(_), _) => {
                insert::busy("the batch's shard could not be asked")
            }
            _ => out_of_turn(),
        };
        self.settled(answer)
    }

    /// The shards' reports, in their order: JSON of their status, or a sentence.
    pub fn shards(&mut self, reports: &[String]) -> Step {
        match (std::mem::replace(&mut self.state, State::Idle), &self.worker.config) {
            (State::Shards(clickhouse), Ok(config)) => {
                Step::Respond(health::answer(&clickhouse, config, reports))
            }
            _ => Step::Respond(out_of_turn()),
        }
    }

    fn ask_admin(&mut self, target: Target) -> Step {
        self.state = State::Admin(target);
        Step::Admin(target)
    }

    /// The shard did it; a body for [`Action::Read`], what it holds for [`Action::List`], `None` when
    /// it has no such group.
    pub fn admin(&mut self, found: Option<Vec<u8>>) -> Step {
        let worker = Rc::clone(&self.worker);
        match (std::mem::replace(&mut self.state, State::Idle), found, &worker.config) {
            (State::Admin(target), Some(listed), Ok(config)) if target.action == Action::List => {
                let (replay, turn) = Replay::begin(target, &listed, config);
                self.replay(replay, turn)
            }
            (State::Admin(target), found, _) => Step::Respond(aside::answer(target.action, found)),
            _ => Step::Respond(out_of_turn()),
        }
    }

    fn replay(&mut self, replay: Replay, turn: replay::Turn) -> Step {
        match turn {
            replay::Turn::Fetch(request) => {
                self.state = State::Replay(replay);
                Step::Fetch(request)
            }
            replay::Turn::Go(target) => self.ask_admin(target),
            replay::Turn::Respond(answer) => Step::Respond(answer),
        }
    }

    /// The body is larger than the step allowed.
    pub fn too_large(&mut self) -> Step {
        let cap_bytes = self.cap_bytes();
        self.state = State::Idle;
        Step::Respond(too_large(cap_bytes))
    }

    /// The most that the awaited body may have.
    fn cap_bytes(&self) -> usize {
        match (&self.state, &self.worker.config) {
            (State::Batch(..) | State::Events(..) | State::Changes(_), Ok(config)) => {
                config.body_bytes
            }
            (State::Statement(_), _) => limits::SQL_BYTES,
            (State::Migrate(_), _) => 0,
            _ => limits::QUERY_BODY_BYTES,
        }
    }

    /// This came of the fetch.
    pub fn upstream(&mut self, outcome: &Outcome) -> Step {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::LookUp(insert) => match insert::found(outcome) {
                Ok(Found::Forgotten) => self.settled(Answer::accepted(self.now, true)),
                Ok(found) => {
                    self.state = State::Insert { known: found == Found::Remembered };
                    Step::Fetch(insert)
                }
                Err(line) => self.settled(insert::busy(format!("look-up: {line}"))),
            },
            State::Insert { known } => self.settled(insert::answer(outcome, self.now, known)),
            State::Health => self.ask_shards(health::clickhouse(outcome)),
            State::Query(mut pending) => {
                let worker = Rc::clone(&self.worker);
                let taken =
                    pending.take(outcome, &mut worker.cache.borrow_mut(), &worker.catalogue);
                taken.and_then(|()| self.turn(pending)).unwrap_or_else(Step::Respond)
            }
            State::Sql => Step::Respond(sql::answer(outcome)),
            State::Migration(mut migration) => {
                let turn = match self.worker.config() {
                    Ok(config) => migration.take(outcome, config),
                    Err(answer) => admin::Turn::Respond(answer),
                };
                self.migrate(migration, turn)
            }
            State::Replay(mut replay) => {
                let turn = match self.worker.config() {
                    Ok(config) => replay.take(outcome, config),
                    Err(answer) => replay::Turn::Respond(answer),
                };
                self.replay(replay, turn)
            }
            _ => Step::Respond(out_of_turn()),
        }
    }

    /// Health goes on to the shards, where there are some.
    fn ask_shards(&mut self, clickhouse: String) -> Step {
        let groups =
            self.worker.config.as_ref().map(|config| (config.has_groups, config.group.shards));
        self.state = State::Shards(clickhouse);
        match groups {
            Ok((true, count)) => Step::Shards { count },
            _ => self.shards(&[]),
        }
    }

    /// The assets answered with this status; 0 when there are none.
    pub fn asset(&mut self, status: u16) -> Step {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Asset(file) => {
                assets::headers(&file, status).map_or_else(Step::Respond, Step::Relay)
            }
            _ => Step::Respond(out_of_turn()),
        }
    }

    fn store_next(&mut self, config: &Config, mut changes: Changes) -> Step {
        match changes.next_batch() {
            Some((head, block)) => {
                self.after = After::Changes(changes);
                self.store(sink::one_insert(config, &head, &block))
            }
            None => Step::Respond(changes.answer(self.now)),
        }
    }

    /// The store has answered. A failure ends it: whoever sent changes sends all of them again, and
    /// those that were stored before are known by then.
    fn settled(&mut self, answer: Answer) -> Step {
        let worker = Rc::clone(&self.worker);
        match (std::mem::replace(&mut self.after, After::Tell), worker.config()) {
            (After::Receipt(receipt), _) if answer.status == 202 => {
                Step::Respond(receipt.answer(self.now))
            }
            (After::Changes(changes), Ok(config)) if answer.status == 202 => {
                self.store_next(config, changes)
            }
            _ => Step::Respond(answer),
        }
    }

    /// The shared cache has this: when it was computed, and the rows; or nothing.
    pub fn found(&mut self, kept: Option<(UnixMs, &[u8])>) -> Step {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Query(mut pending) => {
                if let Some((at, rows)) = kept {
                    pending.found(at, rows, &mut self.worker.cache.borrow_mut());
                }
                self.turn(pending).unwrap_or_else(Step::Respond)
            }
            _ => Step::Respond(out_of_turn()),
        }
    }

    /// The other request's fetch has ended, or taken too long.
    pub fn joined(&mut self) -> Step {
        self.found(None)
    }

    /// The result that came last, for the shared cache, if it is one to share.
    pub fn to_store(&mut self) -> Option<Store> {
        match &mut self.state {
            State::Query(pending) | State::Behind(pending) => pending.to_store(),
            _ => None,
        }
    }

    /// After the answer: what is to be fetched anew, if anything; then [`Exchange::upstream_behind`].
    pub fn behind(&mut self) -> Option<upstream::Request> {
        match &mut self.state {
            State::Behind(pending) => pending.next_behind(&mut self.worker.cache.borrow_mut()),
            _ => None,
        }
    }

    /// This came of it.
    pub fn upstream_behind(&mut self, outcome: &Outcome) {
        if let State::Behind(pending) = &mut self.state {
            pending.take_behind(outcome, &mut self.worker.cache.borrow_mut());
        }
    }

    /// Checks all queries before the first is sent.
    fn ask(
        &mut self,
        asks: &[Ask],
        grant: &Grant,
        single: bool,
        refresh: bool,
    ) -> Result<Step, Answer> {
        let worker = Rc::clone(&self.worker);
        let config = worker.config()?;
        let pending = Pending::new(asks, &worker.catalogue, grant, self.now, config, single)?;
        self.turn(pending.refreshed(refresh))
    }

    fn turn(&mut self, mut pending: Pending) -> Result<Step, Answer> {
        let worker = Rc::clone(&self.worker);
        let step = match pending.next(&mut worker.cache.borrow_mut(), &worker.catalogue)? {
            Turn::Fetch(request) => Step::Fetch(request),
            Turn::Look(name) => Step::Look(name),
            Turn::Join(name) => {
                Step::Join { name, timeout_ms: worker.config()?.upstream_timeout_ms }
            }
            Turn::Done => {
                let answer = pending.answer();
                self.state = State::Behind(pending);
                return Ok(Step::Respond(answer));
            }
        };
        self.state = State::Query(pending);
        Ok(step)
    }

    fn migrate(&mut self, migration: Migration, turn: admin::Turn) -> Step {
        match turn {
            admin::Turn::Fetch(request) => {
                self.state = State::Migration(migration);
                Step::Fetch(request)
            }
            admin::Turn::Respond(answer) => Step::Respond(answer),
        }
    }
}

/// The key that the request claims to have, right or wrong, from where its route reads it: another
/// header would let everybody begin a count of his own.
pub(crate) fn claimed_key<'a>(
    route: Route<'_>,
    request: &'a Request<'_>,
    url: &Url<'a>,
) -> Cow<'a, str> {
    let header = match route {
        Route::Query(_) | Route::Queries => request.authorization,
        Route::Events(_) | Route::Changes => request.api_key,
        _ => None,
    };
    let header = header.map(Cow::Borrowed);
    let parameter = || url.parameters().find(|(name, _)| name == "k").map(|(_, key)| key);
    header.or_else(parameter).unwrap_or_default()
}

/// Who sent the request, as far as its head tells.
fn sender(request: &Request<'_>, config: &Config) -> Sender {
    let read = if config.stores_whole_ip { whole_ip } else { truncated_ip };
    let ip = request.client_ip.and_then(read);
    let (place, agent) = (request.place.clone().bounded(), request.agent.clone().bounded());
    Sender { ip, place, agent }
}

impl Drop for Exchange {
    /// A request that ends before its fetch does keeps nobody waiting.
    fn drop(&mut self) {
        if let State::Query(pending) = &mut self.state {
            pending.land(&mut self.worker.cache.borrow_mut());
        }
    }
}

/// Who asks, and about which site.
fn grant(request: &Request<'_>, url: &Url<'_>, config: &Config) -> Result<Grant, Refusal> {
    let key = url.parameters().find(|(name, _)| name == "k").map(|(_, key)| key);
    let caller = caller(request.origin, request.fetch_site, url);
    let key = key.unwrap_or_default();
    Grant::read(&key, request.authorization, caller, request.now, config)
}

fn is_refresh(url: &Url<'_>) -> bool {
    url.parameters().any(|(name, value)| name == "refresh" && value == "1")
}

/// A body to read, unless it says itself that it is far too large. One that is a little too large
/// is read and counted: a client that still sends loses the answer with its connection, and would
/// send the same again.
fn read(request: &Request<'_>, cap_bytes: usize) -> Result<Step, Answer> {
    match request.content_length {
        Some(bytes) if bytes > cap_bytes.saturating_mul(2) => Err(too_large(cap_bytes)),
        length => {
            // HTTP itself ends a body there that has a length and no transfer encoding.
            let declared = length.is_some_and(|bytes| bytes <= cap_bytes);
            Ok(Step::Read { cap_bytes, at_once: declared && !request.transfer_encoding })
        }
    }
}

/// The value of `Content-Length`, in bytes: one beyond every number is the largest, so that nobody
/// waits for such a body.
#[must_use]
pub fn declared_bytes(text: &str) -> Option<usize> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(usize::MAX))
}

fn too_large(cap_bytes: usize) -> Answer {
    Refusal::new(Code::TooLarge, format!("the body has more than {cap_bytes} bytes")).into()
}

/// The entry called what no step asked for: a mistake of our own, and the client may try again.
pub(crate) fn out_of_turn() -> Answer {
    debug_assert!(false, "a call that no step asked for");
    Refusal::new(Code::Busy, "the worker lost its place").into()
}

#[cfg(test)]
mod tests;
