//! One entry of `TABLES`, as it is written, and what it must be to become a table.

use super::{Declared, Default, Ttl, column, ddl};
use crate::limits;
use crate::migrate::{FILES, LOCAL};
use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;
use tallymark::column::{Scalar, Type};
use tallymark::limits::{EVENT_NAME_BYTES, STRING_BYTES};
use tallymark::schema::{By, ColumnSpec, EVENTS, Table};

/// One entry of `TABLES`, as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declaration {
    pub name: String,
    columns: Vec<Column>,
    partition_by: Option<String>,
    order_by: Vec<String>,
    ttl: Option<Ttl>,
    #[serde(default)]
    sites: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Column {
    name: String,
    #[serde(rename = "type")]
    type_name: String,
    default: Option<Value>,
    max_bytes: Option<usize>,
    #[serde(default)]
    by: Writer,
}

#[derive(Clone, Copy, PartialEq, std::default::Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Writer {
    #[default]
    Client,
    Edge,
}

impl Declaration {
    /// The table, if all of it can be.
    ///
    /// # Errors
    /// A sentence on what is wrong, which names the column.
    pub fn check(self) -> Result<Declared, String> {
        if !is_name(&self.name) {
            return Err(NAME.into());
        }
        if is_taken(&self.name) {
            return Err("this name is one of tallymark's own".into());
        }
        let count = self.columns.len();
        if !(1..=limits::TABLE_COLUMNS).contains(&count) {
            return Err(format!("must have 1 to {} columns", limits::TABLE_COLUMNS));
        }
        let mut columns: Vec<ColumnSpec> = Vec::new();
        let mut defaults = Vec::new();
        for column in self.columns {
            let name = column.name.clone();
            let (spec, default) =
                column.check().map_err(|why| format!("column {name:?}: {why}"))?;
            if columns.iter().any(|other| other.name == spec.name) {
                return Err(format!("column {name:?} is there twice"));
            }
            columns.push(spec);
            defaults.push(default);
        }
        let table = Table { name: Cow::Owned(self.name), columns: Cow::Owned(columns) };
        let mut declared = Declared {
            table,
            defaults,
            partition_by: self.partition_by,
            order_by: self.order_by,
            ttl: self.ttl,
            sites: self.sites,
        };
        declared.check()?;
        declared.require_partition();
        Ok(declared)
    }
}

impl Column {
    fn check(self) -> Result<(ColumnSpec, Default), String> {
        if !is_name(&self.name) {
            return Err(NAME.into());
        }
        let ty = Type::parse(self.type_name.as_bytes())
            .map_err(|_| format!("{:?} is no type of tallymark's", self.type_name))?;
        if self.by == Writer::Edge {
            let known = EVENTS.column(&self.name).filter(|known| known.by == By::Edge);
            return match known {
                _ if self.default.is_some() || self.max_bytes.is_some() => {
                    Err("the edge's columns have no default and no bound".into())
                }
                Some(known) if known.ty == ty => Ok((known.clone(), Default::Edge)),
                Some(known) => Err(format!("the edge writes it as {}", known.ty)),
                None => Err("the edge writes no column of this name".into()),
            };
        }
        // A client that wrote these would write in other sites' names.
        if ["site", "batch_id", "received_at", "ip"].contains(&self.name.as_str()) {
            return Err("the edge writes this column: declare it \"by\": \"edge\"".into());
        }
        let most = match ty.scalar {
            Scalar::LowCardinality => EVENT_NAME_BYTES,
            _ => STRING_BYTES,
        };
        let max_bytes = self.max_bytes.unwrap_or(most);
        if max_bytes == 0 || max_bytes > STRING_BYTES {
            return Err(format!("max_bytes must be 1 to {STRING_BYTES}"));
        }
        let default = match self.default {
            Some(Value::String(text)) if text == "now()" => Default::Now,
            Some(value) => Default::Value(value),
            None if ty.nullable && ty.arrays == 0 => Default::Value(Value::Null),
            None => Default::Required,
        };
        let is_time = matches!(ty.scalar, Scalar::DateTime | Scalar::DateTime64);
        if default == Default::Now && !(is_time && ty == Type::scalar(ty.scalar)) {
            return Err("now() is for DateTime and DateTime64(3)".into());
        }
        // A number is milliseconds in a row and seconds in DDL.
        if is_time && matches!(&default, Default::Value(value) if !value.is_null()) {
            return Err("the default of a time is now(), null or none".into());
        }
        let required = default == Default::Required;
        let name = Cow::Owned(self.name);
        let spec = ColumnSpec { name, ty, by: By::Client, required, max_bytes };
        if let Default::Value(value) = &default {
            let takes = ddl::literal(value).is_some() && column::takes(&spec, value);
            // What is no value of the type would fail at every row that leaves it out.
            if !takes {
                return Err(
                    "the default must be a number, a text, true, false or null of its type".into(),
                );
            }
        }
        Ok((spec, default))
    }
}

