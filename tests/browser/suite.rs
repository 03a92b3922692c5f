//! What every shell does in a page, whichever language drives it.

use super::page::{EPOCH, Page};
use tallymark::block;
use tallymark::time::UnixMs;

/// What a test may set; the rest are the defaults.
#[derive(Default)]
pub struct Options {
    pub max_rows: Option<u32>,
    pub max_time_ms: Option<u32>,
    pub max_waiting_rows: Option<u32>,
    /// Whether `onFailure` is `discard`.
    pub discard: bool,
    /// Whether it has a journal: its answers come by real time, while all else is the test's.
    pub journal: bool,
}

/// How a flush ended.
#[derive(Debug, PartialEq)]
pub struct Flushed {
    pub ok: bool,
    pub delivered: u32,
    pub dropped: u32,
}

/// A tracker on the page, in the words of its shell.
pub trait Shell {
    /// Where its batches go.
    const ENDPOINT: &str;
    /// Starts one under the page's write key; done when it could send.
    async fn start(page: &Page, options: Options) -> Self;
    /// Tracks an event of the entity `post`/`id`.
    fn track(&self, name: &str, id: &str);
    /// Begins to flush now, and waits for its end when awaited.
    fn flush(&self) -> impl Future<Output = Flushed> + use<Self>;
    /// The same for a shutdown.
    fn shutdown(&self) -> impl Future<Output = Flushed> + use<Self>;
    fn queue_length(&self) -> u64;
    fn delivered(&self) -> u64;
    /// Events in the browser's storage.
    fn stored(&self) -> u64;
    /// Whether what waits outlives the page, by `stats()`.
    fn is_storing(&self) -> bool;
    /// Events dropped for `reason`, by the name in `stats()`.
    fn dropped(&self, reason: &str) -> u64;
}

/// Makes each test of this suite one of `$shell`'s.
#[macro_export]
macro_rules! suite_of {
    ($shell:ty: $($test:ident)*) => { $(
        #[wasm_bindgen_test::wasm_bindgen_test]
        async fn $test() {
            $crate::suite::$test::<$shell>().await;
        }
    )* };
}

/// Runs every test of this suite against a shell; its module names them.
#[macro_export]
macro_rules! whole_suite_of {
    ($shell:ty) => {
        $crate::suite_of! { $shell:
            u2_u3_views_and_engagements_wait_in_memory
            s0_3_s1_4_track_returns_at_once_and_sends_nothing
            u4_s1_1_the_timer_flushes_every_ten_seconds
            s1_1_the_timers_interval_is_an_option
            u5_s1_2_the_threshold_flushes_with_the_500th_row
            s1_2_s4_10_the_threshold_is_an_option
            s1_10_s4_11_a_threshold_flush_does_not_move_the_timer
            s1_6_s4_12_a_flush_resolves_when_its_batch_is_accepted
            s1_7_s4_14_an_empty_flush_sends_nothing
            s1_8_s1_14_rows_keep_their_order_in_one_insert
            s1_9_s4_18_after_a_flush_the_queue_is_empty
            s1_13_s4_13_shutdown_flushes_and_stops_the_timer
            s0_13_s0_14_a_row_holds_the_event_and_the_time_of_its_call
            s4_20_a_lost_answer_means_the_same_bytes_under_the_same_id
            a_refusal_is_final_and_counted_by_its_code
            s4_17_over_the_limit_the_oldest_go
            d9_s1_11_discard_drops_a_batch_after_three_tries
            s4_17_what_was_dropped_is_told_along_with_the_next_events
            hidden_sends_at_once_and_outlives_the_page
            pagehide_sends_at_once_and_outlives_the_page
            a_request_needs_no_preflight
        }
    };
}

