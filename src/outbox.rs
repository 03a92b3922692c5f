//! Sealed batches on their way: waiting or in flight, in memory, oldest first.
//!
//! Invariant: a batch's bytes are never touched here; they are lent out and given back or dropped.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::limits::KEEPALIVE_BYTES;
use crate::rng::Uuid;
use crate::time::{TickMs, UnixMs};

/// A sealed batch.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// What a shell needs to know of a try that begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Started {
    /// The try.
    pub send: SendId,
    /// The batch it is of.
    pub batch: Uuid,
    /// Its events.
    pub rows: u32,
    /// Bytes of its body.
    pub body_bytes: usize,
    /// Whether no try came before it.
    pub first: bool,
    /// Whether the request may outlive the page.
    pub keepalive: bool,
}

/// A try that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The batch it was of.
    pub batch: Uuid,
    /// Its events.
    pub rows: u32,
    /// Bytes of its body.
    pub body_bytes: usize,
    /// When the try began.
    pub began: TickMs,
    /// Whether some try of the batch ever went unanswered.
    pub unanswered: bool,
    /// How many of its tries have failed.
    pub failures: u32,
}

/// What a batch waits for before a try of it may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Nothing.
    Free,
    /// Its record, but not longer than this; when the page goes, not at all.
    Until(TickMs),
    /// Its record, come what may: its rows are still in storage under another id.
    Strict,
}

/// A batch with what has happened to it.
#[derive(Debug)]
pub struct Entry {
    /// The batch.
    pub batch: Batch,
    /// Whether a try of it has begun.
    pub tried: bool,
    /// Whether a try of it may have gone unanswered: it may never be split.
    pub unanswered: bool,
    /// What it waits for.
    pub hold: Hold,
    failures: u32,
    flight: Option<Flight>,
}

#[derive(Debug)]
struct Flight {
    send: SendId,
    began: TickMs,
    keepalive: bool,
}

/// The batches that nobody has accepted or refused yet.
#[derive(Debug, Default)]
pub struct Outbox {
    entries: VecDeque<Entry>,
    rows: u64,
    bytes: usize,
    next_send: u32,
}

impl Outbox {
    /// Takes a sealed batch, behind all older ones.
    pub fn push(&mut self, batch: Batch, hold: Hold) {
        self.insert(Entry::new(batch, hold));
    }

    /// Takes a batch that was somebody else's, in the order of its id's time: nobody knows what
    /// has become of its tries.
    pub fn adopt(&mut self, batch: Batch) {
        self.insert(Entry { unanswered: true, ..Entry::new(batch, Hold::Free) });
    }

    /// Takes a half of a batch that was taken out; its rows have been sent before.
    pub fn push_half(&mut self, batch: Batch, hold: Hold) {
        self.insert(Entry { tried: true, ..Entry::new(batch, hold) });
    }

    fn insert(&mut self, entry: Entry) {
        self.rows += u64::from(entry.batch.rows);
        self.bytes += entry.batch.body.len();
        let time = |entry: &Entry| entry.batch.id.v7_time();
        let newer = self.entries.iter().rev().take_while(|other| time(other) > time(&entry));
        self.entries.insert(self.entries.len() - newer.count(), entry);
    }

