//! Blocks as the page and the edge make them.

use crate::Database;
use tallymark::block;
use tallymark::column::{Column, DateTime64, Json, LowCardinality, Push, Strings, UInt32};
use tallymark::time::UnixMs;

fn encoded(columns: &[(&str, &dyn Column)]) -> Vec<u8> {
    let mut out = Vec::new();
    block::encode(columns, &mut out);
    out
}

#[test]
fn concatenated_blocks_may_differ_in_columns_order_and_form() {
    let database = Database::new("concatenated");
    let table = database.table(
        "t",
        "name LowCardinality(String), properties JSON, seq UInt32 DEFAULT 9, at DateTime64(3, 'UTC')",
    );
    // A short block: its names go as String, its properties are left out.
    let (mut name, mut seq) = (LowCardinality::default(), UInt32::default());
    name.push("view");
    seq.push(0);
    let short = encoded(&[("seq", &seq), ("name", &name)]);
    // A long one: names by dictionary, properties as JSON, seq left out.
    let (mut name, mut json) = (LowCardinality::default(), Json::default());
    name.push_repeated("engagement", 40);
    json.push_repeated(r#"{"a":1}"#, 40);
    let long = encoded(&[("name", &name), ("properties", &json)]);
    // And properties as String.
    let (mut name, mut text) = (Strings::default(), Strings::default());
    name.push("like");
    text.push(r#"{"b":2}"#);
    let third = encoded(&[("properties", &text), ("name", &name)]);

    database.client.insert(&table, &[short, long, third].concat());
    let back = database.client.text(&format!(
        "SELECT name, toString(properties), seq, count() FROM {table} GROUP BY ALL ORDER BY ALL \
         SETTINGS output_format_json_quote_64bit_integers = 0 FORMAT CSV"
    ));
    assert_eq!(
        back,
        "\"engagement\",\"{\"\"a\"\":1}\",9,40\n\"like\",\"{\"\"b\"\":2}\",9,1\n\"view\",\"{}\",0,1\n"
    );
}

#[test]
fn a_time_is_stored_alike_with_and_without_its_zone() {
    let database = Database::new("zones");
    let table = database.table("t", "at DateTime64(3, 'UTC')");
    let mut at = DateTime64::default();
    at.push(UnixMs(1_704_164_645_678));
    let with = encoded(&[("at", &at)]);
    let without = [b"\x01\x01\x02at\x0dDateTime64(3)", &with[with.len() - 8..]].concat();
    database.client.insert(&table, &[with, without].concat());
    let back = database.client.text(&format!("SELECT DISTINCT at FROM {table} FORMAT TSV"));
    assert_eq!(back, "2024-01-02 03:04:05.678\n");
}

#[test]
fn what_the_edge_appends_is_stored_beside_the_clients_columns() {
    let database = Database::new("appended");
    let table = database
        .table("t", "site LowCardinality(String), seq UInt32, occurred_at DateTime64(3, 'UTC')");
    let (mut seq, mut at) = (UInt32::default(), DateTime64::default());
    seq.push(0);
    seq.push(1);
    at.push_repeated(UnixMs(0), 2);
    let body = encoded(&[("occurred_at", &at), ("seq", &seq)]);
    let walked = block::walk(&body).unwrap();
    let mut site = LowCardinality::default();
    site.push_repeated("blog", 2);
    let times = [UnixMs(1_704_164_645_678), UnixMs(-1)];
    let mut out = Vec::new();
    block::append(&walked, Some(("occurred_at", &times)), &[("site", &site)], &mut out).unwrap();

    database.client.insert(&table, &out);
    let back = database.client.text(&format!("SELECT * FROM {table} ORDER BY seq FORMAT TSV"));
    assert_eq!(back, "blog\t0\t2024-01-02 03:04:05.678\nblog\t1\t1969-12-31 23:59:59.999\n");
}

#[test]
fn texts_are_stored_alike_with_and_without_a_dictionary() {
    let database = Database::new("texts");
    let columns = "id UInt32, low LowCardinality(String), text String";
    let table = database.table("t", columns);
    let (mut id, mut texts) = (UInt32::default(), LowCardinality::default());
    let mut plain = Strings::default();
    for row in 0..40 {
        id.push(row);
        texts.push(["/feed/of/the/first", ""][(row % 2) as usize]);
        plain.push(["/feed/of/the/first", ""][(row % 2) as usize]);
    }
    let by_dictionary = encoded(&[("id", &id), ("low", &texts), ("text", &texts)]);
    assert!(by_dictionary.windows(22).any(|bytes| bytes == b"LowCardinality(String)"));
    let as_string = encoded(&[("id", &id), ("low", &plain), ("text", &plain)]);
    database.client.insert(&table, &[by_dictionary, as_string].concat());
    let back = database.client.text(&format!(
        "SELECT low, text, count(), uniqExact(id) FROM {table} GROUP BY ALL ORDER BY ALL FORMAT CSV"
    ));
    let path = "/feed/of/the/first";
    assert_eq!(back, format!("\"\",\"\",40,20\n\"{path}\",\"{path}\",40,20\n"));
}
