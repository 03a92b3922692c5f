//! A parameter's value, checked by its type and written as ClickHouse reads it.
//!
//! ClickHouse itself checks too little: 5,000,000,000 for a `UInt32` wraps to 705,032,704
//! (26.7.2.1).

use super::head::{Kind, Param};
use crate::limits;
use crate::refusal::{Code, Refusal};

/// A value as JSON has it.
pub type Given = serde_json::Value;

/// A value of a URL: text as it is, everything else as JSON text.
///
/// # Errors
/// `bad_param` when it is no JSON text where it must be.
pub fn from_text(param: &Param, text: &str) -> Result<Given, Refusal> {
    match param.kind {
        Kind::String | Kind::Date => Ok(Given::String(text.into())),
        _ => serde_json::from_str(text).map_err(|_| wrong(param)),
    }
}

/// Writes a checked value as `param_<name>` wants it.
///
/// No result holds a line break: a text's own is written as `\n`.
///
/// # Errors
/// `bad_param`, naming the parameter and what it must be.
pub fn bind(param: &Param, given: &Given) -> Result<String, Refusal> {
    let (least, greatest) = param.range;
    let text = match (param.kind, given) {
        (Kind::String, Given::String(text)) => {
            let free = param.choices.is_empty() || param.choices.contains(text);
            free.then(|| escaped(text)).flatten()
        }
        (Kind::Date, Given::String(text)) => is_date(text).then(|| text.clone()),
        (Kind::ArrayString, Given::Array(items)) if items.len() <= limits::ARRAY_ITEMS => {
            let items: Option<Vec<_>> =
                items.iter().map(|item| Some(format!("'{}'", escaped(item.as_str()?)?))).collect();
            items.map(|items| format!("[{}]", items.join(",")))
        }
        (Kind::MapFloat64, Given::Object(entries)) if entries.len() <= limits::ARRAY_ITEMS => {
            // JSON has no infinity and no NaN.
            let entries: Option<Vec<_>> = entries
                .iter()
                .map(|(key, value)| match value {
                    Given::Number(number) => Some(format!("'{}':{number}", escaped(key)?)),
                    _ => None,
                })
                .collect();
            entries.map(|entries| format!("{{{}}}", entries.join(",")))
        }
        (Kind::Bool, Given::Bool(value)) => Some(value.to_string()),
        (Kind::UInt32 | Kind::UInt64, Given::Number(number)) => number
            .as_u64()
            .filter(|number| (least..=greatest).contains(number))
            .map(|number| number.to_string()),
        _ => None,
    };
    text.ok_or_else(|| wrong(param))
}

/// `YYYY-MM-DD`, a day that there is, from 1970 to 2148: ClickHouse's own range of a `Date`.
/// ClickHouse itself takes the 31st of February.
fn is_date(text: &str) -> bool {
    let number = |from, to| {
        let digits = text.get(from..to).filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
        digits.and_then(|digits| digits.parse::<u32>().ok())
    };
    let (Some(year), Some(month), Some(day)) = (number(0, 4), number(5, 7), number(8, 10)) else {
        return false;
    };
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        _ => 31,
    };
    text.len() == 10
        && text.get(4..5) == Some("-")
        && text.get(7..8) == Some("-")
        && (1970..=2148).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days).contains(&day)
}

/// ClickHouse's escapes for a text, in `'…'` and as a bare value alike; `None` when it is too
/// long.
fn escaped(text: &str) -> Option<String> {
    if text.len() > limits::TEXT_BYTES {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\0' => out.push_str("\\0"),
            _ => out.push(character),
        }
    }
    Some(out)
}

