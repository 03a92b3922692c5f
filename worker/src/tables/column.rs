//! A column of whatever type a table declares: values of JSON become its wire form.
//!
//! What has a dictionary in the table goes as plain strings, and so does `JSON`: the server converts
//! both. What is written here is walked and checked again as a block, like a client's own.

use crate::events::{properties, rfc3339};
use serde_json::Value;
use std::net::IpAddr;
use tallymark::column::{Days, Scalar, Type, UnixSeconds, Wire, varint};
use tallymark::rng::Uuid;
use tallymark::schema::ColumnSpec;
use tallymark::time::UnixMs;

/// One column's values so far.
#[derive(Debug)]
pub struct Values {
    ty: Type,
    max_bytes: usize,
    /// Offsets of each array, outermost first.
    offsets: Vec<Vec<u64>>,
    nulls: Vec<u8>,
    data: Vec<u8>,
}

/// Whether a column may hold this value.
pub fn takes(spec: &ColumnSpec, value: &Value) -> bool {
    Values::new(spec).push(value).is_ok()
}

impl Values {
    /// None yet.
    pub fn new(spec: &ColumnSpec) -> Self {
        let offsets = vec![Vec::new(); usize::from(spec.ty.arrays)];
        let (nulls, data) = (Vec::new(), Vec::new());
        Self { ty: spec.ty, max_bytes: spec.max_bytes, offsets, nulls, data }
    }

    /// Appends one row's value. After an error the column is of no use any more.
    ///
    /// # Errors
    /// What the value must be.
    pub fn push(&mut self, value: &Value) -> Result<(), String> {
        self.push_at(0, value)
    }

    fn push_at(&mut self, depth: usize, value: &Value) -> Result<(), String> {
        if depth < self.offsets.len() {
            let Value::Array(elements) = value else { return Err("an array".into()) };
            for element in elements {
                self.push_at(depth + 1, element)?;
            }
            if let Some(offsets) = self.offsets.get_mut(depth) {
                let before = offsets.last().copied().unwrap_or_default();
                offsets.push(before + elements.len() as u64);
            }
            return Ok(());
        }
        if self.ty.nullable {
            self.nulls.push(u8::from(value.is_null()));
            if value.is_null() {
                self.push_default();
                return Ok(());
            }
        }
        self.push_scalar(value)
    }

    /// What stands where NULL is.
    fn push_default(&mut self) {
        let bytes = match self.ty.scalar {
            Scalar::UInt8 | Scalar::Int8 | Scalar::Bool => 1,
            // A length of 0.
            Scalar::String | Scalar::LowCardinality | Scalar::Json => 1,
            Scalar::UInt16 | Scalar::Int16 | Scalar::Date => 2,
            Scalar::UInt32 | Scalar::Int32 | Scalar::DateTime => 4,
            Scalar::UInt64 | Scalar::Int64 | Scalar::Float64 | Scalar::DateTime64 => 8,
            Scalar::Uuid | Scalar::IPv6 => 16,
        };
        self.data.resize(self.data.len() + bytes, 0);
    }

