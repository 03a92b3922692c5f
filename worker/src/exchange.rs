//! One request from begin to end, without IO: each call takes what happened and says what to do.
//!
//! ```text
//! begin ─┬─> Respond                                  refused, preflight
//!        ├─> Read ── body ──> Fetch ── upstream ──> Respond      a batch
//!        ├─> Read ── body ──> Fetch ── upstream ──> Fetch … ──> Respond      several queries
//!        ├─> [Look ── found ──> [Join ── joined ──>]] Fetch ── upstream ──> Respond   one query
//!        ├─> Fetch ── upstream ──> Respond            health
//!        ├─> Fetch ── upstream ──> Fetch … ──> Respond      migrations
//!        └─> Asset ── asset ──> Relay                 a file
//! ```

use crate::access::{self, Grant};
use crate::admin::{self, Migration};
use crate::answer::Answer;
use crate::assets;
use crate::batch::Head;
use crate::block;
use crate::config::{Config, Environment, Problem};
use crate::enrich::{Place, Sender, truncated_ip};
use crate::health;
use crate::insert;
use crate::limits;
use crate::query::{self, Ask, Cache, Catalogue, Pending, Store, Turn};
use crate::refusal::{Code, Refusal};
use crate::routes::Route;
use crate::sites::caller;
use crate::sql;
use crate::upstream::{self, Outcome};
use crate::url::Url;
use std::cell::RefCell;
use std::rc::Rc;
use tallymark::time::UnixMs;

/// What all requests share: made once from the environment.
#[derive(Debug)]
pub struct Worker {
    config: Result<Config, Vec<Problem>>,
    catalogue: Catalogue,
    cache: RefCell<Cache>,
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
    /// The header `Content-Length`, in bytes.
    pub content_length: Option<usize>,
    /// Whether there is a header `Transfer-Encoding`. Then the length says nothing, and workerd
    /// hands out both (RFC 9112, 6.3).
    pub transfer_encoding: bool,
    /// The header that [`Worker::client_ip_header`] names.
    pub client_ip: Option<&'a str>,
    /// Where the platform says that the request comes from.
    pub place: Place,
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
}

/// What the entry's next call will be about.
#[derive(Debug)]
enum State {
    /// Nothing: not begun, or ended.
    Idle,
    /// The body of a batch.
    Batch(Head, Sender),
    /// ClickHouse's answer to an insert.
    Insert,
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
    /// A file's status.
    Asset(String),
}

impl Worker {
    /// Checks the environment and parses the queries. Never fails: wrong variables are told by
    /// `/v1/health`, and everything else is `busy` until they are right.
    #[must_use]
    pub fn new(environment: &Environment) -> Self {
        let catalogue = Catalogue::parse(&query::FILES);
        debug_assert!(catalogue.is_ok(), "a query's head is wrong: {catalogue:?}");
        Self {
            config: Config::read(environment),
            catalogue: catalogue.unwrap_or_default(),
            cache: RefCell::default(),
        }
    }

    /// The header with the client's address, if one is trusted; lower case.
    #[must_use]
    pub fn client_ip_header(&self) -> Option<&str> {
        self.config.as_ref().ok().and_then(|config| config.client_ip_header.as_deref())
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
        Self { worker, now: UnixMs(0), state: State::Idle }
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
            Route::Batch => {
                let config = worker.config()?;
                let head =
                    Head::read(&url, request.origin, request.fetch_site, request.now, config)?;
                let ip = request.client_ip.and_then(truncated_ip);
                let place = request.place.clone().bounded();
                self.state = State::Batch(head, Sender { ip, place });
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
                self.state = State::Insert;
                Ok(Step::Fetch(insert::request(config, head.table, head.id, &block)))
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

    /// The body is larger than the step allowed.
    pub fn too_large(&mut self) -> Step {
        let cap_bytes = self.cap_bytes();
        self.state = State::Idle;
        Step::Respond(too_large(cap_bytes))
    }

    /// The most that the awaited body may have.
    fn cap_bytes(&self) -> usize {
        match (&self.state, &self.worker.config) {
            (State::Batch(..), Ok(config)) => config.body_bytes,
            (State::Statement(_), _) => limits::SQL_BYTES,
            (State::Migrate(_), _) => 0,
            _ => limits::QUERY_BODY_BYTES,
        }
    }

    /// This came of the fetch.
    pub fn upstream(&mut self, outcome: &Outcome) -> Step {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Insert => Step::Respond(insert::answer(outcome, self.now)),
            State::Health => Step::Respond(health::answer(outcome)),
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

    /// The assets answered with this status; 0 when there are none.
    pub fn asset(&mut self, status: u16) -> Step {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Asset(file) => {
                assets::headers(&file, status).map_or_else(Step::Respond, Step::Relay)
            }
            _ => Step::Respond(out_of_turn()),
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
    use crate::testing::{NOW, worker};
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
        inserting.state = State::Insert;
        assert_eq!(told(inserting.upstream(&Outcome::TimedOut)), (503, "busy".into()));
        let mut inserting = exchange();
        inserting.state = State::Insert;
        assert_eq!(told(inserting.upstream(&rows(""))), (202, String::new()));
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
        let worker = Rc::new(Worker::new(&Environment::default()));
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
