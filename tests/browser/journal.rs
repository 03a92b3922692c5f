//! What every shell does with the browser's storage, which is real here.

use super::page::{EPOCH, Page, Request};
use super::suite::{Flushed, Options, Shell};
use js_sys::{Promise, Uint8Array};
use tallymark::destination::Destination;
use tallymark::event::{self, Event};
use tallymark::journal::RecordKey;
use tallymark::limits::JOURNAL_DELAY_MS;
use tallymark::rng::Uuid;
use tallymark::time::{Now, TickMs, UnixMs};
use tallymark::tracker::{Config, Output, Tracker};
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};
use wasm_bindgen_futures::JsFuture;

#[wasm_bindgen(module = "/tests/browser/storage.js")]
extern "C" {
    fn put(key: &Uint8Array, record: &Uint8Array) -> Promise;
    #[wasm_bindgen(js_name = journalOf)]
    fn journal_of(batch: &Uint8Array) -> Promise;
    #[wasm_bindgen(js_name = isHeld)]
    fn is_held(journal: &JsValue) -> Promise;
    fn quiet() -> Promise;
    fn snatch(journal: &Uint8Array) -> Promise;
    #[wasm_bindgen(js_name = giveBack)]
    fn give_back();
    fn damage(what: &str);
    fn repair();
}

/// Runs every test of this file against a shell.
#[macro_export]
macro_rules! journal_of {
    ($shell:ty) => {
        $crate::journal_of! { $shell:
            s1_15_a_batch_is_in_storage_before_its_request_and_gone_after_its_answer
            s1_15_a_journal_that_nobody_holds_is_adopted_under_the_old_id
            a_journal_that_somebody_was_faster_to_take_is_looked_at_again
            a_page_that_leaves_gives_its_journal_up_and_adopts_it_when_it_is_back
            storage_that_throws_leaves_everything_to_memory_and_says_so
            storage_that_breaks_later_is_told_and_loses_nothing
        }
    };
    ($shell:ty: $($test:ident)*) => { $(
        #[wasm_bindgen_test::wasm_bindgen_test]
        async fn $test() {
            $crate::journal::$test::<$shell>().await;
        }
    )* };
}

/// Storage that throws until the end of the test, however that comes.
struct Damage;

impl Damage {
    fn to(what: &str) -> Self {
        damage(what);
        Self
    }
}

impl Drop for Damage {
    fn drop(&mut self) {
        repair();
    }
}

async fn done(promise: Promise) -> JsValue {
    JsFuture::from(promise).await.unwrap()
}

/// Waits until storage and locks have answered everything.
async fn settled(page: &Page) {
    done(quiet()).await;
    page.count().await;
}

/// A tracker with a journal that is open.
async fn start<S: Shell>(page: &Page) -> S {
    let tally = S::start(page, Options { journal: true, ..Options::default() }).await;
    settled(page).await;
    tally
}

fn batch(page: &Page, request: Request) -> Uint8Array {
    let id = Uuid::parse(page.parameter(request, "id").unwrap().as_bytes()).unwrap();
    Uint8Array::from(id.0.as_slice())
}

pub async fn s1_15_a_batch_is_in_storage_before_its_request_and_gone_after_its_answer<S: Shell>() {
    let page = Page::new();
    let tally: S = start(&page).await;
    assert!(tally.is_storing());
    tally.track("view", "42");
    let flushed = tally.flush();
    let request = page.next().await;
    let journal = done(journal_of(&batch(&page, request))).await;
    assert!(!journal.is_undefined());
    assert_eq!(done(is_held(&journal)).await, true);
    assert_eq!(tally.stored(), 1);
    page.accept(request);
    assert_eq!(flushed.await, Flushed { ok: true, delivered: 1, dropped: 0 });
    settled(&page).await;
    assert!(done(journal_of(&batch(&page, request))).await.is_undefined());
    assert_eq!(tally.stored(), 0);
}

/// The record of a page that tracked a view of post 40 to `endpoint` and then crashed.
fn left_behind(endpoint: &str, key: &str) -> (RecordKey, Vec<u8>) {
    let destination = Destination::Worker { endpoint: endpoint.into(), key: key.into() };
    let now = |tick| Now { wall: UnixMs(EPOCH - 5_000), tick: TickMs(tick) };
    let config = Config::new(destination.target("events"));
    // Each test's own ids: trackers of earlier tests still hold their locks.
    let seed = key.bytes().fold(7, |seed, byte| seed * 31 + u64::from(byte));
    let mut dead = Tracker::new(config, [seed, 6, 7, 8], now(0), &event::Page::default());
    let Output::Open(_) = dead.poll_output() else { panic!("it has a journal") };
    dead.handle_opened(now(0), true);
    let viewed = Event { name: "view", entity_id: "40", ..Event::at(UnixMs(EPOCH - 5_000)) };
    dead.handle_event(now(0), &viewed).unwrap();
    dead.handle_timeout(now(JOURNAL_DELAY_MS));
    loop {
        match dead.poll_output() {
            Output::Store(store) => return (store.key, dead.record(store.key)),
            Output::Wake(_) => panic!("it writes after JOURNAL_DELAY_MS"),
            _ => {}
        }
    }
}

