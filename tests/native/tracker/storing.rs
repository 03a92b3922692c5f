//! The journal: what is written when, what waits for it, and what is adopted.

use super::{ACCEPTED, Shell, strings, target};
use tallymark::error::DropReason;
use tallymark::journal::{RecordKey, StoreId, read};
use tallymark::limits::{JOURNAL_DELAY_MS, STORE_TIMEOUT_MS};
use tallymark::outbox::Batch;
use tallymark::rng::Uuid;
use tallymark::time::TickMs;
use tallymark::tracker::{Config, Output};

/// A shell whose journal is open, and who has found no orphans.
pub fn storing() -> Shell {
    storing_with(|_| {})
}

pub fn storing_with(change: impl FnOnce(&mut Config)) -> Shell {
    let mut shell = Shell::new(|config| {
        config.journal_bytes = 524_288;
        change(config);
    });
    shell.drain();
    shell.tracker.handle_opened(shell.now(), true);
    shell.drain();
    shell.tracker.handle_adopted(shell.now(), tallymark::tracker::Found::Nothing);
    shell.drain();
    shell
}

impl Shell {
    /// The oldest write has become durable.
    pub fn stored(&mut self) {
        let (store, record) = self.stores.remove(0);
        self.tracker.handle_stored(self.now(), store.id, record.len() as u32);
        self.drain();
    }

    /// The oldest write has failed.
    pub fn store_fails(&mut self) {
        let id = self.stores.remove(0).0.id;
        self.tracker.handle_stored(self.now(), id, 0);
        self.drain();
    }

    /// The batches of the oldest write that nobody has answered.
    fn written(&self) -> Vec<Batch> {
        let (store, record) = &self.stores[0];
        read(store.key, target().id, record).unwrap().0
    }
}

#[test]
fn s1_15_an_event_is_written_after_its_delay_with_all_others_of_its_burst() {
    let mut shell = storing();
    shell.track(0, 3);
    assert_eq!(shell.wake, TickMs(JOURNAL_DELAY_MS));
    shell.pass(JOURNAL_DELAY_MS - 1);
    shell.track(3, 2);
    assert_eq!(shell.stores.len(), 0);
    shell.pass(1);
    assert_eq!(shell.stores.len(), 1);
    let batch = shell.tracker.open_batch().unwrap();
    assert_eq!(shell.stores[0].0.key, RecordKey { journal: shell.opens[0], batch });
    let written = shell.written();
    assert_eq!((written.len(), written[0].id, written[0].rows), (1, batch, 5));
    assert_eq!(strings(&written[0].body, "entity_id"), ["0", "1", "2", "3", "4"]);
    shell.stored();
    assert_eq!((shell.wake, shell.tracker.stored()), (TickMs(10_000), 5), "nothing is unwritten");
}

#[test]
fn the_next_burst_is_written_over_the_last_but_not_while_that_is_under_way() {
    let mut shell = storing();
    shell.track(0, 1);
    shell.pass(JOURNAL_DELAY_MS);
    shell.track(1, 1);
    assert_eq!(
        shell.wake,
        TickMs(JOURNAL_DELAY_MS + STORE_TIMEOUT_MS),
        "when storage counts as failing"
    );
    shell.pass(300);
    assert_eq!(shell.stores.len(), 1, "slow storage would get ever more writes");
    let first = shell.stores[0].0;
    shell.stored();
    shell.pass(0);
    assert_eq!((shell.stores[0].0.key, shell.written()[0].rows), (first.key, 2));
    assert_ne!(shell.stores[0].0.id, first.id);
}

#[test]
fn what_was_tracked_before_the_journal_opened_is_written_too() {
    let mut shell = Shell::new(|config| config.journal_bytes = 524_288);
    shell.track(0, 2);
    shell.flush();
    assert_eq!(shell.sends.len(), 1, "nobody waits for a journal that is not there");
    shell.track(2, 1);
    shell.tracker.handle_opened(shell.now(), true);
    shell.drain();
    assert_eq!(shell.written()[0].rows, 2);
    assert_eq!(shell.stores[0].0.key.journal, shell.opens[0]);
    shell.pass(100);
    assert_eq!(shell.stores.len(), 2);
}

#[test]
fn s1_15_a_batch_is_in_storage_before_its_first_request_and_gone_after_its_answer() {
    let mut shell = storing();
    shell.track(0, 3);
    shell.flush();
    assert_eq!((shell.stores.len(), shell.sends.len()), (1, 0));
    let key = shell.stores[0].0.key;
    let written = shell.written();
    shell.stored();
    assert_eq!((shell.sends.len(), shell.sends[0].batch), (1, key.batch));
    assert_eq!(shell.tracker.body(shell.sends[0].id), written[0].body);
    assert_eq!((shell.tracker.stored(), shell.forgotten.len()), (3, 0));
    let id = shell.sends.pop().unwrap().id;
    shell.answer(id, 202, ACCEPTED);
    assert_eq!((shell.forgotten.as_slice(), shell.tracker.stored()), (&[key][..], 0));
}

#[test]
fn s4_20_a_failed_batch_stays_in_storage_and_is_not_written_again() {
    let mut shell = storing();
    shell.track(0, 3);
    shell.flush();
    shell.stored();
    for _ in 0..4 {
        let id = shell.sends.pop().unwrap().id;
        shell.lose(id);
        shell.pass(60_000);
    }
    assert_eq!((shell.stores.len(), shell.forgotten.len(), shell.tracker.stored()), (0, 0, 3));
}

