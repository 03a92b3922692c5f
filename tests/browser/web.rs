//! The shell for Rust applications.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use serde::{Deserialize, Serialize};
use tallymark::web::{
    ClickHouse, DropReason, Fields, Flush, InitError, OnFailure, Options, Outcome, Problem,
    QueryError, Storage, Tracker, UnixMs,
};
use wasm_bindgen_futures::spawn_local;
use wasm_bindgen_test::wasm_bindgen_test;

use super::page::{EPOCH, Page, Request};
use super::suite::{self, Flushed, Shell};
use crate::{answers_of, journal_of, whole_suite_of};

/// The tracker as both shells are tested.
pub struct Web(Tracker);

impl Shell for Web {
    const ENDPOINT: &str = "https://t.example";
    // Four kilobytes are enough.

    async fn start(page: &Page, wanted: suite::Options) -> Self {
        let mut options = worker(page);
        if let Some(rows) = wanted.max_rows {
            options = options.max_rows(rows);
        }
        if let Some(ms) = wanted.max_time_ms {
            options = options.max_time_ms(ms);
        }
        if let Some(rows) = wanted.max_waiting_rows {
            options = options.max_waiting_rows(rows);
        }
        if wanted.discard {
            options = options.on_failure(OnFailure::Discard);
        }
        if wanted.journal {
            options = options.journal_bytes(524_288);
        }
        Self(Tracker::init(options).unwrap())
    }

    fn track(&self, name: &str, id: &str) {
        self.0.track(name, Fields::entity("post", id));
    }

    fn flush(&self) -> impl Future<Output = Flushed> + use<> {
        seen(self.0.flush())
    }

    fn shutdown(&self) -> impl Future<Output = Flushed> + use<> {
        seen(self.0.shutdown())
    }

    fn queue_length(&self) -> u64 {
        self.0.queue_length()
    }

    fn delivered(&self) -> u64 {
        self.0.stats().counts.delivered
    }

    fn stored(&self) -> u64 {
        self.0.stats().stored
    }

    fn is_storing(&self) -> bool {
        self.0.stats().storage == Storage::IndexedDb
    }

    fn dropped(&self, reason: &str) -> u64 {
        let stats = self.0.stats();
        let counts = stats.counts.dropped().iter().filter(|(known, _)| known.name() == reason);
        counts.map(|(_, rows)| rows).sum()
    }
}

async fn seen(flush: Flush) -> Flushed {
    let result = flush.await;
    Flushed { ok: result.ok, delivered: result.delivered, dropped: result.dropped }
}

whole_suite_of!(Web);
answers_of!(Web);
journal_of!(Web);

fn worker(page: &Page) -> Options {
    Options::worker("https://t.example/", &page.key).journal_bytes(0)
}

#[derive(Serialize)]
struct Read<'a> {
    words: u32,
    tags: Vec<&'a str>,
    section: Option<Section>,
}

#[derive(Serialize)]
struct Section {
    title: String,
    depth: Option<u8>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Hour {
    hour: String,
    views: u64,
}

/// serde and serde-wasm-bindgen with js-sys for the properties and the rows, web-sys and
/// wasm-bindgen for the page, wasm-bindgen-futures for both answers, gloo-timers for the tick.
#[wasm_bindgen_test]
async fn u12_a_typed_event_leaves_by_the_timer_and_a_typed_row_comes_back() {
    let page = Rc::new(Page::new());
    let tally = Tracker::init(worker(&page)).unwrap();
    let section = Section { title: "One \"quoted\" 😀".into(), depth: None };
    let read = Read { words: 300, tags: vec!["a", "b"], section: Some(section) };
    tally.track("read", Fields::entity("post", "42").user("7").properties(&read));
    page.pass(10_000);
    let batch = page.next().await;
    assert_eq!(
        page.texts(batch, "properties"),
        [concat!(
            r#"{"words":300,"tags":["a","b"],"#,
            r#""section":{"title":"One \"quoted\" 😀","depth":null}}"#
        )]
    );
    assert_eq!(page.texts(batch, "user_id"), ["7"]);
    page.accept(batch);
    assert!(tally.flush().await.ok);

    let query = "hourly_views";
    let url = format!("https://t.example/v1/query/{query}?k={}&id=4%262&fill=true", page.key);
    let other = Rc::clone(&page);
    spawn_local(async move {
        let request = other.next().await;
        assert_eq!(other.url(request), url);
        other.answer(
            request,
            200,
            r#"{"data":[{"hour":"2026-11-23T12:00:00Z","views":9007199254740991}],
                "columns":[],"cached_at":null}"#,
        );
    });
    let rows = tally.query::<Hour>(query, &[("id", "4&2"), ("fill", "true")]).await;
    let hour = Hour { hour: "2026-11-23T12:00:00Z".into(), views: 9_007_199_254_740_991 };
    assert_eq!(rows, Ok(vec![hour]));
}