pub async fn u2_u3_views_and_engagements_wait_in_memory<S: Shell>() {
    let page = Page::new();
    let tally = S::start(&page, Options::default()).await;
    for name in ["view", "like", "comment", "share"] {
        tally.track(name, "42");
    }
    page.pass(9_000);
    assert_eq!((page.count().await, tally.queue_length()), (0, 4));
    page.pass(1_000);
    assert_eq!(page.texts(page.next().await, "name"), ["view", "like", "comment", "share"]);
}

pub async fn s0_3_s1_4_track_returns_at_once_and_sends_nothing<S: Shell>() {
    let page = Page::new();
    let tally = S::start(&page, Options::default()).await;
    tally.track("view", "42");
    assert_eq!((page.count().await, tally.queue_length()), (0, 1));
}

pub async fn u4_s1_1_the_timer_flushes_every_ten_seconds<S: Shell>() {
    let page = Page::new();
    let tally = S::start(&page, Options::default()).await;
    for tick in 0..3 {
        tally.track("view", &tick.to_string());
        page.pass(9_999);
        assert_eq!(page.count().await, tick, "before tick {tick}");
        page.pass(1);
        let request = page.next().await;
        assert_eq!(page.texts(request, "entity_id"), [tick.to_string()]);
        page.accept(request);
        assert_eq!(page.count().await, tick + 1);
    }
}

pub async fn s1_1_the_timers_interval_is_an_option<S: Shell>() {
    let page = Page::new();
    let options = Options { max_time_ms: Some(700), ..Options::default() };
    let tally = S::start(&page, options).await;
    tally.track("view", "42");
    page.pass(699);
    assert_eq!(page.count().await, 0);
    page.pass(1);
    assert_eq!(page.count().await, 1);
}

pub async fn u5_s1_2_the_threshold_flushes_with_the_500th_row<S: Shell>() {
    let page = Page::new();
    let tally = S::start(&page, Options::default()).await;
    (0..499).for_each(|id| tally.track("view", &id.to_string()));
    page.pass(100);
    assert_eq!(page.count().await, 0);
    tally.track("view", "499");
    page.pass(100);
    assert_eq!(page.texts(page.next().await, "entity_id").len(), 500);
}

pub async fn s1_2_s4_10_the_threshold_is_an_option<S: Shell>() {
    let page = Page::new();
    let options = Options { max_rows: Some(3), ..Options::default() };
    let tally = S::start(&page, options).await;
    (0..7).for_each(|id| tally.track("view", &id.to_string()));
    page.pass(0);
    assert_eq!(page.texts(page.next().await, "entity_id"), ["0", "1", "2"]);
    assert_eq!(page.texts(page.next().await, "entity_id"), ["3", "4", "5"]);
    assert_eq!(page.count().await, 2);
}

pub async fn s1_10_s4_11_a_threshold_flush_does_not_move_the_timer<S: Shell>() {
    let page = Page::new();
    let options = Options { max_rows: Some(2), ..Options::default() };
    let tally = S::start(&page, options).await;
    page.pass(9_000);
    (0..3).for_each(|id| tally.track("view", &id.to_string()));
    page.pass(100);
    page.accept(page.next().await);
    assert_eq!(page.count().await, 1);
    page.pass(899);
    assert_eq!(page.count().await, 1);
    page.pass(1);
    assert_eq!(page.texts(page.next().await, "entity_id"), ["2"]);
}

pub async fn s1_6_s4_12_a_flush_resolves_when_its_batch_is_accepted<S: Shell>() {
    let page = Page::new();
    let tally = S::start(&page, Options::default()).await;
    tally.track("view", "1");
    tally.track("view", "2");
    let flushed = tally.flush();
    let request = page.next().await;
    assert_eq!((page.count().await, tally.delivered()), (1, 0));
    page.accept(request);
    assert_eq!(flushed.await, Flushed { ok: true, delivered: 2, dropped: 0 });
    assert_eq!(tally.delivered(), 2);
}

