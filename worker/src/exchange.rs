//! One request from begin to end, without IO: each call takes what happened and says what to do.
//!
//! ```text
//! begin ─┬─> Respond                                  refused, preflight
//!        ├─> Read ── body ──> Fetch ── upstream ──> Respond      a batch
//!        ├─> Read ── body ──> Fetch ── upstream ──> Fetch … ──> Respond      several queries
//!        ├─> Fetch ── upstream ──> Respond            one query, health
//!        └─> Asset ── asset ──> Relay                 a file
//! ```

use crate::answer::Answer;
use crate::assets;
use crate::batch::Head;
use crate::block;
use crate::config::{Config, Environment, Problem};
use crate::enrich::{Place, Sender, truncated_ip};
use crate::health;
use crate::insert;
use crate::limits;
use crate::query::{self, Ask, Catalogue, Pending};
use crate::refusal::{Code, Refusal};
use crate::routes::Route;
use crate::sites::caller;
use crate::upstream::{self, Outcome};
use crate::url::Url;
use std::rc::Rc;
use tallymark::time::UnixMs;

/// What all requests share: made once from the environment.
#[derive(Debug)]
pub struct Worker {
    config: Result<Config, Vec<Problem>>,
    catalogue: Catalogue,
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
    /// The header `Content-Length`, in bytes; a hint alone.
    pub content_length: Option<usize>,
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
    },
    /// Send this, then call [`Exchange::upstream`].
    Fetch(upstream::Request),
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
    /// The body with several queries of this site.
    Queries(String),
    /// ClickHouse's answer to the next of these queries.
    Query(Pending),
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
        Self { config: Config::read(environment), catalogue: catalogue.unwrap_or_default() }
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
                self.state = State::Queries(site(request, &url, worker.config()?)?);
                read(request, limits::QUERY_BODY_BYTES)
            }
            Route::Query(name) => {
                let config = worker.config()?;
                let site = site(request, &url, config)?;
                let ask = Ask::of_url(name, &url, &worker.catalogue)?;
                self.ask(&[ask], &site, true)
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
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Batch(head, sender) => {
                let block = block::complete(body, &head, head.table, &sender, self.now)?;
                self.state = State::Insert;
                Ok(Step::Fetch(insert::request(config, head.table, head.id, &block)))
            }
            State::Queries(site) => self.ask(&query::asks(body)?, &site, false),
            _ => Err(out_of_turn()),
        }
    }

    /// The body is larger than the step allowed.
    pub fn too_large(&mut self) -> Step {
        let cap_bytes = match (&self.state, &self.worker.config) {
            (State::Batch(..), Ok(config)) => config.body_bytes,
            _ => limits::QUERY_BODY_BYTES,
        };
        self.state = State::Idle;
        Step::Respond(too_large(cap_bytes))
    }

    /// This came of the fetch.
    pub fn upstream(&mut self, outcome: &Outcome) -> Step {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Insert => Step::Respond(insert::answer(outcome, self.now)),
            State::Health => Step::Respond(health::answer(outcome)),
            State::Query(mut pending) => match pending.take(outcome, &self.worker.catalogue) {
                Ok(None) => Step::Respond(pending.answer()),
                Ok(Some(request)) => {
                    self.state = State::Query(pending);
                    Step::Fetch(request)
                }
                Err(answer) => Step::Respond(answer),
            },
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

    /// Checks all queries before the first is sent.
    fn ask(&mut self, asks: &[Ask], site: &str, single: bool) -> Result<Step, Answer> {
        let worker = Rc::clone(&self.worker);
        let config = worker.config()?;
        let mut pending = Pending::new(asks, &worker.catalogue, site, self.now, config, single)?;
        match pending.next_request() {
            Some(request) => {
                self.state = State::Query(pending);
                Ok(Step::Fetch(request))
            }
            None => Ok(Step::Respond(pending.answer())),
        }
    }
}

/// The site that may ask.
fn site(request: &Request<'_>, url: &Url<'_>, config: &Config) -> Result<String, Refusal> {
    let key = url.parameters().find(|(name, _)| name == "k").map(|(_, key)| key);
    let caller = caller(request.origin, request.fetch_site, url);
    config.sites.authorize(&key.unwrap_or_default(), caller).map(|site| site.name.clone())
}

/// A body to read, unless it says itself that it is too large.
fn read(request: &Request<'_>, cap_bytes: usize) -> Result<Step, Answer> {
    match request.content_length {
        Some(bytes) if bytes > cap_bytes => Err(too_large(cap_bytes)),
        _ => Ok(Step::Read { cap_bytes }),
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
