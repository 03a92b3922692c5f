//! `UUID`.
//!
//! ```text
//! 00112233-4455-6677-8899-aabbccddeeff
//!         77 66 55 44 33 22 11 00   FF EE DD CC BB AA 99 88
//!         two halves, each a u64 little endian
//! ```

use super::{Fault, Fixed, Scalar, Wire};
use crate::rng::Uuid;

/// A column of `UUID`.
pub type Uuids = Fixed<Uuid>;

impl Wire for Uuid {
    const NAME: &'static str = "UUID";
    const SCALAR: Scalar = Scalar::Uuid;
    const DEFAULT: Self = Self([0; 16]);
    type Bytes = [u8; 16];

    fn to_wire(self) -> Self::Bytes {
        turn(self.0)
    }

    fn from_wire(bytes: Self::Bytes) -> Result<Self, Fault> {
        Ok(Self(turn(bytes)))
    }
}

/// Reverses each half; its own inverse. Not inlined: wasm has no instruction for it.
#[inline(never)]
fn turn(bytes: [u8; 16]) -> [u8; 16] {
    let whole = u128::from_be_bytes(bytes);
    // Little endian is the reverse of all sixteen; turning the halves about first undoes half.
    whole.rotate_left(64).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_two_little_endian_halves() {
        let uuid = Uuid::parse(b"00112233-4455-6677-8899-aabbccddeeff").unwrap();
        let wire = uuid.to_wire();
        assert_eq!(wire[..8], [0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0x00]);
        assert_eq!(wire[8..], [0xff, 0xee, 0xdd, 0xcc, 0xbb, 0xaa, 0x99, 0x88]);
        assert_eq!(Uuid::from_wire(wire), Ok(uuid));
    }
}
