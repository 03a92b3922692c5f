//! The same statements for a cluster, from the same files.
//!
//! | on one server | on a cluster |
//! |---|---|
//! | `CREATE … name`, `ALTER TABLE name` | `… name ON CLUSTER 'cluster'` |
//! | `ENGINE = SummingMergeTree(…)` | `ENGINE = ReplicatedSummingMergeTree(…)`, its path the server's default |
//! | `non_replicated_deduplication_window = n` | the replicated window, in inserts and in seconds |
//!
//! Of several shards each has the tables under names of its own, with views from table to table, and
//! in front of each stands a `Distributed` table that is read and written under the usual name:
//!
//! ```text
//! events (Distributed) ─┬─ events_local ─ view ─> entity_totals_local ─┬─ entity_totals (Distributed)
//!                       └─ events_local ─ view ─> entity_totals_local ─┘
//! ```
//!
//! A token counts on one shard, so every try of a batch has to find the shard of the first: rows go
//! by `batch_id`, which no try changes. A table that has none, and does not merge its rows, is on the
//! first shard as a whole. A cluster whose shards come or go sends retries elsewhere: let nothing
//! wait then.
//!
//! A table that a view makes anew each minute stays each server's own: a refresh replaces it, and
//! every server can read the rows that it is made from.

use super::REFRESHED;

/// Where tables are made, when not on one server alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// As `remote_servers` names it.
    name: String,
    shards: Shards,
}

/// How a cluster is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shards {
    /// One, of any number of replicas.
    One,
    /// Several, of any number of replicas each.
    Replicated,
    /// Several, of one server each; none needs a Keeper. Each is migrated by itself.
    Servers,
}

/// What a shard's own table has behind its name.
pub const LOCAL: &str = "_local";

/// What stands before a table's name.
const BEFORE_TABLE: [&str; 5] =
    ["CREATE TABLE IF NOT EXISTS ", "ALTER TABLE ", "INSERT INTO ", " TO ", "FROM "];

impl Cluster {
    /// Reads `name`, `name:shards` or `name:servers`; empty for none.
    ///
    /// # Errors
    /// A sentence on the text.
    pub fn parse(text: &str) -> Result<Option<Self>, String> {
        if text.is_empty() {
            return Ok(None);
        }
        let (name, shards) = match text.split_once(':') {
            None => (text, Shards::One),
            Some((name, "shards")) => (name, Shards::Replicated),
            Some((name, "servers")) => (name, Shards::Servers),
            Some(_) => return Err("must end with :shards, with :servers or with neither".into()),
        };
        if name.is_empty() || name_bytes(name) < name.len() {
            return Err("must be letters, digits and _".into());
        }
        Ok(Some(Self { name: name.into(), shards }))
    }

    /// Whether `Distributed` tables stand in front of the shards' own.
    #[must_use]
    pub fn is_sharded(&self) -> bool {
        self.shards != Shards::One
    }

    /// What goes behind the name of something that is made everywhere.
    #[must_use]
    pub fn everywhere(&self) -> String {
        match self.shards {
            Shards::One | Shards::Replicated => format!(" ON CLUSTER '{}'", self.name),
            Shards::Servers => String::new(),
        }
    }

    /// A statement that makes or changes something becomes these, in their order.
    #[must_use]
    pub fn make(&self, statement: &str) -> Vec<String> {
        let all = match self.shards {
            Shards::One => vec![statement.to_owned()],
            Shards::Replicated | Shards::Servers => sharded(statement, &self.name),
        };
        match self.shards {
            Shards::One | Shards::Replicated => {
                all.iter().map(|statement| self.on_all(statement)).collect()
            }
            Shards::Servers => all,
        }
    }

    /// A statement on rows. A server that is migrated by itself asks and fills its own tables: those of
    /// the others may not be there yet.
    #[must_use]
    pub fn rows(&self, statement: &str) -> String {
        match self.shards {
            Shards::One | Shards::Replicated => statement.to_owned(),
            Shards::Servers => local(statement),
        }
    }

    fn on_all(&self, statement: &str) -> String {
        let Some((before, name, rest)) = named(statement) else { return statement.to_owned() };
        let is_own = REFRESHED.contains(&name) || rest.contains("ENGINE = Distributed(");
        let rest = if is_own { rest.to_owned() } else { replicated(rest) };
        format!("{before}{name}{}{rest}", self.everywhere())
    }
}

