//! Reading a body that nobody vouches for: every step checks what is left before it takes it.

use super::{Fault, varint};

/// A place in a slice of untrusted bytes, moving forward only and never past the end.
///
/// ```
/// use tallymark::column::{Cursor, Fault};
///
/// let mut cursor = Cursor::new(&[2, b'o', b'k', 7]);
/// assert_eq!(cursor.text(), Ok(&b"ok"[..]));
/// assert_eq!(cursor.at(), 3);
/// assert_eq!(cursor.text(), Err(Fault::Truncated), "7 bytes are claimed, none is there");
/// ```
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor at the first byte.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, at: 0 }
    }

    /// Bytes taken so far.
    #[must_use]
    pub const fn at(&self) -> usize {
        self.at
    }

    /// Bytes that are left.
    #[must_use]
    pub const fn left(&self) -> usize {
        self.rest.len()
    }

    /// The bytes that are left; taking none of them.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `bytes` bytes.
    ///
    /// # Errors
    /// [`Fault::Truncated`] when fewer are left; nothing is taken then.
    pub fn take(&mut self, bytes: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.rest.split_at_checked(bytes).ok_or(Fault::Truncated)?;
        self.rest = rest;
        self.at += bytes;
        Ok(taken)
    }

    /// `items` times `width` bytes.
    ///
    /// # Errors
    /// [`Fault::Truncated`] when fewer are left, or the product is no number at all.
    pub fn take_items(&mut self, items: usize, width: usize) -> Result<&'a [u8], Fault> {
        self.take(items.checked_mul(width).ok_or(Fault::Truncated)?)
    }

    /// A count or length: LEB128, at most ten bytes, in its shortest form.
    ///
    /// # Errors
    /// [`Fault::Truncated`] or [`Fault::Varint`].
    #[inline]
    pub fn varint(&mut self) -> Result<u64, Fault> {
        // Nearly all lengths take one byte, and there is one in front of every string.
        if let [byte @ 0..0x80, rest @ ..] = self.rest {
            self.rest = rest;
            self.at += 1;
            return Ok(u64::from(*byte));
        }
        let (value, bytes) = varint::read(self.rest)?;
        self.take(bytes)?;
        Ok(value)
    }

    /// A number of 8 bytes, little endian.
    ///
    /// # Errors
    /// [`Fault::Truncated`].
    pub fn u64_le(&mut self) -> Result<u64, Fault> {
        let bytes = self.take(8)?;
        Ok(u64::from_le_bytes(bytes.try_into().unwrap_or_default()))
    }

    /// A varint length and that many bytes: names, types and values of `String` alike.
    ///
    /// # Errors
    /// [`Fault::Truncated`] or [`Fault::Varint`].
    pub fn text(&mut self) -> Result<&'a [u8], Fault> {
        let bytes = usize::try_from(self.varint()?).map_err(|_| Fault::Truncated)?;
        self.take(bytes)
    }
}
