//! Seeded randomness: the shell hands over entropy once, the core draws ids and jitter from it.

use crate::time::UnixMs;

/// A UUID as its 16 bytes in network order, the order of its text form.
///
/// On ClickHouse's wire it is two little-endian halves; [`crate::column`] does that turn. Aligned, so
/// that it is moved as two words: moved as five pieces, it cost the page 138 bytes of brotli.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(align(8))]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// The text form in lower case, as ASCII bytes: 8-4-4-4-12 hex digits.
    #[must_use]
    pub fn to_text(self) -> [u8; 36] {
        let mut text = [b'-'; 36];
        let mut at = 0;
        for byte in self.0 {
            if matches!(at, 8 | 13 | 18 | 23) {
                at += 1;
            }
            for nibble in [byte >> 4, byte & 15] {
                if let Some(slot) = text.get_mut(at) {
                    *slot = if nibble < 10 { b'0' + nibble } else { b'a' - 10 + nibble };
                }
                at += 1;
            }
        }
        text
    }

    /// Reads the text form, either case; `None` for anything that is not 8-4-4-4-12 hex digits.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() != 36 {
            return None;
        }
        let mut bytes = [0; 16];
        let mut nibbles = 0_usize;
        for (at, &character) in text.iter().enumerate() {
            if matches!(at, 8 | 13 | 18 | 23) {
                if character != b'-' {
                    return None;
                }
                continue;
            }
            let digit = match character {
                b'0'..=b'9' => character - b'0',
                b'a'..=b'f' => character - b'a' + 10,
                b'A'..=b'F' => character - b'A' + 10,
                _ => return None,
            };
            let byte = bytes.get_mut(nibbles / 2)?;
            *byte = (*byte << 4) | digit;
            nibbles += 1;
        }
        Some(Self(bytes))
    }

    /// A version 7 UUID (RFC 9562, 5.7): 48 bits of `time`, then what these bytes hold beside it,
    /// version and variant aside.
    #[must_use]
    pub const fn v7(time: UnixMs, bytes: [u8; 16]) -> Self {
        let time = if time.0 < 0 { 0 } else { time.0 };
        let [_, _, a, b, c, d, e, f] = time.to_be_bytes();
        let [_, _, _, _, _, _, g, h, i, j, k, l, m, n, o, p] = bytes;
        Self([a, b, c, d, e, f, 0x70 | g & 0x0f, h, 0x80 | i & 0x3f, j, k, l, m, n, o, p])
    }

    /// The time in a version 7 UUID (RFC 9562, 5.7), `None` for every other version or variant.
    #[must_use]
    pub fn v7_time(self) -> Option<UnixMs> {
        let [a, b, c, d, e, f, version, _, variant, ..] = self.0;
        if version >> 4 != 7 || variant >> 6 != 0b10 {
            return None;
        }
        Some(UnixMs(i64::from_be_bytes([0, 0, a, b, c, d, e, f])))
    }
}

impl core::fmt::Display for Uuid {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // ASCII, as all of [`Uuid::to_text`] is.
        out.write_str(core::str::from_utf8(&self.to_text()).unwrap_or_default())
    }
}

/// xoshiro256++ (Blackman and Vigna, 2019): small, fast, and good enough for ids because its
/// seed is 32 bytes of the platform's own entropy.
#[derive(Clone, Debug)]
pub struct Rng {
    state: [u64; 4],
}

impl Rng {
    /// A generator from 32 bytes of entropy (`crypto.getRandomValues` in a page).
    ///
    /// An all-zero seed, which xoshiro cannot leave, counts as another.
    #[must_use]
    pub fn new(seed: [u64; 4]) -> Self {
        let [a, b, c, d] = seed;
        let is_zero = a | b | c | d == 0;
        Self { state: [a | u64::from(is_zero), b, c, d] }
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let c2 = c ^ a;
        let d2 = d ^ b;
        self.state = [a ^ d2, b ^ c2, c2 ^ (b << 17), d2.rotate_left(45)];
        result
    }

