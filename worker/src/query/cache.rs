//! Answers that this isolate keeps, and which are being fetched.
//!
//! An answer is fresh for as long as its query's head says. For as long again it is stale: served
//! at once, while one request fetches a new one behind it.

use crate::limits;
use std::collections::BTreeMap;
use std::rc::Rc;
use tallymark::time::UnixMs;

/// The answers of one isolate.
#[derive(Debug, Default)]
pub struct Cache {
    kept: BTreeMap<String, Kept>,
    bytes: usize,
    /// When the fetch of a key began.
    flights: BTreeMap<String, UnixMs>,
}

/// One answer: ClickHouse's rows, as they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// When it was computed.
    pub at: UnixMs,
    /// The rows.
    pub rows: Rc<[u8]>,
}

/// How old an answer is, against what its query allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// Within it.
    Fresh,
    /// Beyond it, and good enough until a new one is there.
    Stale,
    /// Beyond that.
    Gone,
}

impl Age {
    /// The age of what was computed at `at`. A time to come is none that one can trust.
    #[must_use]
    pub const fn of(at: UnixMs, now: UnixMs, cache_seconds: u32) -> Self {
        let allowed_ms = cache_seconds as i64 * 1_000;
        let age_ms = now.0.saturating_sub(at.0);
        if age_ms < 0 || age_ms >= allowed_ms * limits::CACHE_STALE_TIMES {
            Self::Gone
        } else if age_ms < allowed_ms {
            Self::Fresh
        } else {
            Self::Stale
        }
    }
}

impl Cache {
    /// The answer under this key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Kept> {
        self.kept.get(key)
    }

    /// Keeps an answer, unless it is larger than all that may be kept.
    pub fn put(&mut self, key: &str, kept: Kept) {
        if kept.rows.len() > limits::CACHE_BYTES {
            return;
        }
        self.remove(key);
        self.bytes += kept.rows.len();
        self.kept.insert(key.into(), kept);
        while self.bytes > limits::CACHE_BYTES || self.kept.len() > limits::CACHE_ENTRIES {
            let oldest = self.kept.iter().min_by_key(|(_, kept)| kept.at);
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else { break };
            self.remove(&oldest);
        }
    }

    fn remove(&mut self, key: &str) {
        if let Some(kept) = self.kept.remove(key) {
            self.bytes -= kept.rows.len();
        }
    }

    /// Whether another request is fetching this key. One that began longer ago than a fetch may
    /// take was given up without a word.
    #[must_use]
    pub fn is_in_flight(&self, key: &str, now: UnixMs, timeout_ms: u32) -> bool {
        let began = self.flights.get(key);
        began.is_some_and(|began| now.0.saturating_sub(began.0) <= i64::from(timeout_ms))
    }

    /// A fetch of this key begins. The oldest is forgotten when there are too many: whoever asks for
    /// its key then fetches it too.
    pub fn take_off(&mut self, key: &str, now: UnixMs) {
        self.flights.insert(key.into(), now);
        if self.flights.len() > limits::FLIGHTS {
            let oldest = self.flights.iter().min_by_key(|(_, began)| **began);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                self.flights.remove(&oldest);
            }
        }
    }

    /// A fetch of this key has ended.
    pub fn land(&mut self, key: &str) {
        self.flights.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(at: i64, bytes: usize) -> Kept {
        Kept { at: UnixMs(at), rows: vec![0; bytes].into() }
    }

    #[test]
    fn s3_15_an_answer_is_fresh_for_its_time_and_stale_as_long_again() {
        let age = |at, now| Age::of(UnixMs(at), UnixMs(now), 3_600);
        assert_eq!(age(0, 0), Age::Fresh);
        assert_eq!(age(0, 3_599_999), Age::Fresh);
        assert_eq!(age(0, 3_600_000), Age::Stale);
        assert_eq!(age(0, 7_199_999), Age::Stale);
        assert_eq!(age(0, 7_200_000), Age::Gone);
        assert_eq!(age(1, 0), Age::Gone);
    }

    #[test]
    fn the_oldest_goes_first_when_there_are_too_many_bytes() {
        let mut cache = Cache::default();
        let half = limits::CACHE_BYTES / 2;
        cache.put("b", kept(2, half));
        cache.put("a", kept(1, half));
        assert!(cache.get("a").is_some() && cache.get("b").is_some());
        cache.put("c", kept(3, 1));
        assert!(cache.get("a").is_none() && cache.get("b").is_some());
        // The same key again counts once.
        cache.put("b", kept(4, half));
        cache.put("d", kept(5, half - 1));
        assert!(["b", "c", "d"].iter().all(|key| cache.get(key).is_some()));
        cache.put("e", kept(9, limits::CACHE_BYTES + 1));
        assert!(cache.get("e").is_none() && cache.get("c").is_some());
    }

    #[test]
    fn the_oldest_goes_first_when_there_are_too_many() {
        let mut cache = Cache::default();
        for at in 0..=limits::CACHE_ENTRIES {
            cache.put(&format!("{at}"), kept(i64::try_from(at).unwrap(), 1));
        }
        assert!(cache.get("0").is_none() && cache.get("1").is_some());
    }

    #[test]
    fn the_oldest_flight_is_forgotten_when_there_are_too_many() {
        let mut cache = Cache::default();
        for at in 0..=limits::FLIGHTS {
            cache.take_off(&format!("{at}"), UnixMs(i64::try_from(at).unwrap()));
        }
        let in_flight = |key| cache.is_in_flight(key, UnixMs(0), u32::MAX);
        assert_eq!((in_flight("0"), in_flight("1")), (false, true));
        assert_eq!(cache.flights.len(), limits::FLIGHTS);
    }

    #[test]
    fn a_flight_lasts_until_it_lands_or_its_time_is_over() {
        let mut cache = Cache::default();
        cache.take_off("a", UnixMs(1_000));
        assert!(cache.is_in_flight("a", UnixMs(1_100), 100));
        assert!(!cache.is_in_flight("a", UnixMs(1_101), 100));
        assert!(!cache.is_in_flight("b", UnixMs(1_000), 100));
        cache.land("a");
        assert!(!cache.is_in_flight("a", UnixMs(1_000), 100));
    }
}
