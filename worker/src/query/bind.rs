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
        Kind::String => Ok(Given::String(text.into())),
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
        (Kind::String, Given::String(text)) => escaped(text),
        (Kind::ArrayString, Given::Array(items)) if items.len() <= limits::ARRAY_ITEMS => {
            let items: Option<Vec<_>> =
                items.iter().map(|item| Some(format!("'{}'", escaped(item.as_str()?)?))).collect();
            items.map(|items| format!("[{}]", items.join(",")))
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
        Kind::String => format!("text of at most {} bytes", limits::TEXT_BYTES),
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
        Param { name: "p".into(), kind, default: None, range, what: String::new() }
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
    fn a_url_s_values_are_text_or_json() {
        assert_eq!(from_text(&param(Kind::String, (0, 0)), "[1"), Ok(json!("[1")));
        assert_eq!(from_text(&param(Kind::ArrayString, (0, 0)), "[\"a\"]"), Ok(json!(["a"])));
        assert_eq!(from_text(&param(Kind::Bool, (0, 0)), "true"), Ok(json!(true)));
        assert_eq!(from_text(&param(Kind::UInt32, (0, 0)), "24"), Ok(json!(24)));
        assert!(from_text(&param(Kind::ArrayString, (0, 0)), "a,b").is_err());
    }
}
