//! Ids of batches that are durable: the newest in memory, older ones in storage by slices.
//!
//! What is in memory is what the groups' rows hold, so a start rebuilds it from them. Once there
//! are many, or they are old, the oldest groups' keys move into slices: sorted runs of keys, each
//! the keys of one hour (the batch ids' own) that begin with the same byte. A batch whose hour has
//! slices is looked up there; for all others memory alone knows.
//!
//! A run is named by the time at which it was written, which is after every one of its batches had
//! been accepted. A batch lives 24 hours from then at most, whatever its client's clock says, so
//! whole runs are dropped by their name.

use super::key::{Key, Member};
use crate::limits;
use std::collections::{BTreeMap, HashSet, VecDeque};
use tallymark::rng::Uuid;
use tallymark::time::UnixMs;

/// Keys of one hour, one first byte and one run, sorted: a row of the storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// The hour of the batches' ids.
    pub hour: u32,
    /// The first byte of every key.
    pub part: u8,
    /// When the run was written, in Unix milliseconds.
    pub run: i64,
    /// The keys, 16 bytes each, sorted.
    pub keys: Vec<u8>,
}

/// Whether a slice's bytes hold this key.
#[must_use]
pub fn holds(keys: &[u8], key: Key) -> bool {
    let (keys, _) = keys.as_chunks::<16>();
    keys.binary_search(&key.0).is_ok()
}

/// A group that ClickHouse has.
#[derive(Debug)]
struct Settled {
    group: Uuid,
    at: UnixMs,
    members: Vec<Member>,
}

/// All keys.
#[derive(Debug)]
pub struct Known {
    in_memory: HashSet<Key>,
    /// Oldest first.
    settled: VecDeque<Settled>,
    /// Keys of `settled`.
    settled_keys: usize,
    /// Hours that have slices, each with its newest run.
    hours: BTreeMap<u32, i64>,
    last_run: i64,
    next_drop: UnixMs,
    /// Keys that may be in memory; see [`limits::KNOWN_KEYS`].
    most: usize,
    /// The move that is being written: groups of `settled`, and its run.
    moving: Option<(usize, i64)>,
    /// No move before this: the last one could not be written.
    next_move: UnixMs,
}

/// What a move into slices writes and removes, in one transaction.
#[derive(Debug, PartialEq, Eq)]
pub struct Moved {
    /// Rows to write.
    pub slices: Vec<Slice>,
    /// Groups whose rows go.
    pub groups: Vec<Uuid>,
}

impl Known {
    /// Nothing in memory, and these slices in storage: hour and newest run.
    #[must_use]
    pub fn new(slices: &[(u32, i64)], most: usize) -> Self {
        let mut hours = BTreeMap::new();
        for &(hour, run) in slices {
            let newest = hours.entry(hour).or_insert(run);
            *newest = run.max(*newest);
        }
        Self {
            in_memory: HashSet::new(),
            settled: VecDeque::new(),
            settled_keys: 0,
            last_run: hours.values().copied().max().unwrap_or(i64::MIN),
            hours,
            next_drop: UnixMs(i64::MIN),
            most,
            moving: None,
            next_move: UnixMs(i64::MIN),
        }
    }

    /// Keys that have become durable.
    pub fn add(&mut self, members: &[Member]) {
        self.in_memory.extend(members.iter().map(|member| member.key));
    }

    /// Whether memory has the key.
    #[must_use]
    pub fn has(&self, key: Key) -> bool {
        self.in_memory.contains(&key)
    }

    /// Whether storage may have it, if memory has not.
    #[must_use]
    pub fn may_be_stored(&self, hour: u32) -> bool {
        self.hours.contains_key(&hour)
    }

    /// Keys in memory.
    #[must_use]
    pub fn len(&self) -> usize {
        self.in_memory.len()
    }

