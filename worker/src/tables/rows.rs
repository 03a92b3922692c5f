//! Rows of JSON for a declared table become one block, or say what is wrong with them.

use super::column::Values;
use super::{Declared, Default};
use crate::events::{Fault, bad};
use crate::members::Members;
use crate::refusal::Code;
use serde_json::Value;
use tallymark::column::varint;
use tallymark::limits::{BLOCK_BYTES, STRING_BYTES};
use tallymark::schema::By;
use tallymark::time::UnixMs;

/// The longest text of one row, as for events: beyond it nothing is read.
const ROW_BYTES: usize = 7 * STRING_BYTES;

/// The rows that were taken.
#[derive(Debug)]
pub struct Rows {
    declared: &'static Declared,
    happened_at: UnixMs,
    columns: Vec<Values>,
    rows: usize,
}

impl Rows {
    /// No rows yet. What a row leaves out that is `now()` is `happened_at`.
    #[must_use]
    pub fn new(declared: &'static Declared, happened_at: UnixMs) -> Self {
        let columns = declared.table.columns.iter().map(Values::new).collect();
        Self { declared, happened_at, columns, rows: 0 }
    }

    /// Reads one row's text and appends it. `null` is the same as leaving a column out.
    ///
    /// # Errors
    /// The first thing that is wrong; nothing is appended then. `too_large` is no fault of the row:
    /// no block could hold the rows before it, which may be far longer than their texts by what they
    /// leave out.
    pub fn push(&mut self, text: &str) -> Result<(), Fault> {
        if self.columns.iter().map(Values::bytes).sum::<usize>() > BLOCK_BYTES {
            let message = format!("the rows before it have more than {BLOCK_BYTES} bytes");
            return Err(Fault { code: Code::TooLarge, message });
        }
        if text.len() > ROW_BYTES {
            return Err(bad(format!("the row has more than {ROW_BYTES} bytes")));
        }
        let Members(members) = serde_json::from_str(text).map_err(|error| {
            let what = if error.is_data() { "no JSON object" } else { "no JSON" };
            bad(format!("the row is {what}: column {}", error.column()))
        })?;
        let row = self.values(members)?;
        for (column, value) in self.columns.iter_mut().zip(&row) {
            if let Some(value) = value {
                // Checked by `values`.
                column.push(value).map_err(bad)?;
            }
        }
        self.rows += 1;
        Ok(())
    }

    /// The row's values in the table's order, each one that its column takes; `None` for the edge's.
    fn values(&self, members: Vec<(String, Value)>) -> Result<Vec<Option<Value>>, Fault> {
        let columns = &self.declared.table.columns;
        let mut row: Vec<Option<Value>> = vec![None; columns.len()];
        for (name, value) in members {
            let known = columns.iter().position(|column| column.name == name);
            let known =
                known.filter(|at| columns.get(*at).is_some_and(|spec| spec.by == By::Client));
            let slot = known.and_then(|at| row.get_mut(at)).ok_or_else(|| {
                let shown: String = name.chars().take(40).collect();
                bad(format!("{shown:?} is no column of {}", self.declared.table.name))
            })?;
            if slot.replace(value).is_some() {
                return Err(bad(format!("{name:?} is there twice")));
            }
        }
        let slots = row.iter_mut().zip(columns.iter()).zip(&self.declared.defaults);
        for ((slot, spec), default) in slots {
            let given = slot.take().filter(|value| !value.is_null());
            *slot = match (given, default) {
                (Some(value), _) => {
                    let mut alone = Values::new(spec);
                    alone
                        .push(&value)
                        .map_err(|must| bad(format!("{} must be {must}", spec.name)))?;
                    Some(value)
                }
                (None, Default::Edge) => None,
                (None, Default::Now) => Some(self.happened_at.0.into()),
                (None, Default::Value(value)) => Some(value.clone()),
                (None, Default::Required) => return Err(bad(format!("{} is missing", spec.name))),
            };
        }
        Ok(row)
    }