#[test]
fn an_older_write_of_the_same_record_does_not_let_the_batch_go() {
    let mut shell = storing();
    shell.track(0, 1);
    shell.pass(100);
    shell.track(1, 1);
    shell.flush();
    assert_eq!(shell.stores.len(), 2);
    assert_eq!(shell.stores[0].0.key, shell.stores[1].0.key);
    shell.stored();
    assert_eq!(shell.sends.len(), 0, "what is there has one row of two");
    shell.stored();
    assert_eq!(shell.sends.len(), 1);
}

#[test]
fn a_page_that_leaves_asks_for_the_write_and_sends_without_waiting_for_it() {
    let mut shell = storing();
    shell.track(0, 2);
    shell.tracker.handle_leave(shell.now());
    let Output::Store(store) = shell.tracker.poll_output() else { panic!("the write comes first") };
    let Output::Send(send) = shell.tracker.poll_output() else { panic!("the request follows") };
    assert_eq!((send.batch, send.rows, send.keepalive), (store.key.batch, 2, true));
}

#[test]
fn a_write_that_fails_leaves_the_batch_to_memory_until_storage_is_back() {
    let mut shell = storing();
    shell.track(0, 1);
    shell.flush();
    shell.store_fails();
    assert!(!shell.tracker.is_storing());
    assert_eq!(shell.sends.len(), 1, "it goes all the same");
    shell.track(1, 1);
    shell.flush();
    shell.track(2, 1);
    shell.flush();
    assert_eq!(shell.sends.len(), 2, "two in flight");
    assert_eq!(shell.stores.len(), 1, "one write finds out whether storage is back");
    shell.stored();
    assert!(shell.tracker.is_storing());
    let rows: Vec<Vec<String>> = shell
        .stores
        .iter()
        .map(|(store, record)| {
            let batches = read(store.key, target().id, record).unwrap().0;
            strings(&batches[0].body, "entity_id")
        })
        .collect();
    assert_eq!(rows, [["0"], ["2"]], "and then everything else is written");
    shell.stored();
    shell.stored();
    assert_eq!(shell.tracker.stored(), 3);
}

#[test]
fn storage_that_does_not_keep_up_holds_no_batch_longer_than_its_time() {
    let mut shell = storing();
    shell.track(0, 1);
    shell.flush();
    assert_eq!(shell.wake, TickMs(STORE_TIMEOUT_MS));
    shell.pass(STORE_TIMEOUT_MS - 1);
    assert_eq!((shell.sends.len(), shell.tracker.is_storing()), (0, true));
    shell.pass(1);
    assert_eq!((shell.sends.len(), shell.tracker.is_storing()), (1, false));
    shell.stored();
    assert_eq!((shell.tracker.is_storing(), shell.tracker.stored()), (true, 1), "late is not lost");
}

#[test]
fn a_record_that_became_smaller_is_counted_as_what_it_takes() {
    let mut shell = storing();
    shell.track(0, 1);
    shell.flush();
    let id = shell.stores[0].0.id;
    shell.stored();
    shell.tracker.handle_stored(shell.now(), id, 77);
    assert_eq!(shell.tracker.journal_bytes(), 77);
}

#[test]
fn records_are_squeezed_while_the_receiver_is_away() {
    let mut shell = storing();
    shell.track(0, 1);
    shell.flush();
    assert!(!shell.stores[0].0.squeeze);
    shell.stored();
    let id = shell.sends.pop().unwrap().id;
    shell.lose(id);
    shell.track(1, 1);
    shell.flush();
    assert!(shell.stores[0].0.squeeze);
}

#[test]
fn s4_17_over_max_waiting_rows_the_oldest_goes_from_storage_too() {
    let mut shell = storing_with(|config| {
        config.max_rows = 10;
        config.max_waiting_rows = 30;
    });
    shell.track(0, 10);
    let oldest = shell.stores[0].0.key;
    shell.stored();
    let id = shell.sends.pop().unwrap().id;
    shell.lose(id);
    shell.track(10, 21);
    assert_eq!(shell.dropped, [(DropReason::QUEUE_FULL, 10)]);
    assert_eq!(shell.forgotten, [oldest]);
}

#[test]
fn over_journal_bytes_the_oldest_record_goes_and_is_counted() {
    let mut shell = storing_with(|config| {
        config.max_rows = 10;
        config.journal_bytes = 2_000;
    });
    let mut keys = vec![];
    for first in 0..3 {
        shell.track(first * 10, 10);
        keys.push(shell.stores[0].0.key);
        shell.stored();
        for send in std::mem::take(&mut shell.sends) {
            shell.lose(send.id);
        }
    }
    assert_eq!(shell.dropped, [(DropReason::STORAGE_FULL, 10)]);
    assert_eq!(shell.forgotten, keys[..1]);
    assert_eq!((shell.tracker.waiting(), shell.tracker.stored()), (20, 20));
    assert!(shell.tracker.journal_bytes() <= 2_000);
}

#[test]
fn a_write_that_nobody_asked_for_changes_nothing() {
    let mut shell = storing();
    shell.track(0, 1);
    shell.flush();
    shell.tracker.handle_stored(shell.now(), StoreId(99), 10);
    shell.drain();
    assert_eq!((shell.sends.len(), shell.tracker.stored()), (0, 0));
}

#[test]
fn the_open_buffer_is_sealed_under_the_id_that_its_record_has() {
    let mut shell = storing();
    shell.track(0, 1);
    shell.pass(JOURNAL_DELAY_MS);
    let early: Uuid = shell.written()[0].id;
    shell.stored();
    shell.track(1, 1);
    shell.flush();
    assert_eq!((shell.written()[0].id, shell.written()[0].rows), (early, 2));
}
