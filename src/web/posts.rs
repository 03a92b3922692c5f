//! Events and counts of posts: entities of the type `post`.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::fields::Fields;
use super::query::QueryError;
use super::tracker::Tracker;

/// Who acted. Not from where: the worker sees the page's address by itself.
///
/// ```no_run
/// use tallymark::web::Actor;
///
/// assert_eq!(Actor::anonymous(), Actor::default());
/// assert_ne!(Actor::anonymous(), Actor::user("7"));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Actor<'a> {
    user_id: &'a str,
}

impl<'a> Actor<'a> {
    /// Nobody who is known.
    ///
    /// ```no_run
    /// # use tallymark::web::{Actor, Tracker};
    /// # fn example(tally: &Tracker) {
    /// tally.posts().track_view("42", &Actor::anonymous());
    /// # }
    /// ```
    #[must_use]
    pub const fn anonymous() -> Self {
        Self { user_id: "" }
    }

    /// The user of this id, at most [`ID_BYTES`](crate::limits::ID_BYTES).
    ///
    /// ```no_run
    /// # use tallymark::web::{Actor, Tracker};
    /// # fn example(tally: &Tracker) {
    /// tally.posts().track_view("42", &Actor::user("7"));
    /// # }
    /// ```
    #[must_use]
    pub const fn user(user_id: &'a str) -> Self {
        Self { user_id }
    }
}

/// The counts of one post, in rows.
///
/// ```no_run
/// use tallymark::web::Summary;
///
/// let seen_once = Summary { views: 1, ..Summary::default() };
/// assert_eq!(seen_once.net_likes, 0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// `view`.
    pub views: u64,
    /// `like`.
    pub likes: u64,
    /// `unlike`.
    pub unlikes: u64,
    /// `comment`.
    pub comments: u64,
    /// `share`.
    pub shares: u64,
    /// `delete_comment`: a deleted comment is counted on the post that it was on.
    pub deleted_comments: u64,
    /// Comments less deleted ones.
    pub net_comments: i64,
    /// Likes less unlikes.
    pub net_likes: i64,
}

/// The views of one hour.
///
/// ```no_run
/// use tallymark::web::HourlyViews;
///
/// let noon = HourlyViews { hour: "2026-11-23T12:00:00Z".into(), views: 3 };
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HourlyViews {
    /// Its beginning in UTC, `YYYY-MM-DDTHH:00:00Z`.
    pub hour: String,
    /// Rows.
    pub views: u64,
}

/// A post in the list of the most viewed.
///
/// ```no_run
/// use tallymark::web::TopPost;
///
/// let first = TopPost { entity_id: "42".into(), views: 3 };
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopPost {
    /// The post's id.
    pub entity_id: String,
    /// Rows of all time.
    pub views: u64,
}

/// A row of the query `summaries`.
#[derive(Deserialize)]
struct SummaryOf {
    entity_id: String,
    #[serde(flatten)]
    summary: Summary,
}

/// What happens to posts, and how often it did: [`Tracker::posts`].
///
/// The functions that track are [`Tracker::track`] with a name and the type `post`: they never
/// block or fail. Those that ask are [`Tracker::query`] into a type of ours; parameters that they
/// do not take (`fill`, `min_views`, `refresh`) go there, into the same types.
///
/// ```no_run
/// # use tallymark::web::{HourlyViews, QueryError, Tracker};
/// # async fn example(tally: &Tracker) -> Result<(), QueryError> {
/// let views = tally.posts().summary("42").await?.views;
/// let filled = [("id", "42"), ("fill", "true")];
/// let hours: Vec<HourlyViews> = tally.query("hourly_views", &filled).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Posts<'a> {
    tally: &'a Tracker,
}

impl Tracker {
    /// Events and counts of posts.
    ///
    /// ```no_run
    /// # use tallymark::web::{Actor, Tracker};
    /// # fn example(tally: &Tracker) {
    /// tally.posts().track_like("42", &Actor::user("7"));
    /// # }
    /// ```
    #[must_use]
    pub const fn posts(&self) -> Posts<'_> {
        Posts { tally: self }
    }
}

