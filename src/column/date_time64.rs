//! `DateTime64(3, 'UTC')`.
//!
//! ```text
//! 2024-01-02 03:04:05.678        2E DB 20 C8 8C 01 00 00        ms since 1970, i64 little endian
//! ```
//! The type must be exact: an `Int64` sent for it is read as seconds and answered 200 (measured).

use super::{Fault, Fixed, Scalar, Wire};
use crate::time::UnixMs;

/// A column of `DateTime64(3, 'UTC')`.
pub type DateTime64 = Fixed<UnixMs>;

impl Wire for UnixMs {
    const NAME: &'static str = "DateTime64(3, 'UTC')";
    const SCALAR: Scalar = Scalar::DateTime64;
    const DEFAULT: Self = Self(0);
    type Bytes = [u8; 8];

    fn to_wire(self) -> Self::Bytes {
        self.0.to_le_bytes()
    }

    fn from_wire(bytes: Self::Bytes) -> Result<Self, Fault> {
        Ok(Self(i64::from_le_bytes(bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_milliseconds_little_endian() {
        let wire = [0x2e, 0xdb, 0x20, 0xc8, 0x8c, 0x01, 0x00, 0x00];
        assert_eq!(UnixMs(1_704_164_645_678).to_wire(), wire);
        assert_eq!(UnixMs::from_wire(wire), Ok(UnixMs(1_704_164_645_678)));
    }
}
