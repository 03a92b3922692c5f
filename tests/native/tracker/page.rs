//! What identifies an event: page id and a `seq` without gaps, session, times.

use super::{EPOCH, Shell, at, strings};
use tallymark::block;
use tallymark::column::Wire;
use tallymark::error::DropReason;
use tallymark::event::{Event, Page};
use tallymark::rng::Uuid;
use tallymark::schema::EVENTS;
use tallymark::time::UnixMs;

fn values<V: Wire>(body: &[u8], column: &str) -> Vec<V> {
    let block = block::walk(body).unwrap();
    block.column(column).unwrap().values::<V>().unwrap().collect()
}

#[test]
fn seq_has_no_gap_within_a_page_over_batches_and_refused_events() {
    let mut shell = Shell::new(|config| config.max_rows = 3);
    shell.track(0, 2);
    let bad = Event { name: "", ..Event::at(shell.now().wall) };
    assert_eq!(shell.tracker.handle_event(shell.now(), &bad), Err(DropReason::INVALID));
    shell.track(2, 4);
    let seqs: Vec<u32> = shell
        .sends
        .iter()
        .flat_map(|send| values::<u32>(shell.tracker.body(send.id), "seq"))
        .collect();
    assert_eq!(seqs, [0, 1, 2, 3, 4, 5]);
    assert_eq!(shell.tracker.stats().dropped(), [(DropReason::INVALID, 1)]);
}

#[test]
fn a_new_page_has_a_new_id_and_begins_at_zero() {
    let mut shell = Shell::new(|_| {});
    shell.track(0, 2);
    let page = Page { hostname: "e.example", pathname: "/b", ..Page::default() };
    shell.tracker.handle_page(at(5), &page);
    shell.tick = 5;
    shell.track(2, 2);
    shell.flush();
    let body = shell.tracker.body(shell.sends[0].id);
    let pages = values::<Uuid>(body, "page_id");
    assert_eq!((pages[0], pages[2]), (pages[1], pages[3]));
    assert_ne!(pages[1], pages[2]);
    assert_eq!(values::<u32>(body, "seq"), [0, 1, 0, 1]);
    assert_eq!(strings(body, "pathname"), ["", "", "/b", "/b"]);
}

#[test]
fn s0_14_s4_8_an_event_keeps_the_time_of_its_call() {
    let mut shell = Shell::new(|_| {});
    let event = Event { name: "view", ..Event::at(shell.now().wall) };
    shell.tick = 90;
    shell.tracker.handle_event(shell.now(), &event).unwrap();
    shell.drain();
    shell.pass(20_000);
    let body = shell.tracker.body(shell.sends[0].id);
    assert_eq!(values::<UnixMs>(body, "occurred_at"), [UnixMs(EPOCH)]);
}

#[test]
fn a_column_that_holds_only_defaults_is_left_out() {
    let mut shell = Shell::new(|_| {});
    shell.track(0, 2);
    shell.flush();
    let block = block::walk(shell.tracker.body(shell.sends[0].id)).unwrap();
    for absent in ["value", "user_id", "properties", "hostname", "referrer", "batch_id", "site"] {
        assert!(block.column(absent).is_none(), "{absent}");
    }
    for present in ["name", "entity_type", "entity_id", "occurred_at", "page_id", "seq"] {
        assert!(block.column(present).is_some(), "{present}");
    }
}

#[test]
fn the_batch_id_carries_the_time_at_which_its_buffer_opened() {
    let mut shell = Shell::new(|_| {});
    shell.pass(1_234);
    shell.track(0, 1);
    shell.pass(10_000);
    assert_eq!(shell.sends[0].batch.v7_time(), Some(UnixMs(EPOCH + 1_234)));
}

#[test]
fn what_a_tracker_sends_passes_the_edges_check() {
    let mut shell = Shell::new(|_| {});
    let page = Page {
        hostname: "e.example",
        pathname: "/a/path",
        referrer: "https://r.example/",
        utm_source: "s",
        utm_medium: "m",
        utm_campaign: "c",
        visitor_id: "v",
    };
    shell.tracker.handle_page(shell.now(), &page);
    for _ in 0..500 {
        let properties = r#"{"n":1}"#;
        let event = Event { user_id: "u", value: 2.5, properties, ..Event::at(shell.now().wall) };
        shell.tracker.handle_event(shell.now(), &Event { name: "read", ..event }).unwrap();
    }
    shell.drain();
    let body = shell.tracker.body(shell.sends[0].id);
    let block = block::walk(body).unwrap();
    block::check(&block, &EVENTS).unwrap();
    assert_eq!((block.rows(), block.columns().len()), (500, 17));
    assert!(body.len() < 500 * 75, "{} bytes: dictionaries for what repeats", body.len());
}
