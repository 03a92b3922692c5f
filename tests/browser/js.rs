//! The npm package's shell: the suite, and what the queue, the options and the stats do.

use super::page::{Page, Request};
use super::suite::{Flushed, Options, Shell};
use crate::{answers_of, journal_of, whole_suite_of};
use js_sys::{Function, Promise, Reflect, WebAssembly};
use tallymark::block;
use tallymark::rng::Uuid;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;

#[wasm_bindgen(module = "/tests/browser/js.js")]
extern "C" {
    type Tally;

    #[wasm_bindgen(catch)]
    fn init(options: &JsValue, wasm: &JsValue, gate: &JsValue) -> Result<Tally, JsValue>;
    fn evaluate(expression: &str) -> JsValue;
    fn turn(tally: &Tally, act: &JsValue);

    #[wasm_bindgen(method)]
    fn track(this: &Tally, name: &JsValue, fields: &JsValue);
    #[wasm_bindgen(method)]
    fn flush(this: &Tally) -> Promise;
    #[wasm_bindgen(method)]
    fn shutdown(this: &Tally) -> Promise;
    #[wasm_bindgen(method, js_name = queueLength)]
    fn queue_length(this: &Tally) -> f64;
    #[wasm_bindgen(method)]
    fn stats(this: &Tally) -> JsValue;
}

/// Named so that each file is there for `js.js` to import.
mod files {
    use super::wasm_bindgen;

    #[wasm_bindgen(module = "/src/effects/queue.js")]
    extern "C" {
        #[wasm_bindgen(js_name = makeTally)]
        fn _queue();
    }
    #[wasm_bindgen(module = "/src/effects/host.js")]
    extern "C" {
        #[wasm_bindgen(js_name = start)]
        fn _host();
    }
    #[wasm_bindgen(module = "/src/effects/destination.js")]
    extern "C" {
        #[wasm_bindgen(js_name = addressOf)]
        fn _destination();
    }
    #[wasm_bindgen(module = "/src/effects/journal.js")]
    extern "C" {
        #[wasm_bindgen(js_name = makeJournal)]
        fn _journal();
    }
    #[wasm_bindgen(module = "/src/effects/memory.js")]
    extern "C" {
        #[wasm_bindgen(js_name = putInbox)]
        fn _memory();
    }
    #[wasm_bindgen(module = "/src/effects/pack.js")]
    extern "C" {
        #[wasm_bindgen(js_name = pack)]
        fn _pack();
    }
    #[wasm_bindgen(module = "/src/effects/place.js")]
    extern "C" {
        #[wasm_bindgen(js_name = placeOf)]
        fn _place();
    }
    #[wasm_bindgen(module = "/src/effects/visit.js")]
    extern "C" {
        #[wasm_bindgen(js_name = pushTurn)]
        fn _visit();
    }
    #[wasm_bindgen(module = "/src/effects/reasons.js")]
    extern "C" {
        #[wasm_bindgen(js_name = codeOf)]
        fn _reasons();
    }
    #[wasm_bindgen(module = "/src/effects/send.js")]
    extern "C" {
        #[wasm_bindgen(js_name = send)]
        fn _send();
    }
    #[wasm_bindgen(module = "/pkg-template/parts/options.js")]
    extern "C" {
        #[wasm_bindgen(js_name = checkOptions)]
        fn _options();
    }
    #[wasm_bindgen(module = "/pkg-template/parts/queries.js")]
    extern "C" {
        #[wasm_bindgen(js_name = query)]
        fn _queries();
    }
}

/// A tracker as `init` returns it.
pub struct Js(Tally);

impl Js {
    /// `options` is the text of an object literal's inside; the endpoint and the key are the
    /// page's, and there is no journal unless it says so. The engine comes when `gate` resolves.
    pub fn init(page: &Page, options: &str, gate: &JsValue) -> Result<Self, JsValue> {
        let (endpoint, key) = (Self::ENDPOINT, &page.key);
        let options =
            format!("{{ endpoint: '{endpoint}', key: '{key}', journalBytes: 0, {options} }}");
        init(&evaluate(&options), &wasm_bindgen::exports(), gate).map(Self)
    }