    /// Events in all batches, in flight or not.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// Bytes of all batches, in flight or not.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The ids of all batches, oldest first.
    pub fn ids(&self) -> impl Iterator<Item = Uuid> + '_ {
        self.batches().map(|batch| batch.id)
    }

    /// All batches, oldest first.
    pub fn batches(&self) -> impl Iterator<Item = &Batch> {
        self.entries.iter().map(|entry| &entry.batch)
    }

    /// The batch of this id.
    pub fn get_mut(&mut self, batch: Uuid) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.batch.id == batch)
    }

    /// Tries under way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.entries.iter().filter(|entry| entry.flight.is_some()).count()
    }

    /// When the first of the batches that wait may go, as far as they themselves are concerned.
    #[must_use]
    pub fn ready_at(&self) -> Option<TickMs> {
        let waiting = self.entries.iter().filter(|entry| entry.flight.is_none());
        let ready = waiting.filter_map(|entry| match entry.hold {
            Hold::Free => Some(TickMs(0)),
            Hold::Until(tick) => Some(tick),
            Hold::Strict => None,
        });
        ready.min()
    }

    /// Lets batches go that have waited long enough; whether there were any.
    pub fn release(&mut self, now: TickMs) -> bool {
        let mut released = false;
        for entry in &mut self.entries {
            if matches!(entry.hold, Hold::Until(tick) if tick <= now) {
                entry.hold = Hold::Free;
                released = true;
            }
        }
        released
    }

    /// Lets all batches go that wait for their record, but for those that must.
    pub fn release_all(&mut self) {
        self.release(TickMs(u64::MAX));
    }

    /// Begins a try of the oldest batch that may go; with `lasting`, when the page goes, of the
    /// oldest of those whose request may outlive it, and no record is waited for.
    ///
    /// A request may outlive the page as long as all such bodies together stay within
    /// [`KEEPALIVE_BYTES`]: beyond it the browser would reject the request outright.
    pub fn start_next(&mut self, now: TickMs, lasting: bool) -> Option<Started> {
        let flights = self
            .entries
            .iter()
            .filter(|entry| entry.flight.as_ref().is_some_and(|flight| flight.keepalive));
        let taken_bytes: usize = flights.map(|entry| entry.batch.body.len()).sum();
        let fits = |entry: &Entry| taken_bytes + entry.batch.body.len() <= KEEPALIVE_BYTES;
        let may_go = |entry: &Entry| match entry.hold {
            Hold::Free => !lasting || fits(entry),
            Hold::Until(_) => lasting && fits(entry),
            Hold::Strict => false,
        };
        let free = |entry: &&mut Entry| entry.flight.is_none() && may_go(entry);
        let entry = self.entries.iter_mut().find(free)?;
        entry.hold = Hold::Free;
        let body_bytes = entry.batch.body.len();
        let keepalive = fits(entry);
        let send = SendId(self.next_send);
        self.next_send = self.next_send.wrapping_add(1);
        let first = !entry.tried;
        entry.tried = true;
        entry.flight = Some(Flight { send, began: now, keepalive });
        let Batch { id: batch, rows, .. } = entry.batch;
        Some(Started { send, batch, rows, body_bytes, first, keepalive })
    }

    /// The bytes that a try sends; `None` once it has ended.
    #[must_use]
    pub fn body(&self, send: SendId) -> Option<&[u8]> {
        self.position(send).and_then(|at| self.entries.get(at)).map(|e| e.batch.body.as_slice())
    }

    /// The try has settled the batch, one way or the other: forgets it.
    pub fn settle(&mut self, send: SendId) -> Option<(Ended, Batch)> {
        let entry = self.remove(self.position(send)?)?;
        Some((entry.ended(entry.flight.as_ref()?), entry.batch))
    }

    /// The try has settled nothing: the batch waits again, in its old place.
    pub fn wait_again(&mut self, send: SendId, unanswered: bool) -> Option<Ended> {
        let at = self.position(send)?;
        let entry = self.entries.get_mut(at)?;
        let flight = entry.flight.take()?;
        entry.unanswered |= unanswered;
        entry.failures = entry.failures.saturating_add(1);
        Some(entry.ended(&flight))
    }

    /// Takes a batch out, in flight or not.
    pub fn take(&mut self, batch: Uuid) -> Option<Batch> {
        let at = self.entries.iter().position(|entry| entry.batch.id == batch)?;
        self.remove(at).map(|entry| entry.batch)
    }

    /// Drops the oldest batch that is not in flight.
    pub fn drop_oldest(&mut self) -> Option<Batch> {
        let at = self.entries.iter().position(|entry| entry.flight.is_none())?;
        self.remove(at).map(|entry| entry.batch)
    }

    /// Drops a batch that waits and whose id is older than `horizon`, if there is one.
    pub fn drop_older_than(&mut self, horizon: UnixMs) -> Option<Batch> {
        let at = self.entries.iter().position(|entry| {
            entry.flight.is_none() && entry.batch.id.v7_time().is_some_and(|time| time < horizon)
        })?;
        self.remove(at).map(|entry| entry.batch)
    }

    fn remove(&mut self, at: usize) -> Option<Entry> {
        let entry = self.entries.remove(at)?;
        self.rows = self.rows.saturating_sub(u64::from(entry.batch.rows));
        self.bytes = self.bytes.saturating_sub(entry.batch.body.len());
        Some(entry)
    }

    fn position(&self, send: SendId) -> Option<usize> {
        self.entries.iter().position(|entry| entry.flight.as_ref().is_some_and(|f| f.send == send))
    }
}

