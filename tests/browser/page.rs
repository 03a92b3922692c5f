//! The fake page of `page.js`, and what a test reads from a request.

use std::sync::atomic::{AtomicU32, Ordering};

use js_sys::{Promise, Uint8Array};
use tallymark::block;
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};
use wasm_bindgen_futures::JsFuture;

/// The wall time at tick 0, as in `page.js`: 2026-11-23T12:00:00Z.
pub const EPOCH: i64 = 1_795_435_200_000;

/// A worker's acceptance.
pub const ACCEPTED: &str = r#"{"now":1795435200000,"known":false}"#;

#[wasm_bindgen(module = "/tests/browser/page.js")]
extern "C" {
    type FakePage;

    #[wasm_bindgen(constructor)]
    fn new(key: &str) -> FakePage;
    #[wasm_bindgen(method)]
    fn restore(this: &FakePage);
    #[wasm_bindgen(method)]
    fn next(this: &FakePage) -> Promise;
    #[wasm_bindgen(method)]
    fn count(this: &FakePage) -> Promise;
    #[wasm_bindgen(method)]
    fn url(this: &FakePage, request: u32) -> String;
    #[wasm_bindgen(method)]
    fn body(this: &FakePage, request: u32) -> Uint8Array;
    #[wasm_bindgen(method)]
    fn init(this: &FakePage, request: u32) -> String;
    #[wasm_bindgen(method)]
    fn answer(this: &FakePage, request: u32, status: u16, text: &str, headers: &str);
    #[wasm_bindgen(method, js_name = answerForever)]
    fn answer_forever(this: &FakePage, request: u32, status: u16);
    #[wasm_bindgen(method)]
    fn fail(this: &FakePage, request: u32);
    #[wasm_bindgen(method, js_name = isGivenUp)]
    fn is_given_up(this: &FakePage, request: u32) -> bool;
    #[wasm_bindgen(method)]
    fn pass(this: &FakePage, ms: u32);
    #[wasm_bindgen(method)]
    fn timers(this: &FakePage) -> u32;
    #[wasm_bindgen(method)]
    fn go(this: &FakePage, search: &str);
    #[wasm_bindgen(method)]
    fn show(this: &FakePage, state: &str);
    #[wasm_bindgen(method)]
    fn leave(this: &FakePage);
    #[wasm_bindgen(method, js_name = comeBack)]
    fn come_back(this: &FakePage);
    #[wasm_bindgen(method, setter)]
    fn set_throws(this: &FakePage, throws: bool);
}

/// A page under the test's control until it is dropped.
pub struct Page {
    fake: FakePage,
    /// The write key that is this test's alone: trackers of other tests still listen.
    pub key: String,
}

/// One request, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request(u32);

impl Page {
    pub fn new() -> Self {
        static KEYS: AtomicU32 = AtomicU32::new(0);
        let key = format!("pk_{}", KEYS.fetch_add(1, Ordering::Relaxed));
        Self { fake: FakePage::new(&key), key }
    }

    /// The next request that was not looked at yet, when it comes.
    pub async fn next(&self) -> Request {
        Request(number(self.fake.next()).await)
    }

    /// How many requests there were, once every answer has been read and all that is ready has
    /// run.
    pub async fn count(&self) -> u32 {
        number(self.fake.count()).await
    }

    pub fn url(&self, request: Request) -> String {
        self.fake.url(request.0)
    }

    pub fn body(&self, request: Request) -> Vec<u8> {
        self.fake.body(request.0).to_vec()
    }

    /// What the request was made with but its body and signal, as JSON, sorted by name.
    pub fn init(&self, request: Request) -> String {
        self.fake.init(request.0)
    }

    pub fn accept(&self, request: Request) {
        self.answer(request, 202, ACCEPTED);
    }

    pub fn answer(&self, request: Request, status: u16, text: &str) {
        self.answer_with(request, status, text, "{}");
    }

    /// `headers` are a JSON object.
    pub fn answer_with(&self, request: Request, status: u16, text: &str, headers: &str) {
        self.fake.answer(request.0, status, text, headers);
    }

    /// Answers with a body that never ends.
    pub fn answer_forever(&self, request: Request, status: u16) {
        self.fake.answer_forever(request.0, status);
    }

    pub fn fail(&self, request: Request) {
        self.fake.fail(request.0);
    }

    /// Whether the page has aborted the request.
    pub fn is_given_up(&self, request: Request) -> bool {
        self.fake.is_given_up(request.0)
    }

    /// Whether `fetch` itself throws from now on.
    pub fn set_throws(&self, throws: bool) {
        self.fake.set_throws(throws);
    }

    pub fn pass(&self, ms: u32) {
        self.fake.pass(ms);
    }

    /// How many timers are set.
    pub fn timers(&self) -> u32 {
        self.fake.timers()
    }

    /// Puts `search` behind the page's address.
    pub fn go(&self, search: &str) {
        self.fake.go(search);
    }

    /// `visibilitychange`, to `visible` or `hidden`.
    pub fn show(&self, state: &str) {
        self.fake.show(state);
    }

    /// `pagehide`.
    pub fn leave(&self) {
        self.fake.leave();
    }

    /// `pageshow`, out of the bfcache.
    pub fn come_back(&self) {
        self.fake.come_back();
    }

    /// A text column of a request's block, in order; empty when it was left out.
    pub fn texts(&self, request: Request, column: &str) -> Vec<String> {
        let body = self.body(request);
        let block = block::walk(&body).unwrap();
        let texts = block.column(column).and_then(|column| column.texts());
        texts.into_iter().flatten().map(String::from).collect()
    }

    /// A parameter of a request's address, decoded.
    pub fn parameter(&self, request: Request, name: &str) -> Option<String> {
        web_sys::Url::new(&self.url(request)).unwrap().search_params().get(name)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.fake.restore();
    }
}

async fn number(promise: Promise) -> u32 {
    let value: JsValue = JsFuture::from(promise).await.unwrap();
    value.as_f64().unwrap() as u32
}