/// One function for each event: what it says of the id, its name, the event's name.
macro_rules! events {
    ($($(#[$doc:meta])* $function:ident $name:literal;)*) => { $(
        $(#[$doc])*
        ///
        /// ```no_run
        /// # use tallymark::web::{Actor, Tracker};
        /// # fn example(tally: &Tracker) {
        #[doc = concat!("tally.posts().", stringify!($function), "(\"42\", &Actor::user(\"7\"));")]
        /// # }
        /// ```
        pub fn $function(self, id: &str, actor: &Actor<'_>) {
            self.tally.track($name, Fields::entity("post", id).user(actor.user_id));
        }
    )* };
}

impl Posts<'_> {
    events! {
        /// `view`: the post was seen.
        track_view "view";
        /// `like`: the post was liked.
        track_like "like";
        /// `unlike`: a like was taken back.
        track_unlike "unlike";
        /// `comment`: the post was commented on.
        track_comment "comment";
        /// `share`: the post was shared or reposted.
        track_share "share";
        /// `post`: the post is new; the id is its own.
        track_post "post";
        /// `delete_post`: the post was deleted. Comments that went with it are not told.
        track_delete_post "delete_post";
        /// `delete_comment`: a comment was deleted. The id is that of the post which it was on, so
        /// that [`Summary::net_comments`] can be counted.
        track_delete_comment "delete_comment";
    }

    /// A post's counts; all 0 for one that nobody has seen.
    ///
    /// ```no_run
    /// # use tallymark::web::{QueryError, Summary, Tracker};
    /// # async fn example(tally: &Tracker) -> Result<(), QueryError> {
    /// let Summary { views, net_likes, .. } = tally.posts().summary("42").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`QueryError`], one variant a cause.
    pub async fn summary(self, id: &str) -> Result<Summary, QueryError> {
        let summary = self.tally.query_one("summary", &[("id", id)]).await?;
        summary.ok_or_else(QueryError::no_row)
    }

    /// Views by hour of the last `hours`, ascending; hours without views are left out.
    ///
    /// ```no_run
    /// # use tallymark::web::{QueryError, Tracker};
    /// # async fn example(tally: &Tracker) -> Result<(), QueryError> {
    /// for hour in tally.posts().hourly_views("42", 24).await? {
    ///     println!("{} {}", hour.hour, hour.views);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`QueryError`]; for 0 hours, or more than 8,784, the worker's `bad_param`.
    pub async fn hourly_views(self, id: &str, hours: u32) -> Result<Vec<HourlyViews>, QueryError> {
        let hours = hours.to_string();
        self.tally.query("hourly_views", &[("id", id), ("hours", &hours)]).await
    }

    /// The `limit` most viewed posts of all time.
    ///
    /// ```no_run
    /// # use tallymark::web::{QueryError, Tracker};
    /// # async fn example(tally: &Tracker) -> Result<(), QueryError> {
    /// let best = tally.posts().top(10).await?;
    /// let ids: Vec<_> = best.iter().map(|post| &post.entity_id).collect();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`QueryError`]; for 0, or more than 1,000, the worker's `bad_param`.
    pub async fn top(self, limit: u32) -> Result<Vec<TopPost>, QueryError> {
        self.tally.query("top", &[("limit", &limit.to_string())]).await
    }

    /// The counts of many posts in one query, by id; posts without events are not among them. No
    /// ids, no request.
    ///
    /// ```no_run
    /// # use tallymark::web::{QueryError, Tracker};
    /// # async fn example(tally: &Tracker) -> Result<(), QueryError> {
    /// let summaries = tally.posts().bulk_summaries(&["42", "43"]).await?;
    /// let views = summaries.get("43").map_or(0, |summary| summary.views);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`QueryError`], one variant a cause.
    pub async fn bulk_summaries<I: AsRef<str>>(
        self,
        ids: &[I],
    ) -> Result<BTreeMap<String, Summary>, QueryError> {
        let rows = self.tally.query_of_ids::<SummaryOf, I>("summaries", ids).await?;
        Ok(rows.into_iter().map(|row| (row.entity_id, row.summary)).collect())
    }
}
