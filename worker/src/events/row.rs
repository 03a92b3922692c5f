//! One row of JSON becomes the values of its columns, or says what is wrong with it.

use super::properties::{NO_PROPERTIES, properties};
use super::time;
use crate::limits::EVENT_BYTES;
use crate::members::Members;
use crate::refusal::Code;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use tallymark::limits::{EVENT_NAME_BYTES, ID_BYTES, PAGE_TEXT_BYTES};
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

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// `bad_event`, `forbidden` for what the key may not pass, or `too_large` where no row may follow.
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
        if text.len() > EVENT_BYTES {
            return Err(bad(format!("the event has more than {EVENT_BYTES} bytes")));
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
mod tests;
