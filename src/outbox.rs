//! Sealed batches on their way: waiting or in flight, in memory, oldest first.
//!
//! Invariant: a batch's bytes are never touched here; they are lent out and given back or dropped.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::journal::{RecordKey, Saved};
use crate::limits::KEEPALIVE_BYTES;
use crate::list;
use crate::rng::Uuid;
use crate::tracker::Send;

/// A sealed batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Drawn when its buffer opened; a UUID of version 7.
    pub id: Uuid,
    /// How many events it holds.
    pub rows: u32,
    /// One Native block.
    pub body: Vec<u8>,
}

/// One try of one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SendId(pub u32);

/// What a batch waits for before a try of it may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Nothing.
    Free,
    /// Its record, unless storage fails; when the page goes, not at all.
    Stored,
    /// Its record, come what may: its rows are still in storage under another id.
    Strict,
    /// To be cut in two: its receiver finds it too large.
    Split,
    /// The shell is at that.
    Splitting,
}

/// A batch with what has happened to it.
#[derive(Debug)]
pub struct Entry {
    /// The batch.
    pub batch: Batch,
    /// The record that it is in, if it is in one: a batch that was split leaves its record to its
    /// halves.
    pub key: RecordKey,
    /// What is known of that record.
    pub saved: Saved,
    /// Whether it was there before, with other rows: while it is written anew, nobody knows which.
    pub is_rewritten: bool,
    /// Whether a try of it may have gone unanswered: it may never be split.
    pub unanswered: bool,
    /// How many of its tries have failed.
    pub failures: u8,
    /// What it waits for.
    pub hold: Hold,
    /// Its place in the order of sealing; halves have the one of the whole.
    pub number: u32,
    /// Whether a try of its rows has begun.
    is_tried: bool,
    flight: Option<Flight>,
}

#[derive(Clone, Copy, Debug)]
struct Flight {
    send: SendId,
    keepalive: bool,
}

/// What an entry has for a number before the outbox gives it one.
const NO_NUMBER: u32 = u32::MAX;

impl Entry {
    /// A batch that nobody has tried, in no record yet. Boxed, and not inlined: three places make
    /// one, and the page would download each.
    #[inline(never)]
    #[must_use]
    pub fn new(batch: Batch, hold: Hold) -> Box<Self> {
        Box::new(Self {
            key: RecordKey { journal: Uuid::default(), batch: batch.id },
            batch,
            saved: Saved::No,
            is_rewritten: false,
            unanswered: false,
            failures: 0,
            hold,
            number: NO_NUMBER,
            is_tried: false,
            flight: None,
        })
    }

    /// A batch of some of its rows, in the same record.
    #[must_use]
    pub fn half(&self, batch: Batch, hold: Hold) -> Box<Self> {
        let mut half = Self::new(batch, hold);
        half.key = self.key;
        half.number = self.number;
        half.is_rewritten = true;
        half.is_tried = true;
        half
    }
}

/// All entries at a glance.
#[derive(Clone, Copy, Debug)]
pub struct Survey {
    /// Tries under way.
    pub in_flight: usize,
    /// Bytes of the bodies under way that may outlive the page.
    pub lasting_bytes: usize,
    /// Bytes of all bodies, in flight or not.
    pub body_bytes: usize,
    /// Bytes of all records.
    pub record_bytes: usize,
    /// Events whose batches are in storage.
    pub saved_rows: u64,
    /// Whether whoever takes over the records finds each batch as it is, or not at all.
    pub may_be_left: bool,
    /// Whether one is on its way there.
    pub is_on_its_way: bool,
    /// Whether a batch may go, as far as it is itself concerned.
    pub is_ready: bool,
}

/// The batches that nobody has accepted or refused yet, oldest first.
///
/// A vector: some forty batches wait at most, and a deque costs the page 700 bytes. Boxed, so that
/// taking one out of the middle moves pointers.
#[derive(Debug, Default)]
pub struct Outbox {
    #[allow(clippy::vec_box, reason = "taking one out moves pointers")]
    entries: Vec<Box<Entry>>,
    rows: u64,
    next_send: u32,
    next_number: u32,
}

impl Outbox {
    /// Takes a batch: a new one behind all others, one that was in before into its old place.
    pub fn push(&mut self, mut entry: Box<Entry>) {
        self.rows += u64::from(entry.batch.rows);
        if entry.number == NO_NUMBER {
            entry.number = self.next_number;
            self.next_number += 1;
        }
        let number = entry.number;
        self.entries.push(entry);
        let mut entries = self.entries.iter_mut().rev();
        let Some(mut hole) = entries.next() else { return };
        for older in entries.take_while(|older| older.number > number) {
            core::mem::swap(hole, older);
            hole = older;
        }
    }

