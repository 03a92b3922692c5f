//! When a batch leaves: timer, threshold, flush, leave, shutdown.

use super::{Shell, at};
use tallymark::time::TickMs;

#[test]
fn s1_1_u4_the_timer_flushes_after_ten_seconds_by_default() {
    let mut shell = Shell::new(|_| {});
    shell.track(0, 3);
    shell.pass(9_999);
    assert_eq!(shell.sends.len(), 0);
    shell.pass(1);
    assert_eq!(shell.sends.len(), 1);
    assert_eq!(shell.entity_ids(shell.sends[0].id), ["0", "1", "2"]);
}

#[test]
fn s1_1_the_interval_is_an_option() {
    let mut shell = Shell::new(|config| config.max_time_ms = 250);
    shell.track(0, 1);
    shell.pass(249);
    assert_eq!(shell.sends.len(), 0);
    shell.pass(1);
    assert_eq!(shell.sends.len(), 1);
}

#[test]
fn s1_2_u5_the_threshold_flushes_at_500_rows_by_default_the_event_included() {
    let mut shell = Shell::new(|_| {});
    shell.track(0, 499);
    assert_eq!(shell.sends.len(), 0);
    shell.track(499, 1);
    assert_eq!(shell.entity_ids(shell.sends[0].id).len(), 500);
    assert_eq!(shell.tracker.waiting(), 500, "in flight, not gone");
}

#[test]
fn s1_2_s4_10_the_threshold_is_an_option() {
    let mut shell = Shell::new(|config| config.max_rows = 2);
    shell.track(0, 5);
    assert_eq!(shell.sends.len(), 2);
    assert_eq!(shell.entity_ids(shell.sends[1].id), ["2", "3"]);
}

#[test]
fn s1_10_s4_11_a_tick_reschedules_itself_and_a_threshold_flush_does_not_move_it() {
    let mut shell = Shell::new(|config| config.max_rows = 10);
    shell.pass(4_000);
    shell.track(0, 10);
    shell.accept_all();
    assert_eq!(shell.wake, TickMs::NEVER, "an empty buffer waits for nothing");
    shell.pass(5_000);
    shell.track(10, 1);
    assert_eq!(shell.wake, TickMs(10_000));
    shell.pass(1_000);
    assert_eq!(shell.entity_ids(shell.sends[0].id), ["10"]);
    shell.accept_all();
    shell.track(11, 1);
    assert_eq!(shell.wake, TickMs(20_000));
}

#[test]
fn s1_7_s4_14_an_empty_flush_sends_nothing_and_is_well() {
    let mut shell = Shell::new(|_| {});
    shell.flush();
    assert_eq!(shell.sends.len(), 0);
    assert!(shell.flushed[0].ok);
    shell.pass(60_000);
    assert_eq!(shell.sends.len(), 0, "nor does a tick");
}

#[test]
fn s1_6_s4_12_a_flush_sends_at_once_and_is_done_when_its_batch_is_durable() {
    let mut shell = Shell::new(|_| {});
    shell.track(0, 3);
    shell.flush();
    assert_eq!(shell.sends.len(), 1);
    assert!(shell.flushed.is_empty(), "not before the answer");
    shell.accept_all();
    assert_eq!((shell.flushed[0].ok, shell.flushed[0].delivered), (true, 3));
}

#[test]
fn s1_9_after_a_flush_the_buffer_is_empty() {
    let mut shell = Shell::new(|_| {});
    shell.track(0, 3);
    shell.flush();
    shell.accept_all();
    assert_eq!(shell.tracker.waiting(), 0);
    shell.flush();
    assert_eq!(shell.sends.len(), 0);
}

#[test]
fn s1_13_s4_13_shutdown_cancels_the_timer_and_flushes() {
    let mut shell = Shell::new(|_| {});
    shell.track(0, 2);
    shell.tracker.handle_shutdown(at(0));
    shell.drain();
    assert_eq!(shell.entity_ids(shell.sends[0].id), ["0", "1"]);
    shell.accept_all();
    assert!(shell.flushed[0].ok);
    shell.track(2, 1);
    assert_eq!(shell.wake, TickMs::NEVER, "no tick any more");
    shell.flush();
    assert_eq!(shell.entity_ids(shell.sends[0].id), ["2"]);
}

#[test]
fn leaving_sends_what_is_open_in_a_request_that_outlives_the_page() {
    let mut shell = Shell::new(|_| {});
    shell.track(0, 2);
    shell.tracker.handle_leave(at(0));
    shell.drain();
    assert!(shell.sends[0].keepalive);
    assert_eq!(shell.entity_ids(shell.sends[0].id), ["0", "1"]);
}

#[test]
fn calling_too_early_changes_nothing() {
    let mut shell = Shell::new(|_| {});
    shell.track(0, 1);
    for tick in 0..100 {
        shell.tick = tick;
        shell.tracker.handle_timeout(shell.now());
        shell.drain();
    }
    assert_eq!(shell.sends.len(), 0);
    assert_eq!(shell.wake, TickMs(10_000));
}
