//! One request from begin to end, without IO: each call takes what happened and says what to do.
//!
//! ```text
//! begin ─┬─> Respond                                  refused, preflight
//!        ├─> Read ── body ──> Put ── put ──> Respond             a batch or events for a group
//!        ├─> Read ── body ──> Fetch ── upstream ──> Respond      the same, inserted by itself
//!        ├─> Read ── body ──> Fetch ── upstream ──> Fetch … ──> Respond      several queries, changes,
//!        │                                                       migrations
//!        ├─> [Look ── found ──> [Join ── joined ──>]] Fetch ── upstream ──> Respond   one query
//!        ├─> Fetch ── upstream ──> Shards ── shards ──> Respond  health
//!        ├─> Admin ── admin ──> Respond               a group that was set aside
//!        └─> Asset ── asset ──> Relay                 a file
//! ```

use crate::access::{self, Grant};
use crate::admin::{self, Migration};
use crate::answer::Answer;
use crate::aside::{self, Action, Target};
use crate::assets;
use crate::batch::Head;
use crate::block;
use crate::cdc::{self, Changes};
use crate::config::{Config, Environment, Problem};
use crate::enrich::{Agent, Place, Sender, truncated_ip, whole_ip};
use crate::events::{self, Receipt};
use crate::health;
use crate::insert::{self, Found};
use crate::limit::{self, Limiter};
use crate::limits;
use crate::query::{self, Ask, Cache, Catalogue, Pending, Store, Turn};
use crate::refusal::{Code, Refusal};
use crate::routes::Route;
use crate::sink::{self, Next, Put, Sink};
use crate::sites::caller;
use crate::sql;
use crate::upstream::{self, Outcome};
use crate::url::Url;
use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;
use tallymark::rng::Rng;
use tallymark::time::UnixMs;

/// What all requests share: made once from the environment.
#[derive(Debug)]
pub struct Worker {
    config: Result<Config, Vec<Problem>>,
    catalogue: Catalogue,
    /// Draws ids for requests that bring none.
    ids: RefCell<Rng>,
    cache: RefCell<Cache>,
    limiter: RefCell<Limiter>,
}

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
    Admin(Action),
    /// A file's status.
    Asset(String),
}

impl Worker {
    /// Checks the environment and parses the queries. Never fails: wrong variables are told by
    /// `/v1/health`, and everything else is `busy` until they are right. `seed` is entropy.
    #[must_use]
    pub fn new(environment: &Environment, seed: [u64; 4]) -> Self {
        let catalogue = Catalogue::parse(&query::FILES);
        debug_assert!(catalogue.is_ok(), "a query's head is wrong: {catalogue:?}");
        Self {
            config: Config::read(environment),
            catalogue: catalogue.unwrap_or_default(),
            ids: RefCell::new(Rng::new(seed)),
            cache: RefCell::default(),
            limiter: RefCell::new(Limiter::new(seed[0])),
        }
    }

    /// The header with the client's address, if one is trusted; lower case.
    #[must_use]
    pub fn client_ip_header(&self) -> Option<&str> {
        self.config.as_ref().ok().and_then(|config| config.client_ip_header.as_deref())
    }

    /// The headers that hold country, region and city; empty where the platform says them.
    #[must_use]
    pub fn place_headers(&self) -> [&str; 3] {
        let names = self.config.as_ref().map(|config| &config.place_headers);
        names.map_or([""; 3], |names| names.each_ref().map(|name| name.as_deref().unwrap_or("")))
    }

    /// The configuration, if it is right.
    #[must_use]
    pub fn checked_config(&self) -> Option<&Config> {
        self.config.as_ref().ok()
    }

    /// Whether `User-Agent` is to be read.
    #[must_use]
    pub fn reads_agents(&self) -> bool {
        self.config.as_ref().is_ok_and(|config| config.reads_agents)
    }

    /// Whom the platform's limiter is to count this request for; nobody without one, and for what is
    /// not limited.
    #[must_use]
    pub fn limit_name(&self, request: &Request<'_>) -> Option<String> {
        self.checked_config().filter(|config| config.has_rate_limiter)?;
        let url = Url::parse(request.url);
        let is_limited = Route::choose(request.method, url.path).is_ok_and(Route::is_limited);
        is_limited.then(|| limit::name(&claimed_key(request, &url), request.client_ip))
    }

