//! `DateTime`.
//!
//! ```text
//! 2024-01-02 03:04:05        25 7D 93 65        seconds since 1970, u32 little endian
//! ```
//! Without a zone, as the server itself writes it over HTTP even for `DateTime('UTC')`: a type's
//! zone came to the Native format with a protocol revision, and HTTP speaks none.

use super::{Fault, Fixed, Scalar, Wire};

/// A point in time in whole seconds since 1970-01-01T00:00:00Z; the last one is in 2106.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixSeconds(pub u32);

/// A column of `DateTime`.
pub type DateTime = Fixed<UnixSeconds>;

impl Wire for UnixSeconds {
    const NAME: &'static str = "DateTime";
    const SCALAR: Scalar = Scalar::DateTime;
    const DEFAULT: Self = Self(0);
    type Bytes = [u8; 4];

    fn to_wire(self) -> Self::Bytes {
        self.0.to_le_bytes()
    }

    fn from_wire(bytes: Self::Bytes) -> Result<Self, Fault> {
        Ok(Self(u32::from_le_bytes(bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_seconds_little_endian() {
        assert_eq!(UnixSeconds(1_704_164_645).to_wire(), [0x25, 0x7d, 0x93, 0x65]);
        assert_eq!(
            UnixSeconds::from_wire([0x25, 0x7d, 0x93, 0x65]),
            Ok(UnixSeconds(1_704_164_645))
        );
    }
}
