//! What the entry in JavaScript calls. Every export is synchronous: a panic in an asynchronous one
//! would poison the isolate for good (measured), and none decides anything.

use crate::answer::Answer;
use crate::config::{Config, Environment};
use crate::enrich::{Agent, Place};
use crate::exchange::{self, Request, Step};
use crate::sink::{Asked, Put};
use crate::upstream::{self, Outcome, Reply};
use crate::worker;
use std::rc::Rc;
use tallymark::time::UnixMs;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen(module = "/entry/step.js")]
extern "C" {
    fn read(cap_bytes: usize, at_once: bool) -> JsValue;
    fn fetch(
        url: &str,
        headers: &str,
        body: &[u8],
        timeout_ms: u32,
        answer_bytes: usize,
        answer_is_short: bool,
        flight: Option<&str>,
    ) -> JsValue;
    fn put(shard: u32, site: &str, table: &str, id: &str, block: &[u8]) -> JsValue;
    fn ask(shard: u32, site: &str, table: &str, id: &str) -> JsValue;
    fn shards(count: u32) -> JsValue;
    fn admin(shard: u32, group: &[u8], action: &str) -> JsValue;
    fn look(name: &str) -> JsValue;
    fn join(name: &str, timeout_ms: u32) -> JsValue;
    fn store(name: &str, at: f64, seconds: f64, rows: &[u8]) -> JsValue;
    fn asset() -> JsValue;
    fn relay(status: u16, headers: &str) -> JsValue;
    fn respond(status: u16, headers: &str, body: &[u8], log: Option<&str>) -> JsValue;
}

/// What all requests share; see [`worker::Worker`].
#[wasm_bindgen]
pub struct Worker(Rc<worker::Worker>);

#[wasm_bindgen]
impl Worker {
    /// Reads the environment that the platform hands to each request; `seed` are 8 random words.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(environment: JsValue, seed: &[u32]) -> Self {
        // Each variable takes any type, so only an environment that is no object fails here; it
        // is then one without variables, which /v1/health tells.
        let environment: Environment =
            serde_wasm_bindgen::from_value(environment).unwrap_or_default();
        let mut words = seed.iter().copied().map(u64::from);
        let seed = std::array::from_fn(|_| {
            words.next().unwrap_or_default() << 32 | words.next().unwrap_or_default()
        });
        Self(Rc::new(worker::Worker::new(&environment, seed)))
    }

    /// The header that holds the client's address, if any.
    #[wasm_bindgen(js_name = clientIpHeader)]
    #[must_use]
    pub fn client_ip_header(&self) -> Option<String> {
        self.0.client_ip_header().map(str::to_owned)
    }

    /// See [`exchange::Worker::place_headers`].
    #[wasm_bindgen(js_name = placeHeaders)]
    #[must_use]
    pub fn place_headers(&self) -> Vec<String> {
        self.0.place_headers().map(str::to_owned).into()
    }

    /// See [`exchange::Worker::limit_name`].
    #[wasm_bindgen(js_name = limitName)]
    #[must_use]
    pub fn limit_name(
        &self,
        method: &str,
        url: &str,
        authorization: Option<String>,
        api_key: Option<String>,
        client_ip: Option<String>,
    ) -> Option<String> {
        self.0.limit_name(&Request {
            method,
            url,
            authorization: authorization.as_deref(),
            api_key: api_key.as_deref(),
            client_ip: client_ip.as_deref(),
            ..Request::default()
        })
    }

    /// Whether the header `User-Agent` is to be read.
    #[wasm_bindgen(js_name = readsAgents)]
    #[must_use]
    pub fn reads_agents(&self) -> bool {
        self.0.reads_agents()
    }
}

impl Worker {
    /// The configuration, if it is right.
    pub(crate) fn config(&self) -> Option<Config> {
        self.0.checked_config().cloned()
    }
}

/// One request; see [`exchange::Exchange`].
#[wasm_bindgen]
pub struct Exchange(exchange::Exchange);

