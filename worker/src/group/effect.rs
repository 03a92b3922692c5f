//! What comes into a shard and what goes out of it, as plain data.

use super::known::Slice;
use super::row::Row;
#[cfg(doc)]
use super::shard::Shard;
use tallymark::rng::Uuid;
use tallymark::time::{TickMs, UnixMs};

/// One call of `put`, by a number that its caller gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PutId(pub u32);

/// A batch that somebody brings: checked, completed, and of this shard.
#[derive(Clone, Copy, Debug)]
pub struct Put<'a> {
    /// The call.
    pub id: PutId,
    /// The batch's site.
    pub site: &'a str,
    /// Its table.
    pub table: &'a str,
    /// Its id.
    pub batch: Uuid,
    /// Its block, with the edge's columns.
    pub block: &'a [u8],
}

/// What a call of `put`, or of `ask`, is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The batch is durable.
    Accepted,
    /// It was already, or another call brought it a moment ago.
    Known,
    /// It is not, as far as this shard knows: the same again, later.
    Busy,
    /// Only asked for: this shard never took it.
    Unknown,
}

/// What came of an insert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// ClickHouse has the rows, from this try or an earlier one.
    Accepted,
    /// ClickHouse read the body and will never take it; its exception code.
    Refused(String),
    /// Anything else: the rows may be stored or not. `by_clickhouse` when it was ClickHouse that
    /// said so, of this table or this one group, and not of the server.
    Uncertain {
        /// Whether ClickHouse itself answered, with what the next table's insert may not meet.
        by_clickhouse: bool,
        /// A line for the operator's log.
        line: String,
    },
}

/// What to do; plain data. A write that no other call is named for may fail without harm: a start
/// finds the row as it was, and asks for the same again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Keep the number of shards.
    WriteShards(u32),
    /// Answer the call.
    Answer(PutId, Taken),
    /// Read the slices of this hour and part, then call [`Shard::handle_looked`].
    Look {
        /// The call that waits for it.
        put: PutId,
        /// The slices' hour.
        hour: u32,
        /// The slices' part.
        part: u8,
    },
    /// Write the row. If that fails, call [`Shard::handle_write_failed`]; its `Sync` then changes
    /// nothing.
    WriteGroup(Row),
    /// Wait until every write before this is durable, then call [`Shard::handle_synced`]; if that
    /// fails, [`Shard::handle_storage_lost`].
    Sync {
        /// The group that waits for it.
        group: Uuid,
    },
    /// Post the row's body with the group's id as its token, then call [`Shard::handle_inserted`].
    Insert {
        /// The group.
        group: Uuid,
        /// Its table.
        table: String,
    },
    /// Set the row's body to NULL; its ids stay.
    ClearBody {
        /// The group.
        group: Uuid,
    },
    /// Set the row's body to NULL and keep how many batches were given up, in one transaction.
    GiveUp {
        /// The group, of one batch.
        group: Uuid,
        /// How many it makes.
        given_up: u64,
    },
    /// Read the row's body, then call [`Shard::handle_loaded`].
    Load {
        /// The group.
        group: Uuid,
    },
    /// Remove the row and write these instead, in one transaction; if that fails, call
    /// [`Shard::handle_storage_lost`].
    Split {
        /// The group that ends.
        group: Uuid,
        /// Those that begin.
        rows: [Row; 2],
    },
    /// Mark the row: it is not tried again by itself.
    SetAside {
        /// The group.
        group: Uuid,
        /// The exception code.
        code: String,
    },
    /// Take that mark off.
    Reopen {
        /// The group.
        group: Uuid,
    },
    /// Write these slices and remove these groups' rows, in one transaction, then call
    /// [`Shard::handle_moved`].
    MoveKnown {
        /// Rows to write.
        slices: Vec<Slice>,
        /// Groups whose rows go.
        groups: Vec<Uuid>,
    },
    /// Remove the slices of runs before this one.
    DropSlices {
        /// The first run that stays.
        before: i64,
    },
    /// Call [`Shard::handle_alarm`] at this time even if this process has ended by then.
    Alarm(UnixMs),
    /// End this object without another word, and start again from its storage: what is written
    /// there is not known any more.
    Restart,
    /// A line for the operator's log.
    Log(String),
    /// Nothing more to do now. Call [`Shard::handle_timeout`] at that tick, if there is one; it
    /// replaces every earlier wish.
    Wake(Option<TickMs>),
}
