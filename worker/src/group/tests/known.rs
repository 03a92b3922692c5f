//! Ids that are remembered for longer than any batch may come again, and no longer.

use super::world::{NOON, World, batch, block};
use crate::group::{Options, Taken};

use Taken::{Accepted, Busy, Known, Unknown};

const HOUR: u64 = 3_600_000;

/// A world whose memory holds two keys, with batches 1 to 3 accepted and moved to storage.
fn moved() -> World {
    let mut world = World::new(Options { known_keys: 2, ..Options::default() });
    world.group(&[1, 2, 3]);
    world.accept();
    world.answered();
    assert_eq!(world.storage.groups.len(), 0, "its row has gone with its keys");
    assert_eq!(world.shard.status(world.now).known_in_memory, 0);
    world
}

#[test]
fn d13_a_batch_whose_key_is_in_storage_is_known() {
    let mut world = moved();
    world.put(2);
    assert_eq!(world.answered(), [(2, Known)]);
    // Another of the same hour is not.
    world.group(&[4]);
    assert_eq!(world.answered(), [(4, Accepted)]);
}

#[test]
fn d13_keys_in_storage_outlive_the_process() {
    let mut world = moved();
    world.restart();
    world.put(3);
    assert_eq!(world.answered(), [(3, Known)]);
}

#[test]
fn d13_a_batch_that_is_asked_for_is_known_once_it_is_durable_and_busy_until_then() {
    let mut world = World::new(Options::default());
    world.auto_sync = false;
    world.ask(1);
    assert_eq!(world.answered(), [(1, Unknown)]);
    world.put(1);
    world.ask(1);
    assert_eq!(world.answered(), [(1, Busy)], "in its window");
    world.advance(250);
    world.ask(1);
    assert_eq!(world.answered(), [(1, Busy)], "being written");
    world.synced();
    world.ask(1);
    assert_eq!(world.answered(), [(1, Accepted), (1, Known)], "not inserted yet");
    world.accept();
    world.ask(1);
    assert_eq!(world.answered(), [(1, Known)]);
    world.ask(2);
    world.advance(250);
    assert_eq!(world.answered(), [(2, Unknown)], "to ask brings nothing");
    assert_eq!(world.shard.status(world.now).batches, 0);
}

#[test]
fn d13_a_batch_that_is_asked_for_is_known_by_storage_too() {
    let mut world = moved();
    world.ask(2);
    world.ask(4);
    assert_eq!(world.answered(), [(2, Known), (4, Unknown)]);
    world.shard.handle_storage_lost(world.now, "gone");
    world.ask(4);
    assert_eq!(world.answered(), [(4, Busy)]);
}

#[test]
fn a_batch_of_an_hour_without_slices_is_not_looked_for() {
    let mut world = moved();
    world.storage.slices.clear();
    world.put_of(9, "events", batch(NOON + HOUR as i64, 9), &block(1, 9));
    world.advance(250);
    assert_eq!(world.answered(), [(9, Accepted)]);
}

#[test]
fn a_key_is_known_for_25_hours_after_it_moved_and_no_longer() {
    let mut world = moved();
    world.advance(25 * HOUR - 1);
    world.put(1);
    assert_eq!(world.answered(), [(1, Known)]);
    world.advance(HOUR + 1);
    assert_eq!(world.storage.slices, []);
    // Its edge would have refused it as too old by now.
    world.group(&[1]);
    assert_eq!(world.answered(), [(1, Accepted)]);
}

#[test]
fn d13_a_client_whose_clock_is_wrong_is_remembered_as_long_as_any_other() {
    let mut world = World::new(Options { known_keys: 0, ..Options::default() });
    let years_slow = batch(NOON - 3 * 365 * 24 * HOUR as i64, 1);
    let hours_fast = batch(NOON + 20 * HOUR as i64, 2);
    for (call, id) in [(1, years_slow), (2, hours_fast)] {
        world.put_of(call, "events", id, &block(1, 1));
    }
    world.advance(250);
    world.accept();
    world.answered();
    world.advance(24 * HOUR);
    for (call, id) in [(3, years_slow), (4, hours_fast)] {
        world.put_of(call, "events", id, &block(1, 1));
    }
    assert_eq!(world.answered(), [(3, Known), (4, Known)]);
}

#[test]
fn keys_that_grow_old_in_memory_move_to_storage() {
    let mut world = World::new(Options::default());
    world.group(&[1]);
    world.accept();
    world.advance(2 * HOUR);
    assert_eq!(world.shard.status(world.now).known_in_memory, 1);
    world.advance(1);
    assert_eq!(world.shard.status(world.now).known_in_memory, 0);
    assert_eq!(world.storage.slices.len(), 1);
    assert_eq!(world.storage.groups.len(), 0);
}
