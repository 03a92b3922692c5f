//! The columns that each golden's query asks for, built by us.

use std::net::Ipv6Addr;
use tallymark::column::{
    Array, Bool, Column, Date, DateTime, DateTime64, Days, Float64, IPv6, Int8, Int16, Int32,
    Int64, Json, LowCardinality, Nullable, Push, Strings, UInt8, UInt16, UInt32, UInt64,
    UnixSeconds, Uuids,
};
use tallymark::rng::Uuid;
use tallymark::time::UnixMs;

/// The columns of one block, by name.
pub type Columns = Vec<(&'static str, Box<dyn Column>)>;

/// A block of one column, `c`.
fn c<C: Push<V> + Default + 'static, V>(values: impl IntoIterator<Item = V>) -> Columns {
    vec![("c", column::<C, V>(values))]
}

fn column<C: Push<V> + Default + 'static, V>(
    values: impl IntoIterator<Item = V>,
) -> Box<dyn Column> {
    let mut column = C::default();
    values.into_iter().for_each(|value| column.push(value));
    Box::new(column)
}

fn uuid(text: &str) -> Uuid {
    Uuid::parse(text.as_bytes()).unwrap()
}

/// What `low_cardinality` holds: enough repetition that the dictionary is the smaller form.
fn names() -> Vec<&'static str> {
    [&["page_view"; 7][..], &["", "engagement_heartbeat"], &["engagement_heartbeat"; 3]].concat()
}

/// Our columns for every golden.
pub fn all() -> Vec<(&'static str, Columns)> {
    let times = [0, 1_704_164_645_678, -1, 253_402_300_799_999].map(UnixMs);
    let ip = |text: &str| text.parse::<Ipv6Addr>().unwrap();
    vec![
        ("uint8", c::<UInt8, _>([0, 1, 255])),
        ("uint16", c::<UInt16, _>([0, 1, 65_535])),
        ("uint32", c::<UInt32, _>([0, 1, u32::MAX])),
        ("uint64", c::<UInt64, _>([0, 1, u64::MAX])),
        ("int8", c::<Int8, _>([0, -1, i8::MIN, i8::MAX])),
        ("int16", c::<Int16, _>([0, -1, i16::MIN, i16::MAX])),
        ("int32", c::<Int32, _>([0, -1, i32::MIN, i32::MAX])),
        ("int64", c::<Int64, _>([0, -1, i64::MIN, i64::MAX])),
        ("float64", c::<Float64, _>([0.0, -0.0, 1.5, -2.25e-300, f64::MAX])),
        ("bool", c::<Bool, _>([true, false])),
        ("string", c::<Strings, _>(["", "ok", "é 🙂", &"x".repeat(300)])),
        ("low_cardinality", c::<LowCardinality, _>(names())),
        ("low_cardinality_as_string", c::<LowCardinality, _>(["page_view", "like"])),
        (
            "uuid",
            c::<Uuids, _>([
                uuid("00112233-4455-6677-8899-aabbccddeeff"),
                uuid("00000000-0000-0000-0000-000000000000"),
            ]),
        ),
        ("date", c::<Date, _>([0, 19_724, u16::MAX].map(Days))),
        ("date_time", c::<DateTime, _>([0, 1_704_164_645, u32::MAX].map(UnixSeconds))),
        ("date_time64", c::<DateTime64, _>(times)),
        ("ipv6", c::<IPv6, _>([ip("2001:db8::1"), ip("::ffff:192.0.2.1"), ip("::")])),
        ("json", c::<Json, _>([r#"{"a":1,"b":{"c":["x","y"]}}"#, ""])),
        ("nullable_int32", c::<Nullable<Int32>, _>([Some(-2), None, Some(0)])),
        ("nullable_string", c::<Nullable<Strings>, _>([Some("a"), None, Some("")])),
        (
            "nullable_date_time64",
            c::<Nullable<DateTime64>, _>([None, Some(UnixMs(1_704_164_645_678))]),
        ),
        (
            "nullable_uuid",
            c::<Nullable<Uuids>, _>([None, Some(uuid("00112233-4455-6677-8899-aabbccddeeff"))]),
        ),
        ("nullable_json", c::<Nullable<Json>, _>([None, Some(r#"{"a":1}"#)])),
        ("array_uint8", c::<Array<UInt8>, _>([vec![7, 8], vec![], vec![9]])),
        ("array_string", c::<Array<Strings>, _>([vec!["a", ""], vec![], vec!["é"]])),
        (
            "array_nullable_int32",
            c::<Array<Nullable<Int32>>, _>([vec![Some(1), None], vec![], vec![Some(3)]]),
        ),
        (
            "array_array_string",
            c::<Array<Array<Strings>>, _>([vec![vec!["a"], vec![]], vec![], vec![vec!["b", "c"]]]),
        ),
        ("array_low_cardinality", c::<Array<LowCardinality>, _>([names(), vec![], vec!["like"]])),
        ("array_json", c::<Array<Json>, _>([vec![r#"{"a":1}"#, ""], vec![], vec![r#"{"b":"x"}"#]])),
        (
            "block",
            vec![
                ("name", column::<Strings, _>(["view", "like"])),
                ("seq", column::<UInt32, _>([0, 1])),
                ("occurred_at", column::<DateTime64, _>([1, 2].map(UnixMs))),
                ("properties", column::<Json, _>([r#"{"a":1}"#, ""])),
            ],
        ),
    ]
}

/// One block of these columns.
pub fn encode(columns: &Columns) -> Vec<u8> {
    let columns: Vec<_> = columns.iter().map(|(name, column)| (*name, column.as_ref())).collect();
    let mut out = Vec::new();
    tallymark::block::encode(&columns, &mut out);
    assert_eq!(out.len(), tallymark::block::encoded_len(&columns));
    out
}
