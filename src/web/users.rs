//! Events and counts of users: entities of the type `User`.

use alloc::collections::BTreeMap;
use alloc::string::String;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::fields::Fields;
use super::query::QueryError;
use super::tracker::Tracker;

/// The entity type of users.
const USER: &str = "User";

/// What is known of one user.
///
/// ```no_run
/// use tallymark::web::UserMetrics;
///
/// let nobody = UserMetrics::default();
/// assert_eq!((nobody.follower_count, nobody.rank), (0, 0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UserMetrics {
    /// Follows less unfollows, rows.
    pub follower_count: i64,
    /// Whom the user follows, by the same count.
    pub following_count: i64,
    /// Models, posts and images.
    pub upload_count: u64,
    /// Distinct uploads of the type `Model`.
    pub model_count: u64,
    /// Distinct uploads of the type `Post`.
    pub post_count: u64,
    /// Distinct uploads of the type `Image`.
    pub image_count: u64,
    /// Sum of the values of `Reaction…` on what the user owns.
    pub reaction_count: f64,
    /// Sum of the values of `Download` on what the user owns.
    pub download_count: f64,
    /// Sum of the values of `Generation` on what the user owns.
    pub generation_count: f64,
    /// As [`Users::engagement_score`], of the last minute.
    pub engagement_score: f64,
    /// As [`Users::rank`].
    pub rank: u64,
}

/// A row of the query `user_metrics`.
#[derive(Deserialize)]
struct MetricsOf {
    user_id: String,
    #[serde(flatten)]
    metrics: UserMetrics,
}

/// A row of the queries that have one number.
#[derive(Deserialize)]
struct Number<T> {
    value: T,
}

/// What users do, and what is known of them: [`Tracker::users`].
///
/// The functions that record are [`Tracker::track`]: they never block or fail. Those that ask are
/// [`Tracker::query`] into a type of ours; parameters that they do not take (`live`, `mode`,
/// `days`, `weights`, `refresh`) go there.
///
/// ```no_run
/// # use tallymark::web::{QueryError, Tracker};
/// # async fn example(tally: &Tracker) -> Result<(), QueryError> {
/// tally.users().record_follow("7", "8", true);
/// tally.flush().await;
/// let followers = tally.users().follower_count("8").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Users<'a> {
    tally: &'a Tracker,
}

impl Tracker {
    /// Events and counts of users.
    ///
    /// ```no_run
    /// # use tallymark::web::Tracker;
    /// # fn example(tally: &Tracker) {
    /// tally.users().record_upload("7", "Model", "1");
    /// # }
    /// ```
    #[must_use]
    pub const fn users(&self) -> Users<'_> {
        Users { tally: self }
    }
}

impl Users<'_> {
    /// `Follow` on `user_id` by `follower_id`, value 1, or −1 for the end of one.
    ///
    /// ```no_run
    /// # use tallymark::web::Tracker;
    /// # fn example(tally: &Tracker) {
    /// tally.users().record_follow("7", "8", true);
    /// tally.users().record_follow("7", "8", false);
    /// # }
    /// ```
    pub fn record_follow(self, follower_id: &str, user_id: &str, is_follow: bool) {
        let value = if is_follow { 1.0 } else { -1.0 };
        self.tally.track("Follow", Fields::entity(USER, user_id).user(follower_id).value(value));
    }

    /// `Upload` of a thing, by a user. Models, posts and images are counted by the types `Model`,
    /// `Post` and `Image`; each `content_id` once, however often it is recorded.
    ///
    /// ```no_run
    /// # use tallymark::web::Tracker;
    /// # fn example(tally: &Tracker) {
    /// tally.users().record_upload("7", "Image", "1");
    /// # }
    /// ```
    pub fn record_upload(self, user_id: &str, content_type: &str, content_id: &str) {
        self.tally.track("Upload", Fields::entity(content_type, content_id).user(user_id));
    }

    /// `Engagement` of a user: a score, finite, that was computed elsewhere.
    ///
    /// ```no_run
    /// # use tallymark::web::Tracker;
    /// # fn example(tally: &Tracker) {
    /// tally.users().record_engagement("7", 12.5);
    /// # }
    /// ```
    pub fn record_engagement(self, user_id: &str, score: f64) {
        self.tally.track("Engagement", Fields::entity(USER, user_id).user(user_id).value(score));
    }

    /// What is known of many users in one query, by id; users of whom nothing is known are not
    /// among them. Kept for an hour at the edge. No ids, no request.
    ///
    /// ```no_run
    /// # use tallymark::web::{QueryError, Tracker};
    /// # async fn example(tally: &Tracker) -> Result<(), QueryError> {
    /// let metrics = tally.users().metrics(&["7", "8"]).await?;
    /// let uploads = metrics.get("7").map_or(0, |its| its.upload_count);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`QueryError`], one variant a cause.
    pub async fn metrics<I: AsRef<str>>(
        self,
        ids: &[I],
    ) -> Result<BTreeMap<String, UserMetrics>, QueryError> {
        let rows = self.tally.query_of_ids::<MetricsOf, I>("user_metrics", ids).await?;
        Ok(rows.into_iter().map(|row| (row.user_id, row.metrics)).collect())
    }

    /// Follows less unfollows, rows; 0 for a user of whom nothing is known.
    ///
    /// ```no_run
    /// # use tallymark::web::{QueryError, Tracker};
    /// # async fn example(tally: &Tracker) -> Result<(), QueryError> {
    /// let followers: i64 = tally.users().follower_count("7").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`QueryError`], one variant a cause.
    pub async fn follower_count(self, id: &str) -> Result<i64, QueryError> {
        self.number("follower_count", id).await
    }

    /// 1 for the highest score of the site, 0 without a score; as of the last minute.
    ///
    /// ```no_run
    /// # use tallymark::web::{QueryError, Tracker};
    /// # async fn example(tally: &Tracker) -> Result<(), QueryError> {
    /// let is_first = tally.users().rank("7").await? == 1;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`QueryError`], one variant a cause.
    pub async fn rank(self, id: &str) -> Result<u64, QueryError> {
        self.number("user_rank", id).await
    }

    /// Sum of value × weight over the user's models and the last 30 days.
    ///
    /// ```no_run
    /// # use tallymark::web::{QueryError, Tracker};
    /// # async fn example(tally: &Tracker) -> Result<(), QueryError> {
    /// let score: f64 = tally.users().engagement_score("7").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`QueryError`], one variant a cause.
    pub async fn engagement_score(self, id: &str) -> Result<f64, QueryError> {
        self.number("engagement_score", id).await
    }

    async fn number<T: DeserializeOwned>(self, query: &str, id: &str) -> Result<T, QueryError> {
        let row = self.tally.query_one::<Number<T>>(query, &[("id", id)]).await?;
        row.map(|row| row.value).ok_or_else(QueryError::no_row)
    }
}
