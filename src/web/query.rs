//! Named queries into types of the application's.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use js_sys::{Array, JSON, Uint8Array, encode_uri_component};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::RequestInit;

use super::fetch::{self, message};
use crate::destination::Destination;
use crate::limits::{QUERY_URL_BYTES, REQUEST_TIMEOUT_MS};

/// Why a query has no rows to give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueryError {
    /// The tracker sends straight to ClickHouse, as a user that may only insert.
    NoWorker,
    /// Nothing came back, or not all of it: blocked, cut off or too slow. In the browser's words.
    Unanswered(String),
    /// The worker refused.
    Refused {
        /// The answer's status.
        status: u16,
        /// The worker's code: `bad_param`, `unknown_query`, `bad_key`, `forbidden`, `upstream`.
        code: String,
        /// The worker's words.
        message: String,
    },
    /// The answer is not the worker's, or its rows do not fit the type; the words say where.
    Unreadable(String),
}

impl QueryError {
    /// The query always has a row, and this answer has none.
    pub(super) fn no_row() -> Self {
        Self::Unreadable(String::from("it has no row"))
    }
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoWorker => f.write_str("queries need a worker: this tracker has none"),
            Self::Unanswered(why) => write!(f, "no answer: {why}"),
            Self::Refused { status, code, message } => write!(f, "{status} {code}: {message}"),
            Self::Unreadable(why) => write!(f, "the answer cannot be read: {why}"),
        }
    }
}

impl core::error::Error for QueryError {}

#[derive(Deserialize)]
struct Rows<R> {
    data: Vec<R>,
}

#[derive(Deserialize)]
struct Refusal {
    code: String,
    message: String,
}

/// Asks the worker.
pub async fn run<R: DeserializeOwned>(
    destination: &Destination,
    name: &str,
    parameters: &[(&str, &str)],
) -> Result<Vec<R>, QueryError> {
    let (endpoint, key) = worker(destination)?;
    get(&address(endpoint, key, name, parameters)).await
}

/// Asks the worker about many ids; where the address would be too long, by a POST.
pub async fn run_with_ids<R: DeserializeOwned, I: AsRef<str>>(
    destination: &Destination,
    name: &str,
    ids: &[I],
) -> Result<Vec<R>, QueryError> {
    let (endpoint, key) = worker(destination)?;
    let ids: Array = ids.iter().map(|id| JsValue::from_str(id.as_ref())).collect();
    let ids = JSON::stringify(&ids).map_err(|thrown| QueryError::Unreadable(message(&thrown)))?;
    let ids = String::from(ids);
    let url = address(endpoint, key, name, &[("ids", &ids)]);
    if url.len() <= QUERY_URL_BYTES {
        return get(&url).await;
    }
    let url = format!("{endpoint}/v1/query?k={}", String::from(encode_uri_component(key)));
    post(&url, &format!(r#"{{"queries":[{{"name":"{name}","params":{{"ids":{ids}}}}}]}}"#)).await
}

async fn get<R: DeserializeOwned>(url: &str) -> Result<Vec<R>, QueryError> {
    let Rows { data } = read(ask(url, &RequestInit::new()).await?)?;
    Ok(data)
}

/// The rows of a list of queries that has one. What is refused in a list is refused altogether.
async fn post<R: DeserializeOwned>(url: &str, body: &str) -> Result<Vec<R>, QueryError> {
    let init = RequestInit::new();
    init.set_method("POST");
    // Bytes have no type of their own, and so cause no preflight.
    init.set_body(&Uint8Array::from(body.as_bytes()));
    let answers = ask(url, &init).await?.dyn_into::<Array>();
    let Rows { data } = read(answers.map_or(JsValue::UNDEFINED, |answers| answers.get(0)))?;
    Ok(data)
}

fn worker(destination: &Destination) -> Result<(&str, &str), QueryError> {
    match destination {
        Destination::Worker { endpoint, key } => Ok((endpoint, key)),
        Destination::ClickHouse { .. } => Err(QueryError::NoWorker),
    }
}

/// One request, and what its answer says unless that is a refusal.
async fn ask(url: &str, init: &RequestInit) -> Result<JsValue, QueryError> {
    let unanswered = |thrown: &JsValue| QueryError::Unanswered(message(thrown));
    let exchange = fetch::exchange(url, init, REQUEST_TIMEOUT_MS).await;
    let response = &exchange.as_ref().map_err(unanswered)?.response;
    let text = response.text().map_err(|it| unanswered(&it))?;
    let text = JsFuture::from(text).await.map_err(|it| unanswered(&it))?;
    let answer = JSON::parse(&text.as_string().unwrap_or_default());
    let answer = answer.map_err(|thrown| QueryError::Unreadable(message(&thrown)))?;
    if response.ok() {
        return Ok(answer);
    }
    let Refusal { code, message } = read(answer)?;
    Err(QueryError::Refused { status: response.status(), code, message })
}

fn read<T: DeserializeOwned>(answer: JsValue) -> Result<T, QueryError> {
    serde_wasm_bindgen::from_value(answer)
        .map_err(|error| QueryError::Unreadable(message(&error.into())))
}

fn address(endpoint: &str, key: &str, name: &str, parameters: &[(&str, &str)]) -> String {
    let encoded = |text| String::from(encode_uri_component(text));
    let mut url = String::from(endpoint);
    url.push_str("/v1/query/");
    url.push_str(&encoded(name));
    url.push_str("?k=");
    url.push_str(&encoded(key));
    for (name, value) in parameters {
        url.push('&');
        url.push_str(&encoded(name));
        url.push('=');
        url.push_str(&encoded(value));
    }
    url
}