impl Declared {
    fn column(&self, name: &str) -> Result<&ColumnSpec, String> {
        self.table.column(name).ok_or_else(|| format!("there is no column {name:?}"))
    }

    fn check(&self) -> Result<(), String> {
        if self.order_by.is_empty() {
            return Err("order_by must name at least one column".into());
        }
        for name in &self.order_by {
            let ty = self.column(name)?.ty;
            if ty.nullable || ty.scalar == Scalar::Json {
                return Err(format!("order_by cannot name {name:?}: it is {ty}"));
            }
        }
        let is_time = |name: &str| {
            let ty = self.column(name)?.ty;
            let time = [Scalar::Date, Scalar::DateTime, Scalar::DateTime64]
                .iter()
                .any(|scalar| ty == Type::scalar(*scalar));
            if time { Ok(()) } else { Err(format!("column {name:?} must be a date or a time")) }
        };
        if let Some(ttl) = &self.ttl {
            is_time(&ttl.column)?;
            let (least, most) = limits::TTL_DAYS;
            if !(least..=most).contains(&ttl.days) {
                return Err(format!("ttl.days must be {least} to {most}"));
            }
        }
        match self.partition_by.as_deref() {
            None => Ok(()),
            Some("batch_id") if self.column("batch_id")?.by == By::Edge => Ok(()),
            // A retry would land in another month than its first try, where nobody knows its token.
            Some("occurred_at") | Some("received_at") => {
                Err("partition_by must name a column that is the same at every try".into())
            }
            Some(name) => is_time(name),
        }
    }

    /// A block's client says where its rows land: a default would be the server's time at that try.
    fn require_partition(&mut self) {
        let Some(name) = self.partition_by.as_deref() else { return };
        for column in self.table.columns.to_mut() {
            column.required |= column.name == name && column.by == By::Client;
        }
    }
}

const NAME: &str =
    "a name must be a letter or _, then letters, digits and _, 64 at most, and no word of SQL's";

/// Where a name may stand and SQL reads something else: `INSERT INTO function …`, a column's list.
const WORDS: [&str; 5] = ["function", "table", "index", "constraint", "projection"];

fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=limits::SITE_BYTES).contains(&name.len())
        && name.bytes().all(plain)
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && !WORDS.iter().any(|word| name.eq_ignore_ascii_case(word))
}

/// Whether one of tallymark's own tables or views has this name.
fn is_taken(name: &str) -> bool {
    name.ends_with(LOCAL)
        || FILES.iter().any(|file| file.name.split_once('_').is_some_and(|(_, own)| own == name))
}

#[cfg(test)]
mod tests {
    use super::super::Tables;
    use super::super::tests::table;

    fn message(json: &str) -> String {
        Tables::parse(json).unwrap_err()
    }

