//! The core of tallymark: events become ClickHouse Native blocks, and each block is delivered
//! exactly once. No IO, no clock and no randomness of its own; the same code runs in the page,
//! at the edge and in the simulation.
//!
//! # Code map
//!
//! | module | job |
//! |---|---|
//! | [`limits`] | every bound, with its reason |
//! | [`time`] | the two clocks: wall time for facts, ticks for deadlines |
//! | [`rng`] | seeded randomness, UUIDs of version 4 and 7 |
//! | [`error`] | why something from outside was refused |
//! | [`schema`] | tables and the types of their columns; the built-in table `events` |
//! | [`column`](mod@column) | one ClickHouse column type a file: append, encode, walk |
//! | [`block`] | the Native block: encode on the page, walk and check at the edge |
//! | `list` | taking an element out of a vector, small |
//! | [`event`] | what a shell hands over: an event, a page |
//! | [`buffer`] | events as columns, until they are sealed into a batch |
//! | [`flush`] | when the buffer is flushed by time |
//! | [`session`] | when a session ends |
//! | [`destination`] | where batches go, and the address of each |
//! | [`answer`] | what a receiver's answer means |
//! | [`drops`] | what was dropped on a page view, as events |
//! | [`journal`] | records in the browser's storage, and who answers for them |
//! | [`split`] | a sealed block in two, for a receiver that finds it too large |
//! | [`outbox`] | sealed batches on their way |
//! | [`retry`] | how long to wait after a failed try |
//! | [`observe`] | page views, engagement, impressions and clicks as state machines |
//! | [`pending`] | calls to `flush()` that wait for their batches |
//! | [`stats`] | what was counted |
//! | [`tracker`] | the state machine that joins them: `handle_*` in, `poll_output` out |
//! | `js` (feature) | the shell of the npm package; `src/effects/` is its JavaScript side |
//! | `web` (feature) | the shell of applications that are themselves Rust in the browser |
//!
//! # Invariants
//!
//! * Directions: `limits time error rng` ← `column` ← `block` ← `buffer`. The modules `flush`,
//!   `session`, `retry`, `outbox` and `pending` do not know each other; only `tracker` joins them.
//!   `observe` knows `limits` and `time` alone, and the tracker does not know it.
//! * The core names neither a shell (`js`, `web`) nor the worker, and has no dependency.
//! * Nothing here contains SQL.
//!
//! # Glossary
//!
//! * **row, column, block, batch, setting**: ClickHouse's words. A *batch* is one sealed block
//!   under one *batch id*; its bytes never change again.
//! * **event**: one thing that happened to one *entity*; it becomes one row.
//! * **seal**: to turn the open buffer into a batch.
//! * **flush**: to seal and send what is open now.
//! * **tick**: the monotonic clock that deadlines are set by.
//! * **option** is ours, **setting** is the server's.
#![no_std]

extern crate alloc;

pub mod answer;
pub mod block;
pub mod buffer;
pub mod column;
pub mod destination;
pub mod drops;
pub mod error;
pub mod event;
pub mod flush;
pub mod journal;
#[cfg(feature = "js")]
pub mod js;
#[cfg(feature = "js-observe")]
#[path = "js/observe.rs"]
pub mod js_observe;
#[cfg(feature = "js-split")]
#[path = "js/split.rs"]
pub mod js_split;
pub mod limits;
mod list;
#[cfg(all(
    any(feature = "js", feature = "js-split", feature = "js-observe"),
    target_arch = "wasm32",
    not(target_feature = "atomics"),
    not(feature = "web")
))]
#[path = "js/memory.rs"]
mod memory;
pub mod observe;
pub mod outbox;
pub mod pending;
pub mod retry;
pub mod rng;
pub mod schema;
pub mod session;
pub mod split;
pub mod stats;
pub mod time;
pub mod tracker;
#[cfg(feature = "web")]
pub mod web;