    /// Counts this request, or refuses it. A platform whose limiter fails lets it pass.
    fn limit(&self, request: &Request<'_>, url: &Url<'_>) -> Result<(), Answer> {
        if request.is_within_limit == Some(false) {
            return Err(limit::refused(limits::RATE_RETRY_AFTER_S));
        }
        let most = self.checked_config().map_or(0, |config| config.rate_limit_per_minute);
        if most == 0 || request.is_within_limit == Some(true) {
            return Ok(());
        }
        let name = limit::name(&claimed_key(request, url), request.client_ip);
        // Nothing that could borrow it again runs meanwhile.
        let mut limiter = self.limiter.try_borrow_mut().map_err(|_| out_of_turn())?;
        limiter.count(&name, most, request.now).map_err(limit::refused)
    }

    fn config(&self) -> Result<&Config, Answer> {
        self.config.as_ref().map_err(|problems| {
            let names: Vec<_> = problems.iter().map(|problem| problem.variable).collect();
            let refusal = Refusal::new(Code::Busy, "the worker is not configured, see /v1/health");
            Answer::from(refusal).logged(format!("wrong variables: {}", names.join(", ")))
        })
    }
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
            worker.limit(request, &url)?;
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
                let target = Target::parse(path, config)?;
                self.state = State::Admin(target.action);
                Ok(Step::Admin(target))
            }
            Route::Batch => {
                let config = worker.config()?;
                let head =
                    Head::read(&url, request.origin, request.fetch_site, request.now, config)?;
                self.state = State::Batch(head, sender(request, config));
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
                Ok(self.store(sink::next(config, head, block)))
            }
            State::Events(head, sender) => {
                let events::Taken { batch, receipt } =
                    head.take(body, &sender, self.now, config)?;
                let Some((head, block)) = batch else {
                    return Ok(Step::Respond(receipt.answer(self.now)));
                };
                self.after = After::Receipt(receipt);
                Ok(self.store(sink::next(config, head, block)))
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
            Next::Insert(insert) => (State::Insert { known: false }, Step::Fetch(insert)),
            Next::LookUp { question, insert } => (State::LookUp(insert), Step::Fetch(question)),
        };
        self.state = state;
        step
    }

    /// The shard said `accepted`, `known` or `busy`; `None` when it could not be asked.
    pub fn put(&mut self, taken: Option<&str>) -> Step {
        let answer = match (std::mem::replace(&mut self.state, State::Idle), taken) {
            (State::Put, Some("accepted")) => Answer::accepted(self.now, false),
            (State::Put, Some("known")) => Answer::accepted(self.now, true),
            (State::Put, Some("busy")) => {
                Refusal::new(Code::Busy, "too much waits already; send it again, unchanged").into()
            }
            (State::Put, _) => insert::busy("the batch's shard could not be asked"),
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

    /// The shard did it; a body for [`Action::Read`], `None` when it has no such group.
    pub fn admin(&mut self, found: Option<Vec<u8>>) -> Step {
        Step::Respond(match std::mem::replace(&mut self.state, State::Idle) {
            State::Admin(action) => aside::answer(action, found),
            _ => out_of_turn(),
        })
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
            _ => Step::Respond(out_of_turn()),
        }
    }

    /// Health goes on to the shards, where there are some.
    fn ask_shards(&mut self, clickhouse: String) -> Step {
        let sink = self.worker.config.as_ref().map(|config| (config.sink, config.group.shards));
        self.state = State::Shards(clickhouse);
        match sink {
            Ok((Sink::Group, count)) => Step::Shards { count },
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

/// The key that the request claims to have, right or wrong.
fn claimed_key<'a>(request: &'a Request<'_>, url: &Url<'a>) -> Cow<'a, str> {
    let header = request.authorization.or(request.api_key).map(Cow::Borrowed);
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
fn out_of_turn() -> Answer {
    debug_assert!(false, "a call that no step asked for");
    Refusal::new(Code::Busy, "the worker lost its place").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, environment_with_rules, grouping_environment, reader, worker};
    use crate::upstream::Reply;

    const ID: &str = "01a2084a-5500-7000-8000-000000000001";

    fn begin(exchange: &mut Exchange, method: &str, path: &str) -> Step {
        let url = format!("https://edge.test{path}");
        exchange.begin(&Request { method, url: &url, now: UnixMs(NOW), ..Request::default() })
    }

    fn exchange() -> Exchange {
        Exchange::new(worker())
    }

    fn batch_path() -> String {
        format!("/v1/batch?v=1&k=pk_open&t=events&id={ID}&at={NOW}")
    }

    /// Status and code of a step that answers.
    fn told(step: Step) -> (u16, String) {
        let Step::Respond(answer) = step else { panic!("{step:?}") };
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        (answer.status, body["code"].as_str().unwrap_or_default().to_owned())
    }

    fn rows(text: &str) -> Outcome {
        let body = text.into();
        Outcome::Answer(Reply { status: 200, has_query_id: true, body, ..Reply::default() })
    }

    #[test]
    fn a_batch_is_read_under_the_configured_cap() {
        let mut exchange = exchange();
        let step = begin(&mut exchange, "POST", &batch_path());
        assert_eq!(step, Step::Read { cap_bytes: 5_000, at_once: false });
        assert_eq!(told(exchange.too_large()), (413, "too_large".into()));
    }

    fn limited(variables: &str) -> Exchange {
        let environment = crate::testing::environment_with(variables);
        Exchange::new(Rc::new(Worker::new(&environment, [1; 4])))
    }

    #[test]
    fn requests_of_a_key_from_one_address_are_counted_by_the_isolate() {
        let worker = Rc::clone(&limited(r#""RATE_LIMIT_PER_MINUTE": 2"#).worker);
        let ask = |path: &str, client_ip| {
            let url = format!("https://edge.test{path}");
            let mut exchange = Exchange::new(Rc::clone(&worker));
            let now = UnixMs(NOW);
            let request =
                Request { method: "POST", url: &url, client_ip, now, ..Request::default() };
            match exchange.begin(&request) {
                Step::Respond(answer) => answer.status,
                _ => 0,
            }
        };
        let path = batch_path();
        for (path, ip, status) in [
            (&*path, Some("203.0.113.1"), 0),
            (&*path, Some("203.0.113.1"), 0),
            (&*path, Some("203.0.113.1"), 429),
            (&*path, Some("203.0.113.2"), 0),
            ("/v1/query?k=pk_open", Some("203.0.113.1"), 429),
            ("/v1/query?k=other", Some("203.0.113.1"), 401),
            ("/v1/sql", Some("203.0.113.1"), 401),
        ] {
            assert_eq!(ask(path, ip), status, "{path} {ip:?}");
        }
    }

    #[test]
    fn the_platform_s_limiter_is_asked_and_believed() {
        let mut exchange = limited(r#""RATE_LIMITER": {}, "RATE_LIMIT_PER_MINUTE": 1"#);
        let url = format!("https://edge.test{}", batch_path());
        let request = |is_within_limit| Request {
            method: "POST",
            url: &url,
            is_within_limit,
            now: UnixMs(NOW),
            ..Request::default()
        };
        assert_eq!(exchange.worker.limit_name(&request(None)).as_deref(), Some("pk_open "));
        let health = Request { method: "GET", url: "https://edge.test/v1/health", ..request(None) };
        assert_eq!(exchange.worker.limit_name(&health), None);
        assert_eq!(told(exchange.begin(&request(Some(false)))), (429, "rate_limited".into()));
        for _ in 0..2 {
            assert!(matches!(exchange.begin(&request(Some(true))), Step::Read { .. }));
        }
        assert_eq!(limited("\"BODY_BYTES\": 5000").worker.limit_name(&request(None)), None);
    }

    #[test]
    fn a_parameter_that_is_there_twice_is_refused_before_a_key_is_looked_at() {
        for (method, path, code) in [
            ("POST", "/v1/batch?k=pk_open&k=pk_demo", "bad_request"),
            ("POST", "/v1/events?k=pk_open&k=pk_open", "bad_request"),
            ("POST", "/ingest-events?id=1&%69d=2", "bad_request"),
            ("POST", "/v1/cdc?k=a&k=b", "bad_request"),
            ("GET", "/v1/query/summary?id=1&id=2", "bad_param"),
            ("POST", "/v1/query?refresh=1&refresh=0", "bad_param"),
            ("POST", "/v1/sql?param_a=1&param_a=2", "bad_param"),
            ("POST", "/v1/admin/migrate?dry_run=1&dry_run=1", "bad_param"),
        ] {
            assert_eq!(told(begin(&mut exchange(), method, path)), (400, code.into()), "{path}");
        }
        let asset = begin(&mut exchange(), "GET", "/tallymark/index.js?v=1&v=2");
        assert_eq!(asset, Step::Asset);
    }

    #[test]
    fn a_body_is_read_at_once_counted_or_never_by_what_it_says_itself() {
        let url = format!("https://edge.test{}", batch_path());
        let request = |bytes| Request {
            method: "POST",
            url: &url,
            content_length: Some(bytes),
            now: UnixMs(NOW),
            ..Request::default()
        };
        let at_once = |at_once| Step::Read { cap_bytes: 5_000, at_once };
        assert_eq!(exchange().begin(&request(5_000)), at_once(true));
        // Twice the cap is what the entry reads before it gives up.
        assert_eq!(exchange().begin(&request(5_001)), at_once(false));
        assert_eq!(exchange().begin(&request(10_000)), at_once(false));
        assert_eq!(told(exchange().begin(&request(10_001))), (413, "too_large".into()));
        // A length beside a transfer encoding may be any lie.
        let chunked = Request { transfer_encoding: true, ..request(5) };
        assert_eq!(exchange().begin(&chunked), at_once(false));
    }

    #[test]
    fn a_length_beyond_every_number_is_the_largest() {
        assert_eq!(declared_bytes("0"), Some(0));
        assert_eq!(declared_bytes("5000"), Some(5_000));
        assert_eq!(declared_bytes(&"9".repeat(30)), Some(usize::MAX));
        for text in ["", "-5", "+5", "5, 6", "five"] {
            assert_eq!(declared_bytes(text), None, "{text}");
        }
    }

    #[test]
    fn a_body_over_the_cap_is_refused_whoever_let_it_through() {
        for (path, cap_bytes) in
            [(batch_path(), 5_000), ("/v1/query?k=pk_open".into(), limits::QUERY_BODY_BYTES)]
        {
            let mut exchange = exchange();
            begin(&mut exchange, "POST", &path);
            let body = vec![b' '; cap_bytes + 1];
            assert_eq!(told(exchange.body(&body)), (413, "too_large".into()), "{path}");
        }
    }

    #[test]
    fn u7_a_batch_is_accepted_only_after_the_sink_s_answer() {
        // One column of one row is no whole event; `block` shows the accepted ones.
        let mut refused = exchange();
        begin(&mut refused, "POST", &batch_path());
        let step = refused.body(b"\x01\x01\x04name\x06String\x04view");
        assert_eq!(told(step), (400, "bad_block".into()));
        let mut inserting = exchange();
        inserting.state = State::Insert { known: false };
        assert_eq!(told(inserting.upstream(&Outcome::TimedOut)), (503, "busy".into()));
        let mut inserting = exchange();
        inserting.state = State::Insert { known: false };
        assert_eq!(told(inserting.upstream(&rows(""))), (202, String::new()));
    }

    fn grouping() -> Exchange {
        let worker = Rc::new(Worker::new(&grouping_environment(), [1; 4]));
        Exchange::new(worker)
    }

    #[test]
    fn u7_a_batch_is_accepted_only_as_its_shard_says() {
        for (taken, status, body) in [
            (Some("accepted"), 202, format!("{{\"now\":{NOW},\"known\":false}}")),
            (Some("known"), 202, format!("{{\"now\":{NOW},\"known\":true}}")),
            (
                Some("busy"),
                503,
                "{\"code\":\"busy\",\"message\":\"too much waits already; send it again, unchanged\"}"
                    .into(),
            ),
            (
                None,
                503,
                "{\"code\":\"busy\",\"message\":\"the batch could not be stored; send it again, unchanged\"}"
                    .into(),
            ),
        ] {
            let mut exchange = grouping();
            begin(&mut exchange, "POST", &batch_path());
            exchange.state = State::Put;
            let Step::Respond(answer) = exchange.put(taken) else { panic!("{taken:?}") };
            assert_eq!((answer.status, String::from_utf8(answer.body).unwrap()), (status, body));
        }
    }

    /// What a look-up finds.
    const NOTHING: &str = "{\"known\":0,\"remembered\":0}\n";
    const REMEMBERED: &str = "{\"known\":1,\"remembered\":1}\n";
    const FORGOTTEN: &str = "{\"known\":1,\"remembered\":0}\n";

    #[test]
    fn d13_an_older_batch_is_inserted_unless_its_table_has_it_and_forgot_its_token() {
        let insert = upstream::Request::new(worker().config().unwrap(), &reader(), &[]);
        let looking = |outcome: &Outcome| {
            let mut exchange = exchange();
            begin(&mut exchange, "POST", &batch_path());
            exchange.state = State::LookUp(insert.clone());
            let step = exchange.upstream(outcome);
            (exchange, step)
        };
        let accepted = |known| (202, format!("{{\"now\":{NOW},\"known\":{known}}}"));
        assert_eq!(body_of(looking(&rows(FORGOTTEN)).1), accepted(true));
        for (found, known) in [(NOTHING, false), (REMEMBERED, true)] {
            let (mut exchange, step) = looking(&rows(found));
            assert_eq!(step, Step::Fetch(insert.clone()));
            assert_eq!(body_of(exchange.upstream(&rows(""))), accepted(known));
        }
        assert_eq!(told(looking(&Outcome::TimedOut).1), (503, "busy".into()));
    }

    #[test]
    fn health_asks_every_shard_where_there_are_some() {
        let mut exchange = grouping();
        begin(&mut exchange, "GET", "/v1/health");
        assert_eq!(exchange.upstream(&rows("{\"one\":1}\n")), Step::Shards { count: 4 });
        let Step::Respond(answer) = exchange.shards(&["not now".into()]) else { panic!() };
        assert_eq!(answer.status, 503);
    }

    #[test]
    fn a_group_is_opened_by_the_admin_key_alone() {
        let path = format!("/v1/admin/groups/3/{ID}/replay");
        assert_eq!(told(begin(&mut grouping(), "POST", &path)), (401, "bad_key".into()));
        let url = format!("https://edge.test{path}");
        let bearer = format!("Bearer {}", crate::testing::ADMIN_KEY);
        let mut exchange = grouping();
        let step = exchange.begin(&Request {
            method: "POST",
            url: &url,
            authorization: Some(&bearer),
            now: UnixMs(NOW),
            ..Request::default()
        });
        let group = tallymark::rng::Uuid::parse(ID.as_bytes()).unwrap();
        assert_eq!(step, Step::Admin(Target { shard: 3, group, action: Action::Replay }));
        assert_eq!(told(exchange.admin(None)), (404, "not_found".into()));
    }

    /// The token of a step that inserts.
    fn token(step: &Step) -> String {
        let Step::Fetch(request) = step else { panic!("{step:?}") };
        let (_, after) = request.url.split_once("insert_deduplication_token=").unwrap();
        after[..36].to_owned()
    }

    fn body_of(step: Step) -> (u16, String) {
        let Step::Respond(answer) = step else { panic!("{step:?}") };
        (answer.status, String::from_utf8(answer.body).unwrap())
    }

    #[test]
    fn events_are_taken_only_after_the_sink_s_answer() {
        let path = format!("/v1/events?k=pk_open&id={ID}");
        let sent = || {
            let mut exchange = exchange();
            let step = begin(&mut exchange, "POST", &path);
            assert_eq!(step, Step::Read { cap_bytes: 5_000, at_once: false });
            let step = exchange.body(b"[{\"name\":\"a\"},7]");
            assert_eq!(token(&step), ID);
            exchange
        };
        let taken = r#"{"now":1795435200000,"taken":1,"refused":[{"index":1,"code":"bad_event","message":"the event is no JSON object: column 1"}]}"#;
        assert_eq!(body_of(sent().upstream(&rows(""))), (202, taken.into()));
        assert_eq!(told(sent().upstream(&Outcome::Failed)), (503, "busy".into()));
        // Nothing to store, nothing to wait for.
        let mut none = exchange();
        begin(&mut none, "POST", &path);
        let nothing = r#"{"now":1795435200000,"taken":0,"refused":[]}"#;
        assert_eq!(body_of(none.body(b"[]")), (202, nothing.into()));
        let mut large = exchange();
        begin(&mut large, "POST", &path);
        assert_eq!(told(large.too_large()), (413, "too_large".into()));
    }

    #[test]
    fn events_for_a_group_are_taken_only_as_their_shard_says() {
        let path = format!("/v1/events?k=pk_open&id={ID}");
        let sent = || {
            let mut exchange = grouping();
            begin(&mut exchange, "POST", &path);
            let Step::Put(put) = exchange.body(b"[{\"name\":\"a\"}]") else { panic!() };
            assert_eq!(put.id.to_text().as_slice(), ID.as_bytes());
            exchange
        };
        let taken = r#"{"now":1795435200000,"taken":1,"refused":[]}"#;
        assert_eq!(body_of(sent().put(Some("accepted"))), (202, taken.into()));
        assert_eq!(body_of(sent().put(Some("known"))), (202, taken.into()));
        assert_eq!(told(sent().put(Some("busy"))), (503, "busy".into()));
        assert_eq!(told(sent().put(None)), (503, "busy".into()));
    }

    #[test]
    fn older_events_are_inserted_only_once_they_are_not_found() {
        let looking = || {
            let mut exchange = exchange();
            let path = format!("/v1/events?k=pk_open&id={ID}&at={}", NOW + 86_000_000);
            begin(&mut exchange, "POST", &path);
            let Step::Fetch(question) = exchange.body(b"[{\"name\":\"a\"}]") else { panic!() };
            assert!(question.url.contains("param_batch"), "{}", question.url);
            exchange
        };
        let taken = r#"{"now":1795435200000,"taken":1,"refused":[]}"#;
        assert_eq!(body_of(looking().upstream(&rows(FORGOTTEN))), (202, taken.into()));
        let mut unknown = looking();
        assert_eq!(token(&unknown.upstream(&rows(NOTHING))), ID);
        assert_eq!(body_of(unknown.upstream(&rows(""))), (202, taken.into()));
        assert_eq!(told(looking().upstream(&Outcome::TimedOut)), (503, "busy".into()));
    }

    #[test]
    fn without_an_id_each_request_of_a_worker_has_a_token_of_its_own() {
        let worker = worker();
        let token = || {
            let mut exchange = Exchange::new(Rc::clone(&worker));
            begin(&mut exchange, "POST", "/v1/events?k=pk_open");
            token(&exchange.body(b"[{\"name\":\"a\"}]"))
        };
        assert_ne!(token(), token());
    }

    #[test]
    fn changes_are_stored_one_after_the_other_and_the_first_failure_ends_it() {
        let worker = Rc::new(Worker::new(&environment_with_rules(), [1; 4]));
        let begun = || {
            let mut exchange = Exchange::new(Rc::clone(&worker));
            let step = begin(&mut exchange, "POST", "/v1/cdc?k=sk_demo");
            assert_eq!(step, Step::Read { cap_bytes: 5_000, at_once: false });
            exchange
        };
        let change = |lsn: u32| {
            format!(
                r#"{{"op":"c","after":{{"id":1}},"source":{{"name":"s","db":"d","schema":"public","table":"models","lsn":{lsn},"ts_ms":{NOW}}}}}"#
            )
        };
        let two = format!("{}\n{}", change(1), change(2));
        let mut both = begun();
        let first = both.body(two.as_bytes());
        let second = both.upstream(&rows(""));
        assert_ne!(token(&first), token(&second));
        let taken = r#"{"now":1795435200000,"taken":2,"ignored":0,"refused":[]}"#;
        assert_eq!(body_of(both.upstream(&rows(""))), (202, taken.into()));
        let mut broken = begun();
        broken.body(two.as_bytes());
        broken.upstream(&rows(""));
        assert_eq!(told(broken.upstream(&Outcome::TimedOut)), (503, "busy".into()));
        assert_eq!(told(begun().too_large()), (413, "too_large".into()));
    }

    #[test]
    fn u8_a_query_s_rows_come_back_as_one_object() {
        let mut exchange = exchange();
        let step = begin(&mut exchange, "GET", "/v1/query/top?k=pk_open&limit=2");
        let Step::Fetch(request) = step else { panic!("{step:?}") };
        assert_eq!(request.url, "http://ch.test:8123/?database=tallymark&wait_end_of_query=1");
        let form = String::from_utf8(request.body).unwrap();
        let field = |name: &str, value: &str| {
            format!(
                "content-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n--tallymark-query"
            )
        };
        for (name, value) in [
            ("param_site", "open"),
            ("param_now", "1795435200.000"),
            ("param_limit", "2"),
            ("param_min_views", "0"),
        ] {
            assert!(form.contains(&field(name, value)), "{name}");
        }
        let step = exchange.upstream(&rows(
            "{\"entity_id\":\"a\",\"views\":2}\n{\"entity_id\":\"b\",\"views\":1}\n",
        ));
        let Step::Respond(answer) = step else { panic!("{step:?}") };
        assert_eq!(
            String::from_utf8(answer.body).unwrap(),
            r#"{"data":[{"entity_id":"a","views":2},{"entity_id":"b","views":1}],"columns":[{"name":"entity_id","type":"String"},{"name":"views","type":"UInt64"}],"cached_at":null}"#
        );
    }

    #[test]
    fn several_queries_go_one_after_the_other_and_come_back_as_a_list() {
        let mut exchange = exchange();
        begin(&mut exchange, "POST", "/v1/query?k=pk_open");
        let asks = br#"{"queries":[{"name":"top"},{"name":"summary","params":{"id":"a"}}]}"#;
        assert!(matches!(exchange.body(asks), Step::Fetch(_)));
        assert!(matches!(exchange.upstream(&rows("")), Step::Fetch(_)));
        let Step::Respond(answer) = exchange.upstream(&rows("{}\n")) else { panic!() };
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(body[0]["data"], serde_json::json!([]));
        assert_eq!(body[1]["data"], serde_json::json!([{}]));
        assert_eq!(body.as_array().unwrap().len(), 2);
    }

    #[test]
    fn no_queries_are_answered_without_the_database() {
        let mut exchange = exchange();
        begin(&mut exchange, "POST", "/v1/query?k=pk_open");
        let Step::Respond(answer) = exchange.body(b"{\"queries\":[]}") else { panic!() };
        assert_eq!((answer.status, answer.body.as_slice()), (200, &b"[]"[..]));
    }

    #[test]
    fn wrong_questions_are_refused_before_the_database() {
        for (path, code) in [
            ("/v1/query/nothing?k=pk_open", "unknown_query"),
            ("/v1/query/summary?k=pk_open", "bad_param"),
            ("/v1/query/summary?k=pk_open&id=a&other=1", "bad_param"),
            ("/v1/query/top?k=pk_open&limit=0", "bad_param"),
            ("/v1/query/hourly_views?k=pk_open&id=a&hours=0", "bad_param"),
            ("/v1/query/hourly_views?k=pk_open&id=a&hours=8785", "bad_param"),
            ("/v1/query/top?k=pk_other", "bad_key"),
            ("/v1/query/top", "bad_key"),
            ("/v1/query/top?k=pk_demo", "bad_origin"),
        ] {
            assert_eq!(told(begin(&mut exchange(), "GET", path)).1, code, "{path}");
        }
        let many = format!(r#"{{"queries":[{}]}}"#, vec![r#"{"name":"top"}"#; 17].join(","));
        for body in ["", "[]", r#"{"queries":[{"name":"top","sql":"SELECT 1"}]}"#, &many] {
            let mut exchange = exchange();
            begin(&mut exchange, "POST", "/v1/query?k=pk_open");
            assert_eq!(told(exchange.body(body.as_bytes())), (400, "bad_param".into()), "{body}");
        }
    }

    #[test]
    fn a_query_without_an_answer_is_upstream() {
        for outcome in [Outcome::TimedOut, Outcome::Failed] {
            let mut exchange = exchange();
            begin(&mut exchange, "GET", "/v1/query/top?k=pk_open");
            assert_eq!(told(exchange.upstream(&outcome)), (502, "upstream".into()));
        }
    }

    #[test]
    fn an_over_long_url_is_a_bad_request() {
        let path = format!("/v1/query/summary?k=pk_open&id={}", "x".repeat(limits::URL_BYTES));
        assert_eq!(told(begin(&mut exchange(), "GET", &path)), (400, "bad_request".into()));
    }

    #[test]
    fn a_worker_without_configuration_is_busy_and_says_so_under_health() {
        let worker = Rc::new(Worker::new(&Environment::default(), [1; 4]));
        let mut batch = Exchange::new(Rc::clone(&worker));
        assert_eq!(told(begin(&mut batch, "POST", &batch_path())), (503, "busy".into()));
        let Step::Respond(health) = begin(&mut Exchange::new(worker), "GET", "/v1/health") else {
            panic!()
        };
        assert_eq!(health.status, 503);
        assert!(String::from_utf8(health.body).unwrap().contains("CLICKHOUSE_URL"));
    }

    const COUNTS: &str = "/v1/query/entity_counts?k=pk_open&entity_type=Model";

    /// Asks for counts at `now_ms`, until something else than the shared cache is asked.
    fn ask_counts(worker: &Rc<Worker>, now_ms: i64, more: &str) -> (Exchange, Step) {
        let mut exchange = Exchange::new(Rc::clone(worker));
        let url = format!("https://edge.test{COUNTS}{more}");
        let now = UnixMs(now_ms);
        let request = Request { method: "GET", url: &url, now, ..Request::default() };
        let step = match exchange.begin(&request) {
            Step::Look(_) => exchange.found(None),
            step => step,
        };
        (exchange, step)
    }

    fn fetched(step: Step) -> upstream::Request {
        let Step::Fetch(request) = step else { panic!("{step:?}") };
        request
    }

    /// The answer's `cached_at`, and its rows.
    fn cached(step: Step) -> (serde_json::Value, serde_json::Value) {
        let Step::Respond(answer) = step else { panic!("{step:?}") };
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        (body["cached_at"].clone(), body["data"].clone())
    }

    #[test]
    fn s3_15_an_answer_is_served_again_while_it_is_fresh() {
        let worker = worker();
        let (mut first, step) = ask_counts(&worker, NOW, "");
        fetched(step);
        assert_eq!(cached(first.upstream(&rows("{\"n\":1}"))).0, serde_json::Value::Null);
        let (_, step) = ask_counts(&worker, NOW + 59_999, "");
        assert_eq!(cached(step), (NOW.into(), serde_json::json!([{"n": 1}])));
        let (_, step) = ask_counts(&worker, NOW + 120_000, "");
        fetched(step);
    }

    #[test]
    fn s3_15_a_stale_answer_is_served_while_one_request_fetches_a_new_one() {
        let worker = worker();
        let (mut first, _) = ask_counts(&worker, NOW, "");
        first.upstream(&rows("{\"n\":1}"));
        let (mut stale, step) = ask_counts(&worker, NOW + 60_000, "");
        assert_eq!(cached(step).0, NOW);
        let request = stale.behind().unwrap();
        assert!(request.flight.is_some());
        // The other one sees that it is being fetched.
        let (mut other, step) = ask_counts(&worker, NOW + 60_001, "");
        assert_eq!((cached(step).0, other.behind()), (NOW.into(), None));
        stale.upstream_behind(&rows("{\"n\":2}"));
        assert_eq!(stale.to_store().unwrap().at, UnixMs(NOW + 60_000));
        assert_eq!(stale.behind(), None);
        let (_, step) = ask_counts(&worker, NOW + 60_002, "");
        assert_eq!(cached(step), ((NOW + 60_000).into(), serde_json::json!([{"n": 2}])));
    }

    #[test]
    fn s3_15_a_failure_behind_a_stale_answer_leaves_it_to_the_next() {
        let worker = worker();
        let (mut first, _) = ask_counts(&worker, NOW, "");
        first.upstream(&rows(""));
        let (mut stale, _) = ask_counts(&worker, NOW + 60_000, "");
        stale.behind().unwrap();
        stale.upstream_behind(&Outcome::Failed);
        let (mut next, step) = ask_counts(&worker, NOW + 60_001, "");
        assert_eq!(cached(step).0, NOW);
        assert!(next.behind().is_some());
    }

    #[test]
    fn s3_15_refresh_asks_anew_and_keeps_the_answer() {
        let worker = worker();
        let (mut first, _) = ask_counts(&worker, NOW, "");
        first.upstream(&rows("{\"n\":1}"));
        let (mut refresh, step) = ask_counts(&worker, NOW + 1, "&refresh=1");
        fetched(step);
        refresh.upstream(&rows("{\"n\":2}"));
        let (_, step) = ask_counts(&worker, NOW + 2, "");
        assert_eq!(cached(step), ((NOW + 1).into(), serde_json::json!([{"n": 2}])));
    }

    #[test]
    fn s3_15_those_that_ask_at_once_wait_for_the_first() {
        let worker = worker();
        let (mut first, step) = ask_counts(&worker, NOW, "");
        let flight = fetched(step).flight.unwrap();
        let (mut second, step) = ask_counts(&worker, NOW + 1, "");
        assert_eq!(step, Step::Join { name: flight, timeout_ms: 10_000 });
        let (mut third, _) = ask_counts(&worker, NOW + 1, "");
        first.upstream(&rows("{\"n\":1}"));
        assert_eq!(cached(second.joined()).0, NOW);
        drop(first);
        assert_eq!(cached(third.joined()).0, NOW);
    }

    #[test]
    fn s3_15_whoever_waited_for_a_fetch_that_failed_or_went_away_fetches_itself() {
        let worker = worker();
        let (mut first, _) = ask_counts(&worker, NOW, "");
        let (mut second, step) = ask_counts(&worker, NOW, "");
        assert!(matches!(step, Step::Join { .. }));
        assert_eq!(told(first.upstream(&Outcome::Failed)).0, 502);
        let step = second.joined();
        fetched(if let Step::Look(_) = step { second.found(None) } else { step });
        drop(second);
        // Nobody is fetching now.
        fetched(ask_counts(&worker, NOW, "").1);
    }

    #[test]
    fn s3_15_an_answer_of_the_shared_cache_is_served_with_its_time() {
        let worker = worker();
        let mut exchange = Exchange::new(Rc::clone(&worker));
        let Step::Look(name) = begin(&mut exchange, "GET", COUNTS) else { panic!() };
        assert_eq!(name.len(), 64);
        let found = exchange.found(Some((UnixMs(NOW - 5), b"{\"n\":3}")));
        assert_eq!(cached(found), ((NOW - 5).into(), serde_json::json!([{"n": 3}])));
        // One too old to be served is as good as none.
        let mut exchange = Exchange::new(self::worker());
        begin(&mut exchange, "GET", COUNTS);
        fetched(exchange.found(Some((UnixMs(NOW - 120_000), b""))));
    }

    #[test]
    fn the_admin_s_ways_want_its_key_before_the_body() {
        for path in ["/v1/sql", "/v1/admin/migrate"] {
            assert_eq!(told(begin(&mut exchange(), "POST", path)), (401, "bad_key".into()));
            let bearer = format!("Bearer {}", crate::testing::ADMIN_KEY);
            let url = format!("https://edge.test{path}");
            let request = Request {
                method: "POST",
                url: &url,
                authorization: Some(&bearer),
                ..Request::default()
            };
            let mut exchange = exchange();
            assert!(matches!(exchange.begin(&request), Step::Read { .. }));
            assert!(matches!(exchange.body(b""), Step::Fetch(_)));
        }
    }

    #[test]
    fn files_are_relayed_and_missing_ones_are_not_found() {
        let mut there = exchange();
        assert_eq!(begin(&mut there, "GET", "/tallymark/tracker.js"), Step::Asset);
        assert!(matches!(there.asset(200), Step::Relay(_)));
        let mut missing = exchange();
        begin(&mut missing, "GET", "/tallymark/tracker.js");
        assert_eq!(told(missing.asset(0)), (404, "not_found".into()));
        assert_eq!(told(begin(&mut exchange(), "GET", "/tallymark/.dev.vars")).0, 404);
    }
}