    #[test]
    fn each_wrong_declaration_is_told() {
        let column = |more: &str| table(&format!(r#",{{"name":"c",{more}}}"#), "");
        for (json, expected) in [
            (
                "{}".into(),
                "must be JSON, a list of tables: invalid type: map, expected a sequence at line 1 column 0",
            ),
            (
                table("", "").replace(r#""t""#, r#""t;""#),
                "table \"t;\": a name must be a letter or _, then letters, digits and _, 64 at most, and no word of SQL's",
            ),
            (
                table("", "").replace(r#""t""#, r#""1t""#),
                "table \"1t\": a name must be a letter or _, then letters, digits and _, 64 at most, and no word of SQL's",
            ),
            (
                table("", "").replace(r#""t""#, r#""Function""#),
                "table \"Function\": a name must be a letter or _, then letters, digits and _, 64 at most, and no word of SQL's",
            ),
            (
                table(r#",{"name":"site","type":"LowCardinality(String)"}"#, ""),
                "table \"t\": column \"site\": the edge writes this column: declare it \"by\": \"edge\"",
            ),
            (
                column(r#""type":"DateTime64(3)","default":1795435200000"#),
                "table \"t\": column \"c\": the default of a time is now(), null or none",
            ),
            (
                table("", "").replace(r#""t""#, r#""events""#),
                "table \"events\": this name is one of tallymark's own",
            ),
            (
                table("", "").replace(r#""t""#, r#""post_events""#),
                "table \"post_events\": this name is one of tallymark's own",
            ),
            (
                table("", "").replace(r#""t""#, r#""t_local""#),
                "table \"t_local\": this name is one of tallymark's own",
            ),
            (
                table(r#",{"name":"id","type":"UInt8"}"#, ""),
                "table \"t\": column \"id\" is there twice",
            ),
            (
                column(r#""type":"UInt31""#),
                "table \"t\": column \"c\": \"UInt31\" is no type of tallymark's",
            ),
            (
                column(r#""type":"String) ENGINE = Null --""#),
                "table \"t\": column \"c\": \"String) ENGINE = Null --\" is no type of tallymark's",
            ),
            (
                column(r#""type":"UInt8","default":"now()""#),
                "table \"t\": column \"c\": now() is for DateTime and DateTime64(3)",
            ),
            (
                column(r#""type":"UInt8","default":"x""#),
                "table \"t\": column \"c\": the default must be a number, a text, true, false or null of its type",
            ),
            (
                column(r#""type":"UInt8","default":256"#),
                "table \"t\": column \"c\": the default must be a number, a text, true, false or null of its type",
            ),
            (
                column(r#""type":"Array(UInt8)","default":[]"#),
                "table \"t\": column \"c\": the default must be a number, a text, true, false or null of its type",
            ),
            (
                column(r#""type":"String","max_bytes":32769"#),
                "table \"t\": column \"c\": max_bytes must be 1 to 32768",
            ),
            (
                column(r#""type":"String","by":"edge""#),
                "table \"t\": column \"c\": the edge writes no column of this name",
            ),
            (
                table(r#",{"name":"site","type":"String","by":"edge"}"#, ""),
                "table \"t\": column \"site\": the edge writes it as LowCardinality(String)",
            ),
            (
                table(
                    r#",{"name":"bot","type":"LowCardinality(String)","by":"edge","default":"x"}"#,
                    "",
                ),
                "table \"t\": column \"bot\": the edge's columns have no default and no bound",
            ),
            (
                table("", "").replace(r#"["id"]"#, "[]"),
                "table \"t\": order_by must name at least one column",
            ),
            (
                table("", "").replace(r#"["id"]"#, r#"["x"]"#),
                "table \"t\": there is no column \"x\"",
            ),
            (
                table(r#",{"name":"n","type":"Nullable(UInt8)"}"#, "")
                    .replace(r#"["id"]"#, r#"["n"]"#),
                "table \"t\": order_by cannot name \"n\": it is Nullable(UInt8)",
            ),
            (
                table("", r#","ttl":{"column":"id","days":1}"#),
                "table \"t\": column \"id\" must be a date or a time",
            ),
            (
                table("", r#","ttl":{"column":"at","days":0}"#),
                "table \"t\": ttl.days must be 1 to 10000",
            ),
            (
                table("", r#","partition_by":"id""#),
                "table \"t\": column \"id\" must be a date or a time",
            ),
            (
                table("", r#","partition_by":"batch_id""#),
                "table \"t\": there is no column \"batch_id\"",
            ),
            (
                table(
                    r#",{"name":"occurred_at","type":"DateTime64(3)"}"#,
                    r#","partition_by":"occurred_at""#,
                ),
                "table \"t\": partition_by must name a column that is the same at every try",
            ),
        ] {
            assert_eq!(message(&json), expected, "{json}");
        }
        let twice = format!("[{0},{0}]", &table("", "")[1..table("", "").len() - 1]);
        assert_eq!(message(&twice), "table \"t\" is there twice");
        assert_eq!(Tables::parse(""), Ok(Tables::default()));
    }
}
