//! `onFailure` in its three forms, and the limits that bound what waits.

use super::{ACCEPTED, Shell};
use tallymark::error::DropReason;
use tallymark::event::Event;
use tallymark::limits::{FLUSH_TRIES, MAX_BYTES, WAITING_BYTES};
use tallymark::tracker::{OnFailure, Outcome};

/// Loses the answer to the next try of the one batch that waits.
fn lose_next(shell: &mut Shell) {
    shell.pass(60_000);
    let id = shell.sends.pop().unwrap().id;
    shell.lose(id);
}

#[test]
fn d9_s1_11_discard_drops_a_batch_after_its_tries_and_reports_its_rows() {
    let mut shell = Shell::new(|config| config.on_failure = OnFailure::Discard);
    shell.track(0, 3);
    for _ in 1..FLUSH_TRIES {
        lose_next(&mut shell);
    }
    assert_eq!((shell.tracker.waiting(), shell.dropped.len()), (3, 0));
    lose_next(&mut shell);
    assert_eq!(shell.dropped, [(DropReason::DISCARDED, 3)]);
    assert_eq!(shell.outcomes.last(), Some(&Outcome::Refused(DropReason::DISCARDED)));
    assert_eq!(shell.tracker.waiting(), 0);
    shell.pass(600_000);
    assert_eq!(shell.sends.len(), 0, "no endless retry");
}

#[test]
fn d9_discard_counts_the_tries_of_each_batch_by_itself() {
    let mut shell = Shell::new(|config| config.on_failure = OnFailure::Discard);
    shell.track(0, 3);
    lose_next(&mut shell);
    shell.pass(60_000);
    let id = shell.sends.pop().unwrap().id;
    shell.answer(id, 202, ACCEPTED);
    shell.track(3, 2);
    for _ in 1..FLUSH_TRIES {
        lose_next(&mut shell);
    }
    assert_eq!((shell.tracker.waiting(), shell.dropped.len()), (2, 0));
}

#[test]
fn d9_s4_20_requeue_keeps_a_batch_through_any_number_of_failures_and_asks_for_no_storage() {
    let mut shell = Shell::new(|config| {
        config.on_failure = OnFailure::Requeue;
        config.journal_bytes = 524_288;
    });
    shell.track(0, 3);
    for _ in 0..20 {
        lose_next(&mut shell);
    }
    shell.pass(60_000);
    shell.accept_all();
    assert_eq!((shell.tracker.stats().delivered, shell.dropped.len()), (3, 0));
    assert_eq!((shell.opens.len(), shell.stores.len(), shell.forgotten.len()), (0, 0, 0));
}

#[test]
fn d9_s4_15_a_failed_batch_goes_before_those_that_were_sealed_after_it() {
    let mut shell = Shell::new(|config| config.max_rows = 2);
    shell.track(0, 6);
    for send in std::mem::take(&mut shell.sends) {
        shell.lose(send.id);
    }
    shell.pass(60_000);
    let mut order = vec![];
    while let Some(send) = shell.sends.first() {
        let id = send.id;
        order.push(shell.entity_ids(id));
        shell.sends.remove(0);
        shell.answer(id, 202, ACCEPTED);
    }
    assert_eq!(order, [["0", "1"], ["2", "3"], ["4", "5"]]);
}

#[test]
fn d9_persist_without_storage_acts_as_requeue() {
    let mut shell = Shell::new(|config| config.journal_bytes = 524_288);
    shell.drain();
    assert_eq!(shell.opens.len(), 1);
    shell.tracker.handle_opened(shell.now(), false);
    shell.track(0, 3);
    for _ in 0..20 {
        lose_next(&mut shell);
    }
    assert_eq!((shell.tracker.waiting(), shell.tracker.is_storing()), (3, false));
    assert_eq!((shell.stores.len(), shell.adopts, shell.dropped.len()), (0, 0, 0));
    shell.pass(60_000);
    shell.accept_all();
    assert_eq!(shell.tracker.stats().delivered, 3);
}

#[test]
fn d10_s4_17_a_batch_that_comes_back_is_trimmed_at_once() {
    let mut shell = Shell::new(|config| {
        config.max_rows = 20;
        config.max_waiting_rows = 30;
    });
    shell.track(0, 20);
    shell.track(20, 15);
    assert_eq!(shell.tracker.waiting(), 35, "what is in flight cannot be taken back");
    let id = shell.sends.pop().unwrap().id;
    shell.lose(id);
    assert_eq!(shell.dropped, [(DropReason::QUEUE_FULL, 20)]);
    assert_eq!(shell.tracker.waiting(), 15);
}

#[test]
fn s1_11_memory_is_bounded_in_bytes_too() {
    let mut shell = Shell::new(|config| {
        config.max_rows = 28;
        config.max_bytes = MAX_BYTES as u32;
    });
    let properties = format!(r#"{{"text":"{}"}}"#, "x".repeat(32_000));
    while shell.dropped.is_empty() {
        for _ in 0..28 {
            let event =
                Event { name: "view", properties: &properties, ..Event::at(shell.now().wall) };
            shell.tracker.handle_event(shell.now(), &event).unwrap();
        }
        shell.drain();
        for send in std::mem::take(&mut shell.sends) {
            shell.lose(send.id);
        }
    }
    let bytes: usize = shell.tracker.batches().map(|batch| batch.body.len()).sum();
    let one = shell.tracker.batches().next().unwrap().body.len();
    assert!(bytes <= WAITING_BYTES && bytes + one > WAITING_BYTES, "{bytes}");
    assert_eq!(shell.dropped, [(DropReason::QUEUE_FULL, 28)]);
}
