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

mod asking;
mod operating;
mod storing;

use crate::answer::Answer;
use crate::aside::Target;
use crate::enrich::{Agent, Place};
use crate::limits;
use crate::refusal::{Code, Refusal};
use crate::routes::Route;
use crate::sink::{Asked, Put};
use crate::upstream::{self, Outcome};
use crate::url::Url;
use crate::worker::Worker;
use asking::Asking;
use operating::Operating;
use std::borrow::Cow;
use std::rc::Rc;
use storing::{After, Storing};
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

/// What the entry's next call will be about.
#[derive(Debug)]
enum State {
    /// Nothing: not begun, or ended.
    Idle,
    /// A batch, events or changes.
    Storing(Storing),
    /// Named queries.
    Asking(Asking),
    /// The operator's ways, and files.
    Operating(Operating),
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
            Route::Batch => self.begin_batch(request, &url),
            Route::Events(form) => self.begin_events(form, request, &url),
            Route::Changes => self.begin_changes(request, &url),
            Route::Query(name) => self.begin_query(name, request, &url),
            Route::Queries => self.begin_queries(request, &url),
            Route::Sql => self.begin_sql(request),
            Route::Migrate => self.begin_migrate(request),
            Route::Health => self.begin_health(),
            Route::Group(path) => self.begin_group(path, request, &url),
            Route::Asset(file) => self.begin_asset(file),
        }
    }

    /// The whole body is there.
    pub fn body(&mut self, body: &[u8]) -> Step {
        self.take_body(body).unwrap_or_else(Step::Respond)
    }

    fn take_body(&mut self, body: &[u8]) -> Result<Step, Answer> {
        let cap_bytes = self.cap_bytes();
        match std::mem::replace(&mut self.state, State::Idle) {
            // Should the platform ever hand out more than it declared.
            _ if body.len() > cap_bytes => Err(too_large(cap_bytes)),
            State::Storing(awaited) => self.body_to_store(awaited, body),
            State::Asking(awaited) => self.body_to_ask(awaited, body),
            State::Operating(awaited) => self.body_to_operate(awaited, body),
            State::Idle => Err(out_of_turn()),
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
            (State::Storing(_), Ok(config)) => config.body_bytes,
            (State::Operating(awaited), _) => awaited.cap_bytes(),
            _ => limits::QUERY_BODY_BYTES,
        }
    }

    /// This came of the fetch.
    pub fn upstream(&mut self, outcome: &Outcome) -> Step {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Storing(awaited) => self.upstream_to_store(awaited, outcome),
            State::Asking(awaited) => self.upstream_to_ask(awaited, outcome),
            State::Operating(awaited) => self.upstream_to_operate(awaited, outcome),
            State::Idle => Step::Respond(out_of_turn()),
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