    /// The same, once the engine is there.
    pub async fn start_with(page: &Page, options: &str) -> Self {
        let tally = Self::init(page, options, &JsValue::UNDEFINED).unwrap();
        page.pass(0);
        page.count().await;
        tally
    }

    /// Calls `track` with values given as JavaScript.
    pub fn track_js(&self, name: &str, fields: &str) {
        self.0.track(&evaluate(name), &evaluate(fields));
    }

    /// A member of `stats()`, such as `dropped.invalid`; 0 when it is missing.
    pub fn stat(&self, path: &str) -> f64 {
        let found = path.split('.').fold(self.0.stats(), |of, name| member(&of, name));
        found.as_f64().unwrap_or(0.0)
    }
}

impl Shell for Js {
    const ENDPOINT: &str = "https://tally.example";

    async fn start(page: &Page, options: Options) -> Self {
        let numbers = [
            ("maxRows", options.max_rows),
            ("maxTimeMs", options.max_time_ms),
            ("maxWaitingRows", options.max_waiting_rows),
            ("journalBytes", options.journal.then_some(524_288)),
        ];
        let given = numbers
            .iter()
            .filter_map(|(name, number)| number.map(|number| format!("{name}: {number}")));
        let mut given = given.collect::<Vec<_>>().join(", ");
        if options.discard {
            given.push_str(", onFailure: 'discard'");
        }
        Self::start_with(page, given.trim_start_matches(", ")).await
    }

    fn track(&self, name: &str, id: &str) {
        self.track_js(&format!("'{name}'"), &format!("{{ entityType: 'post', entityId: '{id}' }}"));
    }

    fn flush(&self) -> impl Future<Output = Flushed> + use<> {
        flushed(self.0.flush())
    }

    fn shutdown(&self) -> impl Future<Output = Flushed> + use<> {
        flushed(self.0.shutdown())
    }

    fn queue_length(&self) -> u64 {
        self.0.queue_length() as u64
    }

    fn delivered(&self) -> u64 {
        self.stat("delivered") as u64
    }

    fn stored(&self) -> u64 {
        self.stat("stored") as u64
    }

    fn is_storing(&self) -> bool {
        member(&self.0.stats(), "storage") == "indexeddb"
    }

    fn dropped(&self, reason: &str) -> u64 {
        self.stat(&format!("dropped.{reason}")) as u64
    }
}

async fn flushed(promise: Promise) -> Flushed {
    let result = JsFuture::from(promise).await.unwrap();
    let count = |name| member(&result, name).as_f64().unwrap() as u32;
    Flushed {
        ok: member(&result, "ok").as_bool().unwrap(),
        delivered: count("delivered"),
        dropped: count("dropped"),
    }
}

fn member(of: &JsValue, name: &str) -> JsValue {
    Reflect::get(of, &name.into()).unwrap()
}

whole_suite_of!(Js);
answers_of!(Js);
journal_of!(Js);

/// A promise and what resolves it.
fn gate() -> (Promise, Function) {
    let mut open = None;
    let promise = Promise::new(&mut |resolve, _| open = Some(resolve));
    (promise, open.unwrap())
}

#[wasm_bindgen_test]
fn u11_what_is_tested_is_the_engine_s_own_wasm_in_a_browser() {
    let exports = wasm_bindgen::exports();
    for name in ["engine_start", "engine_events", "engine_poll", "engine_page"] {
        assert!(member(&exports, name).is_function(), "{name}");
    }
    assert!(member(&exports, "memory").is_instance_of::<WebAssembly::Memory>());
    assert_eq!(evaluate("document.defaultView === window"), true);
}

