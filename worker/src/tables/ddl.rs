//! A declared table as DDL.

use super::{Declared, Default};
use serde_json::Value;
use std::fmt::Write;
use tallymark::column::Scalar;
use tallymark::schema::ColumnSpec;

/// So many inserts are remembered by their tokens, as in tallymark's own tables.
const WINDOW: &str = "non_replicated_deduplication_window = 100000";

const INDEXES: &[&str] = &[
    "INDEX by_batch batch_id TYPE bloom_filter GRANULARITY 1",
    "INDEX by_arrival received_at TYPE minmax GRANULARITY 1",
];

impl Declared {
    /// `CREATE TABLE IF NOT EXISTS …`, with the deduplication window that makes a token count.
    #[must_use]
    pub fn create(&self) -> String {
        let columns = self.columns().chain(self.indexes().map(String::from));
        let columns: Vec<_> = columns.map(|column| format!("    {column}")).collect();
        let mut sql = format!(
            "CREATE TABLE IF NOT EXISTS {}\n(\n{}\n)\nENGINE = MergeTree\n",
            self.table.name,
            columns.join(",\n")
        );
        // Writing to a String cannot fail.
        let _ = match self.partition_by.as_deref() {
            None => Ok(()),
            Some("batch_id") => {
                writeln!(sql, "PARTITION BY toYYYYMM(UUIDv7ToDateTime(batch_id))")
            }
            Some(name) => writeln!(sql, "PARTITION BY toYYYYMM({name})"),
        };
        let _ = writeln!(sql, "ORDER BY ({})", self.order_by.join(", "));
        if let Some(ttl) = &self.ttl {
            let is_wide = self
                .table
                .column(&ttl.column)
                .is_some_and(|column| column.ty.scalar == Scalar::DateTime64);
            // A TTL is a Date or a DateTime.
            let time =
                if is_wide { format!("toDateTime({})", ttl.column) } else { ttl.column.clone() };
            let _ = writeln!(sql, "TTL {time} + INTERVAL {} DAY", ttl.days);
        }
        let _ = write!(sql, "SETTINGS {WINDOW}");
        sql
    }

    /// What a declaration has gained since its table was made.
    #[must_use]
    pub fn add_columns(&self) -> String {
        let columns = self.columns().map(|column| format!("ADD COLUMN IF NOT EXISTS {column}"));
        self.alter(columns)
    }

    /// The indexes that a table lacks which was there before it was declared; none for one that cannot
    /// be asked for a batch. Apart from the columns, which a `Distributed` table has too.
    #[must_use]
    pub fn add_indexes(&self) -> Option<String> {
        let add = |index: &str| format!("ADD {}", index.replace("INDEX", "INDEX IF NOT EXISTS"));
        let mut indexes = self.indexes().map(add).peekable();
        indexes.peek().is_some().then(|| self.alter(indexes))
    }

    fn alter(&self, changes: impl Iterator<Item = String>) -> String {
        let changes: Vec<_> = changes.collect();
        format!("ALTER TABLE {} {}", self.table.name, changes.join(", "))
    }

    /// The window for a table that was there before it was declared: without one no retry is dropped.
    #[must_use]
    pub fn set_window(&self) -> String {
        format!("ALTER TABLE {} MODIFY SETTING {WINDOW}", self.table.name)
    }

    /// What a look-up of a batch reads by, where the table can be asked for one.
    fn indexes(&self) -> impl Iterator<Item = &'static str> {
        let all = if Self::holds_batches(&self.table) { INDEXES } else { &[] };
        all.iter().copied()
    }

    fn columns(&self) -> impl Iterator<Item = String> {
        self.table.columns.iter().zip(&self.defaults).map(|(spec, default)| column(spec, default))
    }
}

fn column(spec: &ColumnSpec, default: &Default) -> String {
    let column = format!("{} {}", spec.name, spec.ty);
    match default {
        Default::Now if spec.ty.scalar == Scalar::DateTime64 => {
            format!("{column} DEFAULT now64(3, 'UTC')")
        }
        Default::Now => format!("{column} DEFAULT now()"),
        Default::Value(value) if !is_type_s_own(value) => {
            format!("{column} DEFAULT {}", literal(value).unwrap_or_default())
        }
        _ => column,
    }
}

