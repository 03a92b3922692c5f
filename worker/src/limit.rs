//! How many requests a key may make from one address.
//!
//! Where the platform has a binding for this (`RATE_LIMITER`), it counts for all isolates of a place.
//! Without one each isolate counts for itself, by `RATE_LIMIT_PER_MINUTE`: as many isolates as there
//! are, as many times the limit may pass.
//!
//! The address counts only where a header is trusted to tell it (`CLIENT_IP_HEADER`); else a key's
//! requests count together, from wherever they come.

use crate::answer::Answer;
use crate::limits;
use crate::refusal::{Code, Refusal};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv6Addr};
use tallymark::time::UnixMs;

const MINUTE_MS: i64 = 60_000;

/// Who is counted: the key as it is claimed, and the address.
///
/// A household has 64 bits of IPv6 addresses to choose from, so these count as one.
#[must_use]
pub fn name(key: &str, client_ip: Option<&str>) -> String {
    let key: String = key.chars().take(limits::KEY_BYTES).collect();
    let address = client_ip.and_then(|text| text.trim().parse::<IpAddr>().ok());
    match address.map(|address| (address, address.to_canonical())) {
        Some((_, IpAddr::V4(address))) => format!("{key} {address}"),
        Some((_, IpAddr::V6(address))) => {
            format!("{key} {}", Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
        }
        None => format!("{key} "),
    }
}

/// An isolate's counts of the current minute.
///
/// Names are counted by two hashes each, in a table of fixed size, and the smaller count is the
/// name's: whoever sends a million names costs no memory, and others are hardly ever counted with
/// him. The hashes are the isolate's own, so nobody can aim at another.
#[derive(Debug)]
pub struct Limiter {
    seed: u64,
    minute: i64,
    counts: Vec<u32>,
}

impl Limiter {
    /// None counted yet; `seed` is entropy.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed, minute: 0, counts: Vec::new() }
    }

    /// Counts a request of `name`.
    ///
    /// # Errors
    /// The seconds until the next minute, when more than `most` came in this one.
    pub fn count(&mut self, name: &str, most: u32, now: UnixMs) -> Result<(), u32> {
        let minute = now.0.div_euclid(MINUTE_MS);
        if self.minute != minute || self.counts.is_empty() {
            self.minute = minute;
            self.counts.clear();
            self.counts.resize(limits::RATE_COUNTS, 0);
        }
        let mut least = u32::MAX;
        for row in 0..2_u64 {
            let mut hasher = DefaultHasher::new();
            (self.seed, row, name).hash(&mut hasher);
            let at = hasher.finish() % limits::RATE_COUNTS as u64;
            if let Some(count) = usize::try_from(at).ok().and_then(|at| self.counts.get_mut(at)) {
                *count = count.saturating_add(1);
                least = least.min(*count);
            }
        }
        if least <= most {
            return Ok(());
        }
        let left_ms = MINUTE_MS - now.0.rem_euclid(MINUTE_MS);
        Err(u32::try_from(left_ms.div_euclid(1_000) + 1).unwrap_or(limits::RATE_RETRY_AFTER_S))
    }
}

/// `429` with `Retry-After`.
#[must_use]
pub fn refused(retry_after_s: u32) -> Answer {
    let message = "too many requests of this key; send it again later, unchanged";
    Answer::from(Refusal::new(Code::RateLimited, message)).again_after(retry_after_s)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: UnixMs = UnixMs(1_795_435_200_000);

    #[test]
    fn a_name_is_key_and_address_and_a_household_s_addresses_are_one() {
        assert_eq!(name("k", Some("203.0.113.77")), "k 203.0.113.77");
        assert_eq!(name("k", Some("::ffff:203.0.113.77")), "k 203.0.113.77");
        assert_eq!(name("k", Some(" 2001:db8:1:2:3::4 ")), "k 2001:db8:1:2::");
        assert_eq!(name("k", None), "k ");
        assert_eq!(name("k", Some("203.0.113.77, 10.0.0.1")), "k ");
        assert_eq!(name(&"x".repeat(1_000), None).len(), limits::KEY_BYTES + 1);
    }

    #[test]
    fn so_many_pass_in_a_minute_and_again_in_the_next() {
        let mut limiter = Limiter::new(1);
        let at = |ms: i64| NOON.plus_ms(ms);
        for ms in [0, 1, 20_000] {
            assert_eq!(limiter.count("a", 3, at(ms)), Ok(()));
        }
        assert_eq!(limiter.count("a", 3, at(20_000)), Err(41));
        assert_eq!(limiter.count("b", 3, at(20_000)), Ok(()));
        assert_eq!(limiter.count("a", 3, at(59_999)), Err(1));
        assert_eq!(limiter.count("a", 3, at(60_000)), Ok(()));
    }

    #[test]
    fn ten_thousand_names_cost_no_memory_and_another_one_nothing() {
        let mut limiter = Limiter::new(1);
        for other in 0..10_000 {
            assert_eq!(limiter.count(&other.to_string(), 3, NOON), Ok(()));
        }
        assert_eq!(limiter.counts.len(), limits::RATE_COUNTS);
        assert_eq!(limiter.count("a", 1, NOON), Ok(()));
        assert_eq!(limiter.count("a", 1, NOON), Err(61));
    }

    #[test]
    fn the_refusal_says_when_to_come_again() {
        let answer = refused(7);
        assert_eq!(answer.status, 429);
        assert!(answer.headers.contains(&("retry-after", "7".into())));
        assert!(answer.headers.contains(&("access-control-expose-headers", "retry-after".into())));
    }
}