#[wasm_bindgen_test]
async fn u1_u9_events_tracked_before_the_engine_is_there_are_not_lost() {
    let page = Page::new();
    let (closed, open) = gate();
    let tally = Js::init(&page, "", &closed).unwrap();
    tally.track("view", "1");
    page.pass(5_000);
    tally.track("view", "2");
    page.count().await;
    assert_eq!((tally.queue_length(), tally.stat("tracked"), tally.stat("waiting")), (2, 2.0, 2.0));
    open.call0(&JsValue::UNDEFINED).unwrap();
    page.count().await;
    let flushed = tally.flush();
    let request = page.next().await;
    assert_eq!(page.texts(request, "entity_id"), ["1", "2"]);
    page.accept(request);
    assert_eq!(flushed.await, Flushed { ok: true, delivered: 2, dropped: 0 });
}

#[wasm_bindgen_test]
async fn an_engine_that_cannot_load_is_fetched_again_and_loses_nothing() {
    let page = Page::new();
    let gate = evaluate(
        "{ tries: 0, then(yes, no) { this.tries++ ? yes() : no(new Error('offline')); } }",
    );
    let tally = Js::init(&page, "", &gate).unwrap();
    tally.track("view", "1");
    page.pass(0);
    page.count().await;
    assert_eq!(tally.queue_length(), 1);
    page.pass(10_000);
    page.count().await;
    page.pass(10_000);
    assert_eq!(page.texts(page.next().await, "entity_id"), ["1"]);
}

#[wasm_bindgen_test]
async fn s4_17_before_the_engine_is_there_the_oldest_go_too() {
    let page = Page::new();
    let (closed, open) = gate();
    let tally = Js::init(&page, "maxRows: 10, maxWaitingRows: 100", &closed).unwrap();
    (0..1_600).for_each(|id| tally.track("view", &id.to_string()));
    assert_eq!(tally.queue_length(), 600);
    open.call0(&JsValue::UNDEFINED).unwrap();
    page.pass(0);
    page.count().await;
    assert_eq!((tally.dropped("queue_full"), tally.queue_length()), (1_500, 100));
    assert_eq!(tally.stat("tracked"), 1_600.0);
}

