//! `Bool`.
//!
//! ```text
//! true, false        01 00
//! ```
//! ClickHouse takes any other byte and keeps it as it is (a `Bool` of 7 that equals neither);
//! walking refuses it.

use super::{Fault, Fixed, Scalar, Wire};

/// A column of `Bool`.
pub type Bool = Fixed<bool>;

impl Wire for bool {
    const NAME: &'static str = "Bool";
    const SCALAR: Scalar = Scalar::Bool;
    const DEFAULT: Self = false;
    type Bytes = [u8; 1];

    fn to_wire(self) -> Self::Bytes {
        [u8::from(self)]
    }

    fn from_wire([byte]: Self::Bytes) -> Result<Self, Fault> {
        match byte {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Fault::NotBool),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_zero_and_one_are_bools() {
        assert_eq!(bool::from_wire([0]), Ok(false));
        assert_eq!(bool::from_wire([1]), Ok(true));
        assert_eq!(bool::from_wire([2]), Err(Fault::NotBool));
    }
}
