//! What every shell does with the page it is on, and with answers that are late, odd or missing.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::page::Page;
use super::suite::{Flushed, Options, Shell};

/// Runs every test of this file against a shell.
#[macro_export]
macro_rules! answers_of {
    ($shell:ty) => {
        $crate::answers_of! { $shell:
            s4_16_a_broken_fetch_no_answer_and_an_endless_portal_mean_again
            a_request_that_nobody_answers_is_given_up_with_its_body
            retry_after_is_kept_when_it_is_longer_than_the_backoff
            an_idle_page_has_no_timer
            a_page_that_is_shown_sends_nothing
            the_page_and_its_campaign_are_columns
            a_request_sends_no_cookies_and_no_header
        }
    };
    ($shell:ty: $($test:ident)*) => { $(
        #[wasm_bindgen_test::wasm_bindgen_test]
        async fn $test() {
            $crate::answers::$test::<$shell>().await;
        }
    )* };
}

/// The result of a future that is there already.
fn ready<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Some(result),
        Poll::Pending => None,
    }
}

pub async fn s4_16_a_broken_fetch_no_answer_and_an_endless_portal_mean_again<S: Shell>() {
    let page = Page::new();
    let tally = S::start(&page, Options::default()).await;
    tally.track("view", "42");
    page.set_throws(true);
    let mut flushed = pin!(tally.flush());
    assert_eq!(page.count().await, 0);
    page.set_throws(false);
    // Each pass is as long as the longest backoff, and shorter than a request's deadline.
    page.pass(1_000);
    let first = page.next().await;
    page.fail(first);
    page.count().await;
    assert_eq!(ready(flushed.as_mut()), None);
    page.pass(2_000);
    let second = page.next().await;
    assert_eq!(page.parameter(first, "id"), page.parameter(second, "id"));
    assert_eq!(page.body(first), page.body(second));
    // Its third failure is the one at which a flush stops waiting; the batch stays.
    page.answer_forever(second, 200);
    page.count().await;
    assert_eq!(flushed.await, Flushed { ok: false, delivered: 0, dropped: 0 });
    page.pass(4_000);
    let third = page.next().await;
    assert_eq!(page.body(first), page.body(third));
    page.accept(third);
    page.count().await;
    assert_eq!((tally.delivered(), tally.queue_length()), (1, 0));
}

pub async fn a_request_that_nobody_answers_is_given_up_with_its_body<S: Shell>() {
    let page = Page::new();
    let tally = S::start(&page, Options::default()).await;
    tally.track("view", "42");
    drop(tally.flush());
    let first = page.next().await;
    page.pass(29_999);
    assert!(!page.is_given_up(first));
    page.pass(1);
    assert!(page.is_given_up(first));
    assert_eq!(page.count().await, 1);
    page.pass(60_000);
    let second = page.next().await;
    assert_eq!(page.parameter(first, "id"), page.parameter(second, "id"));
}

pub async fn retry_after_is_kept_when_it_is_longer_than_the_backoff<S: Shell>() {
    let page = Page::new();
    let tally = S::start(&page, Options::default()).await;
    tally.track("view", "42");
    drop(tally.flush());
    let busy = r#"{"code":"busy","message":"later"}"#;
    page.answer_with(page.next().await, 503, busy, r#"{"Retry-After":"120"}"#);
    page.count().await;
    page.pass(119_999);
    assert_eq!(page.count().await, 1);
    page.pass(1);
    assert_eq!(page.count().await, 2);
}

pub async fn an_idle_page_has_no_timer<S: Shell>() {
    let page = Page::new();
    let tally = S::start(&page, Options::default()).await;
    assert_eq!(page.timers(), 0);
    tally.track("view", "42");
    page.count().await;
    assert_eq!(page.timers(), 1);
    page.pass(20_000);
    page.accept(page.next().await);
    page.count().await;
    assert_eq!((tally.queue_length(), page.timers()), (0, 0));
}

pub async fn a_page_that_is_shown_sends_nothing<S: Shell>() {
    let page = Page::new();
    let tally = S::start(&page, Options::default()).await;
    tally.track("view", "42");
    page.show("visible");
    assert_eq!(page.count().await, 0);
}

pub async fn the_page_and_its_campaign_are_columns<S: Shell>() {
    let page = Page::new();
    page.go("?utm_source=a%20b&utm_medium=mail&utm_campaign=%C5%BE");
    let tally = S::start(&page, Options::default()).await;
    tally.track("view", "42");
    drop(tally.flush());
    let request = page.next().await;
    assert_eq!(page.texts(request, "hostname"), ["127.0.0.1"]);
    assert_eq!(page.texts(request, "pathname"), ["/"]);
    assert_eq!(page.texts(request, "utm_source"), ["a b"]);
    assert_eq!(page.texts(request, "utm_medium"), ["mail"]);
    assert_eq!(page.texts(request, "utm_campaign"), ["ž"]);
}

pub async fn a_request_sends_no_cookies_and_no_header<S: Shell>() {
    let page = Page::new();
    let tally = S::start(&page, Options::default()).await;
    tally.track("view", "42");
    drop(tally.flush());
    let init = page.init(page.next().await);
    assert_eq!(init, r#"{"credentials":"omit","keepalive":true,"method":"POST"}"#);
}
