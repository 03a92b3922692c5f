//! What walking found, in the naive twin's terms, so that the two can be compared.

use crate::naive::{self, Value};
use core::net::Ipv6Addr;
use tallymark::block::{Block, ColumnView};
use tallymark::column::{Days, Scalar, Type, UnixSeconds, Wire};
use tallymark::rng::Uuid;
use tallymark::time::UnixMs;

/// Every column of a walked block, its values read by the core's own accessors.
pub fn view(block: &Block<'_>) -> Vec<naive::Column> {
    let column = |column: &ColumnView<'_>| naive::Column {
        name: column.name().to_owned(),
        ty: column.ty().to_string(),
        rows: rows(column, block.rows()),
        data_bytes: column.data().len(),
    };
    block.columns().iter().map(column).collect()
}

fn rows(column: &ColumnView<'_>, rows: usize) -> Vec<Value> {
    let ty = column.ty();
    if ty != Type::scalar(ty.scalar) {
        // No accessor for nested types yet: the twin reads the bytes that walking says are theirs.
        return naive::decode_data(&ty.to_string(), column.data(), rows).unwrap();
    }
    match ty.scalar {
        Scalar::UInt8 => numbers::<u8>(column),
        Scalar::UInt16 => numbers::<u16>(column),
        Scalar::UInt32 => numbers::<u32>(column),
        Scalar::UInt64 => numbers::<u64>(column),
        Scalar::Int8 => numbers::<i8>(column),
        Scalar::Int16 => numbers::<i16>(column),
        Scalar::Int32 => numbers::<i32>(column),
        Scalar::Int64 => numbers::<i64>(column),
        Scalar::Date => numbers::<Days>(column),
        Scalar::DateTime => numbers::<UnixSeconds>(column),
        Scalar::DateTime64 => numbers::<UnixMs>(column),
        Scalar::Float64 => values(column, Value::Float),
        Scalar::Bool => values(column, Value::Bool),
        Scalar::Uuid => values(column, |uuid: Uuid| Value::Uuid(uuid.0)),
        Scalar::IPv6 => values(column, |address: Ipv6Addr| Value::Ip(address.octets())),
        Scalar::String | Scalar::LowCardinality | Scalar::Json => {
            column.texts().unwrap().map(|text| Value::Text(text.to_owned())).collect()
        }
    }
}

fn values<V: Wire>(column: &ColumnView<'_>, value: impl Fn(V) -> Value) -> Vec<Value> {
    column.values::<V>().unwrap().map(value).collect()
}

fn numbers<V: Wire>(column: &ColumnView<'_>) -> Vec<Value> {
    values(column, |value: V| Value::Number(value.to_wire().as_ref().to_vec()))
}
