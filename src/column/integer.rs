//! `UInt8` to `UInt64`, `Int8` to `Int64`.
//!
//! ```text
//! Int32: 1, -2        01 00 00 00   FE FF FF FF       little endian, two's complement
//! ```

use super::{Fault, Fixed, Scalar, Wire};

macro_rules! integers {
    ($($column:ident $value:ident)*) => { $(
        #[doc = concat!("A column of `", stringify!($column), "`.")]
        pub type $column = Fixed<$value>;

        impl Wire for $value {
            const NAME: &'static str = stringify!($column);
            const SCALAR: Scalar = Scalar::$column;
            const DEFAULT: Self = 0;
            type Bytes = [u8; size_of::<$value>()];

            fn to_wire(self) -> Self::Bytes {
                self.to_le_bytes()
            }

            fn from_wire(bytes: Self::Bytes) -> Result<Self, Fault> {
                Ok(Self::from_le_bytes(bytes))
            }
        }
    )* };
}

integers! {
    UInt8 u8
    UInt16 u16
    UInt32 u32
    UInt64 u64
    Int8 i8
    Int16 i16
    Int32 i32
    Int64 i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::{Column, Push};
    use alloc::vec::Vec;

    #[test]
    fn integers_are_little_endian_and_read_back() {
        let mut column = Int32::default();
        column.push(1);
        column.push(-2);
        let mut out = Vec::new();
        column.write_rows(&mut out);
        assert_eq!(out, [1, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff]);
        assert_eq!(column.values().collect::<Vec<_>>(), [1, -2]);
    }

    #[test]
    fn clear_forgets_the_rows() {
        let mut column = UInt64::default();
        column.push(9);
        column.clear();
        assert_eq!((column.rows(), column.encoded_len()), (0, 0));
        assert!(column.is_all_default());
    }
}
