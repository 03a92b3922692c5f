//! Groups that ClickHouse refuses for good: split while nothing of them can have been stored, else
//! set aside whole.

use super::world::{NOON, World, batch, block, uncertain};
use crate::group::{Listed, Options, Taken};
use std::collections::BTreeMap;
use tallymark::column::Wire;
use tallymark::rng::Uuid;

use Taken::{Accepted, Busy, Known};

/// A ClickHouse that refuses every body with this mark in it, and takes all others once.
fn run(world: &mut World, poison: u8) -> BTreeMap<Uuid, Vec<u8>> {
    let mut taken = BTreeMap::new();
    while let Some(&group) = world.inserts.first() {
        let body = world.body(group);
        if body.contains(&poison) {
            world.refuse();
        } else {
            assert_eq!(taken.insert(group, body), None, "sent again after it was accepted");
            world.accept();
        }
    }
    taken
}

#[test]
fn a_refused_group_is_split_until_the_poison_is_alone() {
    let mut world = World::new(Options::default());
    let group = world.group(&[11, 12, 13, 14, 15]);
    let taken = run(&mut world, 13);
    let rows: Vec<u8> = taken.values().flatten().copied().collect();
    for number in [11, 12, 14, 15] {
        let blocks = rows.windows(4).filter(|four| *four == block(1, number)).count();
        assert_eq!(blocks, 1, "{number}");
    }
    assert!(!world.storage.groups.contains_key(&group), "its row is gone with the split");
    assert!(!taken.contains_key(&group), "its token is never used again");
    let status = world.shard.status(world.now);
    assert_eq!((status.groups, status.batches, status.bytes), (0, 0, 0));
    let [aside] = &status.set_aside[..] else { panic!("{status:?}") };
    assert_eq!((aside.batches, aside.rows, aside.code.as_str()), (1, 1, "117"));
    // All of them are known, the poison too: it was acknowledged.
    world.answered();
    for number in [11, 13, 15] {
        world.put(number);
    }
    assert_eq!(world.answered(), [(11, Known), (13, Known), (15, Known)]);
}

#[test]
fn halves_are_one_transaction_and_are_not_sent_before_it_is_durable() {
    let mut world = World::new(Options::default());
    let group = world.group(&[1, 2]);
    world.auto_sync = false;
    world.refuse();
    assert_eq!(world.inserts, []);
    assert_eq!((world.storage.groups.len(), world.syncs.len()), (2, 2));
    assert!(!world.storage.groups.contains_key(&group));
    world.synced();
    assert_eq!(world.inserts.len(), 2);
}

#[test]
fn d13_after_a_lost_answer_a_refused_group_is_set_aside_whole() {
    for outcome in [uncertain(false), uncertain(true)] {
        let mut world = World::new(Options::default());
        let group = world.group(&[1, 2, 3]);
        world.inserted(&outcome);
        world.advance(5_000);
        assert_eq!(world.refuse(), group);
        assert_eq!(world.inserts, []);
        assert_eq!(world.storage.groups.len(), 1);
        assert_eq!(world.shard.status(world.now).set_aside[0].batches, 3);
    }
}

#[test]
fn d13_after_a_start_a_refused_group_is_set_aside_whole() {
    let mut world = World::new(Options::default());
    let group = world.group(&[1, 2]);
    world.restart();
    assert_eq!(world.refuse(), group);
    assert_eq!(world.shard.status(world.now).set_aside[0].batches, 2);
    // And stays aside over the next start.
    world.restart();
    assert_eq!(world.inserts, []);
    assert_eq!(world.shard.status(world.now).set_aside[0].batches, 2);
    assert_eq!(world.wake, None);
}

#[test]
fn a_body_that_is_not_its_members_is_set_aside_whole() {
    let mut world = World::new(Options::default());
    let group = world.group(&[1, 2]);
    world.storage.groups.get_mut(&group).unwrap().0.body.truncate(9);
    world.refuse();
    assert_eq!(world.shard.status(world.now).set_aside[0].batches, 2);
}

#[test]
fn others_do_not_wait_for_a_refused_group() {
    let mut world = World::new(Options { inserts: 1, ..Options::default() });
    world.group(&[1]);
    let second = world.group(&[2]);
    world.refuse();
    assert_eq!(world.inserts, [second]);
}

#[test]
fn over_the_limit_a_group_that_may_be_stored_waits_a_minute_and_holds_up_nobody() {
    let options = Options { aside_groups: 1, inserts: 1, ..Options::default() };
    let mut world = World::new(options);
    let groups = [1, 2, 3].map(|number| world.group(&[number]));
    world.refuse();
    world.lose();
    world.advance(100);
    world.refuse();
    assert_eq!(world.inserts, [groups[2]]);
    world.accept();
    assert_eq!(world.wake, Some(world.now.tick.0 + 60_000));
    world.advance(60_000);
    assert_eq!(world.inserts, [groups[1]]);
    let status = world.shard.status(world.now);
    assert_eq!((status.aside_groups, status.given_up), (1, 0));
}

