//! A body of JSON is taken apart into the texts of its rows, none of them read yet.

use crate::inflate;
use crate::refusal::{Code, Refusal};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use tallymark::limits::BLOCK_ROWS;

/// The body, inflated if it is gzip.
///
/// # Errors
/// `too_large`, and `bad_request` for broken gzip: there is no block that could be a bad one.
pub fn plain(body: &[u8]) -> Result<Cow<'_, [u8]>, Refusal> {
    inflate::plain(body).map_err(|refusal| match refusal.code {
        Code::BadBlock => Refusal { code: Code::BadRequest, ..refusal },
        _ => refusal,
    })
}

/// The body as text.
///
/// # Errors
/// `bad_request`.
pub fn text(body: &[u8]) -> Result<&str, Refusal> {
    std::str::from_utf8(body).map_err(|error| {
        let message = format!("the body is not UTF-8 from byte {} on", error.valid_up_to());
        Refusal::new(Code::BadRequest, message)
    })
}

/// The rows of a JSON array, or of NDJSON: a row a line, empty lines aside.
///
/// # Errors
/// `bad_request` for an array that is none, `too_large` for too many rows.
pub fn rows(text: &str) -> Result<Vec<&str>, Refusal> {
    if text.trim_ascii_start().starts_with('[') {
        let Array(rows) = serde_json::from_str(text).map_err(|error| no_json(&error))?;
        return bounded(rows);
    }
    let lines = text.lines().map(str::trim_ascii).filter(|line| !line.is_empty());
    bounded(lines.take(BLOCK_ROWS + 1).collect())
}

/// What `/ingest-events` gets.
#[derive(Debug)]
pub struct Envelope<'a> {
    /// Its `api_key`.
    pub api_key: Option<String>,
    /// Its `events`.
    pub rows: Vec<&'a str>,
}

/// Reads `{"api_key", "events": […]}`; other members are passed over.
///
/// # Errors
/// `bad_request` for what is no such object, `too_large` for too many rows.
pub fn envelope(text: &str) -> Result<Envelope<'_>, Refusal> {
    #[derive(Deserialize)]
    struct Body<'a> {
        api_key: Option<String>,
        #[serde(borrow)]
        events: Array<'a>,
    }
    // serde would take `["key", []]` as well.
    if text.trim_ascii_start().starts_with('[') {
        return Err(Refusal::new(Code::BadRequest, "the body is an array, not an object"));
    }
    let Body { api_key, events } = serde_json::from_str(text).map_err(|error| no_json(&error))?;
    Ok(Envelope { api_key, rows: bounded(events.0)? })
}

fn bounded(rows: Vec<&str>) -> Result<Vec<&str>, Refusal> {
    if rows.len() > BLOCK_ROWS {
        let message = format!("the body has more than {BLOCK_ROWS} events");
        return Err(Refusal::new(Code::TooLarge, message));
    }
    Ok(rows)
}

/// The error's own text could repeat what it found, a key for example.
fn no_json(error: &serde_json::Error) -> Refusal {
    let what = if error.is_data() { "not what this path takes" } else { "no JSON" };
    let message = format!("the body is {what}: line {}, column {}", error.line(), error.column());
    Refusal::new(Code::BadRequest, message)
}

/// The texts of an array's elements. Of too many it keeps one more than may be.
struct Array<'a>(Vec<&'a str>);

