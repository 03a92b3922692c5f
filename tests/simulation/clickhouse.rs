//! ClickHouse as far as a retry can tell: what a plain MergeTree with a rollup does with tokens.
//!
//! * A table remembers the tokens of its last `window` inserted parts, per partition.
//! * An insert goes part by part, one a partition; a part whose token is remembered is skipped.
//! * The rollup is a table of its own with its own window; it gets each part of the insert whether
//!   or not the source skipped it, under the token that the insert brought.
//! * A view that fails leaves the source's part in place; the insert is answered with an error.
//!
//! Measured on 26.7.2.1: same token three times, four at once, after a kill, after a view that
//! failed, over several partitions: exactly once in both tables with both windows; with the
//! source's alone the rollup doubles. [`Insert`] is plain data, so that the same inserts can be
//! played to a real server and its tables compared.

use std::collections::{BTreeMap, HashSet, VecDeque};

use tallymark::rng::Uuid;
use tallymark::time::UnixMs;

/// One row, as far as it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowKey {
    pub page: Uuid,
    pub seq: u32,
    /// The event's number in the run; 0 for the tracker's own.
    pub event: u64,
}

/// One `INSERT … FORMAT Native` with its token.
#[derive(Clone, Debug)]
pub struct Insert {
    pub token: Uuid,
    /// What decides the partition.
    pub placed_by: UnixMs,
    pub rows: Vec<RowKey>,
}

/// What may go wrong inside the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    None,
    /// Nothing is inserted.
    BeforeSource,
    /// The source has its part, the view fails.
    InView,
}

/// What two windows do to a part.
#[derive(Debug)]
struct Table {
    window: usize,
    tokens: VecDeque<(i64, Uuid)>,
    known: HashSet<(i64, Uuid)>,
    rows: BTreeMap<RowKey, u32>,
}

impl Table {
    fn new(window: usize) -> Self {
        let (tokens, known, rows) = Default::default();
        Self { window, tokens, known, rows }
    }

    fn insert(&mut self, partition: i64, insert: &Insert) {
        let token = (partition, insert.token);
        if self.known.contains(&token) {
            return;
        }
        for &row in &insert.rows {
            *self.rows.entry(row).or_default() += 1;
        }
        if self.window > 0 {
            self.tokens.push_back(token);
            self.known.insert(token);
        }
        if self.tokens.len() > self.window
            && let Some(oldest) = self.tokens.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

/// One events table with one rollup.
#[derive(Debug)]
pub struct ClickHouse {
    source: Table,
    rollup: Table,
}

/// A month, roughly: what matters is that a boundary is crossed.
fn month(time: UnixMs) -> i64 {
    time.0.div_euclid(30 * 86_400_000)
}

impl ClickHouse {
    pub fn new(source_window: usize, rollup_window: usize) -> Self {
        Self { source: Table::new(source_window), rollup: Table::new(rollup_window) }
    }

    /// Whether the server answers that the rows are durable.
    pub fn insert(&mut self, insert: &Insert, trouble: Trouble) -> bool {
        if trouble == Trouble::BeforeSource {
            return false;
        }
        self.source.insert(month(insert.placed_by), insert);
        if trouble == Trouble::InView {
            return false;
        }
        // A rollup has no partitions.
        self.rollup.insert(0, insert);
        true
    }

    /// Other inserts have taken the place of all tokens of ids from before this.
    pub fn forget(&mut self, before: UnixMs) {
        for table in [&mut self.source, &mut self.rollup] {
            let is_old = |token: &(i64, Uuid)| token.1.v7_time().is_none_or(|time| time < before);
            table.tokens.retain(|token| !is_old(token));
            table.known.retain(|token| !is_old(token));
        }
    }

    /// How often each row is in the table.
    pub fn rows(&self) -> &BTreeMap<RowKey, u32> {
        &self.source.rows
    }

    /// How often each row was counted by the rollup.
    pub fn counted(&self) -> &BTreeMap<RowKey, u32> {
        &self.rollup.rows
    }
}
