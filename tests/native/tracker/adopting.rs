//! Journals of dead pages: when they are looked for, and what becomes of their records.

use super::storing::{storing, storing_with};
use super::{Shell, at, target};
use tallymark::destination::Destination;
use tallymark::error::DropReason;
use tallymark::event::Page;
use tallymark::journal::{RECORD_HEAD_BYTES, RecordKey};
use tallymark::limits::{ADOPT_EVERY_MS, BATCH_AGE_MS, JOURNAL_DELAY_MS};
use tallymark::tracker::{Config, Found, Tracker};

impl Shell {
    /// A record that is stored as it is.
    pub fn orphan(&mut self, key: RecordKey, record: &[u8]) -> bool {
        self.tracker.handle_orphan(self.now(), key, record, record.len() as u32)
    }

    pub fn adopted(&mut self, found: Found) {
        self.tracker.handle_adopted(self.now(), found);
        self.drain();
    }
}

/// The records that a page left which tracked `rows` views from `first` on and then crashed.
pub fn journal(first: u32, rows: u32) -> Vec<(RecordKey, Vec<u8>)> {
    let mut dead = Shell::new(|config| config.journal_bytes = 524_288);
    dead.tracker = Tracker::new(
        Config::new(target()),
        [u64::from(first) + 5, 6, 7, 8],
        at(0),
        &Page::default(),
    );
    dead.drain();
    dead.tracker.handle_opened(dead.now(), true);
    dead.track(first, rows);
    dead.pass(JOURNAL_DELAY_MS);
    dead.stores.into_iter().map(|(store, record)| (store.key, record)).collect()
}

#[test]
fn s1_15_an_orphan_is_sent_under_its_old_id_and_then_deleted() {
    let records = journal(40, 3);
    let [(key, record)] = &records[..] else { panic!("one record") };
    let mut shell = storing();
    assert!(shell.orphan(*key, record), "it is kept");
    shell.adopted(Found::Orphans);
    assert_eq!((shell.tracker.stats().adopted, shell.tracker.stored()), (3, 3));
    assert_eq!((shell.sends[0].batch, shell.stores.len()), (key.batch, 0));
    assert_eq!(shell.entity_ids(shell.sends[0].id), ["40", "41", "42"]);
    shell.accept_all();
    assert_eq!(shell.forgotten, [*key]);
}

#[test]
fn orphans_are_looked_for_one_journal_at_a_time_and_only_once_ones_own_has_gone() {
    let mut shell = Shell::new(|config| config.journal_bytes = 524_288);
    shell.track(0, 1);
    shell.flush();
    shell.tracker.handle_opened(shell.now(), true);
    shell.drain();
    assert_eq!(shell.adopts, 0, "a batch of its own waits");
    shell.accept_all();
    assert_eq!(shell.adopts, 1);
    shell.track(1, 1);
    shell.flush();
    shell.stored();
    shell.stored();
    shell.accept_all();
    assert_eq!(shell.adopts, 1, "not while the shell is at it");
    let (key, record) = journal(40, 3).remove(0);
    assert!(shell.orphan(key, &record));
    shell.adopted(Found::Orphans);
    assert_eq!(shell.adopts, 1, "first what it has adopted");
    shell.accept_all();
    assert_eq!(shell.adopts, 2);
    shell.adopted(Found::Nothing);
    shell.tick += ADOPT_EVERY_MS - 1;
    shell.flush();
    assert_eq!(shell.adopts, 2, "nothing was found: not for a minute");
    shell.tick += 1;
    shell.flush();
    assert_eq!(shell.adopts, 3);
}

#[test]
fn a_page_without_a_journal_of_its_own_adopts_nothing() {
    let (key, record) = journal(40, 3).remove(0);
    let mut shell = Shell::new(|_| {});
    assert!(!shell.orphan(key, &record));
    shell.drain();
    assert_eq!((shell.adopts, shell.sends.len(), shell.forgotten.len()), (0, 0, 0));
}

/// A page of another site's key, with the same storage.
fn elsewhere() -> Shell {
    let endpoint = "https://e.example".into();
    let other = Destination::Worker { endpoint, key: "pk_other".into() }.target("events");
    storing_with(|config| config.target = other)
}

#[test]
fn a_record_for_elsewhere_is_left_to_others_for_a_day_and_then_dropped_and_counted() {
    let (key, record) = journal(40, 3).remove(0);
    let mut shell = elsewhere();
    assert!(!shell.orphan(key, &record));
    shell.drain();
    assert_eq!((shell.sends.len(), shell.forgotten.len(), shell.dropped.len()), (0, 0, 0));
    shell.tick = BATCH_AGE_MS as u64 + 1;
    assert!(!shell.orphan(key, &record));
    shell.drain();
    assert_eq!((shell.sends.len(), shell.forgotten.as_slice()), (0, &[key][..]));
    assert_eq!(shell.dropped, [(DropReason::TOO_OLD, 3)]);
}

#[test]
fn a_record_that_cannot_be_read_is_left_for_a_day_and_then_deleted() {
    let (key, record) = journal(40, 3).remove(0);
    let mut damaged = record.clone();
    damaged[RECORD_HEAD_BYTES + 30] ^= 1;
    let mut newer = record;
    newer[0] += 1;
    for unreadable in [damaged, newer] {
        let mut shell = storing();
        assert!(!shell.orphan(key, &unreadable));
        shell.drain();
        assert_eq!((shell.forgotten.len(), shell.tracker.stats().unreadable), (0, 1));
        shell.tick = BATCH_AGE_MS as u64 + 1;
        assert!(!shell.orphan(key, &unreadable));
        shell.drain();
        assert_eq!((shell.forgotten.as_slice(), shell.tracker.stats().unreadable), (&[key][..], 2));
        assert_eq!((shell.sends.len(), shell.dropped.len()), (0, 0));
    }
}

#[test]
fn an_orphan_within_the_horizon_is_sent_and_one_beyond_it_is_dropped_and_deleted() {
    let (key, record) = journal(40, 3).remove(0);
    for (tick, is_sent) in [(BATCH_AGE_MS as u64, true), (BATCH_AGE_MS as u64 + 1, false)] {
        let mut shell = storing();
        shell.tick = tick;
        assert_eq!(shell.orphan(key, &record), is_sent);
        shell.drain();
        assert_eq!(shell.sends.len(), usize::from(is_sent));
        let dropped: &[_] = if is_sent { &[] } else { &[(DropReason::TOO_OLD, 3)] };
        assert_eq!((shell.dropped.as_slice(), shell.forgotten.len()), (dropped, dropped.len()));
    }
}

#[test]
fn an_orphan_counts_against_the_cap_with_the_bytes_that_it_takes_in_storage() {
    let records = journal(0, 40);
    let (key, record) = &records[0];
    for (record_bytes, dropped) in [(500, 0), (501, 40)] {
        let mut shell = storing_with(|config| config.journal_bytes = 500);
        assert!(shell.tracker.handle_orphan(shell.now(), *key, record, record_bytes));
        shell.adopted(Found::Orphans);
        let dropped = [(DropReason::STORAGE_FULL, dropped)].into_iter().filter(|it| it.1 > 0);
        assert!(shell.tracker.stats().dropped().iter().copied().eq(dropped), "{record_bytes}");
    }
}