impl<'de: 'a, 'a> Deserialize<'de> for Array<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements;
        impl<'de> Visitor<'de> for Elements {
            type Value = Array<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Array<'de>, A::Error> {
                let mut rows = Vec::new();
                while rows.len() <= BLOCK_ROWS {
                    match elements.next_element::<&RawValue>()? {
                        Some(row) => rows.push(row.get()),
                        None => return Ok(Array(rows)),
                    }
                }
                while elements.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Array(rows))
            }
        }
        deserializer.deserialize_seq(Elements)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused<T: fmt::Debug>(result: Result<T, Refusal>) -> (Code, String) {
        let refusal = result.unwrap_err();
        (refusal.code, refusal.message)
    }

    #[test]
    fn an_array_s_elements_stay_as_they_are_written() {
        let text = " [ {\"a\": 1e400}, [1 ,2], \"\\ud800\" ] ";
        assert_eq!(rows(text).unwrap(), ["{\"a\": 1e400}", "[1 ,2]", "\"\\ud800\""]);
        assert_eq!(rows("[]").unwrap(), [""; 0]);
    }

    #[test]
    fn ndjson_is_a_row_a_line_whatever_ends_it() {
        assert_eq!(rows("{\"a\":1}\r\n\n  \n{\"b\":2}").unwrap(), ["{\"a\":1}", "{\"b\":2}"]);
        // A bad line is that row's own fault.
        assert_eq!(rows("nonsense\n{}\n").unwrap(), ["nonsense", "{}"]);
        assert_eq!(rows(" \n").unwrap(), [""; 0]);
    }

    #[test]
    fn an_array_that_is_none_is_refused_as_a_whole() {
        for (text, message) in [
            ("[{}", "the body is no JSON: line 1, column 3"),
            ("[{}]\n[", "the body is no JSON: line 2, column 1"),
            ("[{},]", "the body is no JSON: line 1, column 5"),
        ] {
            assert_eq!(refused(rows(text)), (Code::BadRequest, message.into()), "{text}");
        }
    }

    #[test]
    fn nesting_ends_before_the_stack_does() {
        let deep = format!("[{}", "[".repeat(1_000_000));
        assert_eq!(refused(rows(&deep)).0, Code::BadRequest);
    }

    #[test]
    fn rows_are_taken_up_to_the_most_of_a_block() {
        let array = |rows: usize| format!("[{}]", vec!["1"; rows].join(","));
        assert_eq!(rows(&array(BLOCK_ROWS)).unwrap().len(), BLOCK_ROWS);
        let expected = (Code::TooLarge, "the body has more than 10000 events".to_owned());
        for more in [1, 2, 1_000] {
            assert_eq!(refused(rows(&array(BLOCK_ROWS + more))), expected);
            assert_eq!(refused(rows(&"1\n".repeat(BLOCK_ROWS + more))), expected);
        }
        assert_eq!(rows(&"1\n".repeat(BLOCK_ROWS)).unwrap().len(), BLOCK_ROWS);
    }

    #[test]
    fn bytes_that_are_no_text_are_told_by_their_place() {
        let expected = "the body is not UTF-8 from byte 2 on";
        assert_eq!(refused(text(b"[\"\xff\"]")), (Code::BadRequest, expected.into()));
    }

    #[test]
    fn s4_9_an_envelope_holds_a_key_and_events() {
        let envelope = |text| envelope(text).map(|Envelope { api_key, rows }| (api_key, rows));
        let text = r#"{"api_key": "a\u0062", "more": [1], "events": [{"event_name":"x"}]}"#;
        assert_eq!(envelope(text).unwrap(), (Some("ab".into()), vec![r#"{"event_name":"x"}"#]));
        assert_eq!(envelope(r#"{"events":[]}"#).unwrap(), (None, vec![]));
        for (text, message) in [
            ("", "the body is no JSON: line 1, column 0"),
            ("[]", "the body is an array, not an object"),
            ("{}", "the body is not what this path takes: line 1, column 2"),
            (r#"{"events":{}}"#, "the body is not what this path takes: line 1, column 10"),
            (
                r#"{"api_key":1,"events":[]}"#,
                "the body is not what this path takes: line 1, column 12",
            ),
        ] {
            assert_eq!(refused(envelope(text)), (Code::BadRequest, message.into()), "{text}");
        }
        let many = format!(r#"{{"events":[{}]}}"#, vec!["1"; BLOCK_ROWS + 1].join(","));
        assert_eq!(refused(envelope(&many)).0, Code::TooLarge);
    }
}
