//! The same statements for a cluster of one shard: every table on every replica.
//!
//! | on one server | on a cluster |
//! |---|---|
//! | `CREATE … name`, `ALTER TABLE name` | `… name ON CLUSTER 'cluster'` |
//! | `ENGINE = SummingMergeTree(…)` | `ENGINE = ReplicatedSummingMergeTree(…)`, its path the server's default |
//! | `non_replicated_deduplication_window = n` | the replicated window, in inserts and in seconds |
//!
//! A table that a view makes anew each minute stays each replica's own: a refresh replaces it, and
//! every replica has the rows that it is made from. Several shards are not offered: a token counts in
//! one shard, so each batch would have to find the shard of its first try again.

use super::REFRESHED;

/// The statement as it runs on `cluster`, whose name is letters, digits and `_`.
#[must_use]
pub fn on_cluster(statement: &str, cluster: &str) -> String {
    const NAMED: [&str; 4] = [
        "CREATE TABLE IF NOT EXISTS ",
        "CREATE MATERIALIZED VIEW IF NOT EXISTS ",
        "CREATE VIEW IF NOT EXISTS ",
        "ALTER TABLE ",
    ];
    let named = NAMED.iter().find_map(|verb| {
        let at = statement.find(verb)?.checked_add(verb.len())?;
        statement.split_at_checked(at)
    });
    let Some((before, after)) = named else { return statement.to_owned() };
    let plain = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let end = after.find(|character| !plain(character)).unwrap_or(after.len());
    let (name, rest) = after.split_at_checked(end).unwrap_or((after, ""));
    let rest = if REFRESHED.contains(&name) { rest.to_owned() } else { replicated(rest) };
    format!("{before}{name} ON CLUSTER '{cluster}'{rest}")
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

    #[test]
    fn a_table_is_replicated_with_both_windows() {
        let sql = "-- A table.\nCREATE TABLE IF NOT EXISTS t\n(\n    a UInt8\n)\n\
                   ENGINE = SummingMergeTree((a))\nORDER BY a\n\
                   SETTINGS non_replicated_deduplication_window = 100000";
        let expected = "-- A table.\nCREATE TABLE IF NOT EXISTS t ON CLUSTER 'c_1'\n(\n    a UInt8\n)\n\
                        ENGINE = ReplicatedSummingMergeTree((a))\nORDER BY a\n\
                        SETTINGS replicated_deduplication_window_seconds = 315360000, \
                        replicated_deduplication_window = 100000";
        assert_eq!(on_cluster(sql, "c_1"), expected);
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
            ("INSERT INTO t SELECT 1", "INSERT INTO t SELECT 1"),
            ("SELECT 1", "SELECT 1"),
            (
                "CREATE TABLE IF NOT EXISTS user_ranks (a UInt8) ENGINE = MergeTree",
                "CREATE TABLE IF NOT EXISTS user_ranks ON CLUSTER 'c' (a UInt8) ENGINE = MergeTree",
            ),
        ] {
            assert_eq!(on_cluster(sql, "c"), expected);
        }
    }

    #[test]
    fn d13_no_file_keeps_a_window_or_an_engine_of_one_server() {
        for file in FILES {
            for statement in statements(file.sql) {
                let made = on_cluster(statement, "c");
                assert_eq!(made.matches(" ON CLUSTER 'c'").count(), 1, "{}", file.name);
                assert!(!made.contains("non_replicated"), "{}", file.name);
                let is_refreshed = REFRESHED.iter().any(|name| file.name.ends_with(name));
                let own = made.contains("ENGINE = ") && !made.contains("ENGINE = Replicated");
                assert_eq!(own, is_refreshed, "{}", file.name);
            }
        }
    }
}