#[wasm_bindgen_test]
async fn before_send_may_change_and_drop_events() {
    let page = Page::new();
    let hook = "beforeSend(event) {
        if (event.name === 'secret') return null;
        if (event.name === 'broken') throw new Error('in the hook');
        event.name += '!';
        event.properties.seen = true;
        return event;
    }";
    let tally = Js::start_with(&page, hook).await;
    tally.track_js("'view'", "{ entityId: 7, color: 'red', properties: { size: 2 } }");
    tally.track_js("'secret'", "undefined");
    tally.track_js("'broken'", "undefined");
    drop(tally.flush());
    let request = page.next().await;
    assert_eq!(page.texts(request, "name"), ["view!"]);
    assert_eq!(page.texts(request, "entity_id"), ["7"]);
    assert_eq!(page.texts(request, "properties"), [r#"{"size":2,"color":"red","seen":true}"#]);
    assert_eq!((tally.dropped("before_send"), tally.dropped("invalid")), (1, 1));
}

#[wasm_bindgen_test]
async fn on_batch_hears_of_every_answer_and_may_flush() {
    let page = Page::new();
    let tally =
        Js::start_with(&page, "onBatch(batch) { (globalThis.heard ??= []).push(batch); }").await;
    tally.track("view", "42");
    drop(tally.flush());
    let first = page.next().await;
    page.fail(first);
    page.count().await;
    page.pass(1_000);
    let second = page.next().await;
    page.answer(second, 403, r#"{"code":"bad_origin"}"#);
    page.count().await;
    let heard = evaluate("JSON.stringify(heard)").as_string().unwrap();
    let id = page.parameter(first, "id").unwrap();
    let bytes = page.body(first).len();
    let expected = format!(
        "[{{\"id\":\"{id}\",\"rows\":1,\"bytes\":{bytes},\"ms\":0,\"status\":0,\"outcome\":\"again\"}},\
         {{\"id\":\"{id}\",\"rows\":1,\"bytes\":{bytes},\"ms\":"
    );
    assert!(heard.starts_with(&expected), "{heard}");
    assert!(
        heard.ends_with(r#","status":403,"outcome":"refused","code":"bad_origin"}]"#),
        "{heard}"
    );
}

#[wasm_bindgen_test]
async fn u6_straight_to_clickhouse_the_address_holds_user_and_token() {
    let page = Page::new();
    let key = &page.key;
    let options = format!(
        "endpoint: undefined, key: undefined,
         clickhouse: {{ url: 'https://ch.example:8443/', database: 'web', user: '{key}', site: 's' }}"
    );
    let tally = Js::start_with(&page, &options).await;
    tally.track("view", "42");
    let flushed = tally.flush();
    let request = page.next().await;
    let url = page.url(request);
    assert!(
        url.starts_with("https://ch.example:8443/?query=INSERT+INTO+events+FORMAT+Native"),
        "{url}"
    );
    assert_eq!(page.parameter(request, "database").as_deref(), Some("web"));
    assert_eq!(page.texts(request, "site"), ["s"]);
    page.answer_with(request, 200, "", r#"{"X-ClickHouse-Query-Id":"q"}"#);
    assert_eq!(flushed.await, Flushed { ok: true, delivered: 1, dropped: 0 });
}

#[wasm_bindgen_test]
async fn s0_4_s0_5_s0_6_s0_7_s0_8_s0_9_s0_10_s0_11_s0_12_each_post_function_tracks_its_event() {
    let page = Page::new();
    let tally = Js::start_with(&page, "").await;
    let calls: Function = evaluate(
        "(tally) => {
            tally.posts.trackView('t1');
            tally.posts.trackLike('t1', { userId: 'u1' });
            tally.posts.trackUnlike('t1', { userId: null });
            tally.posts.trackComment('t1', null);
            tally.posts.trackShare(2);
            tally.posts.trackPost('t3');
            tally.posts.trackDeletePost('t3');
            tally.posts.trackDeleteComment('parent');
        }",
    )
    .into();
    calls.call1(&JsValue::UNDEFINED, tally.0.as_ref()).unwrap();
    drop(tally.flush());
    let request = page.next().await;
    let names =
        ["view", "like", "unlike", "comment", "share", "post", "delete_post", "delete_comment"];
    assert_eq!(page.texts(request, "name"), names);
    let ids = ["t1", "t1", "t1", "t1", "2", "t3", "t3", "parent"];
    assert_eq!(page.texts(request, "entity_id"), ids);
    assert_eq!(page.texts(request, "user_id"), ["", "u1", "", "", "", "", "", ""]);
    assert!(page.texts(request, "entity_type").iter().all(|entity_type| entity_type == "post"));
}

/// A column of UUIDs of a request's block.
fn uuids(page: &Page, request: Request, column: &str) -> Vec<Uuid> {
    let body = page.body(request);
    let block = block::walk(&body).unwrap();
    block.column(column).unwrap().values().unwrap().collect()
}

#[wasm_bindgen_test]
async fn a_turn_begins_a_page_view_at_its_place_among_the_events() {
    let page = Page::new();
    let tally = Js::start_with(&page, "").await;
    tally.track("view", "1");
    tally.track("view", "2");
    turn(
        &tally.0,
        &evaluate("({ page }) => page({ pathname: '/next', utm_source: 's', visitor_id: 'v' })"),
    );
    tally.track("view", "3");
    drop(tally.flush());
    let request = page.next().await;
    assert_eq!(page.texts(request, "entity_id"), ["1", "2", "3"]);
    assert_eq!(page.texts(request, "pathname")[2], "/next");
    assert_eq!(page.texts(request, "hostname")[2], "127.0.0.1", "read from the page");
    assert_eq!(page.texts(request, "utm_source")[2], "s");
    assert_eq!(page.texts(request, "visitor_id"), ["", "", "v"]);
    let body = page.body(request);
    let block = block::walk(&body).unwrap();
    assert!(block.column("seq").unwrap().values::<u32>().unwrap().eq([0, 1, 0]));
    let ids = uuids(&page, request, "page_id");
    assert!(ids[0] == ids[1] && ids[1] != ids[2]);
}

#[wasm_bindgen_test]
async fn what_a_page_view_dropped_is_told_as_its_own() {
    let page = Page::new();
    let tally = Js::start_with(&page, "").await;
    tally.track("view", "1");
    for invalid in [1, 2] {
        (0..invalid).for_each(|_| tally.track_js("''", "undefined"));
        turn(&tally.0, &evaluate("({ page }) => page()"));
    }
    tally.track("view", "2");
    drop(tally.flush());
    let request = page.next().await;
    assert_eq!(page.texts(request, "name"), ["view", "$dropped", "$dropped", "view"]);
    assert_eq!(page.texts(request, "entity_type")[1..3], ["invalid", "invalid"]);
    let body = page.body(request);
    let block = block::walk(&body).unwrap();
    assert!(block.column("value").unwrap().values::<f64>().unwrap().eq([1.0, 1.0, 2.0, 1.0]));
    assert!(block.column("seq").unwrap().values::<u32>().unwrap().eq([0, 1, 0, 0]));
    let ids = uuids(&page, request, "page_id");
    assert!(ids[0] == ids[1] && ids[1] != ids[2] && ids[2] != ids[3]);
    assert_eq!((tally.dropped("invalid"), tally.stat("tracked")), (3, 7.0));
}

#[wasm_bindgen_test]
async fn what_was_dropped_before_a_turn_came_is_told_before_it() {
    let page = Page::new();
    let tally = Js::start_with(&page, "").await;
    tally.track_js("''", "undefined");
    // Takes the call, and has nothing to send.
    drop(tally.flush());
    turn(&tally.0, &evaluate("({ page }) => page()"));
    tally.track("view", "2");
    drop(tally.flush());
    let request = page.next().await;
    assert_eq!(page.texts(request, "name"), ["$dropped", "view"]);
    let ids = uuids(&page, request, "page_id");
    assert!(ids[0] != ids[1]);
}

#[wasm_bindgen_test]
async fn a_turn_goes_on_with_the_session_of_another_page_while_it_lasts() {
    let page = Page::new();
    let tally = Js::start_with(&page, "").await;
    let others = "01234567-89ab-7def-8123-456789abcdef";
    let join = |last: &str| {
        let act = format!("({{ session }}) => (globalThis.session = session('{others}', {last}))");
        turn(&tally.0, &evaluate(&act));
    };
    join("Date.now() - 1_800_000");
    tally.track("view", "1");
    drop(tally.flush());
    let request = page.next().await;
    assert_eq!(evaluate("session").as_string().unwrap(), others);
    assert_eq!(uuids(&page, request, "session_id")[0].0[..4], [0x01, 0x23, 0x45, 0x67]);
    page.accept(request);
    page.pass(1_800_001);
    tally.track("view", "2");
    // Older than this page's last event.
    join("Date.now() - 1_800_002");
    tally.track("view", "3");
    drop(tally.flush());
    let second = page.next().await;
    let [began, joined] = uuids(&page, second, "session_id")[..] else { panic!("two rows") };
    assert!(began != uuids(&page, request, "session_id")[0] && began == joined);
}

#[wasm_bindgen_test]
async fn a_function_as_a_name_is_no_turn() {
    let page = Page::new();
    let tally = Js::start_with(&page, "").await;
    tally.track_js("() => { throw new Error('called'); }", "{}");
    tally.track("view", "1");
    drop(tally.flush());
    assert_eq!(page.texts(page.next().await, "entity_id"), ["1"]);
    assert_eq!(tally.dropped("invalid"), 1);
}
