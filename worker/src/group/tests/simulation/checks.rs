//! What has to hold at the end of a life.

use super::{BATCHES, LATE, Simulation, is_poison};
use crate::group::{Member, decode_members};
use std::collections::HashSet;
use tallymark::rng::Uuid;

impl Simulation {
    pub fn check(&self) -> Result<(), String> {
        let mut aside = HashSet::new();
        for object in &self.shards {
            if object.shard.status(self.now()).batches > 0 {
                return Err("something is left over".into());
            }
            for (row, ..) in object.seen.groups.values().filter(|(.., code)| code.is_some()) {
                let keys = decode_members(&row.members).unwrap();
                self.check_aside(row.group, &keys)?;
                aside.extend(keys.iter().map(|member| member.key));
            }
        }
        for number in (0..BATCHES).chain(LATE) {
            let stored = self.stored.get(&number).copied().unwrap_or(0);
            let is_aside = aside.contains(&self.key(number));
            // The first of the late batches makes everything before it move into slices, and when the
            // second comes, they go.
            let is_old = self.is_long() && number < BATCHES && !is_aside;
            if is_old != self.dropped.contains(&self.key(number)) {
                return Err(format!("batch {number}: should its key be dropped? {is_old}"));
            }
            // A group that is set aside may have been stored by a try whose answer was lost.
            if !self.acknowledged.contains(&number) || stored > 1 || stored == 0 && !is_aside {
                return Err(format!("batch {number}: stored {stored} times, aside: {is_aside}"));
            }
        }
        Ok(())
    }

    /// A group is set aside because ClickHouse refused one of its batches; with others in it, only
    /// because some try may have stored it.
    fn check_aside(&self, group: Uuid, members: &[Member]) -> Result<(), String> {
        let poison: HashSet<_> =
            (0..BATCHES).filter(|it| is_poison(*it)).map(|it| self.key(it)).collect();
        let is_meant = members.iter().any(|member| poison.contains(&member.key));
        if !is_meant || !self.refused.contains(&group) {
            return Err(format!("{group:?} was set aside, and nothing in it was refused"));
        }
        if members.len() > 1 && !self.uncertain.contains(&group) {
            return Err(format!("{group:?} was set aside whole, and could have been split"));
        }
        Ok(())
    }
}