    /// ClickHouse has the group, whose keys are in memory; its row may go once its keys have moved.
    pub fn settle(&mut self, now: UnixMs, group: Uuid, members: Vec<Member>) {
        self.settled_keys += members.len();
        self.settled.push_back(Settled { group, at: now, members });
    }

    /// The oldest groups' keys, to be moved when they are too many or too old. They stay in memory
    /// until [`Known::moved`].
    pub fn move_out(&mut self, now: UnixMs) -> Option<Moved> {
        let is_full = self.settled_keys > self.most;
        let oldest = self.settled.front().map(|settled| now.since_ms(settled.at));
        let is_due = is_full || oldest.is_some_and(|age| age > 2 * limits::KNOWN_AGE_MS);
        if !is_due || self.moving.is_some() || now < self.next_move {
            return None;
        }
        let mut parts: BTreeMap<(u32, u8), Vec<Key>> = BTreeMap::new();
        let mut groups = Vec::new();
        let mut left = self.settled_keys;
        for settled in &self.settled {
            // Down to half, so that the next move is a while away.
            if left <= self.most / 2 && now.since_ms(settled.at) <= limits::KNOWN_AGE_MS {
                break;
            }
            left -= settled.members.len();
            groups.push(settled.group);
            for member in &settled.members {
                parts.entry((member.hour, member.key.part())).or_default().push(member.key);
            }
        }
        let run = now.0.max(self.last_run.saturating_add(1));
        self.moving = Some((groups.len(), run));
        let slices = parts.into_iter().map(|((hour, part), mut keys)| {
            keys.sort_unstable();
            let keys = keys.iter().flat_map(|key| key.0).collect();
            Slice { hour, part, run, keys }
        });
        Some(Moved { slices: slices.collect(), groups })
    }

    /// The move has been written, or it has not and is tried again in a while.
    pub fn moved(&mut self, now: UnixMs, is_written: bool) {
        let Some((groups, run)) = self.moving.take() else { return };
        if !is_written {
            self.next_move = now.plus_ms(limits::KNOWN_RETRY_MS);
            return;
        }
        self.last_run = run;
        for settled in self.settled.drain(..groups.min(self.settled.len())) {
            self.settled_keys -= settled.members.len();
            for member in settled.members {
                self.in_memory.remove(&member.key);
                self.hours.insert(member.hour, run);
            }
        }
    }

