//! The types this crate knows, and their names in ClickHouse's own spelling.

use super::{Days, UnixSeconds, Wire, array, json, low_cardinality, nullable, string};
use crate::limits::{TYPE_BYTES, TYPE_DEPTH};
use crate::rng::Uuid;
use crate::time::UnixMs;
use alloc::vec::Vec;
use core::fmt;
use core::net::Ipv6Addr;

/// What is at the bottom of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scalar {
    /// `UInt8`
    UInt8,
    /// `UInt16`
    UInt16,
    /// `UInt32`
    UInt32,
    /// `UInt64`
    UInt64,
    /// `Int8`
    Int8,
    /// `Int16`
    Int16,
    /// `Int32`
    Int32,
    /// `Int64`
    Int64,
    /// `Float64`
    Float64,
    /// `Bool`
    Bool,
    /// `String`
    String,
    /// `LowCardinality(String)`
    LowCardinality,
    /// `UUID`
    Uuid,
    /// `Date`
    Date,
    /// `DateTime`, with or without a zone
    DateTime,
    /// `DateTime64(3, 'UTC')`, with or without the zone
    DateTime64,
    /// `IPv6`
    IPv6,
    /// `JSON`
    Json,
}

/// Every scalar with its name, the one that we write first.
///
/// A zone says how the server prints a time, not what it stores, so the same type is read with
/// and without `'UTC'`. Another zone is refused: the server would refuse one that it does not
/// know, and with it all that travels in the same insert.
const SCALARS: &[(Scalar, &str)] = &[
    (Scalar::UInt8, u8::NAME),
    (Scalar::UInt16, u16::NAME),
    (Scalar::UInt32, u32::NAME),
    (Scalar::UInt64, u64::NAME),
    (Scalar::Int8, i8::NAME),
    (Scalar::Int16, i16::NAME),
    (Scalar::Int32, i32::NAME),
    (Scalar::Int64, i64::NAME),
    (Scalar::Float64, f64::NAME),
    (Scalar::Bool, bool::NAME),
    (Scalar::String, string::NAME),
    (Scalar::LowCardinality, low_cardinality::NAME),
    (Scalar::Uuid, Uuid::NAME),
    (Scalar::Date, Days::NAME),
    (Scalar::DateTime, UnixSeconds::NAME),
    (Scalar::DateTime, "DateTime('UTC')"),
    (Scalar::DateTime64, UnixMs::NAME),
    (Scalar::DateTime64, "DateTime64(3)"),
    (Scalar::IPv6, Ipv6Addr::NAME),
    (Scalar::Json, json::NAME),
];

/// A column's type: a scalar, perhaps `Nullable`, inside any number of arrays.
///
/// That is all that ClickHouse lets one build from these parts: `Nullable` takes a scalar only,
/// and neither `LowCardinality(String)` nor another `Nullable`.
///
/// ```
/// use tallymark::column::{Scalar, Type, TypeError};
///
/// let ty = Type::parse(b"Array(Nullable(Int32))")?;
/// assert_eq!((ty.arrays, ty.nullable, ty.scalar), (1, true, Scalar::Int32));
/// assert_eq!(ty.to_string(), "Array(Nullable(Int32))");
/// assert_eq!(Type::parse(b"Int31"), Err(TypeError::Unknown));
/// # Ok::<(), TypeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Type {
    /// How many `Array(…)` are around it.
    pub arrays: u8,
    /// Whether the scalar is `Nullable(…)`.
    pub nullable: bool,
    /// What is inside.
    pub scalar: Scalar,
}

/// Why a type's name was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TypeError {
    /// More than [`TYPE_BYTES`] bytes.
    TooLong,
    /// More than [`TYPE_DEPTH`] types inside one another.
    TooDeep,
    /// Not a type this crate knows, or not in ClickHouse's own spelling.
    Unknown,
}

impl Type {
    /// A scalar alone.
    #[must_use]
    pub const fn scalar(scalar: Scalar) -> Self {
        Self { arrays: 0, nullable: false, scalar }
    }

