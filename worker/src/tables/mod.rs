//! Tables of one's own: the variable `TABLES` declares each once, and from that come its DDL, the
//! check of what is written to it, and its TypeScript type.
//!
//! ```json
//! [{"name": "my_feature_events",
//!   "columns": [{"name": "feature_id", "type": "UInt32"},
//!               {"name": "action", "type": "LowCardinality(String)"},
//!               {"name": "created_at", "type": "DateTime", "default": "now()"}],
//!   "partition_by": "created_at", "order_by": ["feature_id", "created_at"],
//!   "ttl": {"column": "created_at", "days": 90}, "sites": ["demo"]}]
//! ```
//!
//! # Invariants
//!
//! * Every name is letters, digits and `_`, every type one of the core's: nothing else of a
//!   declaration reaches SQL but escaped texts.
//! * Where a row lands depends on what its client sent: a partition's column is never corrected at the
//!   edge, and one that a client may leave out is filled in from the request's id.

mod column;
mod ddl;
mod declaration;
mod near;
mod rows;
mod typescript;

pub use rows::Rows;
pub use typescript::declarations;

use crate::limits;
use declaration::Declaration;
use serde::Deserialize;
use serde_json::Value;
use tallymark::schema::{By, EVENTS, Table};

/// All declared tables.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tables(Vec<&'static Declared>);

/// One declared table.
#[derive(Debug, PartialEq)]
pub struct Declared {
    /// What blocks and rows are checked against.
    pub table: Table,
    /// The default of each column, in the table's order.
    defaults: Vec<Default>,
    partition_by: Option<String>,
    order_by: Vec<String>,
    ttl: Option<Ttl>,
    /// Whose keys may write; all sites' when empty.
    sites: Vec<String>,
}

/// What a row gets that leaves a column out.
#[derive(Clone, Debug, PartialEq)]
enum Default {
    /// Nothing: the column must be there.
    Required,
    /// The time in the request's id; `now()` for whoever inserts by himself.
    Now,
    /// This value.
    Value(Value),
    /// The edge writes it.
    Edge,
}

/// When rows are deleted.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ttl {
    column: String,
    days: u32,
}

impl Tables {
    /// Reads the variable; empty text declares none.
    ///
    /// # Errors
    /// A sentence on what is wrong, which names table and column.
    pub fn parse(json: &str) -> Result<Self, String> {
        if json.is_empty() {
            return Ok(Self::default());
        }
        let all: Vec<Declaration> = serde_json::from_str(json)
            .map_err(|error| format!("must be JSON, a list of tables: {error}"))?;
        if all.len() > limits::TABLES {
            return Err(format!("must declare at most {} tables", limits::TABLES));
        }
        let mut tables = Self::default();
        for declaration in all {
            let name = declaration.name.clone();
            let declared = declaration.check().map_err(|why| format!("table {name:?}: {why}"))?;
            if tables.find(&name).is_some() {
                return Err(format!("table {name:?} is there twice"));
            }
            // An isolate reads its variables once: a table lives as long as it does, and everything
            // that is under way may refer to it.
            tables.0.push(Box::leak(Box::new(declared)));
        }
        Ok(tables)
    }

    /// The declared table of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&'static Declared> {
        self.0.iter().copied().find(|declared| declared.table.name == name)
    }

    /// The table of this name that this site's key may write to, `events` for all.
    #[must_use]
    pub fn writable(&self, name: &str, site: &str) -> Option<&'static Table> {
        if name == EVENTS.name {
            return Some(&EVENTS);
        }
        let declared = self.find(name)?;
        let is_free = declared.sites.is_empty() || declared.sites.iter().any(|own| own == site);
        is_free.then_some(&declared.table)
    }

    /// All of them, in the order of the variable.
    pub fn iter(&self) -> impl Iterator<Item = &'static Declared> {
        self.0.iter().copied()
    }

    /// The statements that make them, in order; each may run any number of times.
    #[must_use]
    pub fn statements(&self) -> Vec<String> {
        self.iter()
            .flat_map(|declared| {
                let indexes = declared.add_indexes();
                let columns = [declared.create(), declared.add_columns()];
                columns.into_iter().chain(indexes).chain([declared.set_window()])
            })
            .collect()
    }
}

impl Declared {
    /// Whether a batch can be looked up in it by its id.
    #[must_use]
    pub fn holds_batches(table: &Table) -> bool {
        ["batch_id", "received_at"]
            .iter()
            .all(|name| table.column(name).is_some_and(|column| column.by == By::Edge))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The metrics document's table (contract S2.6).
    const FEATURE: &str = include_str!("../../tables.example.json");

    /// A table of a key and a time with these members more.
    pub(super) fn table(columns: &str, more: &str) -> String {
        format!(
            r#"[{{"name":"t","columns":[{{"name":"id","type":"UInt32"}},
                {{"name":"at","type":"DateTime64(3)"}}{columns}],"order_by":["id"]{more}}}]"#
        )
    }

    #[test]
    fn s2_6_the_document_s_table_is_declared_once() {
        let tables = Tables::parse(FEATURE).unwrap();
        let table = &tables.find("my_feature_events").unwrap().table;
        let columns: Vec<_> =
            table.columns.iter().map(|column| (&*column.name, column.required)).collect();
        assert_eq!(
            columns,
            [
                ("feature_id", true),
                ("user_id", true),
                ("action", true),
                ("metadata", false),
                // It has a default, but a block must say where its rows land.
                ("created_at", true),
            ]
        );
        assert_eq!(tables.writable("my_feature_events", "any"), Some(table));
        assert_eq!(tables.writable("events", "any"), Some(&EVENTS));
        assert_eq!(tables.writable("entity_totals", "any"), None);
    }

    #[test]
    fn a_table_may_belong_to_sites() {
        let tables = Tables::parse(&table("", r#","sites":["a"]"#)).unwrap();
        assert!(tables.writable("t", "a").is_some());
        assert_eq!(tables.writable("t", "b"), None);
    }

    #[test]
    fn only_a_table_with_the_edge_s_columns_can_be_asked_for_a_batch() {
        let edge = r#",{"name":"batch_id","type":"UUID","by":"edge"},
            {"name":"received_at","type":"DateTime64(3, 'UTC')","by":"edge"}"#;
        let holds = |json: &str| {
            Declared::holds_batches(&Tables::parse(json).unwrap().find("t").unwrap().table)
        };
        assert!(holds(&table(edge, r#","partition_by":"batch_id""#)));
        assert!(!holds(&table("", "")));
        assert!(Declared::holds_batches(&EVENTS));
    }
}