    fn push_scalar(&mut self, value: &Value) -> Result<(), String> {
        match self.ty.scalar {
            Scalar::UInt8 => self.whole::<u8>(value),
            Scalar::UInt16 => self.whole::<u16>(value),
            Scalar::UInt32 => self.whole::<u32>(value),
            Scalar::UInt64 => self.whole::<u64>(value),
            Scalar::Int8 => self.whole::<i8>(value),
            Scalar::Int16 => self.whole::<i16>(value),
            Scalar::Int32 => self.whole::<i32>(value),
            Scalar::Int64 => self.whole::<i64>(value),
            // JSON has no infinity and no NaN.
            Scalar::Float64 => self.put(value.as_f64().ok_or("a number")?),
            Scalar::Bool => self.put(value.as_bool().ok_or("true or false")?),
            Scalar::String | Scalar::LowCardinality => self.text(value.as_str().ok_or("text")?),
            Scalar::Json => {
                let text = properties(value).map_err(|_| "an object that names each path once")?;
                self.text(&text)
            }
            Scalar::Uuid => {
                let uuid = value.as_str().and_then(|text| Uuid::parse(text.as_bytes()));
                self.put(uuid.ok_or("a UUID")?)
            }
            Scalar::Date => {
                let day = value.as_str().filter(|text| text.len() == 10);
                let start = day.and_then(|day| rfc3339(&format!("{day}T00:00:00Z")));
                let days =
                    start.and_then(|start| u16::try_from(start.0.div_euclid(86_400_000)).ok());
                self.put(Days(days.ok_or("a day from 1970-01-01 to 2149-06-06")?))
            }
            Scalar::DateTime => {
                let time = time(value).and_then(|ms| u32::try_from(ms.0.div_euclid(1_000)).ok());
                self.put(UnixSeconds(time.ok_or("a time from 1970 to 2106")?))
            }
            Scalar::DateTime64 => {
                // ClickHouse's own range ends with 2299.
                const LAST_MS: i64 = 10_413_791_999_999;
                let time = time(value).filter(|time| (0..=LAST_MS).contains(&time.0));
                self.put(time.ok_or("a time from 1970 to 2299")?)
            }
            Scalar::IPv6 => {
                let address = value.as_str().and_then(|text| text.parse().ok());
                self.put(match address.ok_or("an address of IPv4 or IPv6")? {
                    IpAddr::V4(address) => address.to_ipv6_mapped(),
                    IpAddr::V6(address) => address,
                })
            }
        }
    }

    /// A whole number; one that JavaScript cannot write as such may come as text.
    fn whole<T: Wire + TryFrom<i128>>(&mut self, value: &Value) -> Result<(), String> {
        let number = match value {
            Value::Number(number) => {
                number.as_u64().map(i128::from).or_else(|| number.as_i64().map(i128::from))
            }
            Value::String(text) if !text.starts_with('+') => text.parse::<i128>().ok(),
            _ => None,
        };
        let number = number.and_then(|number| T::try_from(number).ok());
        self.put(number.ok_or_else(|| format!("a whole number that fits {}", T::NAME))?)
    }

    fn put<T: Wire>(&mut self, value: T) -> Result<(), String> {
        self.data.extend_from_slice(value.to_wire().as_ref());
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), String> {
        if text.len() > self.max_bytes {
            return Err(format!("text of at most {} bytes", self.max_bytes));
        }
        varint::write(text.len(), &mut self.data);
        self.data.extend_from_slice(text.as_bytes());
        Ok(())
    }

    /// How many bytes they take.
    pub fn bytes(&self) -> usize {
        let offsets: usize = self.offsets.iter().map(Vec::len).sum();
        offsets * size_of::<u64>() + self.nulls.len() + self.data.len()
    }

    /// Appends name, type and rows.
    pub fn encode(&self, name: &str, out: &mut Vec<u8>) {
        let scalar = match self.ty.scalar {
            Scalar::LowCardinality | Scalar::Json => Scalar::String,
            other => other,
        };
        for text in [name, &Type { scalar, ..self.ty }.to_string()] {
            varint::write(text.len(), out);
            out.extend_from_slice(text.as_bytes());
        }
        for offset in self.offsets.iter().flatten() {
            out.extend_from_slice(&offset.to_le_bytes());
        }
        out.extend_from_slice(&self.nulls);
        out.extend_from_slice(&self.data);
    }
}

