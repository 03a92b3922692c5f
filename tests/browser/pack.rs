//! The packer: every odd value has one outcome, to the byte, and none throws into the page.

use super::js::Js;
use super::page::{Page, Request};
use super::suite::Shell;
use tallymark::block;
use tallymark::limits::STRING_BYTES;
use tallymark::time::UnixMs;
use wasm_bindgen_test::wasm_bindgen_test;

/// Tracks one event with `fields` (JavaScript) and returns the request.
async fn send(page: &Page, fields: &str) -> (Js, Request) {
    let tally = Js::start_with(page, "").await;
    tally.track_js("'view'", fields);
    drop(tally.flush());
    let request = page.next().await;
    (tally, request)
}

/// Asserts that `{ p: value }` arrives as `properties`.
async fn becomes(value: &str, properties: &str) {
    let page = Page::new();
    let (tally, request) = send(&page, &format!("{{ p: {value} }}")).await;
    let sent = page.texts(request, "properties");
    let given = if properties.is_empty() { vec![] } else { vec![properties] };
    let sent: Vec<_> = sent.iter().filter(|text| *text != "{}" && !text.is_empty()).collect();
    assert_eq!(sent, given, "{value}");
    assert_eq!(tally.stat("droppedProperties"), 0.0, "{value}");
}

