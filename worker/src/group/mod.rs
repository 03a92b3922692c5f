//! The group-maker: batches of one short window become one insert, and each is counted once.
//!
//! A [`Shard`] is a state machine without IO, clock or randomness of its own. Its caller says what
//! happened (`handle_*`), then does what [`Shard::poll_output`] says until that is
//! [`Output::Wake`], in order; what comes of an effect goes back by the `handle_*` that it names.
//! In a worker the caller is a Durable Object (`entry/group.js`), in tests a model of one.
//!
//! ```
//! use tallymark::rng::Uuid;
//! use tallymark::time::{Now, TickMs, UnixMs};
//! use tallymark_worker::group::{Inserted, Options, Output, Put, PutId, Shard, Stored, Taken};
//!
//! let at = |ms| Now { wall: UnixMs(1_795_435_200_000 + ms as i64), tick: TickMs(ms) };
//! // Everything until the next wish to be woken.
//! let drain = |shard: &mut Shard| -> Vec<Output> {
//!     std::iter::from_fn(|| Some(shard.poll_output()))
//!         .take_while(|output| !matches!(output, Output::Wake(_)))
//!         .collect()
//! };
//! // A new shard: nothing stored.
//! let mut shard = Shard::open(at(0), [1, 2, 3, 4], Options::default(), &Stored::default())?;
//! drain(&mut shard);
//!
//! // A batch comes: one column, one row. Nobody is told anything yet.
//! let batch = Uuid::parse(b"01a2084a-5500-7000-8000-000000000001").ok_or("no UUID")?;
//! let block = b"\x01\x01\x04name\x06String\x04view";
//! shard.handle_put(at(0), &Put { id: PutId(7), site: "open", table: "events", batch, block });
//! assert_eq!(shard.poll_output(), Output::Wake(Some(TickMs(250))));
//!
//! // The window ends: one row makes membership and bytes durable.
//! shard.handle_timeout(at(250));
//! let Output::WriteGroup(row) = shard.poll_output() else { return Err("no row".into()) };
//! assert_eq!(shard.poll_output(), Output::Sync { group: row.group });
//!
//! // Only then it is acknowledged and sent, under the group's id as its token.
//! drain(&mut shard);
//! shard.handle_synced(at(253), row.group);
//! assert_eq!(shard.poll_output(), Output::Answer(PutId(7), Taken::Accepted));
//! let insert = Output::Insert { group: row.group, table: "events".into() };
//! assert_eq!(shard.poll_output(), insert);
//! drain(&mut shard);
//!
//! // ClickHouse has it: the bytes go, the ids stay.
//! shard.handle_inserted(at(260), row.group, &Inserted::Accepted);
//! assert_eq!(shard.poll_output(), Output::ClearBody { group: row.group });
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What storage has to hold: the number of shards, and of batches given up; a row a group (id, table, members, body or
//! NULL, and why it was set aside); a row a slice (hour, part, run, keys). [`Stored`] is what a
//! start gets of it.
//!
//! # Invariants
//!
//! * Nothing is acknowledged, and nothing sent, before the row with its members and bytes is
//!   durable ([`Output::Sync`]).
//! * A group has one token, its id, and the same bytes until ClickHouse has them.
//! * A group is split only if every try of it was a definite refusal, by this process: one after
//!   another process's try, or after an answer that was lost, is set aside whole.
//! * A batch is of one shard for ever ([`shard_of`]); its key is remembered for as long as it may
//!   come again.
//! * What waits, and what is set aside, is bounded in bytes, groups and batches; over it batches are
//!   busy, not lost.
//! * A table that ClickHouse answers with exceptions is given no more once it holds its share of that,
//!   and its tries take one place of those that inserts have: the other tables go on.
//! * What is given up is counted where it outlives the process.

mod aside;
mod backlog;
mod effect;
mod gate;
mod key;
mod known;
mod lane;
mod options;
mod refused;
mod row;
mod shard;
mod status;
mod window;

pub use backlog::Load;
pub use effect::{Inserted, Output, Put, PutId, Taken};
pub use key::{Key, Member, decode_members, encode_members, shard_of};
pub use known::Slice;
pub use options::{Options, Problem, Stored};
pub use row::{Row, StoredGroup};
pub use shard::Shard;
pub use status::{Aside, Failing, Listed, Status};

#[cfg(test)]
mod tests;
