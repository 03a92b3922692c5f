//! `Float64`.
//!
//! ```text
//! 1.5        00 00 00 00 00 00 F8 3F        IEEE 754 binary64, little endian
//! ```
//! ClickHouse stores NaN and infinities as they come; one of them makes every sum over its column
//! useless for good, so walking refuses them.

use super::{Fault, Fixed, Scalar, Wire};

/// A column of `Float64`.
pub type Float64 = Fixed<f64>;

impl Wire for f64 {
    const NAME: &'static str = "Float64";
    const SCALAR: Scalar = Scalar::Float64;
    const DEFAULT: Self = 0.0;
    type Bytes = [u8; 8];

    fn to_wire(self) -> Self::Bytes {
        self.to_le_bytes()
    }

    fn from_wire(bytes: Self::Bytes) -> Result<Self, Fault> {
        let value = Self::from_le_bytes(bytes);
        if value.is_finite() { Ok(value) } else { Err(Fault::NotFinite) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_and_infinities_are_refused() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(f64::from_wire(value.to_wire()), Err(Fault::NotFinite));
        }
        assert_eq!(f64::from_wire((-1.5_f64).to_wire()), Ok(-1.5));
    }

    #[test]
    fn minus_zero_is_not_the_default() {
        use crate::column::{Column, Push};
        let mut column = Float64::default();
        column.push(-0.0);
        assert!(!column.is_all_default(), "leaving it out would turn it into 0");
    }
}
