//! What a change means: rules that map a table's rows to events.
//!
//! ```json
//! [{"table": "public.models", "on": ["create", "read"],
//!   "event": {"name": "Upload", "entity_type": "Model", "entity_id": {"column": "id"},
//!             "user_id": {"column": "user_id"},
//!             "occurred_at": {"column": "created_at", "unit": "us"},
//!             "properties": {"kind": {"column": "type"}}}},
//!  {"table": "public.models", "on": ["update"], "changed": ["downloads"],
//!   "event": {"name": "Download", "entity_type": "Model", "entity_id": {"column": "id"},
//!             "value": {"delta": "downloads"}}}]
//! ```
//! A member of an event is a constant, a column, or by how much a column grew. Columns are those of
//! the row after the change, of a deleted row those before it.

use super::change::{Change, Op};
use crate::events::{Fault, Names, Row, bad};
use crate::limits;
use serde::Deserialize;
use serde_json::{Map, Number, Value};
use std::collections::BTreeMap;

/// What Debezium sends for a long value that an update did not touch.
const UNAVAILABLE: &str = "__debezium_unavailable_value";

/// All rules, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules(Vec<Rule>);

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    /// `schema.table`.
    table: String,
    on: Vec<Op>,
    /// An update must change one of these columns; without any it may change whatever it likes.
    #[serde(default)]
    changed: Vec<String>,
    event: Template,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Template {
    name: Source,
    entity_type: Option<Source>,
    entity_id: Option<Source>,
    user_id: Option<Source>,
    visitor_id: Option<Source>,
    value: Option<Source>,
    occurred_at: Option<Source>,
    ip_address: Option<Source>,
    #[serde(default)]
    properties: BTreeMap<String, Source>,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Source {
    Column(Column),
    Delta(Delta),
    Text(String),
    Number(Number),
    Bool(bool),
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Column {
    column: String,
    #[serde(default)]
    unit: Unit,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Delta {
    delta: String,
}

/// What a time counts, as Debezium's types have it (`io.debezium.time`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Unit {
    /// `Timestamp`, and everything that is no number.
    #[default]
    Ms,
    /// `MicroTimestamp`, PostgreSQL's own precision.
    Us,
    /// `Date`.
    Days,
}

impl Rules {
    /// Reads the variable `CDC_RULES`; the error is a sentence on its value.
    pub fn parse(json: &str) -> Result<Self, String> {
        if json.is_empty() {
            return Ok(Self::default());
        }
        let rules: Vec<Rule> = serde_json::from_str(json)
            .map_err(|error| format!("must be JSON, a list of rules: {error}"))?;
        if rules.len() > limits::CDC_RULES {
            return Err(format!("must list at most {} rules", limits::CDC_RULES));
        }
        for (index, rule) in rules.iter().enumerate() {
            let wrong = |why: &str| Err(format!("entry {index}: {why}"));
            let parts = rule.table.split('.').filter(|part| !part.is_empty()).count();
            // What a run of the fuzzer has to find, in a build that goes without this check.
            if !cfg!(planted_bug) && parts != 2 {
                return wrong("\"table\" must be like \"public.models\"");
            }
            if rule.on.is_empty() {
                return wrong("\"on\" must list create, update, delete or read");
            }
            if !rule.changed.is_empty() && !rule.on.contains(&Op::Update) {
                return wrong("\"changed\" is for updates");
            }
        }
        Ok(Self(rules))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The events that a change is.
    ///
    /// # Errors
    /// A column that a rule needs and the record lacks, and whatever is wrong with the event.
    pub fn rows(&self, change: &Change) -> Result<Vec<Row>, Fault> {
        let rules = self.0.iter().filter(|rule| rule.meets(change));
        rules.map(|rule| rule.event.row(change)).collect()
    }
}

impl Rule {
    fn meets(&self, change: &Change) -> bool {
        // Without the row before, nothing is known to have changed.
        let has_changed = |column: &String| {
            change.before.contains_key(column)
                && change.before.get(column) != change.after.get(column)
        };
        self.table == change.table
            && self.on.contains(&change.op)
            && (change.op != Op::Update
                || self.changed.is_empty()
                || self.changed.iter().any(has_changed))
    }
}

impl Template {
    fn row(&self, change: &Change) -> Result<Row, Fault> {
        let mut members = Map::new();
        for (name, source) in [
            ("name", Some(&self.name)),
            ("entity_type", self.entity_type.as_ref()),
            ("entity_id", self.entity_id.as_ref()),
            ("user_id", self.user_id.as_ref()),
            ("visitor_id", self.visitor_id.as_ref()),
            ("value", self.value.as_ref()),
            ("occurred_at", self.occurred_at.as_ref()),
            ("ip_address", self.ip_address.as_ref()),
        ] {
            if let Some(source) = source {
                members.insert(name.into(), source.value(change)?);
            }
        }
        let mut properties = Map::new();
        for (name, source) in &self.properties {
            properties.insert(name.clone(), source.value(change)?);
        }
        if !properties.is_empty() {
            members.insert("properties".into(), Value::Object(properties));
        }
        Row::read(members, Names::Columns, true)
    }
}

impl Source {
    fn value(&self, change: &Change) -> Result<Value, Fault> {
        match self {
            Self::Text(text) => Ok(Value::String(text.clone())),
            Self::Number(number) => Ok(Value::Number(number.clone())),
            Self::Bool(bool) => Ok(Value::Bool(*bool)),
            Self::Column(Column { column, unit }) => {
                let row = if change.op == Op::Delete { &change.before } else { &change.after };
                let value = known(row, column)?;
                match (unit, value.as_f64()) {
                    (Unit::Us, Some(us)) => finite((us / 1_000.0).floor(), column),
                    (Unit::Days, Some(days)) => finite(days * 86_400_000.0, column),
                    _ => Ok(value.clone()),
                }
            }
            Self::Delta(Delta { delta }) => {
                let number = |row| {
                    let number = known(row, delta)?.as_f64();
                    number.ok_or_else(|| bad(format!("column {delta} holds no number")))
                };
                // A row that was not there before grew from nothing, one that went shrank to it.
                let before = if change.before.is_empty() { 0.0 } else { number(&change.before)? };
                let after = if change.after.is_empty() { 0.0 } else { number(&change.after)? };
                finite(after - before, delta)
            }
        }
    }
}

/// `Value::from` would turn what is no finite number into null, which is as left out.
fn finite(number: f64, column: &str) -> Result<Value, Fault> {
    let number = Number::from_f64(number).map(Value::Number);
    number.ok_or_else(|| bad(format!("column {column} is out of range")))
}

fn known<'a>(row: &'a Map<String, Value>, column: &str) -> Result<&'a Value, Fault> {
    match row.get(column) {
        Some(Value::String(text)) if text == UNAVAILABLE => Err(bad(format!(
            "column {column} was not sent: the table's REPLICA IDENTITY must be FULL"
        ))),
        Some(value) => Ok(value),
        None => Err(bad(format!("column {column} is not in the row"))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::change::Record;
    use super::*;
    use serde_json::json;
    use tallymark::time::UnixMs;

    fn change(op: &str, before: Value, after: Value) -> Change {
        let record = json!({
            "before": before, "after": after, "op": op,
            "source": {"name": "site", "db": "app", "schema": "public", "table": "models",
                       "txId": 1, "lsn": 2, "ts_ms": 1_795_435_200_123_i64}
        });
        match Record::parse(&record.to_string()).unwrap() {
            Record::Change(change) => change,
            Record::Other => panic!(),
        }
    }

    fn rules(rules: Value) -> Rules {
        Rules::parse(&rules.to_string()).unwrap()
    }

    /// One rule for everything that happens to the table, with this event.
    fn every(event: Value) -> Rules {
        let on = ["create", "update", "delete", "read"];
        rules(json!([{"table": "public.models", "on": on, "event": event}]))
    }

    fn message(event: Value, change: &Change) -> String {
        every(event).rows(change).unwrap_err().message
    }

    #[test]
    fn s2_12_an_event_is_made_of_constants_and_columns() {
        let rules = every(json!({
            "name": "Upload", "entity_type": "Model", "entity_id": {"column": "id"},
            "user_id": {"column": "user_id"}, "visitor_id": {"column": "nobody"}, "value": 2,
            "occurred_at": {"column": "created_at", "unit": "us"},
            "ip_address": {"column": "ip"},
            "properties": {"kind": {"column": "type"}, "from": "cdc", "new": true, "size": 1.5}
        }));
        let row = json!({"id": 42, "user_id": 7, "nobody": null, "type": "LORA", "ip": "::1",
                         "created_at": 1_795_435_200_123_456_i64});
        let [row] = rules.rows(&change("c", Value::Null, row)).unwrap().try_into().unwrap();
        assert_eq!(row.texts[..5], ["Upload", "Model", "42", "7", ""]);
        assert_eq!((row.value, row.occurred_at), (2.0, Some(UnixMs(1_795_435_200_123))));
        assert_eq!(row.properties, r#"{"from":"cdc","kind":"LORA","new":true,"size":1.5}"#);
        assert_eq!(row.ip.unwrap().to_string(), "::1");
    }

    #[test]
    fn times_come_in_the_units_of_the_connector() {
        let at = |unit: Value, value: Value| {
            let mut column = json!({"column": "at"});
            if !unit.is_null() {
                column["unit"] = unit;
            }
            let rules = every(json!({"name": "a", "occurred_at": column}));
            rules.rows(&change("c", Value::Null, json!({"at": value}))).unwrap()[0].occurred_at
        };
        assert_eq!(at(Value::Null, json!(1_795_435_200_123_i64)), Some(UnixMs(1_795_435_200_123)));
        assert_eq!(at(json!("ms"), json!("2026-11-23T12:00:00Z")), Some(UnixMs(1_795_435_200_000)));
        assert_eq!(at(json!("us"), json!(1_999)), Some(UnixMs(1)));
        assert_eq!(at(json!("days"), json!(1)), Some(UnixMs(86_400_000)));
        assert_eq!(at(json!("us"), json!("2026-11-23T12:00:00Z")), Some(UnixMs(1_795_435_200_000)));
        assert_eq!(at(json!("us"), Value::Null), None);
    }

    #[test]
    fn a_deleted_row_s_columns_are_those_before_and_a_delta_is_what_was_gained() {
        let rules = every(json!({"name": "a", "entity_id": {"column": "id"},
                                 "value": {"delta": "n"}}));
        let row = |n: i64| json!({"id": 1, "n": n});
        let value = |op, before, after| {
            let rows = rules.rows(&change(op, before, after)).unwrap();
            (rows[0].texts[2].clone(), rows[0].value)
        };
        assert_eq!(value("u", row(3), row(5)), ("1".into(), 2.0));
        assert_eq!(value("c", Value::Null, row(5)), ("1".into(), 5.0));
        assert_eq!(value("d", row(3), Value::Null), ("1".into(), -3.0));
    }

    #[test]
    fn rules_are_met_by_table_kind_and_changed_column() {
        let event = json!({"name": "a"});
        let met = |rule: Value, change: &Change| {
            let mut rule = rule;
            rule["event"] = event.clone();
            rules(json!([rule])).rows(change).unwrap().len()
        };
        let update = change("u", json!({"a": 1, "b": 1}), json!({"a": 2, "b": 1}));
        assert_eq!(met(json!({"table": "public.models", "on": ["update"]}), &update), 1);
        assert_eq!(met(json!({"table": "public.other", "on": ["update"]}), &update), 0);
        assert_eq!(met(json!({"table": "public.models", "on": ["create"]}), &update), 0);
        let changed = |columns: &[&str]| json!({"table": "public.models", "on": ["update", "create"], "changed": columns});
        assert_eq!(met(changed(&["a"]), &update), 1);
        assert_eq!(met(changed(&["b"]), &update), 0);
        assert_eq!(met(changed(&["b", "a"]), &update), 1);
        // REPLICA IDENTITY DEFAULT sends no row before.
        assert_eq!(met(changed(&["a"]), &change("u", Value::Null, json!({"a": 2}))), 0);
        assert_eq!(met(changed(&["a"]), &change("c", Value::Null, json!({"a": 2}))), 1);
    }

    #[test]
    fn a_change_may_meet_several_rules_in_their_order() {
        let rule = |name: &str| {
            json!({"table": "public.models", "on": ["create"],
                                       "event": {"name": name}})
        };
        let rules = rules(json!([rule("a"), rule("b")]));
        let rows = rules.rows(&change("c", Value::Null, json!({"id": 1}))).unwrap();
        assert_eq!([&rows[0].texts[0], &rows[1].texts[0]], ["a", "b"]);
    }

    #[test]
    fn columns_that_are_not_there_and_values_that_do_not_fit_are_told() {
        let row = json!({"id": true, "text": "x", "long": UNAVAILABLE, "huge": f64::MAX});
        let change = change("u", json!({"text": "x", "huge": f64::MIN}), row);
        for (event, expected) in [
            (json!({"name": {"column": "none"}}), "column none is not in the row"),
            (
                json!({"name": {"column": "long"}}),
                "column long was not sent: the table's REPLICA IDENTITY must be FULL",
            ),
            (json!({"name": "a", "value": {"delta": "text"}}), "column text holds no number"),
            (json!({"name": "a", "value": {"delta": "huge"}}), "column huge is out of range"),
            (
                json!({"name": "a", "occurred_at": {"column": "huge", "unit": "days"}}),
                "column huge is out of range",
            ),
            (json!({"name": "a", "value": {"column": "text"}}), "value must be a number"),
            (
                json!({"name": "a", "entity_id": {"column": "id"}}),
                "entity_id must be text or a number",
            ),
            (json!({"name": ""}), "name is missing"),
        ] {
            assert_eq!(message(event, &change), expected);
        }
    }

    #[test]
    fn what_is_wrong_with_rules_is_said() {
        assert!(Rules::parse("").unwrap().is_empty());
        let rule = |table: &str, on: &str, more: &str| {
            format!(r#"[{{"table":"{table}","on":{on},"event":{{"name":"a"}}{more}}}]"#)
        };
        let start = "must be JSON, a list of rules: ";
        for (json, expected) in [
            (
                "{}".into(),
                format!("{start}invalid type: map, expected a sequence at line 1 column 0"),
            ),
            (
                rule("a.b", r#"["insert"]"#, ""),
                format!(
                    "{start}unknown variant `insert`, expected one of `create`, `update`, `delete`, `read` at line 1 column 30"
                ),
            ),
            (
                rule("a.b", r#"["read"]"#, r#","x":1"#),
                format!(
                    "{start}unknown field `x`, expected one of `table`, `on`, `changed`, `event` at line 1 column 54"
                ),
            ),
            (
                rule("models", r#"["read"]"#, ""),
                "entry 0: \"table\" must be like \"public.models\"".into(),
            ),
            (
                rule(".b", r#"["read"]"#, ""),
                "entry 0: \"table\" must be like \"public.models\"".into(),
            ),
            (
                rule("a.b", "[]", ""),
                "entry 0: \"on\" must list create, update, delete or read".into(),
            ),
            (
                rule("a.b", r#"["read"]"#, r#","changed":["a"]"#),
                "entry 0: \"changed\" is for updates".into(),
            ),
        ] {
            assert_eq!(Rules::parse(&json).unwrap_err(), expected, "{json}");
        }
        let unknown = r#"[{"table":"a.b","on":["read"],"event":{"name":{"colum":"a"}}}]"#;
        assert!(Rules::parse(unknown).unwrap_err().contains("did not match any variant"));
        let one = rule("a.b", r#"["read"]"#, "");
        let many = format!("[{}]", vec![one.trim_matches(['[', ']']); 1_001].join(","));
        assert!(Rules::parse(&many).is_err());
    }
}