/// The properties of one event as they leave, and how many events were invalid.
async fn sent<P: Serialize + ?Sized>(properties: &P) -> (Vec<String>, u64) {
    let page = Page::new();
    let tally = Tracker::init(worker(&page)).unwrap();
    tally.track("a", Fields::none().properties(properties));
    // Properties that are all empty leave out the whole column.
    tally.track("b", Fields::none().properties(&[("k", 1)].into_iter().collect::<Map<_>>()));
    drop(tally.flush());
    let request = page.next().await;
    let mut properties = page.texts(request, "properties");
    let dropped = Web(tally).dropped("invalid");
    // The row that tells of it comes last, and has none.
    if dropped > 0 {
        assert_eq!(page.texts(request, "name"), ["b", "$dropped"]);
        assert_eq!(properties.pop().as_deref(), Some("{}"));
    }
    (properties, dropped)
}

type Map<T> = std::collections::BTreeMap<&'static str, T>;

#[derive(Serialize)]
struct Numbers {
    small: u64,
    large: u64,
    negative: i64,
    edge: u64,
    beyond: i64,
    huge: u128,
    list: Vec<u64>,
}

#[wasm_bindgen_test]
async fn integers_that_json_would_blur_become_their_digits() {
    let numbers = Numbers {
        small: 7,
        large: u64::MAX,
        negative: i64::MIN,
        edge: 9_007_199_254_740_991,
        beyond: -9_007_199_254_740_992,
        huge: u128::MAX,
        list: vec![1, 9_007_199_254_740_993],
    };
    let expected = concat!(
        r#"{"small":7,"large":"18446744073709551615","negative":"-9223372036854775808","#,
        r#""edge":9007199254740991,"beyond":"-9007199254740992","#,
        r#""huge":"340282366920938463463374607431768211455","list":[1,"9007199254740993"]}"#
    );
    assert_eq!(sent(&numbers).await, (vec![expected.into(), r#"{"k":1}"#.into()], 0));
}

#[derive(Serialize)]
enum Kind {
    Plain,
    With { depth: u8 },
}

#[derive(Serialize)]
struct Odd {
    nan: f64,
    infinite: f32,
    negative_zero: f64,
    nothing: Option<u8>,
    unit: (),
    letter: char,
    kinds: (Kind, Kind),
    map: Map<bool>,
}

#[wasm_bindgen_test]
async fn odd_values_have_a_defined_outcome() {
    let odd = Odd {
        nan: f64::NAN,
        infinite: f32::NEG_INFINITY,
        negative_zero: -0.0,
        nothing: None,
        unit: (),
        letter: '😀',
        kinds: (Kind::Plain, Kind::With { depth: 2 }),
        map: [("t", true)].into(),
    };
    let expected = concat!(
        r#"{"nan":null,"infinite":null,"negative_zero":0,"nothing":null,"unit":null,"#,
        r#""letter":"😀","kinds":["Plain",{"With":{"depth":2}}],"map":{"t":true}}"#
    );
    assert_eq!(sent(&odd).await, (vec![expected.into(), r#"{"k":1}"#.into()], 0));
}

#[wasm_bindgen_test]
async fn no_properties_are_an_empty_object() {
    let both = vec![String::from("{}"), r#"{"k":1}"#.into()];
    assert_eq!(sent(&()).await, (both.clone(), 0));
    assert_eq!(sent(&None::<Kind>).await, (both.clone(), 0));
    assert_eq!(sent(&Map::<u8>::new()).await, (both, 0));
}

struct Refuses;

impl Serialize for Refuses {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("not today"))
    }
}

#[wasm_bindgen_test]
async fn what_is_no_object_drops_the_event_and_is_counted() {
    let rest = vec![String::from(r#"{"k":1}"#)];
    assert_eq!(sent("text").await, (rest.clone(), 1));
    assert_eq!(sent(&7).await, (rest.clone(), 1));
    assert_eq!(sent(&[1, 2]).await, (rest.clone(), 1));
    assert_eq!(sent(&u64::MAX).await, (rest.clone(), 1));
    assert_eq!(sent(&Kind::Plain).await, (rest.clone(), 1));
    assert_eq!(sent(&[(1, 2)].into_iter().collect::<OddMap>()).await, (rest.clone(), 1));
    assert_eq!(sent(&Refuses).await, (rest.clone(), 1));
    assert_eq!(sent(&Map::from([("long", "x".repeat(32_768))])).await, (rest, 1));
}

type OddMap = std::collections::BTreeMap<u8, u8>;

#[wasm_bindgen_test]
async fn value_and_time_are_the_callers() {
    let page = Page::new();
    let tally = Tracker::init(worker(&page)).unwrap();
    tally.track("view", Fields::none().value(2.5).occurred_at(UnixMs(EPOCH - 1)));
    tally.track("view", Fields::default());
    tally.track("view", Fields::none().value(f64::NAN));
    drop(tally.flush());
    let body = page.body(page.next().await);
    let block = tallymark::block::walk(&body).unwrap();
    let values: Vec<f64> = block.column("value").unwrap().values().unwrap().collect();
    assert_eq!(values, [2.5, 1.0]);
    let times: Vec<UnixMs> = block.column("occurred_at").unwrap().values().unwrap().collect();
    assert_eq!(times, [UnixMs(EPOCH - 1), UnixMs(EPOCH)]);
    assert_eq!(Web(tally).dropped("invalid"), 1);
}

fn refused(options: Options) -> (&'static str, Problem) {
    match Tracker::init(options).unwrap_err() {
        InitError::Option { option, problem } => (option, problem),
        InitError::NoWindow => panic!("there is a window"),
    }
}

#[wasm_bindgen_test]
fn a_bad_option_is_named() {
    let good = || Options::worker("https://t.example/base", "pk");
    let range = |least, most| Problem::OutOfRange { least, most };
    for url in [
        "",
        "t.example",
        "/v1",
        "ftp://t.example",
        "https://user@t.example",
        "https://:pass@t.example",
        "https://t.example/?",
        "https://t.example/#a",
        "https://",
    ] {
        assert_eq!(
            refused(Options::worker(url, "pk")),
            ("endpoint", Problem::NotABaseUrl),
            "{url}"
        );
    }
    assert_eq!(refused(Options::worker("https://t.example", "")), ("key", Problem::Empty));
    assert_eq!(refused(good().table("")), ("table", Problem::Empty));
    assert_eq!(refused(good().table(&"t".repeat(256))), ("table", range(1, 255)));
    for rows in [0, 10_001] {
        assert_eq!(refused(good().max_rows(rows)), ("max_rows", range(1, 10_000)));
    }
    for bytes in [999, 1_000_001] {
        assert_eq!(refused(good().max_bytes(bytes)), ("max_bytes", range(1_000, 1_000_000)));
    }
    for ms in [99, 3_600_001] {
        assert_eq!(refused(good().max_time_ms(ms)), ("max_time_ms", range(100, 3_600_000)));
    }
    for rows in [0, 10_000_001] {
        let expected = ("max_waiting_rows", range(1, 10_000_000));
        assert_eq!(refused(good().max_waiting_rows(rows)), expected);
    }
    let journal_bytes = ("journal_bytes", range(0, 5_000_000));
    assert_eq!(refused(good().journal_bytes(5_000_001)), journal_bytes);
    let straight = ClickHouse { url: "http://a", database: "d", user: "u", ..Default::default() };
    for (clickhouse, option, problem) in [
        (ClickHouse { url: "a", ..straight }, "clickhouse.url", Problem::NotABaseUrl),
        (ClickHouse { database: "", ..straight }, "clickhouse.database", Problem::Empty),
        (ClickHouse { user: "", ..straight }, "clickhouse.user", Problem::Empty),
    ] {
        assert_eq!(refused(Options::clickhouse(clickhouse)), (option, problem));
    }
    let error = Tracker::init(good().max_rows(0)).unwrap_err();
    assert_eq!(error.to_string(), "option max_rows must be from 1 to 10000");
}

#[wasm_bindgen_test]
async fn on_batch_hears_every_try_and_may_call_the_tracker() {
    let page = Page::new();
    let heard = Rc::new(RefCell::new(Vec::new()));
    let tally = Rc::new(RefCell::new(None::<Tracker>));
    let (told, called) = (Rc::clone(&heard), Rc::clone(&tally));
    let options = worker(&page).on_batch(move |batch| {
        told.borrow_mut().push((batch.rows, batch.status, batch.elapsed_ms, batch.outcome));
        let tally = called.borrow().clone().unwrap();
        if batch.outcome == Outcome::Again {
            tally.track("again", Fields::none());
            tally.page_view();
            drop(tally.flush());
        }
    });
    *tally.borrow_mut() = Some(Tracker::init(options).unwrap());
    let tracker = tally.borrow().clone().unwrap();
    tracker.track("first", Fields::none());
    drop(tracker.flush());
    let first = page.next().await;
    page.pass(25);
    page.fail(first);
    // While nothing answers, one request at a time is let through.
    let second = page.next().await;
    assert_eq!(page.texts(second, "name"), ["first"]);
    page.accept(second);
    let third = page.next().await;
    assert_eq!(page.texts(third, "name"), ["again"]);
    page.accept(third);
    page.count().await;
    let expected = [
        (1, 0, 25, Outcome::Again),
        (1, 202, 0, Outcome::Accepted),
        (1, 202, 0, Outcome::Accepted),
    ];
    assert_eq!(*heard.borrow(), expected);
    // The tracker and its callback hold each other.
    tally.borrow_mut().take();
}

#[wasm_bindgen_test]
async fn a_page_view_gets_a_page_id_of_its_own_and_counts_from_0() {
    let page = Page::new();
    let tally = Tracker::init(worker(&page)).unwrap();
    tally.track("view", Fields::none());
    tally.page_view();
    tally.track("view", Fields::none());
    drop(tally.flush());
    let body = page.body(page.next().await);
    let block = tallymark::block::walk(&body).unwrap();
    let seqs: Vec<u32> = block.column("seq").unwrap().values().unwrap().collect();
    assert_eq!(seqs, [0, 0]);
    let pages: Vec<tallymark::rng::Uuid> =
        block.column("page_id").unwrap().values().unwrap().collect();
    assert_ne!(pages[0], pages[1]);
}

#[wasm_bindgen_test]
async fn what_a_page_view_dropped_is_told_as_its_own() {
    let page = Page::new();
    let tally = Tracker::init(worker(&page)).unwrap();
    for invalid in [1, 2] {
        tally.track("view", Fields::none());
        (0..invalid).for_each(|_| tally.track("", Fields::none()));
        tally.page_view();
    }
    tally.track("view", Fields::none());
    drop(tally.flush());
    let request = page.next().await;
    assert_eq!(page.texts(request, "name"), ["view", "$dropped", "view", "$dropped", "view"]);
    let body = page.body(request);
    let block = tallymark::block::walk(&body).unwrap();
    let values: Vec<f64> = block.column("value").unwrap().values().unwrap().collect();
    assert_eq!(values, [1.0, 1.0, 1.0, 2.0, 1.0]);
    let pages: Vec<tallymark::rng::Uuid> =
        block.column("page_id").unwrap().values().unwrap().collect();
    assert_eq!((pages[0], pages[2]), (pages[1], pages[3]));
    let seqs: Vec<u32> = block.column("seq").unwrap().values().unwrap().collect();
    assert_eq!(seqs, [0, 1, 0, 1, 0]);
}

#[wasm_bindgen_test]
async fn what_waits_is_delivered_without_a_handle() {
    let page = Page::new();
    let tally = Tracker::init(worker(&page)).unwrap();
    tally.track("view", Fields::none());
    drop(tally);
    page.pass(10_000);
    assert_eq!(page.texts(page.next().await, "name"), ["view"]);
}

#[wasm_bindgen_test]
async fn a_tracker_that_was_shut_down_and_dropped_is_gone() {
    let page = Page::new();
    let freed = Rc::new(Cell::new(()));
    let held = Rc::clone(&freed);
    let options = worker(&page).on_batch(move |_| held.set(()));
    let tally = Tracker::init(options).unwrap();
    tally.track("view", Fields::none());
    let shutdown = tally.shutdown();
    drop(tally);
    page.accept(page.next().await);
    assert!(shutdown.await.ok);
    page.count().await;
    assert_eq!(Rc::strong_count(&freed), 1, "its callback went with it");
    // Trackers of earlier tests hear this too, and set and clear timers of their own.
    page.leave();
    assert_eq!(page.count().await, 1);
}

/// What a query comes to when it is answered so.
async fn asked(answer: impl FnOnce(&Page, Request) + 'static) -> Result<Option<Hour>, QueryError> {
    let page = Rc::new(Page::new());
    let tally = Tracker::init(worker(&page)).unwrap();
    let other = Rc::clone(&page);
    spawn_local(async move { answer(&other, other.next().await) });
    tally.query_one("hourly_views", &[]).await
}

#[wasm_bindgen_test]
async fn u8_a_query_has_rows_or_says_why_not() {
    let rows = |text: &'static str| asked(move |page, request| page.answer(request, 200, text));
    assert_eq!(rows(r#"{"data":[]}"#).await, Ok(None));
    let hour = Hour { hour: "h".into(), views: 1 };
    assert_eq!(rows(r#"{"data":[{"hour":"h","views":1,"more":[]}]}"#).await, Ok(Some(hour)));
    for text in ["", "<html>", "[]", "{}", r#"{"data":[{"hour":"h","views":-1}]}"#] {
        assert!(matches!(rows(text).await, Err(QueryError::Unreadable(_))), "{text}");
    }
    let refused = asked(|page, request| {
        page.answer(request, 404, r#"{"code":"unknown_query","message":"no such query"}"#);
    });
    let (code, message) = ("unknown_query".into(), "no such query".into());
    assert_eq!(refused.await, Err(QueryError::Refused { status: 404, code, message }));
    let portal = asked(|page, request| page.answer(request, 511, "<html>")).await;
    assert!(matches!(portal, Err(QueryError::Unreadable(_))));
    let failed = asked(|page, request| page.fail(request)).await;
    assert_eq!(failed, Err(QueryError::Unanswered("Failed to fetch".into())));
    let late = asked(|page, _| page.pass(30_000)).await;
    assert!(matches!(late, Err(QueryError::Unanswered(_))));
    let page = Page::new();
    let straight = Tracker::init(Options::clickhouse(clickhouse(&page))).unwrap();
    assert_eq!(straight.query::<Hour>("top", &[]).await, Err(QueryError::NoWorker));
}

fn clickhouse(page: &Page) -> ClickHouse<'_> {
    let (url, database) = ("https://ch.example:8443/", "web");
    ClickHouse { url, database, user: &page.key, site: "demo", ..ClickHouse::default() }
}

#[wasm_bindgen_test]
async fn u6_straight_to_clickhouse_its_own_headers_decide() {
    let page = Page::new();
    let tally = Tracker::init(Options::clickhouse(clickhouse(&page))).unwrap();
    tally.track("view", Fields::none());
    let flushed = tally.flush();
    let first = page.next().await;
    let url = page.url(first);
    assert!(url.starts_with("https://ch.example:8443/?query=INSERT%20INTO%20events"), "{url}");
    assert_eq!(page.texts(first, "site"), ["demo"]);
    // A portal's 200 has no query id.
    page.answer(first, 200, "");
    page.count().await;
    assert_eq!(tally.queue_length(), 1);
    page.pass(60_000);
    page.answer_with(page.next().await, 200, "", r#"{"X-ClickHouse-Query-Id":"a"}"#);
    assert!(flushed.await.ok);

    tally.track("view", Fields::none());
    let flushed = tally.flush();
    let headers = r#"{"X-ClickHouse-Query-Id":"b","X-ClickHouse-Exception-Code":"117"}"#;
    page.answer_with(page.next().await, 400, "Code: 117.", headers);
    let result = flushed.await;
    assert_eq!((result.ok, result.dropped), (false, 1));
    assert_eq!(tally.stats().counts.dropped(), [(DropReason::clickhouse(117), 1)]);
}
