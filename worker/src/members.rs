//! A JSON object's members as they are written: what a map would keep the last one of is there twice.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// All members, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Members(pub Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Members;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(All)
    }
}

/// Members by their names, each there once.
///
/// # Errors
/// What is no object, and a name that is there twice.
pub fn distinct<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, Value>, D::Error> {
    let mut map = BTreeMap::new();
    for (name, value) in Members::deserialize(deserializer)?.0 {
        if map.insert(name, value).is_some() {
            return Err(D::Error::custom("a name is there twice"));
        }
    }
    Ok(map)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn members_stay_in_their_order_doubled_ones_too() {
        let Members(found) = serde_json::from_str(r#"{"b":1,"a":[],"b":null}"#).unwrap();
        let expected = [("b".into(), json!(1)), ("a".into(), json!([])), ("b".into(), json!(null))];
        assert_eq!(found, expected);
        for other in ["[]", "null", "1", "\"a\""] {
            assert!(serde_json::from_str::<Members>(other).is_err(), "{other}");
        }
    }

    #[test]
    fn distinct_members_become_a_map_and_others_an_error() {
        let read = |text: &str| distinct(&mut serde_json::Deserializer::from_str(text));
        let expected = BTreeMap::from([("a".into(), json!(1)), ("b".into(), json!({}))]);
        assert_eq!(read(r#"{"b":{},"a":1}"#).unwrap(), expected);
        assert!(
            read(r#"{"a":1,"a":1}"#).unwrap_err().to_string().contains("a name is there twice")
        );
    }
}
