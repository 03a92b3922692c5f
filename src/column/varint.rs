//! The variable-length number of the Native format: unsigned LEB128.
//!
//! ```text
//! 300 = 0b10_0101100    AC        02
//!                       1·0101100 0·0000010     high bit: more follows
//! ```
//! Checked against ClickHouse 26.7.2.1 (`src/IO/VarInt.h`). The server also reads longer forms of
//! the same number (`80 00` for 0); we refuse them, so that a body has one reading only.

use super::Fault;
use alloc::vec::Vec;

/// Bytes that the largest `u64` takes.
const LONGEST: usize = 10;

/// Appends `value`. Not by `push`: its way to grow is another one than that of slices, and the page
/// would download both.
pub fn write(mut value: usize, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.extend_from_slice(&[value as u8 | 0x80]);
        value >>= 7;
    }
    out.extend_from_slice(&[value as u8]);
}

/// Bytes that [`write()`] appends for `value`.
#[must_use]
pub const fn len(mut value: usize) -> usize {
    let mut bytes = 1;
    while value >= 0x80 {
        bytes += 1;
        value >>= 7;
    }
    bytes
}

/// The number at the start of `bytes`, and how many bytes it took.
///
/// # Errors
/// [`Fault::Truncated`] when it does not end within `bytes`; [`Fault::Varint`] when it is longer
/// than ten bytes, larger than a `u64`, or not in its shortest form.
///
/// ```
/// use tallymark::column::{Fault, varint};
///
/// assert_eq!(varint::read(&[0xac, 0x02, 0xff]), Ok((300, 2)));
/// assert_eq!(varint::read(&[0x80, 0x00]), Err(Fault::Varint));
/// assert_eq!(varint::read(&[0x80]), Err(Fault::Truncated));
/// ```
pub fn read(bytes: &[u8]) -> Result<(u64, usize), Fault> {
    let mut value = 0;
    for (at, &byte) in bytes.iter().take(LONGEST).enumerate() {
        let bits = u64::from(byte & 0x7f);
        // The tenth byte has room for bit 63 alone.
        if at == LONGEST - 1 && byte > 1 {
            return Err(Fault::Varint);
        }
        value |= bits << (7 * at);
        if byte & 0x80 == 0 {
            let shortest = at == 0 || byte != 0;
            return if shortest { Ok((value, at + 1)) } else { Err(Fault::Varint) };
        }
    }
    Err(Fault::Truncated)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back_and_has_the_length_told() {
        for value in [0, 1, 127, 128, 300, 16_383, 16_384, usize::MAX] {
            let mut out = Vec::new();
            write(value, &mut out);
            assert_eq!(out.len(), len(value));
            assert_eq!(read(&out), Ok((value as u64, out.len())));
        }
    }

    #[test]
    fn more_than_ten_bytes_is_refused() {
        assert_eq!(read(&[0xff; 11]), Err(Fault::Varint));
        assert_eq!(read(&[0x80; 11]), Err(Fault::Varint));
    }

    #[test]
    fn the_largest_u64_is_read_and_one_bit_more_is_refused() {
        let mut bytes = [0xff; 10];
        bytes[9] = 1;
        assert_eq!(read(&bytes), Ok((u64::MAX, 10)));
        bytes[9] = 2;
        assert_eq!(read(&bytes), Err(Fault::Varint));
    }

    #[test]
    fn a_longer_form_than_needed_is_refused() {
        assert_eq!(read(&[0x80, 0x00]), Err(Fault::Varint));
        assert_eq!(read(&[0xff, 0x80, 0x00]), Err(Fault::Varint));
    }

    #[test]
    fn an_unfinished_number_is_truncated() {
        assert_eq!(read(&[]), Err(Fault::Truncated));
        assert_eq!(read(&[0x80]), Err(Fault::Truncated));
        assert_eq!(read(&[0xff; 9]), Err(Fault::Truncated));
    }
}
