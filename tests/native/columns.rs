//! Columns and blocks against the naive twin: drawn rows are written alike, and a body, whole or
//! damaged, is taken by both or by neither.

use crate::naive::{self, Value};
use crate::twin;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use tallymark::block;
use tallymark::column::{
    Array, Bool, Column, Date, DateTime, DateTime64, Days, Float64, IPv6, Int8, Int16, Int32,
    Int64, Json, LowCardinality, Nullable, Push, Strings, UInt8, UInt16, UInt32, UInt64,
    UnixSeconds, Uuids,
};
use tallymark::rng::Uuid;
use tallymark::time::UnixMs;

/// What a value is made from: every type takes from it what it needs.
#[derive(Clone, Debug)]
struct Seed {
    number: u64,
    text: String,
    float: f64,
    null: bool,
    elements: usize,
}

fn seed() -> impl Strategy<Value = Seed> {
    // Few letters, so that values repeat; now and then one that is long.
    let text = prop_oneof![4 => "[ab]{0,3}", 2 => "\\PC{0,12}", 1 => "x{120,140}"];
    let number = prop_oneof![2 => Just(0), 1 => 1..4_u64, 3 => any::<u64>()];
    let float = prop_oneof![Just(0.0), Just(1.0), proptest::num::f64::NORMAL];
    (number, text, float, any::<bool>(), 0..4_usize).prop_map(
        |(number, text, float, null, elements)| Seed { number, text, float, null, elements },
    )
}

/// A column of ours and the same rows as values; the twin names its type.
struct Pair {
    ours: Box<dyn Column>,
    ty: &'static str,
    rows: Vec<Value>,
    /// What the column says of itself, and what the rows say.
    all_default: (bool, bool),
}

fn pair<C, V>(
    ty: &'static str,
    seeds: &[Seed],
    ours: impl Fn(&Seed, &[Seed]) -> V,
    twin: impl Fn(&Seed, &[Seed]) -> Value,
    default: &Value,
) -> Pair
where
    C: Column + Push<V> + Default + 'static,
{
    let mut column = C::default();
    let mut rows = Vec::new();
    for (at, seed) in seeds.iter().enumerate() {
        // An array's elements are the seeds that follow.
        let following = &seeds[at..seeds.len().min(at + seed.elements)];
        column.push(ours(seed, following));
        rows.push(twin(seed, following));
    }
    let all_default = rows.iter().all(|row| row == default);
    let all_default = (column.is_all_default(), all_default);
    Pair { ours: Box::new(column), ty, rows, all_default }
}

macro_rules! numbers {
    ($seeds:expr, $($column:ident $ty:literal $value:expr, $bytes:expr;)*) => {
        [$( pair::<$column, _>(
            $ty,
            $seeds,
            |seed, _| $value(seed.number),
            |seed, _| Value::Number($bytes(seed.number)),
            &Value::Number(vec![0; $bytes(0).len()]),
        ) ),*]
    };
}

fn low<const BYTES: usize>(number: u64) -> Vec<u8> {
    number.to_le_bytes()[..BYTES].to_vec()
}

