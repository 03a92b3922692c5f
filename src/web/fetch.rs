//! One request with `fetch`, and as much of its answer as is wanted.

use alloc::string::String;
use alloc::vec::Vec;

use gloo_timers::callback::Timeout;
use js_sys::{JsString, Promise, Reflect, Uint8Array};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortController, ReadableStreamDefaultReader, ReadableStreamReadResult, RequestCredentials,
    RequestInit, Response,
};

use crate::answer::{self, Word};
use crate::limits::{ANSWER_BYTES, REQUEST_TIMEOUT_MS};

#[wasm_bindgen]
extern "C" {
    // web-sys's own does not catch: a `fetch` that a page has wrapped may throw at once.
    #[wasm_bindgen(catch)]
    fn fetch(url: &str, init: &RequestInit) -> Result<JsValue, JsValue>;
}

/// An answer whose head is here. Its deadline covers the body too, and ends with it.
#[derive(Debug)]
pub struct Exchange {
    pub response: Response,
    _deadline: Timeout,
}

/// Begins a request and waits for the head of its answer.
///
/// # Errors
///
/// What the browser throws: blocked, cut off, or not there after `timeout_ms`.
pub async fn exchange(url: &str, init: &RequestInit, timeout_ms: u32) -> Result<Exchange, JsValue> {
    // Not `AbortSignal.timeout`: web-sys's binding would throw through wasm where it is missing.
    let controller = AbortController::new()?;
    init.set_signal(Some(&controller.signal()));
    init.set_credentials(RequestCredentials::Omit);
    let _deadline = Timeout::new(timeout_ms, move || controller.abort());
    let answer = JsFuture::from(Promise::resolve(&fetch(url, init)?)).await?;
    Ok(Exchange { response: answer.dyn_into()?, _deadline })
}

/// Posts a batch and gives the parts of its answer that decide; `None` when nothing came back.
///
/// The request has no header of its own and no type: either would cost a preflight.
pub async fn post(url: &str, keepalive: bool, body: &Uint8Array) -> Option<answer::Response> {
    try_post(url, keepalive, body).await.ok()
}

async fn try_post(
    url: &str,
    keepalive: bool,
    body: &Uint8Array,
) -> Result<answer::Response, JsValue> {
    let init = RequestInit::new();
    init.set_method("POST");
    init.set_body(body);
    // web-sys 0.3.107 has no `set_keepalive`.
    Reflect::set(&init, &JsValue::from_str("keepalive"), &JsValue::from_bool(keepalive))?;
    let exchange = exchange(url, &init, REQUEST_TIMEOUT_MS).await?;
    let headers = exchange.response.headers();
    let header = |name| headers.get(name).ok().flatten();
    Ok(answer::Response {
        status: exchange.response.status(),
        word: Word::read(&beginning_of(&exchange.response).await?),
        retry_after_s: header("Retry-After").and_then(|text| text.parse().ok()).unwrap_or(0),
        exception_code: header("X-ClickHouse-Exception-Code")
            .and_then(|text| text.parse().ok())
            .unwrap_or(0),
        has_query_id: header("X-ClickHouse-Query-Id").is_some(),
    })
}

/// At most [`ANSWER_BYTES`] of a body: a portal's page is not read to its end.
async fn beginning_of(response: &Response) -> Result<Vec<u8>, JsValue> {
    let mut bytes = Vec::new();
    let Some(stream) = response.body() else { return Ok(bytes) };
    let reader = ReadableStreamDefaultReader::new(&stream)?;
    while bytes.len() < ANSWER_BYTES {
        let chunk = JsFuture::from(reader.read()).await?;
        let chunk: ReadableStreamReadResult = chunk.unchecked_into();
        if chunk.get_done().unwrap_or(true) {
            return Ok(bytes);
        }
        bytes.extend(chunk.get_value().dyn_into::<Uint8Array>()?.to_vec());
    }
    JsFuture::from(reader.cancel()).await?;
    bytes.truncate(ANSWER_BYTES);
    Ok(bytes)
}

/// What was thrown, in words.
pub fn message(thrown: &JsValue) -> String {
    match thrown.dyn_ref::<js_sys::Error>() {
        Some(error) => error.message().into(),
        None => thrown.dyn_ref::<JsString>().map(String::from).unwrap_or_default(),
    }
}
