//! Where JavaScript puts strings and numbers before a call: three buffers in the wasm memory.
//!
//! Passing each string as an argument would encode each by itself, at 450 ns (measured). Here one
//! `encodeInto` writes them all, each with a separator behind it, and `src/effects/memory.js`
//! writes how many UTF-16 units each has.

use alloc::string::String;
use alloc::vec::Vec;

/// The buffers. They only grow; the packer bounds what crosses at once.
#[derive(Default)]
pub struct Inbox {
    /// Valid UTF-8 at all times: zeros, over which `TextEncoder` writes.
    text: String,
    /// UTF-16 lengths as written; where each string ends in `text` after [`Inbox::read`].
    lengths: Vec<u32>,
    numbers: Vec<f64>,
    /// Where the three are.
    places: [usize; 3],
}

impl Inbox {
    /// Room for `bytes` of text and exactly so many strings and numbers; the address of the three
    /// addresses.
    pub fn room(&mut self, bytes: usize, strings: usize, numbers: usize) -> *const usize {
        // Grows to a power of two: seldom, and never again for the same burst.
        if self.text.len() < bytes {
            let missing = bytes.next_power_of_two() - self.text.len();
            self.text.extend(core::iter::repeat_n('\0', missing));
        }
        self.lengths.resize(strings, 0);
        self.numbers.resize(numbers, 0.0);
        self.places = [
            self.text.as_ptr() as usize,
            self.lengths.as_ptr() as usize,
            self.numbers.as_ptr() as usize,
        ];
        self.places.as_ptr()
    }

    /// Turns the lengths that JavaScript wrote into ends; once after each writing.
    pub fn read(&mut self) {
        let mut rest = self.text.as_bytes();
        let all = rest.len();
        for length in &mut self.lengths {
            rest = rest.get(bytes_of(rest, *length as usize)..).unwrap_or_default();
            *length = (all - rest.len()) as u32;
            rest = rest.get(1..).unwrap_or_default();
        }
    }

    /// The string number `at`, empty if there is none.
    pub fn string(&self, at: usize) -> &str {
        let end_of = |at: usize| self.lengths.get(at).map(|&end| end as usize);
        let start = at.checked_sub(1).and_then(end_of).map_or(0, |end| end + 1);
        end_of(at).and_then(|end| self.text.get(start..end)).unwrap_or_default()
    }

    /// The same, owned. Not inlined: it would be, eight times.
    #[inline(never)]
    pub fn owned(&self, at: usize) -> String {
        String::from(self.string(at))
    }

    /// The number at `at`, 0 if there is none.
    pub fn number(&self, at: usize) -> f64 {
        self.numbers.get(at).copied().unwrap_or_default()
    }

    /// All numbers.
    pub fn all_numbers(&self) -> &[f64] {
        &self.numbers
    }
}

/// How many bytes the first `units` UTF-16 units of `text` take in UTF-8.
fn bytes_of(text: &[u8], units: usize) -> usize {
    if text.get(..units).is_some_and(<[u8]>::is_ascii) {
        return units;
    }
    let mut left = units;
    for (at, &byte) in text.iter().enumerate() {
        // A character's first byte; those of four bytes are two units, a surrogate pair.
        if byte & 0xc0 != 0x80 {
            if left == 0 {
                return at;
            }
            left = left.saturating_sub(if byte >= 0xf0 { 2 } else { 1 });
        }
    }
    text.len()
}
