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
}

impl Inbox {
    /// Room for `bytes` of text.
    pub fn text(&mut self, bytes: usize) -> *const u8 {
        if self.text.len() < bytes {
            self.text = "\0".repeat(bytes.next_power_of_two());
        }
        self.text.as_ptr()
    }

    /// Room for exactly `count` lengths.
    pub fn lengths(&mut self, count: usize) -> *const u32 {
        self.lengths.resize(count, 0);
        self.lengths.as_ptr()
    }

    /// Room for exactly `count` numbers.
    pub fn numbers(&mut self, count: usize) -> *const f64 {
        self.numbers.resize(count, 0.0);
        self.numbers.as_ptr()
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