    /// A number from 0 up to and without `bound`, which counts as 2³² − 1 at most; 0 for a bound
    /// of 0.
    ///
    /// By multiplication (Lemire 2019) without rejection: for the bounds used here, delays in
    /// milliseconds, the bias is below 2⁻¹⁶.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((self.next_u64() >> 32) * bound.min(u64::from(u32::MAX))) >> 32
    }

    /// A UUID of version 7 (RFC 9562, 5.7): 48 bits of `now`, then random bits.
    pub fn uuid_v7(&mut self, now: UnixMs) -> Uuid {
        let time = now.0.max(0) as u64 & 0xffff_ffff_ffff;
        let random = self.next_u64() >> 48;
        self.uuid(time << 16 | random, 7)
    }

    /// A UUID of version 4 (RFC 9562, 5.4): 122 random bits.
    pub fn uuid_v4(&mut self) -> Uuid {
        let high = self.next_u64();
        self.uuid(high, 4)
    }

    /// A UUID of these upper 64 bits, but for the version, and random lower ones.
    fn uuid(&mut self, high: u64, version: u64) -> Uuid {
        let high = high & !0xf000 | version << 12;
        let low = self.next_u64() & !(0b11 << 62) | 0b10 << 62;
        let mut bytes = [0; 16];
        let (first, second) = bytes.split_at_mut(8);
        first.copy_from_slice(&high.to_be_bytes());
        second.copy_from_slice(&low.to_be_bytes());
        Uuid(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuid_v7_carries_its_time_version_and_variant() {
        let mut rng = Rng::new([1, 2, 3, 4]);
        let id = rng.uuid_v7(UnixMs(1_795_435_200_123));
        assert_eq!(id.v7_time(), Some(UnixMs(1_795_435_200_123)));
        assert_eq!(id.0[6] >> 4, 7);
        assert_eq!(id.0[8] >> 6, 0b10);
    }

    #[test]
    fn uuid_v7_of_bytes_keeps_what_is_not_time_version_or_variant() {
        let id = Uuid::v7(UnixMs(0x0102_0304_0506), [0xff; 16]);
        assert_eq!(id.to_text(), *b"01020304-0506-7fff-bfff-ffffffffffff");
        assert_eq!(Uuid::v7(UnixMs(-1), [0; 16]).v7_time(), Some(UnixMs(0)));
    }

    #[test]
    fn uuid_v4_has_no_v7_time() {
        assert_eq!(Rng::new([1, 2, 3, 4]).uuid_v4().v7_time(), None);
    }

    #[test]
    fn uuid_text_reads_back_in_either_case() {
        let id = Rng::new([5, 6, 7, 8]).uuid_v4();
        let text = id.to_text();
        assert_eq!(Uuid::parse(&text), Some(id));
        assert_eq!(Uuid::parse(&text.to_ascii_uppercase()), Some(id));
        assert_eq!(&text[8..9], b"-");
    }

    #[test]
    fn uuid_parse_refuses_what_is_not_a_uuid() {
        for text in [
            "",
            "0198c9a0",
            "0198c9a0_0000-7000-8000-000000000000",
            "0198c9a0-0000-7000-8000-00000000000g",
            "0198c9a0-0000-7000-8000-0000000000001",
        ] {
            assert_eq!(Uuid::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn below_stays_below_its_bound_and_zero_gives_zero() {
        let mut rng = Rng::new([9, 9, 9, 9]);
        assert_eq!(rng.below(0), 0);
        assert!((0..1000).all(|_| rng.below(7) < 7));
    }

    #[test]
    fn a_seed_of_zeros_is_left() {
        let mut rng = Rng::new([0; 4]);
        assert_ne!([rng.next_u64(), rng.next_u64()], [0, 0]);
    }

    #[test]
    fn first_outputs_follow_the_reference_implementation() {
        // xoshiro256plusplus.c (prng.di.unimi.it) with state 1, 2, 3, 4.
        let mut rng = Rng::new([1, 2, 3, 4]);
        assert_eq!([rng.next_u64(), rng.next_u64()], [41_943_041, 58_720_359]);
    }
}
