//! What becomes of a batch after it left: accepted, refused, or sent again as it was.

use super::{ACCEPTED, Shell};
use tallymark::answer::Receiver;
use tallymark::error::DropReason;
use tallymark::limits::{BATCH_AGE_MS, SQUEEZED_BYTES};
use tallymark::rng::Uuid;
use tallymark::time::TickMs;
use tallymark::tracker::{Outcome, Send};

/// The request's id and its bytes: what a retry may not change.
fn identity(shell: &Shell) -> (Uuid, Vec<u8>) {
    let send = shell.sends.last().unwrap();
    (send.batch, shell.tracker.body(send.id).to_vec())
}

#[test]
fn s4_15_s4_20_a_lost_answer_is_followed_by_the_same_bytes_under_the_same_id() {
    let mut shell = Shell::new(|_| {});
    shell.track(0, 3);
    shell.flush();
    let first = identity(&shell);
    for _ in 0..5 {
        let id = shell.sends.pop().unwrap().id;
        shell.lose(id);
        shell.pass(60_000);
        assert_eq!(identity(&shell), first);
    }
    shell.accept_all();
    assert_eq!(shell.tracker.stats().delivered, 3);
    assert_eq!(shell.tracker.waiting(), 0);
}

#[test]
fn a_body_is_compressed_on_its_way_when_it_is_small_and_the_page_stays() {
    for (rows, squeeze) in [(1, false), (20, true), (200, false)] {
        let mut shell = Shell::new(|_| {});
        shell.track(0, rows);
        shell.flush();
        let Send { id, squeeze: told, .. } = shell.sends[0];
        let bytes = shell.tracker.body(id).len();
        assert_eq!(told, squeeze, "{bytes} bytes");
        assert_eq!(SQUEEZED_BYTES.contains(&bytes), squeeze);
    }
    let mut shell = Shell::new(|_| {});
    shell.track(0, 20);
    shell.tracker.handle_leave(shell.now());
    shell.drain();
    assert!(!shell.sends[0].squeeze, "the page goes");
}

#[test]
fn straight_to_clickhouse_no_body_is_compressed() {
    let mut shell = Shell::new(|config| config.target.receiver = Receiver::ClickHouse);
    shell.track(0, 20);
    shell.flush();
    assert!(SQUEEZED_BYTES.contains(&shell.tracker.body(shell.sends[0].id).len()));
    assert!(!shell.sends[0].squeeze);
}

#[test]
fn a_queue_that_failed_goes_on_by_itself() {
    let mut shell = Shell::new(|_| {});
    shell.track(0, 1);
    shell.flush();
    let id = shell.sends.pop().unwrap().id;
    shell.answer(id, 500, "");
    assert_eq!(shell.sends.len(), 0);
    assert!(shell.wake < TickMs::NEVER);
    shell.pass(60_000);
    assert_eq!(shell.sends.len(), 1, "without another track()");
}

#[test]
fn while_nothing_answers_one_probe_goes_at_a_time() {
    let mut shell = Shell::new(|config| config.max_rows = 1);
    shell.track(0, 4);
    assert_eq!(shell.sends.len(), 2, "two in flight");
    for send in std::mem::take(&mut shell.sends) {
        shell.lose(send.id);
    }
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
    let reason = shell.dropped[0].0;
    assert_eq!(reason.name(), "refused_bad_key");
    assert_eq!(shell.tracker.stats().dropped(), [(reason, 3)]);
    assert_eq!(shell.outcomes, [Outcome::Refused(reason)]);
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
    assert_eq!(shell.tracker.stats().dropped(), [(DropReason::QUEUE_FULL, 10)]);
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
        shell.lose(send.id);
        shell.pass(60_000);
    }
    let least = BATCH_AGE_MS / 60_000 - 1;
    assert!(tries >= least, "{tries} tries in a day, at least {least}");
    assert_eq!(shell.tracker.stats().dropped(), [(DropReason::TOO_OLD, 2)]);
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
    assert_eq!((stats.delivered, stats.dropped().len(), shell.outcomes.len()), (2, 0, 1));
}

#[test]
fn s1_12_each_try_tells_its_batch_rows_and_bytes_and_what_became_of_it() {
    let mut shell = Shell::new(|_| {});
    shell.track(0, 3);
    let batch = shell.tracker.open_batch().unwrap();
    shell.flush();
    let send = shell.sends.pop().unwrap();
    assert_eq!((send.batch, send.rows, send.keepalive), (batch, 3, true));
    assert_eq!(shell.tracker.body(send.id), shell.tracker.block(batch));
    shell.lose(send.id);
    assert_eq!(shell.outcomes, [Outcome::Again]);
    assert_eq!(shell.tracker.body(send.id), b"", "the try has ended");
    shell.pass(60_000);
    let send = shell.sends.pop().unwrap();
    shell.answer(send.id, 202, ACCEPTED);
    assert_eq!(shell.outcomes, [Outcome::Again, Outcome::Accepted]);
    assert_eq!(shell.tracker.block(batch), b"");
    assert_eq!((shell.tracker.stats().requests, shell.tracker.stats().sent), (2, 3));
}
