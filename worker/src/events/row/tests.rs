//! How one event of JSON is read, and what is said of each that is wrong.

use super::*;

const ID: &str = "01a2084a-5500-7000-8000-000000000001";

fn parse(text: &str) -> Result<Row, Fault> {
    Row::parse(text, Names::Columns, false)
}

fn message(text: &str) -> String {
    let fault = parse(text).unwrap_err();
    assert_eq!(fault.code, Code::BadEvent);
    fault.message
}

/// An event with one member more, written as JSON.
fn with(member: &str, value: &str) -> String {
    format!(r#"{{"name":"view","{member}":{value}}}"#)
}

fn text<'a>(row: &'a Row, column: &str) -> &'a str {
    &row.texts[TEXTS.iter().position(|(name, ..)| *name == column).unwrap()]
}

fn ip(value: &str) -> Result<String, String> {
    Row::parse(&with("ip_address", value), Names::Columns, true)
        .map(|row| row.ip.map(|ip| ip.to_string()).unwrap_or_default())
        .map_err(|fault| fault.message)
}

#[test]
fn a_row_of_every_field_is_read_in_snake_and_in_camel_case() {
    let snake = format!(
        r#"{{"name":"view","entity_type":"post","entity_id":"42","value":2.5,"user_id":"u",
            "visitor_id":"v","session_id":"{ID}","page_id":"{ID}","seq":7,
            "occurred_at":1795435200123,"properties":{{"b":[1,"x"],"a":null}},
            "hostname":"e.example","pathname":"/a","referrer":"r","utm_source":"s",
            "utm_medium":"m","utm_campaign":"c"}}"#
    );
    let id = Uuid::parse(ID.as_bytes()).unwrap();
    let texts = ["view", "post", "42", "u", "v", "e.example", "/a", "r", "s", "m", "c"];
    let expected = Row {
        texts: texts.map(str::to_owned),
        identity: Some((id, 7)),
        session_id: id,
        occurred_at: Some(UnixMs(1_795_435_200_123)),
        value: 2.5,
        properties: r#"{"a":null,"b":[1,"x"]}"#.into(),
        ip: None,
    };
    assert_eq!(parse(&snake).unwrap(), expected);
    let mut camel = snake;
    for (snake, other) in [
        ("entity_type", "entityType"),
        ("entity_id", "entityId"),
        ("user_id", "userId"),
        ("visitor_id", "visitorId"),
        ("session_id", "sessionId"),
        ("page_id", "pageId"),
        ("occurred_at", "occurredAt"),
        ("utm_source", "utmSource"),
        ("utm_medium", "utmMedium"),
        ("utm_campaign", "utmCampaign"),
    ] {
        camel = camel.replace(snake, other);
    }
    assert_eq!(parse(&camel).unwrap(), expected);
}

#[test]
fn s1_5_a_name_is_enough_and_null_is_as_left_out() {
    let row = parse(r#"{"name":"view"}"#).unwrap();
    assert_eq!((row.identity, row.occurred_at, row.value), (None, None, 1.0));
    assert_eq!((row.session_id, row.properties.as_str()), (Uuid::default(), "{}"));
    let nulls = r#"{"name":"view","entity_id":null,"value":null,"page_id":null,"seq":null,
                    "occurred_at":null,"properties":null,"ip_address":null,"other":null}"#;
    assert_eq!(parse(nulls).unwrap(), row);
    assert_eq!(parse(&with("properties", "{}")).unwrap(), row);
}

#[test]
fn ids_may_be_numbers() {
    let row = parse(&with("entity_id", "18446744073709551615")).unwrap();
    assert_eq!(text(&row, "entity_id"), "18446744073709551615");
    assert_eq!(text(&parse(&with("userId", "1.5")).unwrap(), "user_id"), "1.5");
}