fn uuid(number: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    bytes[8..].copy_from_slice(&number.rotate_left(13).to_be_bytes());
    bytes
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// `{}` stands for the empty text in a JSON column.
fn json(seed: &Seed) -> &str {
    if seed.text.is_empty() { "{}" } else { &seed.text }
}

fn array(elements: &[Seed], value: impl Fn(&Seed) -> Value) -> Value {
    Value::Array(elements.iter().map(value).collect())
}

fn nullable<V>(seed: &Seed, value: V) -> Option<V> {
    (!seed.null).then_some(value)
}

/// A column of every type.
fn pairs(seeds: &[Seed]) -> Vec<Pair> {
    let mut pairs = Vec::from(numbers!(seeds,
        UInt8 "UInt8" |n| n as u8, low::<1>;
        UInt16 "UInt16" |n| n as u16, low::<2>;
        UInt32 "UInt32" |n| n as u32, low::<4>;
        UInt64 "UInt64" |n| n, low::<8>;
        Int8 "Int8" |n| n as i8, low::<1>;
        Int16 "Int16" |n| n as i16, low::<2>;
        Int32 "Int32" |n| n as i32, low::<4>;
        Int64 "Int64" |n| n as i64, low::<8>;
        Date "Date" |n| Days(n as u16), low::<2>;
        DateTime "DateTime" |n| UnixSeconds(n as u32), low::<4>;
        DateTime64 "DateTime64(3, 'UTC')" |n| UnixMs(n as i64), low::<8>;
    ));
    let empty = Value::Array(Vec::new());
    pairs.extend([
        pair::<Float64, _>(
            "Float64",
            seeds,
            |s, _| s.float,
            |s, _| Value::Float(s.float),
            &Value::Float(0.0),
        ),
        pair::<Bool, _>(
            "Bool",
            seeds,
            |s, _| s.null,
            |s, _| Value::Bool(s.null),
            &Value::Bool(false),
        ),
        pair::<Strings, _>("String", seeds, |s, _| s.text.clone(), |s, _| text(&s.text), &text("")),
        pair::<LowCardinality, _>(
            "LowCardinality(String)",
            seeds,
            |s, _| s.text.clone(),
            |s, _| text(&s.text),
            &text(""),
        ),
        pair::<Json, _>("JSON", seeds, |s, _| s.text.clone(), |s, _| text(json(s)), &text("{}")),
        pair::<Uuids, _>(
            "UUID",
            seeds,
            |s, _| Uuid(uuid(s.number)),
            |s, _| Value::Uuid(uuid(s.number)),
            &Value::Uuid([0; 16]),
        ),
        pair::<IPv6, _>(
            "IPv6",
            seeds,
            |s, _| uuid(s.number).into(),
            |s, _| Value::Ip(uuid(s.number)),
            &Value::Ip([0; 16]),
        ),
        pair::<Nullable<Int32>, _>(
            "Nullable(Int32)",
            seeds,
            |s, _| nullable(s, s.number as i32),
            |s, _| nullable(s, Value::Number(low::<4>(s.number))).unwrap_or(Value::Null),
            &Value::Null,
        ),
        pair::<Nullable<Json>, _>(
            "Nullable(JSON)",
            seeds,
            |s, _| nullable(s, s.text.clone()),
            |s, _| nullable(s, text(json(s))).unwrap_or(Value::Null),
            &Value::Null,
        ),
        pair::<Array<Strings>, _>(
            "Array(String)",
            seeds,
            |_, row| row.iter().map(|s| s.text.clone()).collect::<Vec<_>>(),
            |_, row| array(row, |s| text(&s.text)),
            &empty,
        ),
        pair::<Array<LowCardinality>, _>(
            "Array(LowCardinality(String))",
            seeds,
            |_, row| row.iter().map(|s| s.text.clone()).collect::<Vec<_>>(),
            |_, row| array(row, |s| text(&s.text)),
            &empty,
        ),
        pair::<Array<Array<Nullable<UInt8>>>, _>(
            "Array(Array(Nullable(UInt8)))",
            seeds,
            |_, row| {
                row.iter()
                    .map(|s| vec![nullable(s, s.number as u8); s.elements])
                    .collect::<Vec<_>>()
            },
            |_, row| {
                array(row, |s| {
                    let value =
                        nullable(s, Value::Number(low::<1>(s.number))).unwrap_or(Value::Null);
                    Value::Array(vec![value; s.elements])
                })
            },
            &empty,
        ),
    ]);
    pairs
}

/// The twin's columns, a dictionary only where it is the smaller form.
fn twins(pairs: &[Pair]) -> Vec<naive::Column> {
    let column = |pair: &Pair, ty: &str| naive::Column {
        name: pair.ty.to_lowercase(),
        ty: ty.to_owned(),
        rows: pair.rows.clone(),
        data_bytes: 0,
    };
    let bytes = |column: &naive::Column| naive::encode(std::slice::from_ref(column)).len();
    let smaller = |pair: &Pair| {
        let by_dictionary = column(pair, pair.ty);
        let plain = column(pair, &pair.ty.replace("LowCardinality(String)", "String"));
        if bytes(&plain) <= bytes(&by_dictionary) { plain } else { by_dictionary }
    };
    pairs.iter().map(smaller).collect()
}

fn ours(pairs: &[Pair]) -> Vec<u8> {
    let names: Vec<_> = pairs.iter().map(|pair| pair.ty.to_lowercase()).collect();
    let columns: Vec<_> =
        names.iter().map(String::as_str).zip(pairs.iter().map(|pair| &*pair.ours)).collect();
    let mut out = Vec::new();
    block::encode(&columns, &mut out);
    assert_eq!(out.len(), block::encoded_len(&columns));
    out
}

/// Taken by both with the same values, or refused by both.
fn agree(body: &[u8]) -> bool {
    let walked = block::walk(body).ok().map(|block| twin::view(&block));
    let read = naive::decode(body);
    assert_eq!(walked, read, "{body:02x?}");
    read.is_some()
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(26),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn drawn_blocks_are_written_as_the_twin_writes_them(seeds in prop::collection::vec(seed(), 1..60)) {
        let pairs = pairs(&seeds);
        let body = ours(&pairs);
        prop_assert_eq!(&body, &naive::encode(&twins(&pairs)));
        for pair in &pairs {
            prop_assert_eq!(pair.ours.rows(), seeds.len());
            let (said, true_of_rows) = pair.all_default;
            prop_assert_eq!(said, true_of_rows, "{}", pair.ty);
        }
        prop_assert!(agree(&body));
    }

    #[test]
    fn a_column_that_was_cleared_writes_as_a_new_one(
        before in prop::collection::vec(seed(), 1..40),
        after in prop::collection::vec(seed(), 1..40),
    ) {
        let mut column = LowCardinality::default();
        let mut nested = Array::<Nullable<Strings>>::default();
        let mut fill = |seeds: &[Seed]| {
            column.clear();
            nested.clear();
            for seed in seeds {
                column.push(&seed.text);
                nested.push([nullable(seed, &seed.text)]);
            }
            let mut out = Vec::new();
            block::encode(&[("a", &column), ("b", &nested)], &mut out);
            out
        };
        let fresh = fill(&after);
        fill(&before);
        prop_assert_eq!(fill(&after), fresh);
    }
}

proptest! {
    #![proptest_config(config(3000))]

    #[test]
    fn damaged_blocks_are_taken_by_both_or_by_neither(
        seeds in prop::collection::vec(seed(), 1..12),
        column in any::<prop::sample::Index>(),
        damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        cut in prop::option::weighted(0.1, any::<prop::sample::Index>()),
    ) {
        let mut pairs = pairs(&seeds);
        let mut body = ours(&[pairs.swap_remove(column.index(pairs.len()))]);
        for (at, byte) in damages {
            let at = at.index(body.len());
            body[at] = byte;
        }
        if let Some(cut) = cut {
            body.truncate(cut.index(body.len()));
        }
        agree(&body);
    }
}