pub async fn s1_15_a_journal_that_nobody_holds_is_adopted_under_the_old_id<S: Shell>() {
    let page = Page::new();
    let (key, record) = left_behind(S::ENDPOINT, &page.key);
    let place = [key.journal.0, key.batch.0].concat();
    done(put(&Uint8Array::from(&*place), &Uint8Array::from(&*record))).await;
    let tally: S = start(&page).await;
    let request = page.next().await;
    let old = Uint8Array::from(key.batch.0.as_slice());
    assert_eq!(batch(&page, request).to_vec(), old.to_vec());
    assert_eq!(page.texts(request, "entity_id"), ["40"]);
    assert_eq!((tally.queue_length(), tally.stored()), (1, 1));
    assert_eq!(done(is_held(&done(journal_of(&old)).await)).await, true);
    page.accept(request);
    settled(&page).await;
    assert!(done(journal_of(&old)).await.is_undefined());
    assert_eq!(tally.delivered(), 1);
}

pub async fn a_journal_that_somebody_was_faster_to_take_is_looked_at_again<S: Shell>() {
    let page = Page::new();
    let (key, record) = left_behind(S::ENDPOINT, &page.key);
    let place = [key.journal.0, key.batch.0].concat();
    done(put(&Uint8Array::from(&*place), &Uint8Array::from(&*record))).await;
    done(snatch(&Uint8Array::from(key.journal.0.as_slice()))).await;
    let tally: S = start(&page).await;
    give_back();
    settled(&page).await;
    assert_eq!(tally.stored(), 0);
    page.pass(5_000);
    settled(&page).await;
    let request = page.next().await;
    assert_eq!(page.texts(request, "entity_id"), ["40"]);
    page.accept(request);
    settled(&page).await;
    assert_eq!(tally.delivered(), 1);
}

pub async fn a_page_that_leaves_gives_its_journal_up_and_adopts_it_when_it_is_back<S: Shell>() {
    let page = Page::new();
    let tally: S = start(&page).await;
    tally.track("view", "42");
    page.leave();
    let first = page.next().await;
    settled(&page).await;
    let journal = done(journal_of(&batch(&page, first))).await;
    assert_eq!(done(is_held(&journal)).await, false, "anybody may have it");
    assert_eq!(tally.queue_length(), 0);
    page.accept(first);
    page.count().await;
    assert_eq!(tally.delivered(), 0, "it is not this page's any more");
    page.come_back();
    settled(&page).await;
    // Trackers of earlier tests may be faster, and let go of what is not theirs.
    while page.count().await < 2 {
        page.pass(5_000);
        settled(&page).await;
    }
    let second = page.next().await;
    assert_eq!(page.parameter(first, "id"), page.parameter(second, "id"));
    assert_eq!(page.body(first), page.body(second));
    page.accept(second);
    settled(&page).await;
    assert!(done(journal_of(&batch(&page, second))).await.is_undefined());
    assert_eq!((tally.delivered(), tally.is_storing()), (1, true));
}

pub async fn storage_that_throws_leaves_everything_to_memory_and_says_so<S: Shell>() {
    let page = Page::new();
    let _damage = Damage::to("open");
    let tally: S = start(&page).await;
    assert!(!tally.is_storing());
    tally.track("view", "42");
    let flushed = tally.flush();
    page.fail(page.next().await);
    page.count().await;
    page.pass(1_000);
    page.accept(page.next().await);
    assert_eq!(flushed.await, Flushed { ok: true, delivered: 1, dropped: 0 });
    assert_eq!(tally.stored(), 0);
}

pub async fn storage_that_breaks_later_is_told_and_loses_nothing<S: Shell>() {
    let page = Page::new();
    let tally: S = start(&page).await;
    assert!(tally.is_storing());
    let damage = Damage::to("transaction");
    tally.track("view", "1");
    let flushed = tally.flush();
    page.accept(page.next().await);
    assert_eq!(flushed.await, Flushed { ok: true, delivered: 1, dropped: 0 });
    assert!(!tally.is_storing());
    drop(damage);
    tally.track("view", "2");
    let flushed = tally.flush();
    settled(&page).await;
    assert!(tally.is_storing(), "it is back with the first write that succeeds");
    page.accept(page.next().await);
    assert_eq!(flushed.await, Flushed { ok: true, delivered: 1, dropped: 0 });
    settled(&page).await;
}
