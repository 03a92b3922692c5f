//! Batches of one table that wait in memory, for a moment, to become one group.

use super::effect::PutId;
use super::key::{Key, Member};
use tallymark::time::TickMs;

/// A group to be: nothing in it has been acknowledged.
#[derive(Debug)]
pub struct Window {
    /// When its first batch came.
    pub opened: TickMs,
    /// Its batches, in the order in which they came.
    pub members: Vec<Member>,
    /// Their blocks, one behind the other.
    pub blocks: Vec<u8>,
    /// Rows of all of them.
    pub rows: u32,
    /// Who waits for an answer.
    pub waiting: Vec<Waiting>,
}

/// A call that waits until its batch is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The call.
    pub put: PutId,
    /// Whether it came for a batch that another call had brought.
    pub is_twin: bool,
}

impl Window {
    /// A window that opens now.
    #[must_use]
    pub const fn new(opened: TickMs) -> Self {
        Self { opened, members: Vec::new(), blocks: Vec::new(), rows: 0, waiting: Vec::new() }
    }

    /// Adds a batch, and who brought it.
    pub fn push(&mut self, member: Member, block: &[u8], put: PutId) {
        self.rows = self.rows.saturating_add(member.rows);
        self.members.push(member);
        self.blocks.extend_from_slice(block);
        self.waiting.push(Waiting { put, is_twin: false });
    }

    /// Whether a batch is here.
    #[must_use]
    pub fn has(&self, key: Key) -> bool {
        self.members.iter().any(|member| member.key == key)
    }

    /// Lets a call wait for a batch that is here already; false if it is not.
    pub fn join(&mut self, key: Key, put: PutId) -> bool {
        let is_here = self.has(key);
        if is_here {
            self.waiting.push(Waiting { put, is_twin: true });
        }
        is_here
    }
}