impl Entry {
    const fn new(batch: Batch, hold: Hold) -> Self {
        Self { batch, tried: false, unanswered: false, hold, failures: 0, flight: None }
    }

    fn ended(&self, flight: &Flight) -> Ended {
        Ended {
            batch: self.batch.id,
            rows: self.batch.rows,
            body_bytes: self.batch.body.len(),
            began: flight.began,
            unanswered: self.unanswered,
            failures: self.failures,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn batch(time: i64, body_bytes: usize) -> Batch {
        let id = Rng::new([1, 2, 3, 4]).uuid_v7(UnixMs(time));
        Batch { id, rows: 10, body: alloc::vec![7; body_bytes] }
    }

    #[test]
    fn batches_go_oldest_first_and_a_failed_one_keeps_its_place() {
        let mut outbox = Outbox::default();
        outbox.push(batch(1, 5), Hold::Free);
        outbox.push(batch(2, 5), Hold::Free);
        let first = outbox.start_next(TickMs(0), false).unwrap();
        assert!(first.first);
        assert_eq!(first.batch.v7_time(), Some(UnixMs(1)));
        assert_eq!(outbox.wait_again(first.send, true).unwrap().began, TickMs(0));
        let again = outbox.start_next(TickMs(9), false).unwrap();
        assert_eq!((again.batch, again.first), (first.batch, false));
        assert_ne!(again.send, first.send);
    }

    #[test]
    fn a_try_that_ended_has_no_body_and_cannot_end_twice() {
        let mut outbox = Outbox::default();
        outbox.push(batch(1, 5), Hold::Free);
        let send = outbox.start_next(TickMs(0), false).unwrap().send;
        assert_eq!(outbox.body(send), Some([7; 5].as_slice()));
        assert_eq!(outbox.settle(send).unwrap().0.rows, 10);
        assert_eq!(outbox.body(send), None);
        assert_eq!(outbox.settle(send), None);
        assert_eq!(outbox.wait_again(send, true), None);
    }

    #[test]
    fn one_unanswered_try_marks_the_batch_for_good() {
        let mut outbox = Outbox::default();
        outbox.push(batch(1, 5), Hold::Free);
        for (unanswered, marked) in [(false, false), (true, true), (false, true)] {
            let send = outbox.start_next(TickMs(0), false).unwrap().send;
            assert_eq!(outbox.wait_again(send, unanswered).unwrap().unanswered, marked);
        }
    }

    #[test]
    fn requests_that_outlive_the_page_stay_within_the_browsers_allowance() {
        let mut outbox = Outbox::default();
        outbox.push(batch(1, 40_000), Hold::Free);
        outbox.push(batch(2, 20_001), Hold::Free);
        outbox.push(batch(3, 20_000), Hold::Free);
        let lasting: Vec<bool> =
            (0..3).map(|_| outbox.start_next(TickMs(0), false).unwrap().keepalive).collect();
        assert_eq!(lasting, [true, false, true]);
    }

    #[test]
    fn a_batch_in_flight_is_neither_dropped_nor_expired() {
        let mut outbox = Outbox::default();
        outbox.push(batch(1, 5), Hold::Free);
        outbox.push(batch(2, 5), Hold::Free);
        let send = outbox.start_next(TickMs(0), false).unwrap().send;
        assert_eq!(outbox.drop_oldest().unwrap().id.v7_time(), Some(UnixMs(2)));
        assert_eq!(outbox.drop_oldest(), None);
        assert_eq!(outbox.drop_older_than(UnixMs(9)), None);
        outbox.wait_again(send, true);
        assert_eq!(outbox.drop_older_than(UnixMs(1)), None, "exactly at the horizon it lives");
        assert_eq!(outbox.drop_older_than(UnixMs(2)).unwrap().id.v7_time(), Some(UnixMs(1)));
    }
}