    /// Reads a name in the spelling that ClickHouse itself prints: `DateTime64(3, 'UTC')` with
    /// its blank, no aliases, no other case.
    ///
    /// # Errors
    /// [`TypeError`], told before anything of a size that the name could choose is done.
    pub fn parse(name: &[u8]) -> Result<Self, TypeError> {
        if name.len() > TYPE_BYTES {
            return Err(TypeError::TooLong);
        }
        let mut inner = name;
        let mut arrays = 0;
        while let Some(element) = unwrap(inner, array::OPEN) {
            inner = element;
            arrays += 1;
        }
        let nullable = unwrap(inner, nullable::OPEN);
        if usize::from(arrays) + usize::from(nullable.is_some()) + 1 > TYPE_DEPTH {
            return Err(TypeError::TooDeep);
        }
        let inner = nullable.unwrap_or(inner);
        let known = SCALARS.iter().find(|(_, name)| name.as_bytes() == inner);
        let &(scalar, _) = known.ok_or(TypeError::Unknown)?;
        if nullable.is_some() && scalar == Scalar::LowCardinality {
            return Err(TypeError::Unknown);
        }
        Ok(Self { arrays, nullable: nullable.is_some(), scalar })
    }

    /// Appends the name, in a spelling that [`parse`](Self::parse) reads.
    pub fn write(&self, out: &mut Vec<u8>) {
        let (open, name, close) = self.pieces();
        for piece in open.chain([name]).chain(close) {
            out.extend_from_slice(piece.as_bytes());
        }
    }

    fn pieces(&self) -> (impl Iterator<Item = &str>, &str, impl Iterator<Item = &str>) {
        let (arrays, nullables) = (usize::from(self.arrays), usize::from(self.nullable));
        let name = SCALARS.iter().find(|(scalar, _)| *scalar == self.scalar);
        let arrays_open = core::iter::repeat_n(array::OPEN, arrays);
        let nullables_open = core::iter::repeat_n(nullable::OPEN, nullables);
        let close = core::iter::repeat_n(")", arrays + nullables);
        (arrays_open.chain(nullables_open), name.map_or("", |(_, name)| name), close)
    }
}

impl fmt::Display for Type {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, name, close) = self.pieces();
        open.chain([name]).chain(close).try_for_each(|piece| formatter.write_str(piece))
    }
}

fn unwrap<'a>(name: &'a [u8], open: &str) -> Option<&'a [u8]> {
    name.strip_prefix(open.as_bytes())?.strip_suffix(b")")
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn every_name_reads_and_prints_back() {
        for (scalar, name) in SCALARS {
            for name in [name.to_string(), alloc::format!("Array(Array({name}))")] {
                let ty = Type::parse(name.as_bytes()).unwrap();
                assert_eq!(ty.scalar, *scalar);
                let written = ty.to_string();
                assert!(written == name || matches!(scalar, Scalar::DateTime | Scalar::DateTime64));
                let mut out = Vec::new();
                ty.write(&mut out);
                assert_eq!(out, written.as_bytes());
                assert_eq!(Type::parse(&out), Ok(ty));
            }
        }
    }

    #[test]
    fn a_time_is_the_same_type_with_and_without_utc() {
        for (name, other) in
            [("DateTime", "DateTime('UTC')"), ("DateTime64(3, 'UTC')", "DateTime64(3)")]
        {
            let ty = Type::parse(name.as_bytes()).unwrap();
            assert_eq!(Type::parse(other.as_bytes()), Ok(ty));
            assert_eq!(ty.to_string(), name);
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        for name in [
            "",
            " String",
            "String ",
            "string",
            "Int128",
            "DateTime64",
            "DateTime64(3,'UTC')",
            "DateTime64(6)",
            "DateTime64(3, 'Mars/Base')",
            "FixedString(4)",
            "Map(String, String)",
            "Nullable(Nullable(Int8))",
            "Nullable(Array(Int8))",
            "Array(Int8",
            "Array()",
            "Nullable(LowCardinality(String))",
            "LowCardinality(Nullable(String))",
            "UInt8)",
        ] {
            assert_eq!(Type::parse(name.as_bytes()), Err(TypeError::Unknown), "{name}");
        }
    }

    #[test]
    fn nesting_has_a_limit() {
        let nested = |depth: usize| "Array(".repeat(depth - 1) + "Int8" + &")".repeat(depth - 1);
        assert!(Type::parse(nested(TYPE_DEPTH).as_bytes()).is_ok());
        let deep = Type::parse(nested(TYPE_DEPTH + 1).as_bytes());
        assert_eq!(deep, Err(TypeError::TooDeep));
    }

    #[test]
    fn a_name_has_a_longest_length() {
        assert_eq!(Type::parse(&[b'x'; TYPE_BYTES]), Err(TypeError::Unknown));
        assert_eq!(Type::parse(&[b'x'; TYPE_BYTES + 1]), Err(TypeError::TooLong));
    }
}