pub async fn s1_7_s4_14_an_empty_flush_sends_nothing<S: Shell>() {
    let page = Page::new();
    let tally = S::start(&page, Options::default()).await;
    assert_eq!(tally.flush().await, Flushed { ok: true, delivered: 0, dropped: 0 });
    page.pass(60_000);
    assert_eq!(page.count().await, 0);
}

pub async fn s1_8_s1_14_rows_keep_their_order_in_one_insert<S: Shell>() {
    let page = Page::new();
    let tally = S::start(&page, Options::default()).await;
    let ids: Vec<String> = (0..300).map(|id| format!("{}", id * 7919 % 300)).collect();
    ids.iter().for_each(|id| tally.track("view", id));
    drop(tally.flush());
    assert_eq!(page.texts(page.next().await, "entity_id"), ids);
    assert_eq!(page.count().await, 1);
}

pub async fn s1_9_s4_18_after_a_flush_the_queue_is_empty<S: Shell>() {
    let page = Page::new();
    let tally = S::start(&page, Options::default()).await;
    (0..3).for_each(|id| tally.track("view", &id.to_string()));
    assert_eq!(tally.queue_length(), 3);
    let flushed = tally.flush();
    page.accept(page.next().await);
    flushed.await;
    assert_eq!(tally.queue_length(), 0);
    page.pass(60_000);
    assert_eq!(page.count().await, 1);
}

pub async fn s1_13_s4_13_shutdown_flushes_and_stops_the_timer<S: Shell>() {
    let page = Page::new();
    let tally = S::start(&page, Options::default()).await;
    tally.track("view", "42");
    let shut_down = tally.shutdown();
    page.accept(page.next().await);
    assert_eq!(shut_down.await, Flushed { ok: true, delivered: 1, dropped: 0 });
    tally.track("view", "43");
    page.pass(60_000);
    assert_eq!(page.count().await, 1);
}

pub async fn s0_13_s0_14_a_row_holds_the_event_and_the_time_of_its_call<S: Shell>() {
    let page = Page::new();
    let tally = S::start(&page, Options::default()).await;
    page.pass(1_234);
    tally.track("like", "42");
    page.pass(50);
    tally.track("view", "43");
    page.pass(20_000);
    let request = page.next().await;
    assert_eq!(page.texts(request, "name"), ["like", "view"]);
    assert_eq!(page.texts(request, "entity_type"), ["post", "post"]);
    assert_eq!(page.texts(request, "entity_id"), ["42", "43"]);
    let body = page.body(request);
    let block = block::walk(&body).unwrap();
    let times = block.column("occurred_at").unwrap().values::<UnixMs>().unwrap();
    assert_eq!(times.collect::<Vec<_>>(), [UnixMs(EPOCH + 1_234), UnixMs(EPOCH + 1_284)]);
    let seq = block.column("seq").unwrap().values::<u32>().unwrap();
    assert_eq!(seq.collect::<Vec<_>>(), [0, 1]);
}

pub async fn s4_20_a_lost_answer_means_the_same_bytes_under_the_same_id<S: Shell>() {
    let page = Page::new();
    let tally = S::start(&page, Options::default()).await;
    tally.track("view", "42");
    let flushed = tally.flush();
    let first = page.next().await;
    page.fail(first);
    // Whatever the first backoff, it is within a second.
    page.count().await;
    page.pass(1_000);
    let second = page.next().await;
    assert_eq!(page.body(second), page.body(first));
    assert_eq!(page.parameter(second, "id"), page.parameter(first, "id"));
    page.accept(second);
    assert_eq!(flushed.await, Flushed { ok: true, delivered: 1, dropped: 0 });
}