/// The refusal of a value for `param`.
pub(super) fn wrong(param: &Param) -> Refusal {
    let (least, greatest) = param.range;
    let must = match param.kind {
        Kind::String if !param.choices.is_empty() => format!("one of {}", param.choices.join(", ")),
        Kind::String => format!("text of at most {} bytes", limits::TEXT_BYTES),
        Kind::Date => "a day, YYYY-MM-DD".into(),
        Kind::MapFloat64 => format!(
            "a JSON object of at most {} numbers, their names texts of at most {} bytes",
            limits::ARRAY_ITEMS,
            limits::TEXT_BYTES
        ),
        Kind::ArrayString => format!(
            "a JSON array of at most {} texts of at most {} bytes",
            limits::ARRAY_ITEMS,
            limits::TEXT_BYTES
        ),
        Kind::Bool => "true or false".into(),
        Kind::UInt32 | Kind::UInt64 => format!("a whole number from {least} to {greatest}"),
    };
    Refusal::new(Code::BadParam, format!("parameter {} must be {must}", param.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn param(kind: Kind, range: (u64, u64)) -> Param {
        let choices = Vec::new();
        Param { name: "p".into(), kind, default: None, range, choices, what: String::new() }
    }

    fn bound(kind: Kind, given: Given) -> Result<String, String> {
        bind(&param(kind, (1, 1000)), &given).map_err(|refusal| refusal.message)
    }

    #[test]
    fn values_are_written_as_clickhouse_reads_them() {
        let text = json!("a\tb\nc\rd\\e'f\0g ä😀");
        let escaped = "a\\tb\\nc\\rd\\\\e\\'f\\0g ä😀";
        assert_eq!(bound(Kind::String, text.clone()), Ok(escaped.into()));
        let list = format!("['{escaped}','','x']");
        assert_eq!(bound(Kind::ArrayString, json!([text, "", "x"])), Ok(list));
        assert_eq!(bound(Kind::ArrayString, json!([])), Ok("[]".into()));
        assert_eq!(bound(Kind::Bool, json!(true)), Ok("true".into()));
        assert_eq!(bound(Kind::UInt32, json!(1)), Ok("1".into()));
        assert_eq!(bound(Kind::UInt64, json!(1000)), Ok("1000".into()));
    }

    #[test]
    fn an_injection_stays_one_value() {
        assert_eq!(
            bound(Kind::ArrayString, json!(["a'] OR 1=1 --\r\n--boundary"])),
            Ok("['a\\'] OR 1=1 --\\r\\n--boundary']".into())
        );
    }

    #[test]
    fn s0_20_and_s0_22_numbers_below_one_and_no_numbers_are_refused() {
        let message = "parameter p must be a whole number from 1 to 1000";
        for given in [json!(0), json!(-1), json!(1.5), json!(1001), json!("10"), json!(null)] {
            assert_eq!(bound(Kind::UInt32, given.clone()), Err(message.into()), "{given}");
        }
        let param = param(Kind::UInt32, (1, 1000));
        for text in ["", "ten", "1e", "0x10", " ", "1,2"] {
            let refused = from_text(&param, text).unwrap_err();
            assert_eq!((refused.code, refused.message.as_str()), (Code::BadParam, message));
        }
    }

    #[test]
    fn other_types_and_over_long_values_are_refused() {
        let text = "parameter p must be text of at most 512 bytes";
        assert_eq!(bound(Kind::String, json!("x".repeat(513))), Err(text.into()));
        assert_eq!(bound(Kind::String, json!(5)), Err(text.into()));
        assert!(bound(Kind::String, json!("x".repeat(512))).is_ok());
        let list = "parameter p must be a JSON array of at most 1000 texts of at most 512 bytes";
        for given in [json!("a"), json!([1]), json!(vec!["a"; 1001]), json!(["x".repeat(513)])] {
            assert_eq!(bound(Kind::ArrayString, given), Err(list.into()));
        }
        assert_eq!(bound(Kind::Bool, json!(1)), Err("parameter p must be true or false".into()));
    }

    #[test]
    fn a_text_with_choices_is_one_of_them() {
        let choices = vec!["rows".into(), "last".into()];
        let param = Param { choices, ..param(Kind::String, (0, 0)) };
        assert_eq!(bind(&param, &json!("last")).unwrap(), "last");
        let refused = bind(&param, &json!("first")).unwrap_err();
        assert_eq!(refused.message, "parameter p must be one of rows, last");
    }

    #[test]
    fn days_are_days_that_there_are() {
        for day in ["2026-11-25", "1970-01-01", "2148-12-31", "2024-02-29", "2000-02-29"] {
            assert_eq!(bound(Kind::Date, json!(day)), Ok(day.into()));
        }
        let message = "parameter p must be a day, YYYY-MM-DD";
        for day in [
            "",
            "2026-11-2",
            "2026-11-255",
            "2026/11/25",
            "2026-1-125",
            "2026-13-01",
            "2026-00-01",
            "2026-02-29",
            "2100-02-29",
            "2026-04-31",
            "2026-01-32",
            "2026-01-00",
            "1969-12-31",
            "2149-01-01",
            "2026-11-+5",
            "２026-11-25",
        ] {
            assert_eq!(bound(Kind::Date, json!(day)), Err(message.into()), "{day}");
        }
        assert_eq!(bound(Kind::Date, json!(20261125)), Err(message.into()));
    }

    #[test]
    fn numbers_by_name_are_written_as_a_map() {
        assert_eq!(bound(Kind::MapFloat64, json!({})), Ok("{}".into()));
        let map = json!({"a'b": 0.5, "c": -2});
        assert_eq!(bound(Kind::MapFloat64, map), Ok("{'a\\'b':0.5,'c':-2}".into()));
        let message = "parameter p must be a JSON object of at most 1000 numbers, their names texts \
                       of at most 512 bytes";
        for given in [json!([1]), json!({"a": "1"}), json!({"x".repeat(513): 1})] {
            assert_eq!(bound(Kind::MapFloat64, given), Err(message.into()));
        }
        let many: serde_json::Map<_, _> = (0..1001).map(|at| (at.to_string(), json!(1))).collect();
        assert_eq!(bound(Kind::MapFloat64, many.into()), Err(message.into()));
    }

    #[test]
    fn a_url_s_values_are_text_or_json() {
        assert_eq!(from_text(&param(Kind::String, (0, 0)), "[1"), Ok(json!("[1")));
        assert_eq!(from_text(&param(Kind::ArrayString, (0, 0)), "[\"a\"]"), Ok(json!(["a"])));
        assert_eq!(from_text(&param(Kind::Bool, (0, 0)), "true"), Ok(json!(true)));
        assert_eq!(from_text(&param(Kind::UInt32, (0, 0)), "24"), Ok(json!(24)));
        assert!(from_text(&param(Kind::ArrayString, (0, 0)), "a,b").is_err());
    }
}