#[test]
fn over_the_limit_a_refused_batch_is_given_up_and_counted() {
    let mut world = World::new(Options { aside_groups: 1, ..Options::default() });
    let first = world.group(&[1]);
    let second = world.group(&[2]);
    world.refuse();
    world.refuse();
    assert!(!world.has_body(second));
    let status = world.shard.status(world.now);
    assert_eq!((status.groups, status.aside_groups, status.given_up), (0, 1, 1));
    let refuses = "ClickHouse refuses it with exception code 117 (the data is not what its column \
                   holds, JSON that is none for example)";
    let lines = [
        format!("group {} of table events (batches: 1) is set aside: {refuses}", first),
        format!(
            "group {} of table events (batches: 1) is given up: {refuses}, and too much is set \
             aside already",
            second
        ),
    ];
    assert_eq!(world.logs, lines);
    assert_eq!(status.set_aside[0].problem, refuses);
    // The count is of what is lost, not of what this process has lost.
    world.restart();
    assert_eq!(world.shard.status(world.now).given_up, 1);
    world.answered();
    world.put(2);
    assert_eq!(world.answered(), [(2, Known)]);
}

#[test]
fn over_the_limit_in_bytes_or_batches_a_refused_group_waits_and_keeps_senders_out() {
    // A group's body has 16 bytes beside its blocks of 4.
    let bytes = Options { aside_bytes: 24, ..Options::default() };
    let batches = Options { aside_batches: 3, ..Options::default() };
    for options in [bytes, batches] {
        let mut world = World::new(Options { inserts: 1, backlog_batches: 4, ..options });
        world.group(&[1, 2]);
        let second = world.group(&[3, 4]);
        // Once their tries may have stored them they are never split.
        world.lose();
        world.advance(100);
        world.refuse();
        world.lose();
        world.advance(200);
        world.refuse();
        let status = world.shard.status(world.now);
        assert_eq!((status.aside_groups, status.aside_batches, status.aside_bytes), (1, 2, 24));
        assert_eq!((status.groups, status.batches, status.given_up), (1, 2, 0));
        world.answered();
        [5, 6, 7].into_iter().for_each(|number| world.put(number));
        assert_eq!(world.answered(), [(7, Busy)]);
        // Room is made, and its time has come.
        let first = world.shard.status(world.now).set_aside[0].group.clone();
        assert!(world.shard.handle_discard(world.now, Uuid::parse(first.as_bytes()).unwrap()));
        world.drain();
        let status = world.shard.status(world.now);
        assert_eq!((status.aside_groups, status.aside_batches, status.aside_bytes), (0, 0, 0));
        world.advance(60_000);
        assert_eq!(world.inserts[0], second);
        world.refuse();
        assert_eq!(world.shard.status(world.now).set_aside[0].batches, 2);
    }
}

#[test]
fn a_replayed_group_goes_again_as_it_is_and_is_never_split() {
    let mut world = World::new(Options::default());
    let group = world.group(&[1, 2]);
    world.lose();
    world.advance(100);
    world.refuse();
    assert!(world.shard.handle_replay(world.now, group));
    world.drain();
    assert_eq!(world.inserts, [group]);
    assert_eq!(world.storage.groups[&group].2, None);
    world.refuse();
    assert_eq!(world.shard.status(world.now).set_aside[0].batches, 2);
    assert!(world.shard.handle_replay(world.now, group));
    world.drain();
    world.accept();
    assert!(!world.has_body(group));
    assert_eq!(world.shard.status(world.now).set_aside, []);
    assert!(!world.shard.handle_replay(world.now, group), "it is not aside any more");
}

#[test]
fn a_discarded_group_is_gone_and_its_batches_stay_known() {
    let mut world = World::new(Options::default());
    let group = world.group(&[1]);
    world.refuse();
    assert!(world.shard.handle_discard(world.now, group));
    world.drain();
    assert!(!world.has_body(group));
    assert!(!world.shard.handle_discard(world.now, group));
    assert_eq!(world.answered(), [(1, Accepted)]);
    world.put(1);
    assert_eq!(world.answered(), [(1, Known)]);
    world.restart();
    assert_eq!((world.inserts.len(), world.shard.status(world.now).set_aside.len()), (0, 0));
}

/// A block of one row with its batch's id and arrival, as a table of the edge's columns has it.
fn block_with_id(number: u32) -> Vec<u8> {
    let mut block = b"\x02\x01\x08batch_id\x04UUID".to_vec();
    block.extend_from_slice(batch(NOON, number).to_wire().as_ref());
    block.extend_from_slice(b"\x0breceived_at\x0dDateTime64(3)");
    block.extend_from_slice(&NOON.to_le_bytes());
    block
}

#[test]
fn a_group_that_was_set_aside_lists_its_batches_where_its_rows_tell_them() {
    let mut world = World::new(Options::default());
    world.put_block(1, 1, &block_with_id(1));
    world.put_block(2, 2, &block_with_id(2));
    world.advance(250);
    let told = world.lose();
    world.advance(100);
    world.refuse();
    let untold = world.group(&[3]);
    world.refuse();
    let list = |group: Uuid| {
        let body = &world.storage.groups[&group].0.body;
        let Listed { table, batches } = world.shard.list(group, body)?;
        assert_eq!(table, "events");
        Some(batches)
    };
    assert_eq!(list(told), Some(vec![batch(NOON, 1).to_string(), batch(NOON, 2).to_string()]));
    // What is no block of such a table tells nothing, and nobody looks at one that is not aside.
    assert_eq!(list(untold), Some(Vec::new()));
    assert_eq!(world.shard.list(batch(NOON, 9), &[]), None);
    assert_eq!(
        world.shard.list(told, &[]),
        Some(Listed { table: "events".into(), batches: vec![] })
    );
}
