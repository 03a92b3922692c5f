//! The open buffer: order, and the bound on bytes.

use super::Shell;
use tallymark::error::DropReason;
use tallymark::event::{Event, Page};

#[test]
fn s1_8_u2_rows_leave_in_the_order_in_which_they_were_tracked() {
    let mut shell = Shell::new(|_| {});
    shell.track(0, 500);
    let expected: Vec<String> = (0..500).map(|id| id.to_string()).collect();
    assert_eq!(shell.entity_ids(shell.sends[0].id), expected);
}

#[test]
fn a_block_stays_within_max_bytes_and_loses_nothing() {
    let mut shell = Shell::new(|config| config.max_bytes = 2_000);
    let text = "x".repeat(300);
    let properties = format!(r#"{{"text":"{text}"}}"#);
    for _ in 0..40 {
        let event = Event { name: "view", properties: &properties, ..Event::at(shell.now().wall) };
        shell.tracker.handle_event(shell.now(), &event).unwrap();
    }
    shell.flush();
    let mut rows = 0;
    while !shell.sends.is_empty() {
        let send = shell.sends.remove(0);
        assert!(shell.tracker.body(send.id).len() <= 2_000);
        rows += shell.entity_ids(send.id).len();
        shell.answer(send.id, 202, super::ACCEPTED);
    }
    assert_eq!(rows, 40);
}

#[test]
fn a_long_address_fills_a_batch_once_and_not_with_each_row() {
    let mut shell = Shell::new(|config| config.max_bytes = 8_000);
    let pathname = "x".repeat(1_000);
    let page = Page { pathname: &pathname, ..Page::default() };
    shell.tracker.handle_page(shell.now(), &page);
    shell.track(0, 50);
    shell.flush();
    assert_eq!(shell.entity_ids(shell.sends[0].id).len(), 50);
}

#[test]
fn an_event_larger_than_max_bytes_is_invalid_by_itself() {
    let mut shell = Shell::new(|config| config.max_bytes = 1_000);
    let properties = format!(r#"{{"text":"{}"}}"#, "x".repeat(1_000));
    let event = Event { name: "view", properties: &properties, ..Event::at(shell.now().wall) };
    assert_eq!(shell.tracker.handle_event(shell.now(), &event), Err(DropReason::INVALID));
    shell.track(0, 1);
    assert_eq!(shell.dropped, [(DropReason::INVALID, 1)]);
    assert_eq!(shell.tracker.waiting(), 1, "the next one");
}
