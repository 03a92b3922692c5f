//! Groups that ClickHouse refuses for good: split, set aside, replayed, given up.

use super::effect::Output;
use super::row::{self, Group, State};
use super::shard::Shard;
use super::status::{Aside, Listed};
use crate::limits;
use crate::zstd;
use tallymark::block;
use tallymark::rng::Uuid;
use tallymark::time::{Now, TickMs};

impl Shard {
    /// ClickHouse will never take this body.
    pub(super) fn refused(&mut self, now: Now, id: Uuid, code: &str) {
        let Some(group) = self.open.get_mut(id) else { return };
        // Once any try may have stored it, its batches can never go under another token.
        if group.members.len() > 1 && !group.is_uncertain {
            group.state = State::Splitting(code.into());
            self.outputs.push_back(Output::Load { group: id });
            return;
        }
        self.set_aside(now, id, code);
    }

    fn set_aside(&mut self, now: Now, id: Uuid, code: &str) {
        let Some(mut group) = self.open.remove(id) else { return };
        let why = Aside::problem(code);
        if self.is_aside_full(&group) {
            self.refuse_over_limit(now, id, group, &why);
            return;
        }
        group.state = State::Waiting;
        self.outputs.push_back(Output::Log(group.log(id, &format!("is set aside: {why}"))));
        self.outputs.push_back(Output::SetAside { group: id, code: code.into() });
        self.aside.insert(id, group, code.into());
    }

    /// Whether this group is one too many to be set aside.
    fn is_aside_full(&self, group: &Group) -> bool {
        let (aside, options) = (&self.aside, &self.options);
        aside.len() >= options.aside_groups
            || aside.bytes() + group.body_bytes > options.aside_bytes
            || aside.batches() + group.members.len() > options.aside_batches
    }

    /// No room is left to set the group aside. A single batch that cannot have been stored is given
    /// up and counted, as its sender would have without a group; anybody can send such batches, and
    /// must not fill the shard with them. Everything else waits until somebody has made room.
    fn refuse_over_limit(&mut self, now: Now, id: Uuid, mut group: Group, why: &str) {
        let and = "and too much is set aside already";
        if group.members.len() == 1 && !group.is_uncertain {
            self.given_up = self.given_up.saturating_add(1);
            let line = group.log(id, &format!("is given up: {why}, {and}"));
            self.outputs.push_back(Output::Log(line));
            self.outputs.push_back(Output::GiveUp { group: id, given_up: self.given_up });
            self.known.settle(now.wall, id, group.members);
            return;
        }
        self.outputs.push_back(Output::Log(group.log(id, &format!("waits: {why}, {and}"))));
        group.state = State::Waiting;
        group.due = now.tick.plus_ms(limits::GROUP_REFUSED_WAIT_MS);
        self.open.insert(id, group);
    }

    /// The body that [`Output::Load`] asked for is there.
    pub fn handle_loaded(&mut self, now: Now, id: Uuid, body: &[u8]) {
        self.observe(now);
        let Some(State::Splitting(code)) = self.open.get_mut(id).map(|group| &group.state) else {
            return;
        };
        let code = code.clone();
        let Some(group) = self.open.remove(id) else { return };
        let blocks = zstd::plain(body).unwrap_or_default();
        let Some(halves) = row::halves(&group.members, &blocks) else {
            self.open.insert(id, group);
            self.set_aside(now, id, &code);
            self.pump(now);
            return;
        };
        let rows = halves.map(|(members, blocks)| {
            let half = self.rng.uuid_v7(now.wall);
            let row = row::row(half, &group.table, members, blocks);
            let bytes = row.body.len() as u64;
            let state = State::Writing(Vec::new());
            let half_group = Group::new(group.table.clone(), members.to_vec(), bytes, state);
            self.open.insert(half, half_group);
            row
        });
        let syncs = [rows[0].group, rows[1].group].map(|group| Output::Sync { group });
        self.outputs.push_back(Output::Split { group: id, rows });
        self.outputs.extend(syncs);
        self.pump(now);
    }

    /// What a group holds that was set aside, by its body; `None` if there is none.
    #[must_use]
    pub fn list(&self, id: Uuid, body: &[u8]) -> Option<Listed> {
        let (_, group, _) = self.aside.iter().find(|(other, ..)| *other == id)?;
        let blocks = zstd::plain(body).unwrap_or_default();
        let mut rest = blocks.as_slice();
        let batches = group.members.iter().map(|member| {
            let (block, after) = rest.split_at_checked(member.block_bytes as usize)?;
            rest = after;
            batch_of(block)
        });
        let batches = batches.collect::<Option<_>>().unwrap_or_default();
        Some(Listed { table: group.table.clone(), batches })
    }

    /// Tries a group that was set aside again, as it is; false if there is none.
    pub fn handle_replay(&mut self, now: Now, id: Uuid) -> bool {
        self.observe(now);
        let Some(mut group) = self.aside.remove(&id) else { return false };
        // Whatever was tried before, and by whichever process, is not known any more.
        group.is_uncertain = true;
        group.due = TickMs(0);
        self.open.insert(id, group);
        self.outputs.push_back(Output::Reopen { group: id });
        self.pump(now);
        true
    }

    /// Gives up a group that was set aside; its ids stay known. False if there is none.
    pub fn handle_discard(&mut self, now: Now, id: Uuid) -> bool {
        self.observe(now);
        let Some(group) = self.aside.remove(&id) else { return false };
        self.outputs.push_back(Output::ClearBody { group: id });
        self.known.settle(now.wall, id, group.members);
        true
    }
}

/// The id of a block's batch, where its table keeps it, and when it came.
fn batch_of(block: &[u8]) -> Option<String> {
    let block = block::walk(block).ok()?;
    block.column("received_at")?;
    let id = block.column("batch_id")?.values::<Uuid>()?.next()?;
    Some(id.to_string())
}