    /// How many.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The block of the client's columns.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let client = || {
            let all = self.declared.table.columns.iter().zip(&self.columns);
            all.filter(|(spec, _)| spec.by == By::Client)
        };
        let mut body = Vec::new();
        varint::write(client().count(), &mut body);
        varint::write(self.rows, &mut body);
        for (spec, column) in client() {
            column.encode(&spec.name, &mut body);
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use super::super::Tables;
    use super::*;
    use tallymark::block;
    use tallymark::column::UnixSeconds;

    fn rows() -> Rows {
        let tables = Tables::parse(include_str!("../../tables.example.json")).unwrap();
        Rows::new(tables.find("my_feature_events").unwrap(), UnixMs(1_795_435_200_999))
    }

    #[test]
    fn s2_6_rows_of_the_document_s_table_become_a_block_of_it() {
        let mut rows = rows();
        rows.push(r#"{"feature_id":1,"user_id":7,"action":"open","metadata":"{\"a\":1}"}"#)
            .unwrap();
        rows.push(r#"{"feature_id":2,"user_id":7,"action":"","created_at":1000,"metadata":null}"#)
            .unwrap();
        assert_eq!(rows.rows(), 2);
        let body = rows.encode();
        let block = block::walk(&body).unwrap();
        assert!(block::check(&block, &rows.declared.table).is_ok());
        assert!(block.column("feature_id").unwrap().values::<u32>().unwrap().eq([1, 2]));
        assert!(block.column("metadata").unwrap().texts().unwrap().eq(["{\"a\":1}", ""]));
        // Left out, it is the time in the request's id, which every retry has.
        let times = block.column("created_at").unwrap().values::<UnixSeconds>().unwrap();
        assert!(times.eq([UnixSeconds(1_795_435_200), UnixSeconds(1)]));
    }

    #[test]
    fn rows_that_leave_long_defaults_out_end_where_no_block_could_hold_them() {
        let default = "x".repeat(20_000);
        let columns = ["a", "b"]
            .map(|name| format!(r#"{{"name":"{name}","type":"String","default":"{default}"}},"#));
        let columns = columns.concat();
        let json = format!(
            r#"[{{"name":"t","columns":[{columns}{{"name":"tags","type":"Array(UInt8)"}}],
                "order_by":["a"]}}]"#
        );
        let tables = Tables::parse(&json).unwrap();
        let mut rows = Rows::new(tables.find("t").unwrap(), UnixMs(0));
        let fault = (0..10_000).find_map(|_| rows.push(r#"{"tags":[1]}"#).err()).unwrap();
        assert_eq!(fault.code, Code::TooLarge);
        assert_eq!(fault.message, "the rows before it have more than 2000000 bytes");
        // A text has its length before it, of three bytes; tags are an offset and an element.
        assert_eq!(rows.rows(), 2_000_000 / (2 * 20_003 + 9) + 1);
    }

    #[test]
    fn a_wrong_row_is_told_and_leaves_nothing_behind() {
        let mut rows = rows();
        let good = r#"{"feature_id":1,"user_id":7,"action":"open"}"#;
        for (text, expected) in [
            ("", "the row is no JSON: column 0"),
            ("[]", "the row is no JSON object: column 0"),
            ("{}", "feature_id is missing"),
            (r#"{"feature_id":null}"#, "feature_id is missing"),
            (&good.replace('1', "-1"), "feature_id must be a whole number that fits UInt32"),
            (&good.replace("\"open\"", "5"), "action must be text"),
            (&good.replace("open", &"x".repeat(201)), "action must be text of at most 200 bytes"),
            (&good.replace("{", "{\"site\":\"x\","), "\"site\" is no column of my_feature_events"),
            (
                &good.replace("{", "{\"featureId\":1,"),
                "\"featureId\" is no column of my_feature_events",
            ),
            (&good.replace("{", "{\"user_id\":1,"), "\"user_id\" is there twice"),
        ] {
            let fault = rows.push(text).unwrap_err();
            assert_eq!(fault.message, expected, "{text}");
        }
        let long = format!("{{\"metadata\":\"{}\"}}", "x".repeat(ROW_BYTES));
        assert_eq!(rows.push(&long).unwrap_err().message, "the row has more than 229376 bytes");
        rows.push(good).unwrap();
        assert_eq!(block::walk(&rows.encode()).unwrap().rows(), 1);
    }
}
