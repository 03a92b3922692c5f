//! What becomes of a batch after it left: accepted, refused, or sent again as it was.

use super::{ACCEPTED, Shell};
use tallymark::answer::Answer;
use tallymark::error::{DropReason, Refusal};
use tallymark::limits::BATCH_AGE_MS;
use tallymark::tracker::Outcome;

/// The request's address without its send time, and its bytes: what a retry may not change.
fn identity(shell: &Shell) -> (String, Vec<u8>) {
    let send = shell.sends.last().unwrap();
    let url = send.url.split("&at=").next().unwrap().to_owned();
    (url, shell.tracker.body(send.id).to_vec())
}

#[test]
fn s4_15_s4_20_a_lost_answer_is_followed_by_the_same_bytes_under_the_same_id() {
    let mut shell = Shell::new(|_| {});
    shell.track(0, 3);
    shell.flush();
    let first = identity(&shell);
    for _ in 0..5 {
        let id = shell.sends.pop().unwrap().id;
        shell.tracker.handle_answer(shell.now(), id, &Answer::None);
        shell.drain();
        shell.pass(60_000);
        assert_eq!(identity(&shell), first);
    }
    shell.accept_all();
    assert_eq!(shell.tracker.stats().delivered, 3);
    assert_eq!(shell.tracker.waiting(), 0);
}

#[test]
fn a_queue_that_failed_goes_on_by_itself() {
    let mut shell = Shell::new(|_| {});
    shell.track(0, 1);
    shell.flush();
    let id = shell.sends.pop().unwrap().id;
    shell.answer(id, 500, "");
    assert_eq!(shell.sends.len(), 0);
    assert!(shell.wake.is_some());
    shell.pass(60_000);
    assert_eq!(shell.sends.len(), 1, "without another track()");
}

#[test]
fn while_nothing_answers_one_probe_goes_at_a_time() {
    let mut shell = Shell::new(|config| config.max_rows = 1);
    shell.track(0, 4);
    assert_eq!(shell.sends.len(), 2, "two in flight");
    while let Some(send) = shell.sends.pop() {
        shell.tracker.handle_answer(shell.now(), send.id, &Answer::None);
    }
    shell.drain();
    shell.pass(60_000);
    assert_eq!(shell.sends.len(), 1);
    shell.accept_all();
    assert_eq!(shell.tracker.stats().delivered, 4);
}

#[test]
fn s1_11_a_final_refusal_drops_the_batch_and_counts_it_by_its_code() {
    let mut shell = Shell::new(|_| {});
    shell.track(0, 3);
    shell.flush();
    let id = shell.sends.pop().unwrap().id;
    shell.answer(id, 401, r#"{"code":"bad_key","message":"no such key"}"#);
    let reason = DropReason::Refused(Refusal::BadKey);
    assert_eq!(shell.tracker.stats().dropped(), [(reason, 3)]);
    assert_eq!(shell.batches[0].outcome, Outcome::Refused(reason));
    assert_eq!((shell.flushed[0].ok, shell.flushed[0].dropped), (false, 3));
    shell.pass(600_000);
    assert_eq!(shell.sends.len(), 0, "no retry");
}

#[test]
fn s4_17_over_max_waiting_rows_the_oldest_batch_goes_and_is_counted() {
    let mut shell = Shell::new(|config| {
        config.max_rows = 10;
        config.max_waiting_rows = 30;
    });
    shell.track(0, 10);
    let id = shell.sends.pop().unwrap().id;
    shell.answer(id, 500, "");
    shell.track(10, 21);
    assert_eq!(shell.tracker.stats().dropped(), [(DropReason::QueueFull, 10)]);
    assert_eq!(shell.tracker.waiting(), 21);
    shell.pass(60_000);
    assert_eq!(shell.entity_ids(shell.sends[0].id)[0], "10", "the first ten are gone");
}

#[test]
fn a_batch_older_than_a_day_is_dropped_as_too_old() {
    let mut shell = Shell::new(|_| {});
    shell.track(0, 2);
    shell.flush();
    let mut tries = 0;
    while let Some(send) = shell.sends.pop() {
        tries += 1;
        shell.tracker.handle_answer(shell.now(), send.id, &Answer::None);
        shell.drain();
        shell.pass(60_000);
    }
    let least = BATCH_AGE_MS / 60_000 - 1;
    assert!(tries >= least, "{tries} tries in a day, at least {least}");
    assert_eq!(shell.tracker.stats().dropped(), [(DropReason::TooOld, 2)]);
    assert_eq!(shell.tracker.waiting(), 0);
}

#[test]
fn a_second_answer_to_the_same_try_changes_nothing() {
    let mut shell = Shell::new(|_| {});
    shell.track(0, 2);
    shell.flush();
    let id = shell.sends.pop().unwrap().id;
    shell.answer(id, 202, ACCEPTED);
    shell.answer(id, 202, ACCEPTED);
    shell.answer(id, 400, r#"{"code":"bad_block"}"#);
    let stats = shell.tracker.stats();
    assert_eq!((stats.delivered, stats.dropped().len(), shell.batches.len()), (2, 0, 1));
}

#[test]
fn s1_12_each_try_is_reported_with_rows_bytes_time_and_status() {
    let mut shell = Shell::new(|_| {});
    shell.track(0, 3);
    shell.flush();
    let send = shell.sends.pop().unwrap();
    let body_bytes = shell.tracker.body(send.id).len() as u32;
    shell.tick += 45;
    shell.answer(send.id, 202, ACCEPTED);
    let report = shell.batches[0];
    assert_eq!((report.rows, report.body_bytes), (3, body_bytes));
    assert_eq!((report.elapsed_ms, report.status), (45, 202));
    assert_eq!(report.outcome, Outcome::Accepted);
}
