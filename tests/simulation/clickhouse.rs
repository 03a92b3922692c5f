//! ClickHouse as far as a retry can tell: what a plain MergeTree with a rollup does with tokens.
//!
//! * A table remembers the tokens of its last `window` inserted parts, each with its partition. One
//!   that comes again does not move up.
//! * An insert goes part by part, one a partition; a part whose token is remembered is skipped.
//! * The rollup is a table of its own with its own window; it gets the insert's rows whether or not
//!   the source skipped them, under the token that the insert brought.
//! * A view that fails leaves the source's parts in place; the insert is answered with an error.
//!
//! `tests/server/deduplication.rs` plays the same inserts to this and to a real server.

use std::collections::{BTreeMap, HashSet, VecDeque};

use tallymark::rng::Uuid;
use tallymark::time::UnixMs;

/// One row, as far as it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowKey {
    /// The site's number.
    pub site: usize,
    pub page: Uuid,
    pub seq: u32,
    /// The event's number in the run.
    pub event: u64,
    /// What a `$dropped` tells: a total; 0 in all others.
    pub total: u32,
}

/// One `INSERT … FORMAT Native` with its token.
#[derive(Clone, Debug)]
pub struct Insert {
    pub token: Uuid,
    /// The rows of each partition.
    parts: Vec<(i64, Vec<RowKey>)>,
}

impl Insert {
    /// Rows, each with the time that places it.
    pub fn new(token: Uuid, rows: impl IntoIterator<Item = (RowKey, UnixMs)>) -> Self {
        let mut parts: Vec<(i64, Vec<RowKey>)> = Vec::new();
        for (row, placed_by) in rows {
            let month = month(placed_by);
            match parts.iter_mut().find(|part| part.0 == month) {
                Some(part) => part.1.push(row),
                None => parts.push((month, vec![row])),
            }
        }
        Self { token, parts }
    }

    pub fn rows(&self) -> impl Iterator<Item = &RowKey> {
        self.parts.iter().flat_map(|part| &part.1)
    }
}

/// What may go wrong inside the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    None,
    /// Nothing is inserted.
    BeforeSource,
    /// The source has its parts, the view fails.
    InView,
}

/// A table with its window.
#[derive(Debug)]
struct Table {
    window: usize,
    tokens: VecDeque<(i64, Uuid)>,
    known: HashSet<(i64, Uuid)>,
    rows: BTreeMap<RowKey, u32>,
    /// The `batch_id`s of its rows.
    batches: HashSet<Uuid>,
}

impl Table {
    fn new(window: usize) -> Self {
        let (tokens, known, rows, batches) = Default::default();
        Self { window, tokens, known, rows, batches }
    }

    fn insert<'a>(&mut self, month: i64, token: Uuid, rows: impl Iterator<Item = &'a RowKey>) {
        self.batches.insert(token);
        let token = (month, token);
        if self.known.contains(&token) {
            return;
        }
        for &row in rows {
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

/// What the tables have of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Has {
    /// The source has its rows.
    pub known: bool,
    /// The source remembers its token.
    pub remembered: bool,
    /// The rollup has counted its rows.
    pub counted: bool,
}

/// One events table with one rollup.
#[derive(Debug)]
pub struct ClickHouse {
    source: Table,
    rollup: Table,
}

/// `toYYYYMM` in UTC: the civil date of a day of the Unix epoch (Hinnant, `civil_from_days`).
pub fn month(time: UnixMs) -> i64 {
    let days = time.0.div_euclid(86_400_000) + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + i64::from(month <= 2)) * 100 + month
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
        for (month, rows) in &insert.parts {
            self.source.insert(*month, insert.token, rows.iter());
        }
        if trouble == Trouble::InView {
            return false;
        }
        // A rollup has no partitions.
        self.rollup.insert(0, insert.token, insert.rows());
        true
    }

    /// Other inserts have taken the place of all tokens of ids from before this.
    pub fn forget(&mut self, before: UnixMs, but: &HashSet<Uuid>) {
        for table in [&mut self.source, &mut self.rollup] {
            let is_old = |token: &(i64, Uuid)| {
                !but.contains(&token.1) && token.1.v7_time().is_none_or(|time| time < before)
            };
            table.tokens.retain(|token| !is_old(token));
            table.known.retain(|token| !is_old(token));
        }
    }

    /// What the tables have of a batch.
    pub fn has(&self, batch: Uuid) -> Has {
        Has {
            known: self.source.batches.contains(&batch),
            remembered: self.source.known.iter().any(|(_, token)| *token == batch),
            counted: self.rollup.batches.contains(&batch),
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