/// Asserts that the property is left out and counted, and that its neighbours stay.
async fn is_left_out(value: &str) {
    let page = Page::new();
    let (tally, request) = send(&page, &format!("{{ a: 1, p: {value}, z: 2 }}")).await;
    assert_eq!(page.texts(request, "properties"), [r#"{"a":1,"z":2}"#], "{value}");
    assert_eq!(tally.stat("droppedProperties"), 1.0, "{value}");
    assert_eq!(tally.dropped("invalid"), 0, "{value}");
}

/// Asserts that the call is dropped as invalid, and the next one taken.
async fn is_invalid(name: &str, fields: &str) {
    let page = Page::new();
    let tally = Js::start_with(&page, "").await;
    tally.track_js(name, fields);
    tally.track("view", "next");
    drop(tally.flush());
    let request = page.next().await;
    assert_eq!(page.texts(request, "entity_id"), ["next"], "{name} {fields}");
    assert_eq!(tally.dropped("invalid"), 1, "{name} {fields}");
    assert_eq!(tally.stat("tracked"), 2.0, "{name} {fields}");
}

#[wasm_bindgen_test]
async fn texts_and_numbers_become_json() {
    becomes("'plain'", r#"{"p":"plain"}"#).await;
    becomes("''", r#"{"p":""}"#).await;
    becomes(r#"'q"\\b\n\u0001\u001f\u007f'"#, "{\"p\":\"q\\\"\\\\b\\n\\u0001\\u001f\u{7f}\"}")
        .await;
    becomes("0", r#"{"p":0}"#).await;
    becomes("-0", r#"{"p":0}"#).await;
    becomes("-12", r#"{"p":-12}"#).await;
    becomes("1.5", r#"{"p":1.5}"#).await;
    becomes("1e21", r#"{"p":1e+21}"#).await;
    becomes("9007199254740991", r#"{"p":9007199254740991}"#).await;
    becomes("2 ** 60", r#"{"p":1152921504606847000}"#).await;
    becomes("true", r#"{"p":true}"#).await;
    becomes("null", r#"{"p":null}"#).await;
}

#[wasm_bindgen_test]
async fn what_json_lacks_has_a_defined_outcome() {
    becomes("undefined", "").await;
    becomes("() => 1", "").await;
    becomes("Symbol('s')", "").await;
    becomes("NaN", r#"{"p":null}"#).await;
    becomes("-Infinity", r#"{"p":null}"#).await;
    becomes("12345678901234567890n", r#"{"p":"12345678901234567890"}"#).await;
    becomes("new Date(1795435200123)", r#"{"p":"2026-11-23T12:00:00.123Z"}"#).await;
    becomes("new Date(NaN)", r#"{"p":null}"#).await;
    becomes("{ a: [1n, undefined, NaN], b: undefined }", r#"{"p":{"a":["1",null,null]}}"#).await;
    becomes("new Map([[1, 2]])", r#"{"p":{}}"#).await;
    becomes("{ toJSON: () => 'own' }", r#"{"p":"own"}"#).await;
}

#[wasm_bindgen_test]
async fn what_cannot_be_read_is_left_out_and_counted() {
    is_left_out("(() => { const a = {}; a.a = a; return a; })()").await;
    is_left_out("{ get b() { throw new Error('no'); } }").await;
    is_left_out("{ toJSON() { throw new Error('no'); } }").await;
    is_left_out("new Proxy({}, { ownKeys() { throw new Error('no'); } })").await;
    is_left_out("(() => { let a = []; for (let i = 0; i < 1e5; i++) a = [a]; return a; })()").await;
}

#[wasm_bindgen_test]
async fn a_getter_that_throws_is_left_out() {
    let page = Page::new();
    let (tally, request) = send(&page, "{ a: 1, get p() { throw new Error('no'); }, z: 2 }").await;
    assert_eq!(page.texts(request, "properties"), [r#"{"a":1,"z":2}"#]);
    assert_eq!(tally.stat("droppedProperties"), 1.0);
}

#[wasm_bindgen_test]
async fn emoji_and_lone_surrogates_keep_every_string_in_its_place() {
    let page = Page::new();
    let tally = Js::start_with(&page, "").await;
    // A high surrogate ends one text and a low one begins the next: they must not fuse.
    tally.track_js("'a\\ud83d'", "{ entityType: '\\ude00b', entityId: '🤖é', p: 'x\\ud800' }");
    tally.track_js(
        "'ünï'",
        "{ entityType: '', entityId: '\\udc00', 'k\\ud800': { '\\udbff': '\\ud83d' } }",
    );
    tally.track_js("'plain'", "{ entityId: '\\u0000', p: ['\\\\ud800'] }");
    drop(tally.flush());
    let request = page.next().await;
    assert_eq!(page.texts(request, "name"), ["a\u{fffd}", "ünï", "plain"]);
    assert_eq!(page.texts(request, "entity_type"), ["\u{fffd}b", "", ""]);
    assert_eq!(page.texts(request, "entity_id"), ["🤖é", "\u{fffd}", "\0"]);
    let properties = [
        "{\"p\":\"x\u{fffd}\"}",
        "{\"k\u{fffd}\":{\"\u{fffd}\":\"\u{fffd}\"}}",
        r#"{"p":["\\ud800"]}"#,
    ];
    assert_eq!(page.texts(request, "properties"), properties);
}

#[wasm_bindgen_test]
async fn a_string_is_taken_at_its_limit() {
    let page = Page::new();
    // `{"p":""}` around it.
    let (tally, request) = send(&page, &format!("{{ p: 'x'.repeat({STRING_BYTES} - 8) }}")).await;
    assert_eq!(page.texts(request, "properties")[0].len(), STRING_BYTES);
    assert_eq!(tally.dropped("invalid"), 0);
}

#[wasm_bindgen_test]
async fn a_string_above_its_limit_is_invalid() {
    is_invalid("'view'", &format!("{{ p: 'x'.repeat({STRING_BYTES} - 7) }}")).await;
    is_invalid("'view'", "{ entityId: 'x'.repeat(513) }").await;
    is_invalid("'v'.repeat(201)", "{}").await;
}

#[wasm_bindgen_test]
async fn a_property_too_long_by_itself_is_left_out() {
    is_left_out("'x'.repeat(10_000_000)").await;
    is_left_out("['x'.repeat(10_000_000)]").await;
}

#[wasm_bindgen_test]
async fn s1_4_s1_5_only_a_name_and_an_object_make_an_event() {
    for name in ["undefined", "null", "''", "42", "{}", "Symbol('s')", "() => 1"] {
        is_invalid(name, "{}").await;
    }
    for fields in ["5", "'text'", "[]", "true", "() => 1", "Symbol('s')", "5n"] {
        is_invalid("'view'", fields).await;
    }
}

#[wasm_bindgen_test]
async fn a_field_of_the_wrong_kind_makes_the_event_invalid() {
    for fields in [
        "{ value: NaN }",
        "{ value: Infinity }",
        "{ value: '5' }",
        "{ value: 5n }",
        "{ entityId: {} }",
        "{ entityId: NaN }",
        "{ entityType: true }",
        "{ userId: Symbol('s') }",
        "{ occurredAt: 'yesterday' }",
        "{ occurredAt: new Date(NaN) }",
        "{ occurredAt: -1 }",
        "{ get entityId() { throw new Error('no'); } }",
        "new Proxy({}, { ownKeys() { throw new Error('no'); } })",
        "{ properties: new Proxy({}, { ownKeys() { throw new Error('no'); } }) }",
    ] {
        is_invalid("'view'", fields).await;
    }
}

#[wasm_bindgen_test]
async fn fields_go_to_their_columns_and_the_rest_to_properties() {
    let page = Page::new();
    let fields = "{ size: 1, entityType: 'post', entityId: 42n, value: 2.5, userId: 7,
        occurredAt: new Date(1795435200001), name: 'mine', size2: 2,
        properties: { size: 'other', entityType: 'kept', last: true } }";
    let (_, request) = send(&page, fields).await;
    assert_eq!(page.texts(request, "name"), ["view"]);
    assert_eq!(page.texts(request, "entity_id"), ["42"]);
    assert_eq!(page.texts(request, "user_id"), ["7"]);
    let properties = r#"{"size":1,"name":"mine","size2":2,"entityType":"kept","last":true}"#;
    assert_eq!(page.texts(request, "properties"), [properties]);
    let body = page.body(request);
    let block = block::walk(&body).unwrap();
    assert!(block.column("value").unwrap().values::<f64>().unwrap().eq([2.5]));
    let times = block.column("occurred_at").unwrap().values::<UnixMs>().unwrap();
    assert!(times.eq([UnixMs(1_795_435_200_001)]));
}

#[wasm_bindgen_test]
async fn shapes_may_change_from_event_to_event() {
    let page = Page::new();
    let tally = Js::start_with(&page, "").await;
    for fields in [
        "{ a: 1, b: 2 }",
        "{ b: 3, a: 4 }",
        "{ entityId: 'x', a: 5 }",
        "{ a: 6, properties: { b: 7 } }",
        "{ properties: { a: 8 }, b: 9 }",
        "{ a: 10, properties: { value: 11 } }",
        "{ a: 12, properties: {}, value: 13 }",
        "null",
    ] {
        tally.track_js("'view'", fields);
    }
    drop(tally.flush());
    let sent = page.texts(page.next().await, "properties");
    let expected = [
        r#"{"a":1,"b":2}"#,
        r#"{"b":3,"a":4}"#,
        r#"{"a":5}"#,
        r#"{"a":6,"b":7}"#,
        r#"{"b":9,"a":8}"#,
        r#"{"a":10,"value":11}"#,
        r#"{"a":12}"#,
        "{}",
    ];
    assert_eq!(sent, expected);
}

#[wasm_bindgen_test]
async fn a_name_of_a_property_that_is_too_long_is_too_long_every_time() {
    let page = Page::new();
    let tally = Js::start_with(&page, "").await;
    for _ in 0..2 {
        tally.track_js("'view'", "{ ['x'.repeat(40_000)]: 1 }");
    }
    tally.track_js("'view'", "{ a: 1 }");
    drop(tally.flush());
    assert_eq!(page.texts(page.next().await, "properties"), [r#"{"a":1}"#]);
    assert_eq!(tally.stat("dropped.invalid"), 2.0);
}

#[wasm_bindgen_test]
async fn a_burst_larger_than_one_crossing_arrives_whole_and_in_order() {
    let page = Page::new();
    let tally = Js::start_with(&page, "maxRows: 10_000, maxBytes: 1_000_000").await;
    let expected: Vec<String> = (0..1_500).map(|id| format!("{id}-{}", "ü".repeat(100))).collect();
    for id in &expected {
        tally.track("view", id);
    }
    drop(tally.flush());
    assert_eq!(page.texts(page.next().await, "entity_id"), expected);
}