/// Unix milliseconds, or a time of RFC 3339.
fn time(value: &Value) -> Option<UnixMs> {
    match value {
        Value::Number(number) => number.as_f64().map(|ms| UnixMs(ms as i64)),
        Value::String(text) => rfc3339(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::borrow::Cow;
    use tallymark::block;
    use tallymark::schema::By;

    fn spec(ty: &str) -> ColumnSpec {
        let ty = Type::parse(ty.as_bytes()).unwrap();
        let name = Cow::Borrowed("c");
        ColumnSpec { name, ty, by: By::Client, required: true, max_bytes: 5 }
    }

    fn pushed(ty: &str, values: &[Value]) -> Result<Vec<u8>, String> {
        let mut column = Values::new(&spec(ty));
        for value in values {
            column.push(value)?;
        }
        let mut out = Vec::new();
        varint::write(1, &mut out);
        varint::write(values.len(), &mut out);
        column.encode("c", &mut out);
        Ok(out)
    }

    #[test]
    fn values_of_every_type_are_a_block_that_the_core_reads() {
        for (ty, values) in [
            ("UInt8", vec![json!(0), json!(255)]),
            ("UInt64", vec![json!(u64::MAX), json!("18446744073709551615")]),
            ("Int64", vec![json!(i64::MIN), json!("-9223372036854775808")]),
            ("Float64", vec![json!(-1.5), json!(2)]),
            ("Bool", vec![json!(true)]),
            ("String", vec![json!("äa"), json!("")]),
            ("LowCardinality(String)", vec![json!("a")]),
            ("UUID", vec![json!("01a20846-fe00-7000-8000-000000000001")]),
            ("Date", vec![json!("1970-01-01"), json!("2149-06-06")]),
            ("DateTime", vec![json!(0), json!("2106-02-07T06:28:15Z")]),
            ("DateTime64(3, 'UTC')", vec![json!(1), json!("2299-12-31T23:59:59.999Z")]),
            ("IPv6", vec![json!("::1"), json!("203.0.113.77")]),
            ("JSON", vec![json!({})]),
            ("Nullable(Int8)", vec![json!(null), json!(-128)]),
            ("Nullable(IPv6)", vec![json!(null)]),
            ("Nullable(UUID)", vec![json!(null)]),
            ("Nullable(Date)", vec![json!(null)]),
            ("Nullable(Bool)", vec![json!(null)]),
            ("Nullable(String)", vec![json!(null)]),
            ("Array(Array(Nullable(String)))", vec![json!([["a", null], []]), json!([])]),
        ] {
            let body = pushed(ty, &values).unwrap();
            let block = block::walk(&body).unwrap();
            assert_eq!(block.rows(), values.len(), "{ty}");
        }
    }

    #[test]
    fn an_array_s_offsets_stand_before_its_elements() {
        let body = pushed("Array(UInt8)", &[json!([7, 8]), json!([]), json!([9])]).unwrap();
        let mut expected = b"\x01\x03\x01c\x0cArray(UInt8)".to_vec();
        for offset in [2_u64, 2, 3] {
            expected.extend_from_slice(&offset.to_le_bytes());
        }
        expected.extend_from_slice(&[7, 8, 9]);
        assert_eq!(body, expected);
    }

    #[test]
    fn what_is_no_value_of_the_type_is_told_what_it_must_be() {
        for (ty, value, expected) in [
            ("UInt8", json!(256), "a whole number that fits UInt8"),
            ("UInt8", json!(-1), "a whole number that fits UInt8"),
            ("UInt8", json!(1.5), "a whole number that fits UInt8"),
            ("UInt8", json!("+1"), "a whole number that fits UInt8"),
            ("UInt8", json!(null), "a whole number that fits UInt8"),
            ("Float64", json!("1"), "a number"),
            ("Bool", json!(1), "true or false"),
            ("String", json!(1), "text"),
            ("String", json!("sixsix"), "text of at most 5 bytes"),
            ("JSON", json!([]), "an object that names each path once"),
            ("UUID", json!("1"), "a UUID"),
            ("Date", json!("2026-02-30"), "a day from 1970-01-01 to 2149-06-06"),
            ("Date", json!("2149-06-07"), "a day from 1970-01-01 to 2149-06-06"),
            ("Date", json!(1), "a day from 1970-01-01 to 2149-06-06"),
            ("DateTime", json!(-1), "a time from 1970 to 2106"),
            ("DateTime", json!("2106-02-07T06:28:16Z"), "a time from 1970 to 2106"),
            ("DateTime64(3)", json!(10_413_792_000_000_i64), "a time from 1970 to 2299"),
            ("IPv6", json!("1"), "an address of IPv4 or IPv6"),
            ("Array(UInt8)", json!(1), "an array"),
            ("Array(UInt8)", json!([null]), "a whole number that fits UInt8"),
        ] {
            assert_eq!(
                pushed(ty, std::slice::from_ref(&value)).unwrap_err(),
                expected,
                "{ty} {value}"
            );
        }
    }
}
