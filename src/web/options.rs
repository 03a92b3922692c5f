//! What [`Tracker::init`](super::Tracker::init) is told: options, their bounds, their errors.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use web_sys::Url;

use super::report::BatchReport;
use crate::destination::Destination;
use crate::limits::{
    BLOCK_ROWS, MAX_BYTES, MAX_JOURNAL_BYTES, MAX_TIME_MS, MAX_WAITING_ROWS, MIN_BYTES,
    MIN_TIME_MS, NAME_BYTES,
};
use crate::tracker::{Config, OnFailure};

/// A ClickHouse HTTP endpoint, and who is let in there.
///
/// Everybody who sees the page sees the password: give it to a user that may insert into one
/// table and nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClickHouse<'a> {
    /// Its base URL: `https://clickhouse.example:8443`.
    pub url: &'a str,
    /// The database; not empty.
    pub database: &'a str,
    /// The user; not empty.
    pub user: &'a str,
    /// The user's password; may be empty.
    pub password: &'a str,
    /// The value of the column `site`, which the worker would know from its key; may be empty.
    pub site: &'a str,
}

/// Called for each try of a batch as it ends.
pub(super) type OnBatch = Box<dyn Fn(&BatchReport)>;

/// The options of a tracker. They are checked by [`Tracker::init`](super::Tracker::init).
///
/// ```no_run
/// use tallymark::web::{ClickHouse, Options};
///
/// let worker = Options::worker("https://t.example", "pk_demo").max_rows(100).debug(true);
/// let straight = Options::clickhouse(ClickHouse {
///     url: "http://127.0.0.1:8123",
///     database: "tallymark",
///     user: "page",
///     ..ClickHouse::default()
/// });
/// ```
pub struct Options {
    pub(super) destination: Destination,
    pub(super) table: String,
    /// Its target is the destination's once [`Options::check`] has been through.
    pub(super) config: Config,
    pub(super) on_batch: Option<OnBatch>,
    pub(super) debug: bool,
    pub(super) group_type_indexes: Vec<(String, u8)>,
}

impl Options {
    /// Batches go to the edge worker at `endpoint`, its absolute base URL, under the site's public
    /// write `key`.
    #[must_use]
    pub fn worker(endpoint: &str, key: &str) -> Self {
        Self::to(Destination::Worker { endpoint: endpoint.into(), key: key.into() })
    }

    /// Batches go straight to ClickHouse. There are no queries then.
    #[must_use]
    pub fn clickhouse(clickhouse: ClickHouse<'_>) -> Self {
        let ClickHouse { url, database, user, password, site } = clickhouse;
        Self::to(Destination::ClickHouse {
            url: url.into(),
            database: database.into(),
            user: user.into(),
            password: password.into(),
            site: site.into(),
        })
    }

    fn to(destination: Destination) -> Self {
        let table = String::from("events");
        let config = Config::new(destination.target(&table));
        let group_type_indexes = Vec::new();
        Self { destination, table, config, on_batch: None, debug: false, group_type_indexes }
    }

    /// The table; default `events`, 1 to [`NAME_BYTES`] bytes.
    #[must_use]
    pub fn table(mut self, table: &str) -> Self {
        self.table = table.into();
        self
    }

    /// Rows that fill a batch; default 500, 1 to [`BLOCK_ROWS`].
    #[must_use]
    pub const fn max_rows(mut self, rows: u32) -> Self {
        self.config.max_rows = rows;
        self
    }

    /// Bytes of a block that fill a batch; default 56,000, [`MIN_BYTES`] to [`MAX_BYTES`].
    #[must_use]
    pub const fn max_bytes(mut self, bytes: u32) -> Self {
        self.config.max_bytes = bytes;
        self
    }

    /// Milliseconds between two ticks of the flush timer; default 10,000, [`MIN_TIME_MS`] to
    /// [`MAX_TIME_MS`].
    #[must_use]
    pub const fn max_time_ms(mut self, ms: u32) -> Self {
        self.config.max_time_ms = ms;
        self
    }

    /// Rows that may wait in memory; default 20,000, 1 to [`MAX_WAITING_ROWS`]. Over it the
    /// oldest batch is dropped and counted.
    #[must_use]
    pub const fn max_waiting_rows(mut self, rows: u32) -> Self {
        self.config.max_waiting_rows = rows;
        self
    }