/// The statement for a shard's own table, and for the table in front of all.
fn sharded(statement: &str, cluster: &str) -> Vec<String> {
    let Some((before, name, _)) = named(statement) else { return vec![statement.to_owned()] };
    let is_read_in_front = before.contains("CREATE VIEW")
        || statement.contains(" REFRESH EVERY ")
        || REFRESHED.contains(&name);
    if is_read_in_front {
        return vec![statement.to_owned()];
    }
    let mut all = vec![local(statement)];
    if before.contains("CREATE TABLE") {
        let key = sharding_key(statement);
        all.push(format!(
            "CREATE TABLE IF NOT EXISTS {name} AS {name}{LOCAL}\n\
             ENGINE = Distributed('{cluster}', currentDatabase(), {name}{LOCAL}, {key})"
        ));
    } else if statement.contains(" ADD COLUMN ") {
        all.push(statement.to_owned());
    }
    all
}

/// What a row's shard follows from.
fn sharding_key(create: &str) -> String {
    let order = create.rsplit_once("\nORDER BY ").map_or("", |(_, rest)| rest);
    let order = order.lines().next().unwrap_or_default().trim_matches(['(', ')']);
    if create.contains("    batch_id UUID") {
        "cityHash64(batch_id)".into()
    } else if create.contains("\nENGINE = MergeTree") {
        "0".into()
    } else {
        // Rows of one key merge on one shard alone.
        format!("cityHash64({order})")
    }
}

/// The statement with the shard's own tables for all that it names; its columns may go by the usual
/// name of the table that they are read from.
fn local(statement: &str) -> String {
    BEFORE_TABLE.iter().fold(statement.to_owned(), |statement, before| {
        let mut pieces = statement.split(before);
        let first = pieces.next().unwrap_or_default().to_owned();
        pieces.fold(first, |done, piece| {
            let (name, rest) = piece.split_at(name_bytes(piece));
            let own = match (name, *before) {
                ("", _) => String::new(),
                (_, "FROM ") if rest.starts_with(" AS ") => format!("{name}{LOCAL}"),
                (_, "FROM ") => format!("{name}{LOCAL} AS {name}"),
                _ => format!("{name}{LOCAL}"),
            };
            done + before + &own + rest
        })
    })
}

/// What is before the name of what a statement makes or changes, the name, and what is behind it.
fn named(statement: &str) -> Option<(&str, &str, &str)> {
    const NAMED: [&str; 4] = [
        "CREATE TABLE IF NOT EXISTS ",
        "CREATE MATERIALIZED VIEW IF NOT EXISTS ",
        "CREATE VIEW IF NOT EXISTS ",
        "ALTER TABLE ",
    ];
    let (before, after) = NAMED.iter().find_map(|verb| {
        let at = statement.find(verb)?.checked_add(verb.len())?;
        statement.split_at_checked(at)
    })?;
    let (name, rest) = after.split_at(name_bytes(after));
    Some((before, name, rest))
}

/// Length of the name that a text begins with.
fn name_bytes(text: &str) -> usize {
    let plain = |character: char| character.is_ascii_alphanumeric() || character == '_';
    text.find(|character| !plain(character)).unwrap_or(text.len())
}

