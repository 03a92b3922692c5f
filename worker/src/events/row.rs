//! One row of JSON becomes the values of its columns, or says what is wrong with it.

use super::properties::{NO_PROPERTIES, properties};
use super::time;
use crate::members::Members;
use crate::refusal::Code;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use tallymark::limits::{EVENT_NAME_BYTES, ID_BYTES, PAGE_TEXT_BYTES, STRING_BYTES};
use tallymark::rng::Uuid;
use tallymark::time::UnixMs;

/// How the members of a row are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// By the columns of `events`, in snake or camel case.
    Columns,
    /// As `/ingest-events` has it: `event_name`, `event_timestamp`, `properties`, `user_id`.
    Ingest,
}

/// The columns of text: their names, whether a block must hold them, and how long they may be.
pub const TEXTS: [(&str, bool, Length); 11] = [
    ("name", true, Length::AtMost(EVENT_NAME_BYTES)),
    ("entity_type", true, Length::AtMost(EVENT_NAME_BYTES)),
    ("entity_id", true, Length::AtMost(ID_BYTES)),
    ("user_id", false, Length::AtMost(ID_BYTES)),
    ("visitor_id", false, Length::AtMost(ID_BYTES)),
    ("hostname", false, Length::Cut),
    ("pathname", false, Length::Cut),
    ("referrer", false, Length::Cut),
    ("utm_source", false, Length::Cut),
    ("utm_medium", false, Length::Cut),
    ("utm_campaign", false, Length::Cut),
];

/// What becomes of a text that is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// Its row is refused: a name or an id that lost its end is another one.
    AtMost(usize),
    /// It loses its end at [`PAGE_TEXT_BYTES`], as it would in a page.
    Cut,
}

/// The longest text of one row. The longest properties, with every character escaped, are within
/// it; beyond it nothing is read.
const ROW_BYTES: usize = 7 * STRING_BYTES;

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// `bad_event`, or `forbidden` for what the key may not pass.
    pub code: Code,
    /// One sentence for people.
    pub message: String,
}

/// A fault of the event's own.
pub fn bad(message: impl Into<String>) -> Fault {
    Fault { code: Code::BadEvent, message: message.into() }
}

/// One row's values.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// In the order of [`TEXTS`].
    pub texts: [String; TEXTS.len()],
    /// `page_id` and `seq`.
    pub identity: Option<(Uuid, u32)>,
    /// Nil when left out.
    pub session_id: Uuid,
    /// By the client's clock.
    pub occurred_at: Option<UnixMs>,
    /// 1 when left out.
    pub value: f64,
    /// Text of one JSON object that ClickHouse takes; [`NO_PROPERTIES`] when left out.
    pub properties: String,
    /// As passed by a server.
    pub ip: Option<Ipv6Addr>,
}

impl Row {
    /// Reads one row's text.
    ///
    /// `null` is the same as leaving a member out. `is_server` allows an `ip_address`.
    ///
    /// # Errors
    /// The first thing that is wrong, in the order of the members' names.
    pub fn parse(text: &str, names: Names, is_server: bool) -> Result<Self, Fault> {
        if text.len() > ROW_BYTES {
            return Err(bad(format!("the event has more than {ROW_BYTES} bytes")));
        }
        let Members(members) = serde_json::from_str(text).map_err(|error| {
            let what = if error.is_data() { "no JSON object" } else { "no JSON" };
            bad(format!("the event is {what}: column {}", error.column()))
        })?;
        Self::read(members, names, is_server)
    }

    /// The same for members that are read already.
    ///
    /// # Errors
    /// Those of [`Row::parse`], but for the text's own.
    pub fn read(
        members: impl IntoIterator<Item = (String, Value)>,
        names: Names,
        is_server: bool,
    ) -> Result<Self, Fault> {
        let mut row = Self {
            texts: Default::default(),
            identity: None,
            session_id: Uuid::default(),
            occurred_at: None,
            value: 1.0,
            properties: NO_PROPERTIES.into(),
            ip: None,
        };
        let (mut page_id, mut seq) = (None, None);
        for (name, value) in named(members, names)? {
            if value.is_null() {
                continue;
            }
            if let Some(at) = TEXTS.iter().position(|(text, ..)| *text == name) {
                if let (Some(slot), Some((.., length))) = (row.texts.get_mut(at), TEXTS.get(at)) {
                    *slot = text_of(&name, value, *length)?;
                }
                continue;
            }
            match name.as_str() {
                "value" => row.value = number(&name, &value)?,
                "occurred_at" => row.occurred_at = Some(time_of(&name, &value)?),
                "page_id" => page_id = Some(uuid(&name, &value)?),
                "session_id" => row.session_id = uuid(&name, &value)?,
                "seq" => seq = Some(seq_of(&value)?),
                "properties" => row.properties = properties(&value)?,
                "ip_address" if is_server => row.ip = Some(address(&value)?),
                "ip_address" => {
                    let message = "ip_address is taken with a server's key alone".into();
                    return Err(Fault { code: Code::Forbidden, message });
                }
                _ => return Err(bad(format!("{} is no field of an event", shown(&name)))),
            }
        }
        if row.texts.first().is_none_or(String::is_empty) {
            return Err(bad(match names {
                Names::Columns => "name is missing",
                Names::Ingest => "event_name is missing",
            }));
        }
        row.identity = match (page_id, seq) {
            (Some(page_id), Some(seq)) => Some((page_id, seq)),
            (None, None) => None,
            _ => return Err(bad("page_id and seq come together, or neither")),
        };
        Ok(row)
    }
}