/// Whether the value is the one that a column has without a DEFAULT.
fn is_type_s_own(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

/// A value as ClickHouse writes it; `None` for lists and objects.
pub(super) fn literal(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some("NULL".into()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => {
            Some(format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Tables;

    #[test]
    fn s2_6_d13_the_document_s_table_gets_its_ddl_and_a_window() {
        let tables = Tables::parse(include_str!("../../tables.example.json")).unwrap();
        let expected = "CREATE TABLE IF NOT EXISTS my_feature_events
(
    feature_id UInt32,
    user_id UInt32,
    action LowCardinality(String),
    metadata String,
    created_at DateTime DEFAULT now()
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(created_at)
ORDER BY (feature_id, created_at)
TTL created_at + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 100000";
        let added = "ALTER TABLE my_feature_events ADD COLUMN IF NOT EXISTS feature_id UInt32, \
                     ADD COLUMN IF NOT EXISTS user_id UInt32, \
                     ADD COLUMN IF NOT EXISTS action LowCardinality(String), \
                     ADD COLUMN IF NOT EXISTS metadata String, \
                     ADD COLUMN IF NOT EXISTS created_at DateTime DEFAULT now()";
        let window = "ALTER TABLE my_feature_events \
                      MODIFY SETTING non_replicated_deduplication_window = 100000";
        assert_eq!(tables.statements(), [expected, added, window]);
    }

    #[test]
    fn a_table_that_can_be_asked_for_a_batch_has_what_the_look_up_reads_by() {
        let tables = Tables::parse(
            r#"[{"name":"t","order_by":["batch_id"],"columns":[
                {"name":"batch_id","type":"UUID","by":"edge"},
                {"name":"received_at","type":"DateTime64(3)","by":"edge"}]}]"#,
        );
        let expected = "CREATE TABLE IF NOT EXISTS t
(
    batch_id UUID,
    received_at DateTime64(3, 'UTC'),
    INDEX by_batch batch_id TYPE bloom_filter GRANULARITY 1,
    INDEX by_arrival received_at TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
ORDER BY (batch_id)
SETTINGS non_replicated_deduplication_window = 100000";
        let added = "ALTER TABLE t ADD COLUMN IF NOT EXISTS batch_id UUID, \
                     ADD COLUMN IF NOT EXISTS received_at DateTime64(3, 'UTC')";
        let indexed = "ALTER TABLE t \
                     ADD INDEX IF NOT EXISTS by_batch batch_id TYPE bloom_filter GRANULARITY 1, \
                     ADD INDEX IF NOT EXISTS by_arrival received_at TYPE minmax GRANULARITY 1";
        assert_eq!(tables.unwrap().statements()[..3], [expected, added, indexed]);
    }

    #[test]
    fn defaults_are_literals_and_the_batch_s_month_is_its_id_s() {
        let tables = Tables::parse(
            r#"[{"name":"t","order_by":["a"],"partition_by":"batch_id","columns":[
                {"name":"a","type":"String","default":"it's \\"},
                {"name":"b","type":"Float64","default":1.5},
                {"name":"c","type":"Bool","default":true},
                {"name":"d","type":"Nullable(UInt8)"},
                {"name":"e","type":"DateTime64(3)","default":"now()"},
                {"name":"f","type":"Array(Nullable(String))"},
                {"name":"batch_id","type":"UUID","by":"edge"}],
                "ttl":{"column":"e","days":7}}]"#,
        );
        let expected = "CREATE TABLE IF NOT EXISTS t
(
    a String DEFAULT 'it\\'s \\\\',
    b Float64 DEFAULT 1.5,
    c Bool DEFAULT true,
    d Nullable(UInt8),
    e DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC'),
    f Array(Nullable(String)),
    batch_id UUID
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(UUIDv7ToDateTime(batch_id))
ORDER BY (a)
TTL toDateTime(e) + INTERVAL 7 DAY
SETTINGS non_replicated_deduplication_window = 100000";
        assert_eq!(tables.unwrap().statements()[0], expected);
    }
}
