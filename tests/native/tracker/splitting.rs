//! A batch that its receiver finds too large: cut in two, but only while nothing of it can be in
//! the table.

use super::adopting::journal;
use super::storing::storing;
use super::{ACCEPTED, EPOCH, Shell};
use tallymark::error::DropReason;
use tallymark::journal::read;
use tallymark::limits::STORE_TIMEOUT_MS;
use tallymark::split::in_two;
use tallymark::time::UnixMs;
use tallymark::tracker::Outcome;

const TOO_LARGE: &str = r#"{"code":"too_large"}"#;

/// Cuts the batch that the tracker asked to be cut, as the shell does.
fn split(shell: &mut Shell) {
    let whole = shell.splits.pop().unwrap();
    let halves = in_two(shell.tracker.block(whole));
    shell.tracker.handle_split(shell.now(), whole, halves);
    shell.drain();
}

/// Answers the one request that is open.
fn answer(shell: &mut Shell, status: u16, body: &str) {
    let id = shell.sends.pop().unwrap().id;
    shell.answer(id, status, body);
}

#[test]
fn both_halves_go_on_under_new_ids_of_the_wholes_time() {
    let mut shell = Shell::new(|_| {});
    shell.track(0, 5);
    shell.tick = 70;
    shell.flush();
    let whole = shell.sends[0].batch;
    answer(&mut shell, 413, TOO_LARGE);
    assert_eq!(
        (shell.outcomes.as_slice(), shell.splits.as_slice()),
        (&[Outcome::Again][..], &[whole][..])
    );
    assert_eq!(shell.tracker.waiting(), 5);
    split(&mut shell);
    let ids: Vec<_> = shell.sends.iter().map(|send| send.batch).collect();
    assert!(!ids.contains(&whole) && ids[0] != ids[1]);
    assert!(ids.iter().all(|id| id.v7_time() == Some(UnixMs(EPOCH))));
    assert_eq!(shell.entity_ids(shell.sends[0].id), ["0", "1"]);
    assert_eq!(shell.entity_ids(shell.sends[1].id), ["2", "3", "4"]);
    assert!(shell.flushed.is_empty(), "the flush waits for both");
    shell.accept_all();
    assert_eq!((shell.flushed[0].ok, shell.flushed[0].delivered), (true, 5));
    assert_eq!((shell.tracker.stats().sent, shell.tracker.stats().delivered), (5, 5));
}

#[test]
fn a_batch_with_an_unanswered_try_is_dropped_as_uncertain() {
    for (status, body) in [(0, ""), (503, r#"{"code":"busy"}"#), (200, "<html>")] {
        let mut shell = Shell::new(|_| {});
        shell.track(0, 4);
        shell.flush();
        match status {
            0 => {
                let id = shell.sends.pop().unwrap().id;
                shell.lose(id);
            }
            _ => answer(&mut shell, status, body),
        }
        shell.pass(60_000);
        answer(&mut shell, 413, TOO_LARGE);
        assert_eq!(shell.dropped, [(DropReason::REFUSED_UNCERTAIN, 4)], "{status}");
        assert_eq!(shell.splits, [], "{status}");
    }
}

#[test]
fn a_rate_limit_takes_nothing_so_that_the_batch_may_still_be_split() {
    let mut shell = Shell::new(|_| {});
    shell.track(0, 4);
    shell.flush();
    answer(&mut shell, 429, r#"{"code":"rate_limited"}"#);
    shell.pass(60_000);
    answer(&mut shell, 413, TOO_LARGE);
    split(&mut shell);
    assert_eq!((shell.sends.len(), shell.dropped.len()), (2, 0));
}

#[test]
fn one_row_that_is_too_large_is_dropped_under_that_name() {
    let mut shell = Shell::new(|_| {});
    shell.track(0, 1);
    shell.flush();
    answer(&mut shell, 413, TOO_LARGE);
    split(&mut shell);
    assert_eq!(shell.dropped, [(DropReason::TOO_LARGE, 1)]);
    assert_eq!((shell.tracker.waiting(), shell.flushed[0].ok), (0, false));
}

#[test]
fn a_proxys_413_splits_nothing() {
    let mut shell = Shell::new(|_| {});
    shell.track(0, 4);
    shell.flush();
    answer(&mut shell, 413, "<html>Too large</html>");
    assert_eq!((shell.splits.len(), shell.tracker.waiting()), (0, 4));
}

/// A shell whose one batch, of four rows, is in storage and was just cut in two.
fn split_in_storage() -> Shell {
    let mut shell = storing();
    shell.track(0, 4);
    shell.flush();
    shell.stored();
    answer(&mut shell, 413, TOO_LARGE);
    split(&mut shell);
    shell
}

#[test]
fn in_storage_one_write_replaces_the_whole_by_both_halves_before_either_is_sent() {
    let mut shell = split_in_storage();
    let (store, record) = shell.stores[0].clone();
    assert_eq!((shell.stores.len(), shell.sends.len(), shell.forgotten.len()), (1, 0, 0));
    let (halves, is_mine) = read(store.key, super::target().id, &record).unwrap();
    assert!(is_mine);
    assert_eq!(halves.iter().map(|half| half.rows).collect::<Vec<_>>(), [2, 2]);
    shell.tracker.handle_leave(shell.now());
    shell.drain();
    shell.pass(STORE_TIMEOUT_MS);
    assert_eq!(shell.sends.len(), 0, "whoever finds the whole would send it");
    shell.stored();
    assert_eq!(
        shell.sends.iter().map(|send| send.batch).collect::<Vec<_>>(),
        [halves[0].id, halves[1].id]
    );
    let first = shell.sends.remove(0).id;
    shell.answer(first, 202, ACCEPTED);
    assert_eq!(shell.forgotten, [], "the other is in the record too");
    shell.accept_all();
    assert_eq!(shell.forgotten, [store.key]);
}

/// The write was asked for while its first try was under way: the page was about to go.
#[test]
fn a_record_that_is_written_while_a_batch_is_being_cut_does_not_send_the_whole() {
    let mut shell = storing();
    shell.track(0, 4);
    shell.tracker.handle_leave(shell.now());
    shell.drain();
    assert_eq!((shell.sends.len(), shell.stores.len()), (1, 1));
    answer(&mut shell, 413, TOO_LARGE);
    shell.stored();
    assert_eq!((shell.sends.len(), shell.splits.len()), (0, 1));
}

#[test]
fn halves_whose_record_cannot_be_written_are_dropped_as_uncertain() {
    let mut shell = split_in_storage();
    let key = shell.stores[0].0.key;
    shell.store_fails();
    assert_eq!(shell.dropped, [(DropReason::REFUSED_UNCERTAIN, 2); 2]);
    assert_eq!((shell.sends.len(), shell.tracker.waiting()), (0, 0));
    assert_eq!(shell.forgotten, [key]);
}

#[test]
fn a_batch_in_storage_is_not_split_while_storage_fails() {
    let mut shell = storing();
    shell.track(0, 4);
    shell.flush();
    shell.stored();
    shell.track(4, 1);
    shell.pass(100);
    shell.store_fails();
    answer(&mut shell, 413, TOO_LARGE);
    assert_eq!(shell.dropped, [(DropReason::REFUSED_UNCERTAIN, 4)]);
}

#[test]
fn an_adopted_batch_is_never_split() {
    let mut shell = storing();
    for (key, record) in journal(0, 4) {
        assert!(shell.orphan(key, &record));
    }
    shell.drain();
    answer(&mut shell, 413, TOO_LARGE);
    assert_eq!(shell.dropped, [(DropReason::REFUSED_UNCERTAIN, 4)]);
}