    /// All entries, oldest first.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().map(Box::as_ref)
    }

    /// The same, to be changed.
    pub fn entries_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.entries.iter_mut().map(Box::as_mut)
    }

    /// Events in all batches, in flight or not.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// How many batches there are.
    #[must_use]
    pub fn batches(&self) -> u32 {
        self.entries.len() as u32
    }

    /// The number of the batch that comes next.
    #[must_use]
    pub const fn next_number(&self) -> u32 {
        self.next_number
    }

    /// Counts everything in one walk: a walk for each question is a loop for each in the page.
    #[must_use]
    pub fn survey(&self) -> Survey {
        let mut survey = Survey {
            in_flight: 0,
            lasting_bytes: 0,
            body_bytes: 0,
            record_bytes: 0,
            saved_rows: 0,
            may_be_left: true,
            is_on_its_way: false,
            is_ready: false,
        };
        for entry in self.entries() {
            let body_bytes = entry.batch.body.len();
            survey.body_bytes += body_bytes;
            survey.record_bytes += entry.saved.bytes(body_bytes);
            if entry.saved.is_there() {
                survey.saved_rows += u64::from(entry.batch.rows);
            } else if entry.is_rewritten || !entry.saved.is_on_its_way() {
                survey.may_be_left = false;
            }
            survey.is_on_its_way |= entry.saved.is_on_its_way();
            match (entry.flight, entry.hold) {
                (Some(flight), _) => {
                    survey.in_flight += 1;
                    if flight.keepalive {
                        survey.lasting_bytes += body_bytes;
                    }
                }
                (None, hold) => survey.is_ready |= hold == Hold::Free,
            }
        }
        survey
    }

    /// Begins a try of the oldest batch that may go; with `lasting`, when the page goes, of the
    /// oldest of those whose request may outlive it, and no record is waited for. Tells the
    /// request, whether no try of its rows came before it, and the bytes of the body.
    ///
    /// A request may outlive the page as long as all such bodies together stay within
    /// [`KEEPALIVE_BYTES`]: beyond it the browser would reject the request outright. So many bytes
    /// as `lasting_bytes` are under way.
    pub fn start_next(
        &mut self,
        lasting: bool,
        lasting_bytes: usize,
    ) -> Option<(Send, bool, usize)> {
        let id = SendId(self.next_send);
        let fits = |entry: &Entry| lasting_bytes + entry.batch.body.len() <= KEEPALIVE_BYTES;
        let may_go = |entry: &Entry| {
            let is_ready = match entry.hold {
                Hold::Free => true,
                Hold::Stored => lasting,
                _ => false,
            };
            is_ready && entry.flight.is_none() && (!lasting || fits(entry))
        };
        let entry = self.entries_mut().find(|entry| may_go(entry))?;
        let keepalive = fits(entry);
        let is_first = !core::mem::replace(&mut entry.is_tried, true);
        entry.hold = Hold::Free;
        entry.flight = Some(Flight { send: id, keepalive });
        let send =
            Send { id, batch: entry.batch.id, rows: entry.batch.rows, keepalive, squeeze: false };
        let started = (send, is_first, entry.batch.body.len());
        self.next_send = self.next_send.wrapping_add(1);
        Some(started)
    }

    /// A batch that is to be cut in two, once.
    pub fn next_to_split(&mut self) -> Option<Uuid> {
        let entry = self.entries_mut().find(|entry| entry.hold == Hold::Split)?;
        entry.hold = Hold::Splitting;
        Some(entry.batch.id)
    }

    /// The bytes that a try sends; `None` once it has ended.
    #[must_use]
    pub fn body(&self, send: SendId) -> Option<&[u8]> {
        self.entries.get(self.position(send)?).map(|entry| entry.batch.body.as_slice())
    }

    /// The try has ended: takes its batch out.
    pub fn end(&mut self, send: SendId) -> Option<Box<Entry>> {
        let mut entry = self.take(self.position(send)?)?;
        entry.flight = None;
        Some(entry)
    }

    /// Takes out the oldest batch that is not in flight and is meant.
    pub fn take_oldest(&mut self, is_meant: &dyn Fn(&Entry) -> bool) -> Option<Box<Entry>> {
        let at = self.entries().position(|entry| entry.flight.is_none() && is_meant(entry))?;
        self.take(at)
    }

    /// Takes out what is in storage, one by one, in flight or not; the answers to its tries will
    /// change nothing.
    pub fn take_saved(&mut self) -> Option<Box<Entry>> {
        let at = self.entries().position(|entry| entry.saved.is_there())?;
        self.take(at)
    }

    fn take(&mut self, at: usize) -> Option<Box<Entry>> {
        let entry = list::take(&mut self.entries, at)?;
        self.rows -= u64::from(entry.batch.rows);
        Some(entry)
    }

    fn position(&self, send: SendId) -> Option<usize> {
        self.entries().position(|entry| entry.flight.is_some_and(|flight| flight.send == send))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::StoreId;
    use crate::rng::Rng;
    use crate::time::UnixMs;

    fn batch(time: i64, body_bytes: usize) -> Box<Entry> {
        let id = Rng::new([1, 2, 3, 4]).uuid_v7(UnixMs(time));
        Entry::new(Batch { id, rows: 10, body: alloc::vec![7; body_bytes] }, Hold::Free)
    }

    fn held(time: i64, hold: Hold) -> Box<Entry> {
        let mut entry = batch(time, 5);
        entry.hold = hold;
        entry
    }

    /// Batches made at these times, pushed in this order.
    fn outbox(times: &[i64]) -> Outbox {
        let mut outbox = Outbox::default();
        times.iter().for_each(|&time| outbox.push(batch(time, 5)));
        outbox
    }

    /// The request of the next try, if one may begin.
    fn start(outbox: &mut Outbox, lasting: bool) -> Option<Send> {
        let lasting_bytes = outbox.survey().lasting_bytes;
        outbox.start_next(lasting, lasting_bytes).map(|(send, ..)| send)
    }

    fn times(outbox: &Outbox) -> Vec<i64> {
        outbox.entries().map(|entry| entry.batch.id.v7_time().unwrap().0).collect()
    }

    #[test]
    fn batches_go_oldest_first_and_a_failed_one_keeps_its_place() {
        let mut outbox = outbox(&[1, 2]);
        let (first, is_first, body_bytes) = outbox.start_next(false, 0).unwrap();
        assert_eq!((first.batch.v7_time(), is_first, body_bytes), (Some(UnixMs(1)), true, 5));
        let entry = outbox.end(first.id).unwrap();
        outbox.push(entry);
        assert_eq!(times(&outbox), [1, 2]);
        let (again, is_first, _) = outbox.start_next(false, 0).unwrap();
        assert_eq!((again.batch, is_first), (first.batch, false));
        assert_ne!(again.id, first.id);
    }

    #[test]
    fn batches_keep_the_order_of_sealing_whatever_their_ids_say() {
        let mut outbox = outbox(&[3, 5, 1, 4]);
        assert_eq!(times(&outbox), [3, 5, 1, 4]);
        let second = outbox.take_oldest(&|entry| entry.number == 1).unwrap();
        assert_eq!(times(&outbox), [3, 1, 4]);
        outbox.push(second);
        assert_eq!(times(&outbox), [3, 5, 1, 4]);
        assert_eq!(outbox.next_number(), 4);
    }

    #[test]
    fn halves_take_the_place_of_the_whole_and_its_record() {
        let mut outbox = outbox(&[1, 2, 3]);
        let whole = outbox.take_oldest(&|entry| entry.number == 1).unwrap();
        for time in [7, 8] {
            let Entry { batch, .. } = *batch(time, 5);
            let half = whole.half(batch, Hold::Free);
            assert_eq!(half.key, whole.key);
            outbox.push(half);
        }
        assert_eq!(times(&outbox), [1, 7, 8, 3]);
        start(&mut outbox, false).unwrap();
        let (_, is_first, _) = outbox.start_next(false, 0).unwrap();
        assert!(!is_first, "its rows have left before");
    }

    #[test]
    fn a_try_that_ended_has_no_body_and_cannot_end_twice() {
        let mut outbox = outbox(&[1]);
        let send = start(&mut outbox, false).unwrap().id;
        assert_eq!(outbox.body(send), Some([7; 5].as_slice()));
        assert_eq!(outbox.end(send).unwrap().batch.rows, 10);
        assert_eq!((outbox.body(send), outbox.rows()), (None, 0));
        assert!(outbox.end(send).is_none());
    }

    #[test]
    fn requests_that_outlive_the_page_stay_within_the_browsers_allowance() {
        let mut outbox = Outbox::default();
        [40_000, 20_001, 20_000].into_iter().for_each(|bytes| outbox.push(batch(1, bytes)));
        let lasting = [(); 3].map(|()| start(&mut outbox, false).unwrap().keepalive);
        assert_eq!(lasting, [true, false, true]);
        assert_eq!(outbox.survey().lasting_bytes, KEEPALIVE_BYTES);
    }

    #[test]
    fn a_batch_in_flight_is_not_taken() {
        let mut outbox = outbox(&[1, 2]);
        let send = start(&mut outbox, false).unwrap().id;
        let oldest = |outbox: &mut Outbox| {
            outbox.take_oldest(&|_| true).map(|entry| entry.batch.id.v7_time())
        };
        assert_eq!(oldest(&mut outbox), Some(Some(UnixMs(2))));
        assert_eq!(oldest(&mut outbox), None);
        let entry = outbox.end(send).unwrap();
        outbox.push(entry);
        assert!(outbox.take_oldest(&|entry| entry.batch.rows == 9).is_none(), "not meant");
        assert_eq!(oldest(&mut outbox), Some(Some(UnixMs(1))));
    }

    #[test]
    fn a_held_batch_goes_at_leave_and_a_strictly_held_one_does_not() {
        let mut outbox = Outbox::default();
        outbox.push(held(1, Hold::Stored));
        outbox.push(held(2, Hold::Strict));
        assert!(!outbox.survey().is_ready);
        assert_eq!(start(&mut outbox, false), None);
        let started = start(&mut outbox, true).unwrap();
        assert_eq!(started.batch.v7_time(), Some(UnixMs(1)));
        assert_eq!(start(&mut outbox, true), None);
        assert!(!outbox.survey().is_ready);
    }

    #[test]
    fn a_batch_that_is_to_be_split_is_named_once_and_never_sent() {
        let mut outbox = Outbox::default();
        outbox.push(held(1, Hold::Split));
        let id = outbox.next_to_split().unwrap();
        assert_eq!(id.v7_time(), Some(UnixMs(1)));
        assert_eq!(outbox.next_to_split(), None);
        assert_eq!((start(&mut outbox, false), start(&mut outbox, true)), (None, None));
    }

    #[test]
    fn at_leave_only_what_outlives_the_page_goes() {
        let mut outbox = Outbox::default();
        outbox.push(batch(1, KEEPALIVE_BYTES));
        outbox.push(batch(2, 1));
        assert!(start(&mut outbox, true).unwrap().keepalive);
        assert_eq!(start(&mut outbox, true), None);
        assert!(!start(&mut outbox, false).unwrap().keepalive);
    }

    #[test]
    fn a_survey_counts_bytes_and_rows_by_what_is_known_of_the_record() {
        let mut outbox = Outbox::default();
        for saved in [Saved::No, Saved::Wanted, Saved::Yes(StoreId(1), 50), Saved::Maybe] {
            let mut entry = batch(1, 5);
            entry.saved = saved;
            outbox.push(entry);
        }
        let survey = outbox.survey();
        assert_eq!((survey.body_bytes, survey.record_bytes), (20, 55));
        assert_eq!((survey.saved_rows, survey.is_on_its_way), (10, true));
    }

    #[test]
    fn what_is_written_anew_may_not_be_left_to_others_and_what_is_new_may() {
        for (saved, is_rewritten, may_be_left) in [
            (Saved::Yes(StoreId(1), 50), true, true),
            (Saved::Asked(StoreId(1)), false, true),
            (Saved::Wanted, false, true),
            (Saved::Asked(StoreId(1)), true, false),
            (Saved::Maybe, false, false),
            (Saved::No, false, false),
        ] {
            let mut entry = batch(1, 5);
            (entry.saved, entry.is_rewritten) = (saved, is_rewritten);
            let mut outbox = Outbox::default();
            assert!(outbox.survey().may_be_left, "there is nothing to store");
            outbox.push(entry);
            assert_eq!(outbox.survey().may_be_left, may_be_left, "{saved:?} {is_rewritten}");
        }
    }

    #[test]
    fn what_is_in_storage_is_taken_out_in_flight_or_not() {
        let mut outbox = Outbox::default();
        for saved in [Saved::Yes(StoreId(1), 50), Saved::Asked(StoreId(2))] {
            let mut entry = batch(1, 5);
            entry.saved = saved;
            outbox.push(entry);
        }
        let send = start(&mut outbox, false).unwrap().id;
        assert_eq!(outbox.take_saved().unwrap().saved, Saved::Yes(StoreId(1), 50));
        assert!(outbox.take_saved().is_none());
        assert_eq!((outbox.rows(), outbox.batches()), (10, 1));
        assert!(outbox.end(send).is_none(), "its answer changes nothing");
    }
}
