//! `IPv6`, which holds IPv4 addresses too, as `::ffff:a.b.c.d`.
//!
//! ```text
//! 2001:db8::1        20 01 0D B8 00 00 00 00 00 00 00 00 00 00 00 01        network order
//! ```

use super::{Fault, Fixed, Scalar, Wire};
use core::net::Ipv6Addr;

/// A column of `IPv6`.
pub type IPv6 = Fixed<Ipv6Addr>;

impl Wire for Ipv6Addr {
    const NAME: &'static str = "IPv6";
    const SCALAR: Scalar = Scalar::IPv6;
    const DEFAULT: Self = Self::UNSPECIFIED;
    type Bytes = [u8; 16];

    fn to_wire(self) -> Self::Bytes {
        self.octets()
    }

    fn from_wire(bytes: Self::Bytes) -> Result<Self, Fault> {
        Ok(Self::from(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_network_order() {
        let address = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
        assert_eq!(address.to_wire(), [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(Ipv6Addr::from_wire(address.to_wire()), Ok(address));
    }
}