    /// What becomes of batches that cannot be delivered now; default [`OnFailure::Persist`].
    #[must_use]
    pub const fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.config.on_failure = on_failure;
        self
    }

    /// Bytes in the browser's storage; default 524,288, at most [`MAX_JOURNAL_BYTES`]. Over it the
    /// oldest batch is dropped and counted; 0 turns storage off.
    #[must_use]
    pub const fn journal_bytes(mut self, bytes: u32) -> Self {
        self.config.journal_bytes = bytes;
        self
    }

    /// Called for each try of a batch as it ends. It may call the tracker.
    #[must_use]
    pub fn on_batch(mut self, on_batch: impl Fn(&BatchReport) + 'static) -> Self {
        self.on_batch = Some(Box::new(on_batch));
        self
    }

    /// Tells the console of every batch and of every dropped event; default false.
    #[must_use]
    pub const fn debug(mut self, debug: bool) -> Self {
        self.debug = debug;
        self
    }

    /// Groups of this type also become `$group_<index>` of [`Tracker::capture`]; default none.
    /// Indexes are 0 to 4, others mean nothing; of several for one type the last counts.
    ///
    /// ```no_run
    /// use tallymark::web::Options;
    ///
    /// let options = Options::worker("https://t.example", "pk_demo").group_type_index("company", 0);
    /// ```
    ///
    /// [`Tracker::capture`]: super::Tracker::capture
    #[must_use]
    pub fn group_type_index(mut self, group_type: &str, index: u8) -> Self {
        self.group_type_indexes.push((group_type.into(), index));
        self
    }

    /// Checks every option and brings the address into the form that the core wants.
    pub(super) fn check(mut self) -> Result<Self, InitError> {
        match &mut self.destination {
            Destination::Worker { endpoint, key } => {
                *endpoint = base_url("endpoint", endpoint)?;
                not_empty("key", key)?;
            }
            Destination::ClickHouse { url, database, user, .. } => {
                *url = base_url("clickhouse.url", url)?;
                not_empty("clickhouse.database", database)?;
                not_empty("clickhouse.user", user)?;
            }
        }
        not_empty("table", &self.table)?;
        within("table", bound(self.table.len()), 1..=bound(NAME_BYTES))?;
        let config = &mut self.config;
        within("max_rows", config.max_rows, 1..=bound(BLOCK_ROWS))?;
        within("max_bytes", config.max_bytes, bound(MIN_BYTES)..=bound(MAX_BYTES))?;
        within("max_time_ms", config.max_time_ms, MIN_TIME_MS..=MAX_TIME_MS)?;
        within("max_waiting_rows", config.max_waiting_rows, 1..=MAX_WAITING_ROWS)?;
        within("journal_bytes", config.journal_bytes, 0..=MAX_JOURNAL_BYTES)?;
        config.target = self.destination.target(&self.table);
        Ok(self)
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("config", &self.config).finish_non_exhaustive()
    }
}

/// Why a tracker could not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitError {
    /// An option is wrong.
    Option {
        /// The option's name, as the method of [`Options`] or the field of [`ClickHouse`].
        option: &'static str,
        /// What is wrong with it.
        problem: Problem,
    },
    /// There is no window, or one without `document`, `performance` or `crypto`.
    NoWindow,
}

/// What is wrong with an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// It must not be empty.
    Empty,
    /// It must be an absolute http or https URL without user, query or fragment.
    NotABaseUrl,
    /// It must be within these bounds; for a text they are bytes.
    OutOfRange {
        /// The smallest value.
        least: u32,
        /// The largest value.
        most: u32,
    },
}

impl fmt::Display for InitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option { option, problem } => write!(f, "option {option} must be {problem}"),
            Self::NoWindow => f.write_str("a tracker needs a page: there is no window"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a text that is not empty"),
            Self::NotABaseUrl => {
                f.write_str("an absolute http or https URL without user, query or fragment")
            }
            Self::OutOfRange { least, most } => write!(f, "from {least} to {most}"),
        }
    }
}

impl core::error::Error for InitError {}

/// The URL in the browser's own spelling, without slashes at its end.
fn base_url(option: &'static str, text: &str) -> Result<String, InitError> {
    let error = InitError::Option { option, problem: Problem::NotABaseUrl };
    let url = Url::new(text).map_err(|_| error)?;
    let is_http = matches!(url.protocol().as_str(), "http:" | "https:");
    let has_user = !url.username().is_empty() || !url.password().is_empty();
    // Not `search` and `hash`: both are empty for a lone `?` or `#`.
    let href = url.href();
    if !is_http || has_user || href.contains(['?', '#']) {
        return Err(error);
    }
    Ok(href.trim_end_matches('/').into())
}

const fn not_empty(option: &'static str, text: &str) -> Result<(), InitError> {
    if !text.is_empty() {
        return Ok(());
    }
    Err(InitError::Option { option, problem: Problem::Empty })
}

fn within(option: &'static str, value: u32, range: RangeInclusive<u32>) -> Result<(), InitError> {
    if range.contains(&value) {
        return Ok(());
    }
    let problem = Problem::OutOfRange { least: *range.start(), most: *range.end() };
    Err(InitError::Option { option, problem })
}

fn bound(limit: usize) -> u32 {
    u32::try_from(limit).unwrap_or(u32::MAX)
}