    /// The run before which every batch is older than any may get, at most once an hour.
    pub fn drop_before(&mut self, now: UnixMs) -> Option<i64> {
        if now < self.next_drop {
            return None;
        }
        self.next_drop = now.plus_ms(limits::KNOWN_AGE_MS);
        let before = now.plus_ms(-(limits::BATCH_AGE_MS + limits::KNOWN_MARGIN_MS)).0;
        let hours = self.hours.len();
        self.hours.retain(|_, newest| *newest >= before);
        // An hour with an older run beside a newer one keeps both until the newer goes, so that
        // nothing is written while there is nothing to drop.
        (self.hours.len() < hours).then_some(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;
    const NOON: UnixMs = UnixMs(1_795_435_200_000);

    fn member(hour: u32, first: u8, last: u8) -> Member {
        let mut key = [0; 16];
        key[0] = first;
        key[15] = last;
        Member { hour, key: Key(key), rows: 1, block_bytes: 1 }
    }

    fn group(at: u8) -> Uuid {
        Uuid([at; 16])
    }

    #[test]
    fn keys_move_by_hour_and_first_byte_sorted_when_they_are_too_many() {
        let mut known = Known::new(&[], 3);
        let first = vec![member(7, 1, 9), member(7, 1, 2)];
        let second = vec![member(8, 1, 1), member(7, 2, 1)];
        for (at, members) in [(1, &first), (2, &second)] {
            known.add(members);
            known.settle(NOON, group(at), members.clone());
        }
        let moved = known.move_out(NOON).unwrap();
        assert_eq!(moved.groups, [group(1), group(2)]);
        let slice = |hour, part, keys: &[&Member]| Slice {
            hour,
            part,
            run: NOON.0,
            keys: keys.iter().flat_map(|member| member.key.0).collect(),
        };
        assert_eq!(
            moved.slices,
            [
                slice(7, 1, &[&first[1], &first[0]]),
                slice(7, 2, &[&second[1]]),
                slice(8, 1, &[&second[0]]),
            ]
        );
        assert_eq!((known.len(), known.may_be_stored(7)), (4, false));
        known.moved(NOON, true);
        assert_eq!(known.len(), 0);
        assert!(known.may_be_stored(7) && known.may_be_stored(8) && !known.may_be_stored(9));
        assert!(holds(&moved.slices[0].keys, first[0].key));
        assert!(!holds(&moved.slices[0].keys, second[0].key));
    }

    #[test]
    fn only_the_oldest_half_moves() {
        let mut known = Known::new(&[], 2);
        for at in 1..=3 {
            known.add(&[member(7, at, 0)]);
            known.settle(NOON, group(at), vec![member(7, at, 0)]);
        }
        assert_eq!(known.move_out(NOON).unwrap().groups, [group(1), group(2)]);
        known.moved(NOON, true);
        assert!(known.has(member(7, 3, 0).key));
        assert!(!known.has(member(7, 1, 0).key));
        assert_eq!(known.move_out(NOON), None);
    }

    #[test]
    fn old_keys_move_in_one_go_and_no_run_has_another_s_name() {
        let mut known = Known::new(&[(1, NOON.0 + 3 * HOUR)], 100);
        known.settle(NOON, group(1), vec![member(7, 1, 0)]);
        known.settle(NOON.plus_ms(HOUR), group(2), vec![member(7, 2, 0)]);
        known.settle(NOON.plus_ms(HOUR + 1), group(3), vec![member(7, 3, 0)]);
        assert_eq!(known.move_out(NOON.plus_ms(2 * HOUR)), None);
        let moved = known.move_out(NOON.plus_ms(2 * HOUR + 1)).unwrap();
        assert_eq!(moved.groups, [group(1), group(2)]);
        assert_eq!(moved.slices[0].run, NOON.0 + 3 * HOUR + 1);
    }

    #[test]
    fn a_move_that_was_not_written_leaves_memory_as_it_was_and_comes_again() {
        let mut known = Known::new(&[], 0);
        known.add(&[member(7, 1, 0)]);
        known.settle(NOON, group(1), vec![member(7, 1, 0)]);
        let moved = known.move_out(NOON).unwrap();
        assert_eq!(known.move_out(NOON), None, "one at a time");
        known.moved(NOON, false);
        assert!(known.has(member(7, 1, 0).key) && !known.may_be_stored(7));
        assert_eq!(known.move_out(NOON.plus_ms(59_999)), None);
        let again = known.move_out(NOON.plus_ms(60_000)).unwrap();
        assert_eq!(again.groups, moved.groups);
    }

    #[test]
    fn a_run_is_dropped_a_margin_after_its_batches_have_ended() {
        let life = 25 * HOUR;
        let mut known = Known::new(&[(7, NOON.0), (8, NOON.0 + HOUR)], 100);
        assert_eq!(known.drop_before(NOON.plus_ms(life)), None);
        // Not looked at again within the hour.
        assert_eq!(known.drop_before(NOON.plus_ms(life + 1)), None);
        assert!(known.may_be_stored(7));
        assert_eq!(known.drop_before(NOON.plus_ms(life + HOUR)), Some(NOON.0 + HOUR));
        assert!(!known.may_be_stored(7) && known.may_be_stored(8));
        assert_eq!(known.drop_before(NOON.plus_ms(life + 3 * HOUR)), Some(NOON.0 + 3 * HOUR));
        assert!(!known.may_be_stored(8));
    }
}
