//! Storage that fails.

use super::world::World;
use crate::group::{Options, Output, Put, PutId, Taken};

use Taken::{Accepted, Busy, Known};

/// Ends a window of batches 1 and 2, the latter brought twice, and fails its write.
fn write_failed() -> World {
    let mut world = World::new(Options::default());
    world.put(1);
    world.put(2);
    world.put_block(3, 2, &super::world::block(1, 2));
    world.now.tick = world.now.tick.plus_ms(250);
    world.shard.handle_timeout(world.now);
    let Output::WriteGroup(row) = world.shard.poll_output() else { panic!() };
    world.shard.handle_write_failed(world.now, row.group, "disk full");
    world.drain();
    world
}

#[test]
fn a_row_that_cannot_be_written_makes_its_batches_busy_and_forgotten() {
    let mut world = write_failed();
    assert_eq!(world.answered(), [(1, Busy), (2, Busy), (3, Busy)]);
    assert_eq!(world.logs, ["group: a row could not be written: disk full"]);
    assert_eq!(world.shard.status(world.now).bytes, 0);
    // The same again is new.
    let group = world.group(&[2]);
    assert_eq!(world.answered(), [(2, Accepted)]);
    assert_eq!(world.inserts, [group]);
}

#[test]
fn d13_a_sync_that_fails_leaves_all_to_a_start_from_storage() {
    let mut world = World::new(Options::default());
    world.auto_sync = false;
    let group = world.group(&[1]);
    world.put(2);
    world.shard.handle_storage_lost(world.now, "gone");
    world.drain();
    assert_eq!(world.answered(), [(1, Busy), (2, Busy)]);
    assert!(world.is_restarted);
    assert_eq!(world.logs, ["group: storage failed: gone"]);
    world.put(3);
    assert_eq!((world.answered(), world.wake), (vec![(3, Busy)], None));
    // The row may have been durable after all: then it is sent, and its batch is known.
    world.restart();
    assert_eq!(world.inserts, [group]);
    world.put(1);
    assert_eq!(world.answered(), [(1, Known)]);
}

#[test]
fn answers_that_nobody_waits_for_change_nothing() {
    let mut world = World::new(Options::default());
    let group = world.group(&[1]);
    let before = world.shard.status(world.now);
    let other = super::world::batch(0, 9);
    for id in [group, other] {
        world.shard.handle_synced(world.now, id);
        world.shard.handle_write_failed(world.now, other, "");
        world.shard.handle_loaded(world.now, id, &[]);
    }
    world.shard.handle_inserted(world.now, other, &crate::group::Inserted::Accepted);
    world.shard.handle_looked(world.now, PutId(9), &[]);
    world.shard.handle_moved(world.now, true);
    world.drain();
    assert_eq!(world.shard.status(world.now), before);
    world.accept();
    // The answer to a try that has ended already.
    world.shard.handle_inserted(world.now, group, &crate::group::Inserted::Accepted);
    world.drain();
    assert_eq!(world.shard.status(world.now).groups, 0);
    let put = Put {
        id: PutId(2),
        site: "a",
        table: "events",
        batch: super::world::batch(super::world::NOON, 1),
        block: &[1, 1],
    };
    world.shard.handle_put(world.now, &put);
    assert_eq!(world.shard.poll_output(), Output::Answer(PutId(2), Known));
}
