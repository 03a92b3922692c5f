//! The properties of a row: text that ClickHouse takes as `JSON`.

use super::row::{Fault, bad};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hasher};
use tallymark::limits::STRING_BYTES;

/// The object of no members: the empty text is no JSON.
pub const NO_PROPERTIES: &str = "{}";

/// The text of `properties`, such that ClickHouse takes it: it refuses the whole block for one
/// object that names a path twice, `{"a.b": 1, "a": {"b": 2}}` (code 117, 26.7.2.1).
pub fn properties(value: &Value) -> Result<String, Fault> {
    let Value::Object(members) = value else {
        return Err(bad("properties must be an object"));
    };
    let text = value.to_string();
    if text.len() > STRING_BYTES {
        return Err(bad(format!("properties have more than {STRING_BYTES} bytes")));
    }
    if !has_distinct_paths(members) {
        return Err(bad("properties name one path twice"));
    }
    Ok(text)
}

/// Whether no two members, at whatever depth, have one path; objects in arrays each on their own.
///
/// By the paths' hashes: written out, some kilobytes of one long name over many short ones would
/// become megabytes. Equal paths have equal hashes, so none is missed.
fn has_distinct_paths(object: &Map<String, Value>) -> bool {
    let mut paths = BTreeSet::new();
    let mut open = vec![(DefaultHasher::new(), object)];
    while let Some((prefix, object)) = open.pop() {
        for (name, value) in object {
            let mut path = prefix.clone();
            path.write(name.as_bytes());
            match value {
                Value::Object(inner) => {
                    path.write(b".");
                    open.push((path, inner));
                }
                Value::Array(elements) if !elements.iter().all(is_distinct) => return false,
                _ if !paths.insert(path.finish()) => return false,
                _ => {}
            }
        }
    }
    true
}

fn is_distinct(element: &Value) -> bool {
    match element {
        Value::Object(object) => has_distinct_paths(object),
        Value::Array(elements) => elements.iter().all(is_distinct),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        properties(&serde_json::from_str(text).unwrap()).map_err(|fault| fault.message)
    }

    #[test]
    fn what_clickhouse_takes_is_taken() {
        // As JSON.parse has it, the last one counts.
        assert_eq!(read(r#"{"a":1,"a":2}"#).unwrap(), r#"{"a":2}"#);
        for good in [
            "{}",
            r#"{"":1}"#,
            r#"{"a":1,"a.b":2}"#,
            r#"{"a":{},"a.b":1}"#,
            r#"{"a":[{"b":1},{"b":2}],"b":1}"#,
            r#"{"a":[[{"b":1},{"b":2}]]}"#,
        ] {
            assert_eq!(read(good).unwrap(), good);
        }
    }

    #[test]
    fn a_path_that_is_there_twice_is_found_at_every_depth() {
        for twice in [
            r#"{"a":{"b":2},"a.b":1}"#,
            r#"{"a":{"b":null},"a.b":null}"#,
            r#"{"x":{"a":{"b":2},"a.b":1}}"#,
            r#"{"a":[1,{"b":{"c":2},"b.c":1}]}"#,
            r#"{"a":[[{"b":{"c":2},"b.c":1}]]}"#,
        ] {
            assert_eq!(read(twice).unwrap_err(), "properties name one path twice", "{twice}");
        }
    }

    #[test]
    fn the_bound_is_exact() {
        let long = |bytes: usize| format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes - 8));
        assert_eq!(read(&long(32_768)).unwrap().len(), 32_768);
        assert_eq!(read(&long(32_769)).unwrap_err(), "properties have more than 32768 bytes");
    }
}