pub async fn a_refusal_is_final_and_counted_by_its_code<S: Shell>() {
    let page = Page::new();
    let tally = S::start(&page, Options::default()).await;
    tally.track("view", "42");
    let flushed = tally.flush();
    page.answer(page.next().await, 401, r#"{"code":"bad_key","message":"no such key"}"#);
    assert_eq!(flushed.await, Flushed { ok: false, delivered: 0, dropped: 1 });
    assert_eq!(tally.dropped("refused_bad_key"), 1);
    page.pass(120_000);
    assert_eq!((page.count().await, tally.queue_length()), (1, 0));
}

pub async fn s4_17_over_the_limit_the_oldest_go<S: Shell>() {
    let page = Page::new();
    let options = Options { max_rows: Some(2), max_waiting_rows: Some(6), ..Options::default() };
    let tally = S::start(&page, options).await;
    for id in 0..4 {
        tally.track("view", &id.to_string());
    }
    page.pass(100);
    for _ in 0..2 {
        page.fail(page.next().await);
    }
    page.count().await;
    for id in 4..8 {
        tally.track("view", &id.to_string());
    }
    let flushed = tally.flush();
    assert_eq!((tally.dropped("queue_full"), tally.queue_length()), (2, 6));
    let request = page.next().await;
    assert_eq!(page.texts(request, "entity_id"), ["2", "3"]);
    drop(flushed);
}

pub async fn d9_s1_11_discard_drops_a_batch_after_three_tries<S: Shell>() {
    let page = Page::new();
    let tally = S::start(&page, Options { discard: true, ..Options::default() }).await;
    tally.track("view", "42");
    let flushed = tally.flush();
    for tries in 1..=3 {
        assert_eq!(tally.dropped("discarded"), 0, "before try {tries}");
        page.fail(page.next().await);
        page.count().await;
        page.pass(4_000);
    }
    assert_eq!(flushed.await, Flushed { ok: false, delivered: 0, dropped: 1 });
    assert_eq!((tally.dropped("discarded"), tally.queue_length()), (1, 0));
    page.pass(120_000);
    assert_eq!(page.count().await, 3);
}

pub async fn s4_17_what_was_dropped_is_told_along_with_the_next_events<S: Shell>() {
    let page = Page::new();
    let tally = S::start(&page, Options::default()).await;
    tally.track("", "1");
    tally.track("", "2");
    page.pass(60_000);
    assert_eq!((page.count().await, tally.queue_length()), (0, 0), "not by itself");
    tally.track("view", "3");
    let flushed = tally.flush();
    let request = page.next().await;
    assert_eq!(page.texts(request, "name"), ["view", "$dropped"]);
    assert_eq!(page.texts(request, "entity_type"), ["post", "invalid"]);
    let body = page.body(request);
    let values = block::walk(&body).unwrap();
    let values = values.column("value").unwrap().values::<f64>().unwrap();
    assert_eq!(values.collect::<Vec<_>>(), [1.0, 2.0]);
    page.accept(request);
    flushed.await;
    tally.track("view", "4");
    drop(tally.flush());
    assert_eq!(page.texts(page.next().await, "name"), ["view"], "once");
}

pub async fn hidden_sends_at_once_and_outlives_the_page<S: Shell>() {
    let page = Page::new();
    let tally = S::start(&page, Options::default()).await;
    tally.track("view", "42");
    page.show("hidden");
    let request = page.next().await;
    assert_eq!(page.texts(request, "entity_id"), ["42"]);
    assert!(page.init(request).contains(r#""keepalive":true"#), "{}", page.init(request));
}

pub async fn pagehide_sends_at_once_and_outlives_the_page<S: Shell>() {
    let page = Page::new();
    let tally = S::start(&page, Options::default()).await;
    tally.track("view", "42");
    page.leave();
    let request = page.next().await;
    assert_eq!(page.texts(request, "entity_id"), ["42"]);
    assert!(page.init(request).contains(r#""keepalive":true"#), "{}", page.init(request));
}

pub async fn a_request_needs_no_preflight<S: Shell>() {
    let page = Page::new();
    let tally = S::start(&page, Options::default()).await;
    tally.track("view", "42");
    drop(tally.flush());
    let init = page.init(page.next().await);
    assert!(init.contains(r#""method":"POST""#) && !init.contains("headers"), "{init}");
}
