//! Where JavaScript puts strings and numbers before a call: two buffers in the wasm memory.
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
    /// First the strings' lengths in UTF-16 units, and after [`Inbox::read`] where each of them
    /// ends in `text`; then the numbers.
    numbers: Vec<f64>,
    strings: usize,
    /// Where the two are.
    places: [usize; 2],
}

impl Inbox {
    /// Room for `bytes` of text, and for so many strings' lengths and numbers together; the address
    /// of the two addresses.
    pub fn room(&mut self, bytes: usize, strings: usize, numbers: usize) -> usize {
        while self.text.len() < bytes {
            self.text.push_str("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        }
        self.numbers.resize(strings + numbers, 0.0);
        self.strings = strings;
        self.places = [self.text.as_ptr() as usize, self.numbers.as_ptr() as usize];
        self.places.as_ptr() as usize
    }

    /// Turns the lengths that JavaScript wrote into ends; once after each writing.
    pub fn read(&mut self) {
        let mut bytes = self.text.bytes().enumerate();
        for length in self.numbers.iter_mut().take(self.strings) {
            let mut left = *length as u32;
            // The separator, a line break, is no part of a character: what is over is it.
            for (at, byte) in bytes.by_ref() {
                if left == 0 && byte & 0xc0 != 0x80 {
                    *length = at as f64;
                    break;
                }
                // A character's first byte is a unit; one of four bytes is two, a surrogate pair.
                left = left.saturating_sub(match byte {
                    0x80..0xc0 => 0,
                    0xf0.. => 2,
                    _ => 1,
                });
            }
        }
    }

    /// The string number `at`, empty if there is none.
    pub fn string(&self, at: usize) -> &str {
        let end_of = |at: usize| self.numbers.get(at).map_or(0, |&end| end as usize);
        let start = if at == 0 { 0 } else { end_of(at - 1) + 1 };
        self.text.get(start..end_of(at)).unwrap_or_default()
    }

    /// The number at `at`, 0 if there is none.
    pub fn number(&self, at: usize) -> f64 {
        self.numbers().get(at).copied().unwrap_or_default()
    }

    /// All numbers.
    pub fn numbers(&self) -> &[f64] {
        self.numbers.get(self.strings..).unwrap_or_default()
    }
}