fn replicated(rest: &str) -> String {
    const WINDOW: &str = "non_replicated_deduplication_window = ";
    let mut rest = rest.to_owned();
    if let Some((before, after)) = rest.split_once("ENGINE = ") {
        rest = format!("{before}ENGINE = Replicated{after}");
    }
    if let Some((before, after)) = rest.split_once(WINDOW) {
        // Ten years: the number of inserts is the window's end, and the one that a look-up knows.
        let seconds = 10 * 365 * 86_400;
        rest = format!(
            "{before}replicated_deduplication_window_seconds = {seconds}, \
             replicated_deduplication_window = {after}"
        );
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::super::{FILES, statements};
    use super::*;
    use crate::tables::Tables;

    fn cluster(text: &str) -> Cluster {
        Cluster::parse(text).unwrap().unwrap()
    }

    const TABLE: &str = "-- A table.\nCREATE TABLE IF NOT EXISTS t\n(\n    a UInt8\n)\n\
                         ENGINE = SummingMergeTree((a))\nORDER BY (a, b)\n\
                         SETTINGS non_replicated_deduplication_window = 100000";

    #[test]
    fn a_cluster_is_a_name_and_how_it_is_laid_out() {
        assert_eq!(Cluster::parse(""), Ok(None));
        for (text, is_sharded, everywhere) in [
            ("c_1", false, " ON CLUSTER 'c_1'"),
            ("c_1:shards", true, " ON CLUSTER 'c_1'"),
            ("c_1:servers", true, ""),
        ] {
            let cluster = cluster(text);
            assert_eq!((cluster.is_sharded(), &*cluster.everywhere()), (is_sharded, everywhere));
        }
        for (text, message) in [
            ("a'b", "must be letters, digits and _"),
            (":shards", "must be letters, digits and _"),
            ("c:shard", "must end with :shards, with :servers or with neither"),
            ("c:shards:servers", "must end with :shards, with :servers or with neither"),
        ] {
            assert_eq!(Cluster::parse(text), Err(message.into()), "{text}");
        }
    }

    #[test]
    fn a_table_is_replicated_with_both_windows() {
        let expected = "-- A table.\nCREATE TABLE IF NOT EXISTS t ON CLUSTER 'c_1'\n(\n    a UInt8\n)\n\
                        ENGINE = ReplicatedSummingMergeTree((a))\nORDER BY (a, b)\n\
                        SETTINGS replicated_deduplication_window_seconds = 315360000, \
                        replicated_deduplication_window = 100000";
        assert_eq!(cluster("c_1").make(TABLE), [expected]);
    }

    #[test]
    fn on_shards_a_table_has_its_own_name_and_another_stands_in_front() {
        let own = TABLE.replace("EXISTS t", "EXISTS t_local");
        let front = "CREATE TABLE IF NOT EXISTS t AS t_local\n\
                     ENGINE = Distributed('c', currentDatabase(), t_local, cityHash64(a, b))";
        assert_eq!(cluster("c:servers").make(TABLE), [own, front.into()]);
        let [own, front] = cluster("c:shards").make(TABLE).try_into().unwrap();
        assert!(own.contains("EXISTS t_local ON CLUSTER 'c'\n("), "{own}");
        assert!(own.contains("ENGINE = ReplicatedSummingMergeTree((a))"), "{own}");
        assert_eq!(
            front,
            "CREATE TABLE IF NOT EXISTS t ON CLUSTER 'c' AS t_local\n\
             ENGINE = Distributed('c', currentDatabase(), t_local, cityHash64(a, b))"
        );
    }

    #[test]
    fn views_and_changes_run_everywhere_and_rows_go_in_once() {
        for (sql, expected) in [
            (
                "CREATE VIEW IF NOT EXISTS v AS SELECT 1",
                "CREATE VIEW IF NOT EXISTS v ON CLUSTER 'c' AS SELECT 1",
            ),
            (
                "CREATE MATERIALIZED VIEW IF NOT EXISTS v TO t AS SELECT 1",
                "CREATE MATERIALIZED VIEW IF NOT EXISTS v ON CLUSTER 'c' TO t AS SELECT 1",
            ),
            ("ALTER TABLE t MODIFY TTL a", "ALTER TABLE t ON CLUSTER 'c' MODIFY TTL a"),
            (
                "CREATE TABLE IF NOT EXISTS user_ranks (a UInt8) ENGINE = MergeTree",
                "CREATE TABLE IF NOT EXISTS user_ranks ON CLUSTER 'c' (a UInt8) ENGINE = MergeTree",
            ),
        ] {
            assert_eq!(cluster("c").make(sql), [expected]);
        }
        for text in ["c", "c:shards"] {
            assert_eq!(cluster(text).rows("INSERT INTO t SELECT 1"), "INSERT INTO t SELECT 1");
        }
    }

    #[test]
    fn on_shards_views_go_from_table_to_table_of_each_and_a_refreshed_one_reads_all() {
        let each = |sql: &str| cluster("c:servers").make(sql);
        let view =
            "CREATE MATERIALIZED VIEW IF NOT EXISTS v TO t\nDEFINER = x AS\nSELECT a\nFROM events";
        let own = "CREATE MATERIALIZED VIEW IF NOT EXISTS v TO t_local\nDEFINER = x AS\nSELECT a\n\
                   FROM events_local AS events";
        assert_eq!(each(view), [own]);
        for sql in [
            "CREATE MATERIALIZED VIEW IF NOT EXISTS v REFRESH EVERY 1 MINUTE TO t AS SELECT 1 FROM events",
            "CREATE VIEW IF NOT EXISTS v AS SELECT 1 FROM events",
            "CREATE TABLE IF NOT EXISTS user_ranks (a UInt8) ENGINE = MergeTree",
        ] {
            assert_eq!(each(sql), [sql]);
        }
        let columns = "ALTER TABLE t ADD COLUMN IF NOT EXISTS a UInt8";
        assert_eq!(each(columns), [&*columns.replace(" t ", " t_local "), columns]);
        for sql in
            ["ALTER TABLE t ADD INDEX IF NOT EXISTS i a TYPE minmax", "ALTER TABLE t MODIFY TTL a"]
        {
            assert_eq!(each(sql), [sql.replace(" t ", " t_local ")]);
        }
    }

    #[test]
    fn d13_no_try_of_a_batch_goes_to_another_shard_than_the_first() {
        let key = |create: &str| {
            let front = cluster("c:servers").make(create).pop().unwrap();
            front.rsplit_once("_local, ").unwrap().1.trim_end_matches(')').to_owned()
        };
        let events = FILES.iter().find(|file| file.name == "001_events").unwrap();
        assert_eq!(key(events.sql), "cityHash64(batch_id");
        let tables = r#"[{"name":"a","order_by":["c"],"columns":[{"name":"c","type":"String"},
                          {"name":"batch_id","type":"UUID","by":"edge"}]},
                         {"name":"b","order_by":["c"],"columns":[{"name":"c","type":"String"}]}]"#;
        let tables = Tables::parse(tables).unwrap();
        let keys: Vec<_> = tables.iter().map(|declared| key(&declared.create())).collect();
        // Nothing in the rows of the second is sure to be the same at every try.
        assert_eq!(keys, ["cityHash64(batch_id", "0"]);
    }

    #[test]
    fn d13_no_file_keeps_a_window_or_an_engine_of_one_server() {
        for text in ["c", "c:shards"] {
            for file in FILES {
                for statement in statements(file.sql) {
                    let made = cluster(text).make(statement);
                    let is_refreshed = REFRESHED.iter().any(|name| file.name.ends_with(name));
                    let fronts =
                        made.iter().filter(|sql| sql.contains("ENGINE = Distributed(")).count();
                    let is_table = statement.contains("CREATE TABLE") && !is_refreshed;
                    assert_eq!(
                        fronts,
                        usize::from(is_table && text == "c:shards"),
                        "{}",
                        file.name
                    );
                    for sql in &made {
                        assert_eq!(sql.matches(" ON CLUSTER 'c'").count(), 1, "{}", file.name);
                        assert!(!sql.contains("non_replicated"), "{}", file.name);
                        let own = sql.contains("ENGINE = ")
                            && !sql.contains("ENGINE = Replicated")
                            && !sql.contains("ENGINE = Distributed(");
                        assert_eq!(own, is_refreshed, "{}", file.name);
                    }
                }
            }
        }
    }

    #[test]
    fn shards_of_servers_have_what_shards_of_replicas_have_but_for_the_replicas() {
        for file in FILES {
            for statement in statements(file.sql) {
                let seconds = "replicated_deduplication_window_seconds = 315360000, ";
                let shards = cluster("c:shards").make(statement);
                let without = |sql: &String| {
                    sql.replace(" ON CLUSTER 'c'", "")
                        .replace("ENGINE = Replicated", "ENGINE = ")
                        .replace(seconds, "")
                        .replace("replicated_dedu", "non_replicated_dedu")
                };
                let without: Vec<_> = shards.iter().map(without).collect();
                assert_eq!(cluster("c:servers").make(statement), without, "{}", file.name);
            }
        }
    }
}
