//! `Date`.
//!
//! ```text
//! 2024-01-02        0C 4D        days since 1970-01-01, u16 little endian
//! ```

use super::{Fault, Fixed, Scalar, Wire};

/// A day, as days since 1970-01-01; the last one is 2149-06-06.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Days(pub u16);

/// A column of `Date`.
pub type Date = Fixed<Days>;

impl Wire for Days {
    const NAME: &'static str = "Date";
    const SCALAR: Scalar = Scalar::Date;
    const DEFAULT: Self = Self(0);
    type Bytes = [u8; 2];

    fn to_wire(self) -> Self::Bytes {
        self.0.to_le_bytes()
    }

    fn from_wire(bytes: Self::Bytes) -> Result<Self, Fault> {
        Ok(Self(u16::from_le_bytes(bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_days_little_endian() {
        assert_eq!(Days(19_724).to_wire(), [0x0c, 0x4d]);
        assert_eq!(Days::from_wire([0x0c, 0x4d]), Ok(Days(19_724)));
    }
}
