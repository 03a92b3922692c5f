//! Migrations: the files of `schema/`, applied in order, recorded, safe when run twice at once.
//!
//! Without IO, as everything here: a [`Run`] says which statement comes next and takes its answer,
//! so that the worker and `cargo xtask migrate` do the same.
//!
//! ```text
//! 000 ─> recorded? ─> clock ─> statements of each missing file, in order ─> record the plain ones
//!     ─> wait until the views' moment has settled ─> fill each new rollup, record it ─> TTL
//! ```
//!
//! # A rollup on a live table
//!
//! A view that names `{since}` takes rows received at or after that moment, a little ahead; the
//! rows before it are filled in once no insert of them can still be under way. The moment that
//! counts is the one in the view that exists: of two runs at once, one makes the view, both read
//! it back, and both fill under the same token, in the same order, so that it happens once
//! (measured, 26.7.2.1: two at once and a third later, 9 parts, no row doubled).
//!
//! A row that was received before the moment and inserted only after the filling is in events, but
//! not in that rollup: apply new rollups while nothing waits for ClickHouse.
//!
//! # Invariants
//!
//! * Every statement may run twice, and by two runs at once.
//! * A file is recorded only after all that it asks for has been done.

mod cluster;
mod run;
mod script;

pub use cluster::on_cluster;
pub use run::{Failure, Next, Options, Report, Run};
pub use script::statements;

/// One file of `schema/`: its name without the ending, and its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File {
    /// The name, which gives the order.
    pub name: &'static str,
    /// Statements, each ended by `;`, the last by the file's end.
    pub sql: &'static str,
}

macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        &[$(File { name: $name, sql: include_str!(concat!("../../schema/", $name, ".sql")) }),+]
    };
}

/// All of them, in order.
pub const FILES: &[File] = files![
    "000_migrations",
    "001_events",
    "002_entity_totals",
    "003_entity_totals_view",
    "004_entity_hours",
    "005_entity_hours_view",
    "006_event_totals",
    "007_event_totals_view",
    "008_entity_days",
    "009_entity_days_view",
    "010_event_days",
    "011_event_days_view",
    "012_user_days",
    "013_user_days_view",
    "014_user_follows",
    "015_user_follows_view",
    "016_owners",
    "017_owned",
    "018_owned_view",
    "019_owners_view",
    "020_events_by_time",
    "021_user_ranks",
    "022_user_ranks_view",
    "023_user_received",
    "024_user_received_view",
    "025_post_events",
    "026_entityMetricEvents",
    "027_events_by_arrival",
    "028_user_uploads",
    "029_user_uploads_view",
];

/// The tables that a view replaces as a whole, each minute.
const REFRESHED: [&str; 2] = ["user_ranks", "user_received"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_here_in_order() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/schema");
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file())
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        files.sort();
        let names: Vec<_> = FILES.iter().map(|file| file.name).collect();
        assert_eq!(names, files);
    }

    #[test]
    fn d13_every_table_of_rows_has_a_deduplication_window() {
        for file in FILES {
            for statement in statements(file.sql) {
                // A refreshed table is replaced as a whole.
                let is_refreshed = REFRESHED.iter().any(|name| file.name.ends_with(name));
                let is_table = statement.contains("CREATE TABLE") && !is_refreshed;
                let has_window = statement.contains("non_replicated_deduplication_window = 1");
                assert_eq!(has_window, is_table, "{}", file.name);
            }
        }
    }
}