#[wasm_bindgen]
impl Exchange {
    /// An exchange that waits for its begin.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(worker: &Worker) -> Self {
        Self(exchange::Exchange::new(Rc::clone(&worker.0)))
    }

    /// See [`exchange::Exchange::begin`].
    #[allow(clippy::too_many_arguments, reason = "one crossing a request, without an object")]
    pub fn begin(
        &mut self,
        method: &str,
        url: &str,
        origin: Option<String>,
        fetch_site: Option<String>,
        authorization: Option<String>,
        api_key: Option<String>,
        content_length: Option<String>,
        transfer_encoding: bool,
        client_ip: Option<String>,
        is_within_limit: Option<bool>,
        country: Option<String>,
        region: Option<String>,
        city: Option<String>,
        browser: Option<String>,
        os: Option<String>,
        device: Option<String>,
        is_bot: bool,
        now: f64,
    ) -> JsValue {
        let step = self.0.begin(&Request {
            method,
            url,
            origin: origin.as_deref(),
            fetch_site: fetch_site.as_deref(),
            authorization: authorization.as_deref(),
            api_key: api_key.as_deref(),
            // As text: a number would lose its upper half on the way into 32 bits.
            content_length: content_length.as_deref().and_then(exchange::declared_bytes),
            transfer_encoding,
            client_ip: client_ip.as_deref(),
            is_within_limit,
            place: Place {
                country: country.unwrap_or_default(),
                region: region.unwrap_or_default(),
                city: city.unwrap_or_default(),
            },
            agent: Agent {
                browser: browser.unwrap_or_default(),
                os: os.unwrap_or_default(),
                device: device.unwrap_or_default(),
                is_bot,
            },
            // Date.now() is whole milliseconds, far inside an i64.
            now: UnixMs(now as i64),
        });
        to_js(step)
    }

    /// See [`exchange::Exchange::body`].
    pub fn body(&mut self, body: &[u8]) -> JsValue {
        to_js(self.0.body(body))
    }

    /// See [`exchange::Exchange::too_large`].
    #[wasm_bindgen(js_name = tooLarge)]
    pub fn too_large(&mut self) -> JsValue {
        to_js(self.0.too_large())
    }

    /// See [`exchange::Exchange::upstream`]: an answer, whole.
    pub fn answered(
        &mut self,
        status: u16,
        exception_code: Option<String>,
        has_query_id: bool,
        body: Vec<u8>,
    ) -> JsValue {
        let reply = Reply { status, exception_code, has_query_id, body };
        to_js(self.0.upstream(&Outcome::Answer(reply)))
    }

    /// See [`exchange::Exchange::upstream`]: no answer.
    pub fn lost(&mut self, timed_out: bool) -> JsValue {
        let outcome = if timed_out { Outcome::TimedOut } else { Outcome::Failed };
        to_js(self.0.upstream(&outcome))
    }

    /// See [`exchange::Exchange::put`]: what the shard said, nothing if it could not be asked.
    pub fn put(&mut self, taken: Option<String>) -> JsValue {
        to_js(self.0.put(taken.as_deref()))
    }

    /// See [`exchange::Exchange::shards`].
    pub fn shards(&mut self, reports: Vec<String>) -> JsValue {
        to_js(self.0.shards(&reports))
    }

    /// See [`exchange::Exchange::admin`].
    pub fn admin(&mut self, body: Option<Vec<u8>>) -> JsValue {
        to_js(self.0.admin(body))
    }

    /// See [`exchange::Exchange::found`]: `at` is undefined where nothing was.
    pub fn found(&mut self, at: Option<f64>, rows: &[u8]) -> JsValue {
        to_js(self.0.found(at.map(|at| (UnixMs(at as i64), rows))))
    }

    /// See [`exchange::Exchange::joined`].
    pub fn joined(&mut self) -> JsValue {
        to_js(self.0.joined())
    }

    /// See [`exchange::Exchange::to_store`].
    #[wasm_bindgen(js_name = toStore)]
    pub fn to_store(&mut self) -> JsValue {
        match self.0.to_store() {
            Some(kept) => store(&kept.name, kept.at.0 as f64, kept.seconds as f64, &kept.rows),
            None => JsValue::UNDEFINED,
        }
    }

    /// See [`exchange::Exchange::behind`].
    pub fn behind(&mut self) -> JsValue {
        self.0.behind().map_or(JsValue::UNDEFINED, |request| to_js(Step::Fetch(request)))
    }

    /// See [`exchange::Exchange::upstream_behind`]: an answer, whole.
    #[wasm_bindgen(js_name = answeredBehind)]
    pub fn answered_behind(
        &mut self,
        status: u16,
        exception_code: Option<String>,
        has_query_id: bool,
        body: Vec<u8>,
    ) {
        let reply = Reply { status, exception_code, has_query_id, body };
        self.0.upstream_behind(&Outcome::Answer(reply));
    }

    /// See [`exchange::Exchange::upstream_behind`]: no answer.
    #[wasm_bindgen(js_name = lostBehind)]
    pub fn lost_behind(&mut self) {
        self.0.upstream_behind(&Outcome::Failed);
    }

    /// See [`exchange::Exchange::asset`].
    pub fn asset(&mut self, status: u16) -> JsValue {
        to_js(self.0.asset(status))
    }
}

/// A step as the entry's object; the body is copied once, out of wasm's memory.
fn to_js(step: Step) -> JsValue {
    match step {
        Step::Read { cap_bytes, at_once } => read(cap_bytes, at_once),
        Step::Fetch(request) => request_to_js(&request),
        Step::Put(put) => put_to_js(&put),
        Step::Ask(asked) => ask_to_js(&asked),
        Step::Shards { count } => shards(count),
        Step::Admin(target) => admin(target.shard, &target.group.0, target.action.name()),
        Step::Look(name) => look(&name),
        Step::Join { name, timeout_ms } => join(&name, timeout_ms),
        Step::Asset => asset(),
        Step::Relay(answer) => relay(answer.status, &lines(&answer.headers)),
        Step::Respond(Answer { status, headers, body, log }) => {
            respond(status, &lines(&headers), &body, log.as_deref())
        }
    }
}

/// A request as the entry's object.
pub(crate) fn request_to_js(request: &upstream::Request) -> JsValue {
    fetch(
        &request.url,
        &lines(&request.headers),
        &request.body,
        request.timeout_ms,
        request.answer_bytes,
        request.answer_is_short,
        request.flight.as_deref(),
    )
}

fn ask_to_js(step: &Asked) -> JsValue {
    let id = step.id.to_text();
    ask(step.shard, &step.site, step.table, std::str::from_utf8(&id).unwrap_or_default())
}

fn put_to_js(step: &Put) -> JsValue {
    let id = step.id.to_text();
    put(
        step.shard,
        &step.site,
        step.table,
        std::str::from_utf8(&id).unwrap_or_default(),
        &step.block,
    )
}

/// Headers as one text, name and value in turn, a line each: one crossing for all. Neither holds
/// a line break: names are our own, values are our own or were checked as configuration.
fn lines(headers: &[(&str, String)]) -> String {
    let bytes = headers.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
    let mut text = String::with_capacity(bytes);
    for (name, value) in headers {
        for part in [*name, "\n", value, "\n"] {
            text.push_str(part);
        }
    }
    text
}
