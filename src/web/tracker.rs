//! The tracker as an application sees it.

use alloc::rc::Rc;
use alloc::vec::Vec;

use serde::de::DeserializeOwned;

use super::fields::Fields;
use super::flush::Flush;
use super::options::{InitError, Options};
use super::query::{self, QueryError};
use super::report::Stats;
use super::shell::Shell;

/// Counts what happens on a page, and delivers it in batches.
///
/// A clone is another handle on the same tracker. It lives as long as the page, with or without a
/// handle, until [`Tracker::shutdown`]: what waits is delivered also when every handle is gone.
///
/// ```no_run
/// use tallymark::web::{Fields, Options, Tracker};
///
/// let tally = Tracker::init(Options::worker("https://t.example", "pk_demo"))?;
/// tally.track("like", Fields::entity("post", "42").user("7"));
/// # Ok::<(), tallymark::web::InitError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Tracker {
    pub(super) shell: Rc<Shell>,
}

impl Tracker {
    /// A tracker for this page, its timer, its journal in IndexedDB and its listeners for
    /// `visibilitychange`, `pagehide` and `pageshow`.
    ///
    /// # Errors
    ///
    /// [`InitError::Option`] names the option that is wrong; [`InitError::NoWindow`] when this is
    /// no page: server-side rendering, or a worker.
    pub fn init(options: Options) -> Result<Self, InitError> {
        Ok(Self { shell: Shell::start(options)? })
    }

    /// Counts one event, now. It never blocks, panics or fails into the application: an event
    /// that breaks a bound of [`crate::limits`], or whose properties are no JSON object, is
    /// dropped, counted under [`DropReason::INVALID`](crate::error::DropReason::INVALID) in
    /// [`Tracker::stats`], and told in the console under [`Options::debug`].
    ///
    /// ```no_run
    /// # use tallymark::web::{Fields, Tracker};
    /// # fn example(tally: &Tracker) {
    /// tally.track("view", Fields::entity("post", "42"));
    /// tally.track("sign_up", Fields::none());
    /// # }
    /// ```
    pub fn track(&self, name: &str, fields: Fields<'_>) {
        self.shell.track(name, fields);
    }

    /// Tells the tracker that the application's router shows another page: it is read again from
    /// `location`, gets a new page id, and `seq` begins at 0.
    pub fn page_view(&self) {
        self.shell.page_view();
    }

    /// Sends everything that waits, now, whatever timer and threshold say. The future resolves
    /// when all of it has been delivered or dropped, or has failed
    /// [`FLUSH_TRIES`](crate::limits::FLUSH_TRIES) times; then the rest stays and is tried again.
    /// The flush goes on if the future is dropped.
    ///
    /// ```no_run
    /// # use tallymark::web::Tracker;
    /// # async fn example(tally: &Tracker) {
    /// let result = tally.flush().await;
    /// assert!(result.ok, "{} delivered, {} dropped", result.delivered, result.dropped);
    /// # }
    /// ```
    pub fn flush(&self) -> Flush {
        self.shell.flush()
    }

    /// Ends the flush timer and flushes. Later events leave at a threshold, at a flush, or when
    /// the page hides while a handle still exists.
    pub fn shutdown(&self) -> Flush {
        self.shell.shutdown()
    }

    /// Events that nobody has accepted, refused or dropped yet.
    #[must_use]
    pub fn queue_length(&self) -> u64 {
        self.shell.waiting()
    }

    /// All counters, as they stand.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shell.stats()
    }

    /// The rows of a named query, each as an `R`. An array parameter is JSON text, a boolean
    /// `true` or `false`. The request gives up after
    /// [`REQUEST_TIMEOUT_MS`](crate::limits::REQUEST_TIMEOUT_MS).
    ///
    /// ```no_run
    /// # use tallymark::web::{QueryError, Tracker};
    /// #[derive(serde::Deserialize)]
    /// struct Hour {
    ///     hour: String,
    ///     views: u64,
    /// }
    ///
    /// # async fn example(tally: &Tracker) -> Result<(), QueryError> {
    /// let hours: Vec<Hour> = tally.query("hourly_views", &[("id", "42"), ("fill", "true")]).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`QueryError`], one variant a cause.
    pub async fn query<R: DeserializeOwned>(
        &self,
        name: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Vec<R>, QueryError> {
        query::run(self.shell.destination(), name, parameters).await
    }

    /// The rows of a query about many ids; none without a request when there are no ids.
    pub(super) async fn query_of_ids<R: DeserializeOwned, I: AsRef<str>>(
        &self,
        name: &str,
        ids: &[I],
    ) -> Result<Vec<R>, QueryError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        query::run_with_ids(self.shell.destination(), name, ids).await
    }

    /// The first row of a named query; `None` when it has none.
    ///
    /// # Errors
    ///
    /// As [`Tracker::query`].
    pub async fn query_one<R: DeserializeOwned>(
        &self,
        name: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Option<R>, QueryError> {
        Ok(self.query(name, parameters).await?.into_iter().next())
    }
}