#[test]
fn times_are_numbers_or_text() {
    let at = |value| parse(&with("occurred_at", value)).map(|row| row.occurred_at.unwrap().0);
    assert_eq!(at("0"), Ok(0));
    assert_eq!(at("1795435200123.9"), Ok(1_795_435_200_123));
    assert_eq!(at("1e300"), Ok(i64::MAX));
    assert_eq!(at(r#""2026-11-23T12:00:00.123Z""#), Ok(1_795_435_200_123));
    let text = "occurred_at must be Unix milliseconds, or a time as 2026-11-25T12:00:00.000Z";
    for value in ["-1", r#""1969-12-31T23:59:59Z""#, r#""now""#, "true", "[]"] {
        assert_eq!(message(&with("occurred_at", value)), text, "{value}");
    }
}

#[test]
fn each_wrong_member_is_named() {
    let long = |bytes: usize| format!("\"{}\"", "x".repeat(bytes));
    for (member, value, expected) in [
        ("entity_type", "1".into(), "entity_type must be text"),
        ("pathname", "{}".into(), "pathname must be text"),
        ("entity_id", "true".into(), "entity_id must be text or a number"),
        ("userId", "[]".into(), "user_id must be text or a number"),
        ("entity_type", long(201), "entity_type has more than 200 bytes"),
        ("entity_id", long(513), "entity_id has more than 512 bytes"),
        ("user_id", long(513), "user_id has more than 512 bytes"),
        ("visitor_id", long(513), "visitor_id has more than 512 bytes"),
        ("value", "\"1\"".into(), "value must be a number"),
        ("session_id", "\"1\"".into(), "session_id must be a UUID"),
        ("page_id", "1".into(), "page_id must be a UUID"),
        ("seq", "-1".into(), "seq must be a whole number from 0 to 4294967295"),
        ("seq", "4294967296".into(), "seq must be a whole number from 0 to 4294967295"),
        ("seq", "1.5".into(), "seq must be a whole number from 0 to 4294967295"),
        ("seq", "1".into(), "page_id and seq come together, or neither"),
        ("page_id", format!("\"{ID}\""), "page_id and seq come together, or neither"),
        ("properties", "[]".into(), "properties must be an object"),
        ("properties", "\"{}\"".into(), "properties must be an object"),
        ("entityid", "\"1\"".into(), "\"entityid\" is no field of an event"),
        ("EntityId", "\"1\"".into(), "\"_entity_id\" is no field of an event"),
        ("site", "\"other\"".into(), "\"site\" is no field of an event"),
        ("received_at", "1".into(), "\"received_at\" is no field of an event"),
        ("batch_id", "1".into(), "\"batch_id\" is no field of an event"),
        ("ip", "\"::1\"".into(), "\"ip\" is no field of an event"),
        ("bot", "\"\"".into(), "\"bot\" is no field of an event"),
    ] {
        assert_eq!(message(&with(member, &value)), expected, "{member} {value}");
    }
    assert!(parse(&with("entity_type", &long(200))).is_ok());
    assert!(parse(&with("entity_id", &long(512))).is_ok());
}

#[test]
fn a_name_must_be_there_and_within_its_bound() {
    assert_eq!(message("{}"), "name is missing");
    assert_eq!(message(r#"{"name":""}"#), "name is missing");
    assert_eq!(message(r#"{"name":null}"#), "name is missing");
    let long = format!(r#"{{"name":"{}"}}"#, "x".repeat(201));
    assert_eq!(message(&long), "name has more than 200 bytes");
    let fault = Row::parse("{}", Names::Ingest, false).unwrap_err();
    assert_eq!(fault.message, "event_name is missing");
}

#[test]
fn a_field_in_both_spellings_is_there_twice() {
    let text = r#"{"name":"view","entityId":"1","entity_id":"1"}"#;
    assert_eq!(message(text), "\"entity_id\" is there twice");
}

#[test]
fn a_member_that_is_there_twice_refuses_its_row() {
    assert_eq!(message(r#"{"name":"a","name":"b"}"#), "\"name\" is there twice");
    assert_eq!(message(r#"{"name":"a","value":1,"value":null}"#), "\"value\" is there twice");
    let text = r#"{"event_name":"a","user_id":"1","user_id":"1"}"#;
    let fault = Row::parse(text, Names::Ingest, false).unwrap_err();
    assert_eq!(fault.message, "\"user_id\" is there twice");
}

#[test]
fn what_is_no_object_is_told_by_its_place() {
    for (text, expected) in [
        ("", "the event is no JSON: column 0"),
        ("nonsense", "the event is no JSON: column 2"),
        ("[]", "the event is no JSON object: column 0"),
        ("null", "the event is no JSON object: column 4"),
        (r#"{"name":"\ud800"}"#, "the event is no JSON: column 16"),
        (r#"{"name":"view","value":1e999}"#, "the event is no JSON: column 28"),
    ] {
        assert_eq!(message(text), expected, "{text}");
    }
    let long = with("properties", &format!("{{\"a\":\"{}\"}}", "x".repeat(EVENT_BYTES)));
    assert_eq!(message(&long), "the event has more than 229376 bytes");
    let unknown = with(&"x".repeat(200), "1");
    let shown = "x".repeat(40);
    assert_eq!(message(&unknown), format!("\"{shown}\" is no field of an event"));
}

#[test]
fn a_page_s_text_loses_its_end_between_characters() {
    let row = parse(&with("pathname", &format!("\"{}é\"", "x".repeat(2_047)))).unwrap();
    assert_eq!(text(&row, "pathname"), "x".repeat(2_047));
    let row = parse(&with("referrer", &format!("\"{}\"", "x".repeat(2_048)))).unwrap();
    assert_eq!(text(&row, "referrer").len(), 2_048);
}

#[test]
fn s0_15_addresses_come_as_text_or_as_numbers() {
    for (value, stored) in [
        ("null", ""),
        (r#""203.0.113.77""#, "::ffff:203.0.113.77"),
        (r#""2001:db8::1""#, "2001:db8::1"),
        ("[203,0,113,77]", "::ffff:203.0.113.77"),
        ("[8193,3512,0,0,0,0,0,1]", "2001:db8::1"),
    ] {
        assert_eq!(ip(value), Ok(stored.into()), "{value}");
    }
    let expected = "ip_address must be an address of IPv4 or IPv6, or its 4 or 8 numbers";
    for value in [
        r#""""#,
        r#""203.0.113""#,
        "[203,0,113,256]",
        "[203,0,113]",
        "[203,0,113,\"1\"]",
        "[0,0,0,0,0,0,0,65536]",
        "[0,0,0,0,0,0,0,-1]",
        "1",
    ] {
        assert_eq!(ip(value), Err(expected.into()), "{value}");
    }
}

#[test]
fn an_address_is_forbidden_without_a_server_s_key() {
    let fault = parse(&with("ipAddress", "\"203.0.113.77\"")).unwrap_err();
    let message = "ip_address is taken with a server's key alone".into();
    assert_eq!(fault, Fault { code: Code::Forbidden, message });
}

#[test]
fn s4_8_an_ingested_event_has_four_fields() {
    let text = r#"{"event_name":"$identify","event_timestamp":1795435200123,
                   "properties":{"$set":{"plan":"pro"}},"user_id":"7"}"#;
    let row = Row::parse(text, Names::Ingest, false).unwrap();
    assert_eq!(row.texts[0], "$identify");
    assert_eq!(row.occurred_at, Some(UnixMs(1_795_435_200_123)));
    assert_eq!(row.properties, r#"{"$set":{"plan":"pro"}}"#);
    assert_eq!(row.texts[3], "7");
    for name in ["name", "entity_id", "eventName"] {
        let text = format!(r#"{{"event_name":"a","{name}":"b"}}"#);
        let fault = Row::parse(&text, Names::Ingest, true).unwrap_err();
        assert_eq!(fault.message, format!("{name:?} is no field of an event"));
    }
}