/// The members by their columns' names.
fn named(
    members: impl IntoIterator<Item = (String, Value)>,
    names: Names,
) -> Result<BTreeMap<String, Value>, Fault> {
    let mut columns = BTreeMap::new();
    for (name, value) in members {
        let column = match (names, name.as_str()) {
            (Names::Columns, _) => snake_case(&name),
            (Names::Ingest, "event_name") => "name".into(),
            (Names::Ingest, "event_timestamp") => "occurred_at".into(),
            (Names::Ingest, "properties" | "user_id") => name,
            (Names::Ingest, _) => {
                return Err(bad(format!("{} is no field of an event", shown(&name))));
            }
        };
        if columns.contains_key(&column) {
            return Err(bad(format!("{} is there twice", shown(&column))));
        }
        columns.insert(column, value);
    }
    Ok(columns)
}

/// `entityType` as `entity_type`.
fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 2);
    for character in name.chars() {
        if character.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(character.to_ascii_lowercase());
    }
    snake
}

/// A member's name as it is told back: it may be anything.
fn shown(name: &str) -> String {
    format!("{:?}", name.chars().take(40).collect::<String>())
}

/// Text; ids may be numbers, as they may in a page.
fn text_of(name: &str, value: Value, length: Length) -> Result<String, Fault> {
    let mut text = match value {
        Value::String(text) => text,
        Value::Number(number) if name.ends_with("_id") => number.to_string(),
        _ if name.ends_with("_id") => return Err(bad(format!("{name} must be text or a number"))),
        _ => return Err(bad(format!("{name} must be text"))),
    };
    match length {
        Length::AtMost(bytes) if text.len() > bytes => {
            return Err(bad(format!("{name} has more than {bytes} bytes")));
        }
        Length::AtMost(_) => {}
        Length::Cut => text.truncate(text.floor_char_boundary(PAGE_TEXT_BYTES)),
    }
    Ok(text)
}

fn number(name: &str, value: &Value) -> Result<f64, Fault> {
    // serde_json refuses what is no finite number.
    value.as_f64().ok_or_else(|| bad(format!("{name} must be a number")))
}

/// Unix milliseconds, or a time of RFC 3339.
fn time_of(name: &str, value: &Value) -> Result<UnixMs, Fault> {
    let time = match value {
        // Beyond 2^53 a float is no millisecond any more, and no time either.
        Value::Number(number) => number.as_f64().map(|ms| UnixMs(ms as i64)),
        Value::String(text) => time::rfc3339(text),
        _ => None,
    };
    time.filter(|time| time.0 >= 0).ok_or_else(|| {
        bad(format!("{name} must be Unix milliseconds, or a time as 2026-11-25T12:00:00.000Z"))
    })
}

fn uuid(name: &str, value: &Value) -> Result<Uuid, Fault> {
    let uuid = value.as_str().and_then(|text| Uuid::parse(text.as_bytes()));
    uuid.ok_or_else(|| bad(format!("{name} must be a UUID")))
}

fn seq_of(value: &Value) -> Result<u32, Fault> {
    let seq = value.as_u64().and_then(|seq| u32::try_from(seq).ok());
    seq.ok_or_else(|| bad(format!("seq must be a whole number from 0 to {}", u32::MAX)))
}

/// An address as text, or its numbers: 4 of IPv4, 8 of IPv6 (contract S0.15).
fn address(value: &Value) -> Result<Ipv6Addr, Fault> {
    let of_numbers = |numbers: &[Value]| {
        let groups = |most: u64| {
            let number = |value: &Value| value.as_u64().filter(|number| *number <= most);
            numbers.iter().map(number).collect::<Option<Vec<_>>>()
        };
        Some(match numbers.len() {
            4 => {
                let bytes: Vec<u8> =
                    groups(255)?.into_iter().filter_map(|byte| u8::try_from(byte).ok()).collect();
                IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?))
            }
            8 => {
                let parts: Vec<u16> = groups(65_535)?
                    .into_iter()
                    .filter_map(|group| u16::try_from(group).ok())
                    .collect();
                IpAddr::V6(Ipv6Addr::from(<[u16; 8]>::try_from(parts).ok()?))
            }
            _ => return None,
        })
    };
    let address = match value {
        Value::String(text) => text.parse().ok(),
        Value::Array(numbers) => of_numbers(numbers),
        _ => None,
    };
    match address {
        Some(IpAddr::V4(address)) => Ok(address.to_ipv6_mapped()),
        Some(IpAddr::V6(address)) => Ok(address),
        None => Err(bad("ip_address must be an address of IPv4 or IPv6, or its 4 or 8 numbers")),
    }
}

#[cfg(test)]
mod tests {
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
        let long = with("properties", &format!("{{\"a\":\"{}\"}}", "x".repeat(ROW_BYTES)));
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
}
