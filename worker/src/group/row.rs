//! A group: batches of one table under one id, which is the token of their one insert.

use super::key::{self, Member};
use super::window::Waiting;
use crate::zstd;
use tallymark::rng::Uuid;
use tallymark::time::TickMs;

/// A group's row as storage holds it: membership and bytes in one write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The group's id: the row's key, and the insert's token for ever.
    pub group: Uuid,
    /// The table that its blocks are for.
    pub table: String,
    /// Its batches, see [`key::encode_members`].
    pub members: Vec<u8>,
    /// The insert's body: their blocks, in one zstd frame.
    pub body: Vec<u8>,
}

/// A row as a start finds it; the body stays where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredGroup {
    /// The group's id.
    pub group: Uuid,
    /// Its table.
    pub table: String,
    /// Its batches.
    pub members: Vec<u8>,
    /// Bytes of its body; 0 once ClickHouse has it.
    pub body_bytes: u64,
    /// The exception code for which it was set aside.
    pub aside: Option<String>,
}

/// What happens to a group that ClickHouse does not have yet.
#[derive(Debug, PartialEq, Eq)]
pub enum State {
    /// Its row is being written; these calls wait for that.
    Writing(Vec<Waiting>),
    /// It waits for its turn.
    Waiting,
    /// Its insert is under way.
    InFlight,
    /// It was refused with this code, and its body is being read to be split.
    Splitting(String),
}

/// A group that ClickHouse does not have yet.
#[derive(Debug)]
pub struct Group {
    /// Its table.
    pub table: String,
    /// Its batches, in the order of their blocks.
    pub members: Vec<Member>,
    /// Bytes of its body.
    pub body_bytes: u64,
    /// What happens to it.
    pub state: State,
    /// Inserts of it that ClickHouse answered with an exception.
    pub exceptions: u32,
    /// Whether any try may have stored it: not split then, ever. True after a start, because a try
    /// may have been under way when the last process ended.
    pub is_uncertain: bool,
    /// No try before this.
    pub due: TickMs,
}

impl Group {
    /// A group in this state, of which no try is known.
    #[must_use]
    pub const fn new(table: String, members: Vec<Member>, body_bytes: u64, state: State) -> Self {
        Self {
            table,
            members,
            body_bytes,
            state,
            exceptions: 0,
            is_uncertain: false,
            due: TickMs(0),
        }
    }

    /// A line for the operator's log: what became of it.
    #[must_use]
    pub fn log(&self, id: Uuid, what: &str) -> String {
        let batches = self.members.len();
        format!("group {id} of table {} (batches: {batches}) {what}", self.table)
    }
}

/// A row of these blocks, one behind the other.
#[must_use]
pub fn row(group: Uuid, table: &str, members: &[Member], blocks: &[u8]) -> Row {
    Row {
        group,
        table: table.into(),
        members: key::encode_members(members),
        body: zstd::raw(blocks),
    }
}

/// The two halves of a group's batches, each with its blocks; `None` if the body is not theirs, or
/// there is nothing to halve.
#[must_use]
pub fn halves<'a>(
    members: &'a [Member],
    blocks: &'a [u8],
) -> Option<[(&'a [Member], &'a [u8]); 2]> {
    let bytes = |members: &[Member]| -> usize {
        members.iter().map(|member| member.block_bytes as usize).sum()
    };
    if members.len() < 2 || bytes(members) != blocks.len() {
        return None;
    }
    let (first, second) = members.split_at(members.len() / 2);
    let (first_blocks, second_blocks) = blocks.split_at_checked(bytes(first))?;
    Some([(first, first_blocks), (second, second_blocks)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::key::Key;
    use crate::limits;

    fn member(at: u8, block_bytes: u32) -> Member {
        Member { hour: 1, key: Key([at; 16]), rows: 1, block_bytes }
    }

    #[test]
    fn halves_cut_between_blocks() {
        let members = [member(1, 2), member(2, 3), member(3, 1)];
        let halves = halves(&members, b"aabbbc").unwrap();
        assert_eq!(halves, [(&members[..1], &b"aa"[..]), (&members[1..], &b"bbbc"[..])]);
    }

    #[test]
    fn the_largest_block_that_a_group_takes_fits_its_row_with_room_for_the_storage() {
        let block = vec![0; limits::GROUP_BLOCK_BYTES];
        let row = row(Uuid([7; 16]), "events", &[member(1, 0)], &block);
        let bytes = row.group.0.len() + row.table.len() + row.members.len() + row.body.len();
        assert_eq!(bytes, limits::GROUP_BLOCK_BYTES + 16 + 6 + 28 + 13 + 16 * 3);
        assert!(limits::GROUP_ROW_BYTES - bytes > limits::GROUP_ROW_OVERHEAD_BYTES / 2);
    }

    #[test]
    fn a_body_that_is_not_theirs_and_a_single_batch_have_no_halves() {
        let members = [member(1, 2), member(2, 3)];
        assert_eq!(halves(&members, b"aabb"), None);
        assert_eq!(halves(&members[..1], b"aa"), None);
    }
}
