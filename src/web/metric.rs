//! One fact about an entity that leaves at once.

use core::future::Future;

use super::fields::Fields;
use super::tracker::Tracker;
use crate::error::DropReason;
use crate::pending::FlushResult;

/// One fact about an entity, for [`Tracker::entity_metric`].
///
/// ```no_run
/// use tallymark::web::EntityMetric;
///
/// let download = EntityMetric::new("Model", "42", "Download").user("7");
/// assert_eq!(download, EntityMetric::new("Model", "42", "Download").user("7").value(1.0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EntityMetric<'a> {
    metric_type: &'a str,
    entity_type: &'a str,
    entity_id: &'a str,
    metric_value: f64,
    user_id: &'a str,
}

impl<'a> EntityMetric<'a> {
    /// `metric_type` (`View`, `Download`, `Like`, …, the event's name) of this entity, value 1, by
    /// nobody. Types are at most [`EVENT_NAME_BYTES`](crate::limits::EVENT_NAME_BYTES), the id at
    /// most [`ID_BYTES`](crate::limits::ID_BYTES).
    ///
    /// ```no_run
    /// use tallymark::web::EntityMetric;
    ///
    /// let download = EntityMetric::new("Model", "42", "Download");
    /// ```
    #[must_use]
    pub const fn new(entity_type: &'a str, entity_id: &'a str, metric_type: &'a str) -> Self {
        Self { metric_type, entity_type, entity_id, metric_value: 1.0, user_id: "" }
    }

    /// How much; 1 unless said, finite.
    ///
    /// ```no_run
    /// use tallymark::web::EntityMetric;
    ///
    /// let three = EntityMetric::new("Model", "42", "Download").value(3.0);
    /// ```
    #[must_use]
    pub const fn value(mut self, metric_value: f64) -> Self {
        self.metric_value = metric_value;
        self
    }

    /// Who did it; nobody unless said. At most [`ID_BYTES`](crate::limits::ID_BYTES).
    ///
    /// ```no_run
    /// use tallymark::web::EntityMetric;
    ///
    /// let theirs = EntityMetric::new("Model", "42", "Like").user("7");
    /// ```
    #[must_use]
    pub const fn user(mut self, user_id: &'a str) -> Self {
        self.user_id = user_id;
        self
    }
}

impl Tracker {
    /// Counts a fact, now, and sends it with all that waits as soon as the code that runs has
    /// ended; those of one task go in one request. Who need not wait for it uses
    /// [`Tracker::track`].
    ///
    /// The future resolves as that of [`Tracker::flush`]; a fact that breaks a bound is left out,
    /// and its result is not `ok`. All of it goes on if the future is dropped.
    ///
    /// ```no_run
    /// # use tallymark::web::{EntityMetric, Tracker};
    /// # async fn example(tally: &Tracker) {
    /// let download = EntityMetric::new("Model", "42", "Download");
    /// if !tally.entity_metric(download).await.ok {
    ///     println!("not stored yet");
    /// }
    /// # }
    /// ```
    pub fn entity_metric(
        &self,
        metric: EntityMetric<'_>,
    ) -> impl Future<Output = FlushResult> + use<> {
        let EntityMetric { metric_type, entity_type, entity_id, metric_value, user_id } = metric;
        let fields = Fields::entity(entity_type, entity_id).value(metric_value).user(user_id);
        let before = self.invalid();
        self.track(metric_type, fields);
        let is_left_out = self.invalid() > before;
        let flush = self.shell.flush_soon();
        async move {
            let result = flush.await;
            if is_left_out {
                return FlushResult { ok: false, delivered: 0, dropped: 1, ..result };
            }
            result
        }
    }

    fn invalid(&self) -> u64 {
        let stats = self.stats();
        let dropped = stats.counts.dropped().iter();
        dropped.filter(|(why, _)| *why == DropReason::INVALID).map(|(_, rows)| rows).sum()
    }
}
