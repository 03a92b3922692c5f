//! The shell for applications that are themselves Rust in the browser (Leptos, Yew, Dioxus, or
//! plain web-sys): feature `web`.
//!
//! ```no_run
//! use tallymark::web::{Fields, Options, Tracker};
//!
//! #[derive(serde::Serialize)]
//! struct Read {
//!     words: u32,
//! }
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let tally = Tracker::init(Options::worker("https://t.example", "pk_demo").max_rows(200))?;
//! tally.track("view", Fields::entity("post", "42").properties(&Read { words: 300 }));
//! let flushed = tally.flush().await;
//! assert!(flushed.ok);
//! let views = tally.posts().summary("42").await?.views;
//! # Ok(())
//! # }
//! ```
//!
//! | module | job |
//! |---|---|
//! | `tracker` | the public type |
//! | `options` | what `init` is told, and its errors |
//! | `fields`, `json` | an event's fields, and a type of the application's as JSON text |
//! | `shell` | drives the core: calls in, outputs out |
//! | `report` | what an application is told: of each request, and of everything so far |
//! | `fetch`, `listen`, `page` | one browser facility each: request, events, what a page knows |
//! | `journal` | the browser's storage and locks, by `src/effects/journal.js` |
//! | `flush` | the future that a flush returns |
//! | `query` | named queries into types of the application's |
//! | `posts`, `users` | what happens to posts and users, and their counts |
//! | `verbs` | the events of a product analytics client |
//! | `metric` | one fact that leaves at once |
//!
//! Invariants:
//!
//! * No decision is made here. What to send, when, and what an answer means is
//!   [`crate::tracker`]'s.
//! * The core is borrowed for one call at a time, never across an `await`, and never while code of
//!   the application runs. A borrow that fails all the same is a `debug_assert`, not a panic.

mod fetch;
mod fields;
mod flush;
mod journal;
mod json;
mod listen;
mod metric;
mod options;
mod page;
mod posts;
mod query;
mod report;
mod shell;
mod tracker;
mod users;
mod verbs;

pub use fields::Fields;
pub use flush::Flush;
pub use metric::EntityMetric;
pub use options::{ClickHouse, InitError, Options, Problem};
pub use posts::{Actor, HourlyViews, Posts, Summary, TopPost};
pub use query::QueryError;
pub use report::{BatchReport, Stats, Storage};
pub use tracker::Tracker;
pub use users::{UserMetrics, Users};

pub use crate::error::DropReason;
pub use crate::pending::FlushResult;
pub use crate::time::UnixMs;
pub use crate::tracker::{OnFailure, Outcome};
