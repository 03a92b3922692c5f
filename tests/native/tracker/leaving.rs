//! The journal when the page goes: given up once everything is stored, and begun anew if it is back.

use super::storing::storing;
use super::{ACCEPTED, Shell};
use tallymark::error::DropReason;
use tallymark::limits::JOURNAL_DELAY_MS;
use tallymark::time::TickMs;

impl Shell {
    fn pagehide(&mut self) {
        self.tracker.handle_pagehide(self.now());
        self.drain();
    }

    fn restore(&mut self) {
        self.tracker.handle_restore(self.now());
        self.drain();
    }
}

#[test]
fn pagehide_gives_the_journal_up_once_everything_is_stored() {
    let mut shell = storing();
    shell.track(0, 2);
    shell.pagehide();
    assert_eq!((shell.stores.len(), shell.sends.len(), shell.releases), (1, 1, 0));
    shell.stored();
    assert_eq!((shell.releases, shell.tracker.waiting()), (1, 0));
    assert_eq!((shell.tracker.stats().handed_over, shell.forgotten.len()), (2, 0));
    let id = shell.sends.pop().unwrap().id;
    shell.answer(id, 202, ACCEPTED);
    assert_eq!((shell.outcomes.len(), shell.forgotten.len()), (0, 0), "its adopter's to settle");
}

#[test]
fn pagehide_does_not_give_up_at_once_what_is_stored_already() {
    let mut shell = storing();
    shell.track(0, 2);
    shell.flush();
    shell.stored();
    shell.pagehide();
    assert_eq!((shell.releases, shell.wake), (0, shell.now().tick), "sites still track then");
    shell.track(2, 1);
    assert_ne!(shell.wake, shell.now().tick);
    shell.tracker.handle_leave(shell.now());
    shell.drain();
    assert_eq!((shell.releases, shell.stores.len()), (0, 1));
    shell.stored();
    assert_eq!((shell.releases, shell.tracker.stats().handed_over), (1, 3));
}

#[test]
fn a_page_whose_last_write_fails_keeps_its_journal() {
    let mut shell = storing();
    shell.track(0, 2);
    shell.pagehide();
    shell.store_fails();
    shell.pass(60_000);
    assert_eq!((shell.releases, shell.tracker.waiting()), (0, 2));
    shell.restore();
    assert_eq!(shell.opens.len(), 1);
}

#[test]
fn a_page_that_comes_back_after_handing_over_opens_a_new_journal() {
    let mut shell = storing();
    shell.track(0, 2);
    shell.pagehide();
    shell.stored();
    shell.tick = 3_600_000;
    shell.restore();
    assert_eq!(shell.opens.len(), 2);
    assert_ne!(shell.opens[0], shell.opens[1]);
    shell.tracker.handle_opened(shell.now(), true);
    shell.drain();
    assert_eq!(shell.adopts, 2, "what it left may still be there");
    shell.adopted(tallymark::tracker::Found::Nothing);
    shell.track(2, 1);
    shell.flush();
    assert_eq!(shell.stores[0].0.key.journal, shell.opens[1]);
}

#[test]
fn a_page_that_comes_back_before_it_handed_over_keeps_its_journal() {
    let mut shell = storing();
    shell.track(0, 2);
    shell.pagehide();
    shell.restore();
    shell.stored();
    assert_eq!((shell.opens.len(), shell.releases, shell.tracker.waiting()), (1, 0, 2));
}

#[test]
fn a_journal_in_which_everything_is_stored_is_given_up_in_the_next_task() {
    let mut shell = storing();
    shell.track(0, 2);
    shell.flush();
    shell.stored();
    shell.pagehide();
    shell.pass(0);
    assert_eq!((shell.releases, shell.wake), (1, TickMs::NEVER));
    assert_eq!(shell.tracker.stats().handed_over, 2);
}

#[test]
fn at_freeze_a_journal_is_given_up_although_a_fresh_record_is_on_its_way() {
    let mut shell = storing();
    shell.track(0, 2);
    shell.pagehide();
    shell.pass(0);
    assert_eq!((shell.releases, shell.stores.len()), (1, 1));
    assert_eq!(shell.tracker.waiting(), 2, "if the write fails, nobody else has it");
}

#[test]
fn at_freeze_a_journal_is_kept_while_an_older_record_of_a_batch_may_be_there() {
    let mut shell = storing();
    shell.track(0, 1);
    shell.pass(JOURNAL_DELAY_MS);
    shell.stored();
    shell.track(1, 1);
    shell.pagehide();
    shell.pass(0);
    assert_eq!(shell.releases, 0);
    shell.stored();
    assert_eq!(shell.releases, 1);
}

#[test]
fn a_batch_that_was_given_up_while_on_its_way_is_never_split() {
    let mut shell = storing();
    shell.track(0, 2);
    shell.pagehide();
    shell.pass(0);
    let id = shell.sends.pop().unwrap().id;
    shell.answer(id, 413, r#"{"code":"too_large"}"#);
    assert_eq!(shell.tracker.stats().dropped(), [(DropReason::REFUSED_UNCERTAIN, 2)]);
}
