//! Tables that ClickHouse does not take inserts for, beside others.

use super::world::{NOON, SEED, World, batch, block, block_of, uncertain};
use crate::group::gate::backoff_ms;
use crate::group::{Failing, Inserted, Options, Taken};
use tallymark::rng::{Rng, Uuid};
use tallymark::time::UnixMs;

use Taken::{Accepted, Busy};

/// A shard for two tables.
fn world(options: Options) -> World {
    World::new(Options { tables: 2, ..options })
}

/// Puts a batch of this table by its number, and ends its window.
fn group_of(world: &mut World, table: &str, number: u32) -> Uuid {
    world.put_of(number, table, batch(NOON, number), &block(1, number as u8));
    world.advance(250);
    *world.storage.groups.keys().next_back().unwrap()
}

fn missing() -> Inserted {
    let line = "ClickHouse answered 404, exception code 60".into();
    Inserted::Uncertain { by_clickhouse: true, line }
}

#[test]
fn a_table_that_clickhouse_refuses_holds_its_share_and_the_others_the_rest() {
    let block_bytes = 100;
    let groups = Options { backlog_groups: 6, ..Options::default() };
    let batches = Options { backlog_batches: 6, ..Options::default() };
    // A body has 16 bytes beside its block.
    let bytes = Options { backlog_bytes: 6 * (block_bytes + 16), ..Options::default() };
    for options in [groups, batches, bytes] {
        let mut world = world(options);
        let put = |world: &mut World, table: &str, number: u32| {
            let block = block_of(block_bytes as usize);
            world.put_of(number, table, batch(NOON, number), &block);
            world.advance(250);
            let (_, taken) = world.answered()[0];
            taken
        };
        assert_eq!(put(&mut world, "gone", 1), Accepted);
        world.inserted(&missing());
        let taken = [2, 3, 4].map(|number| put(&mut world, "gone", number));
        assert_eq!(taken, [Accepted, Accepted, Busy]);
        // Nothing of the others is answered either, but not because ClickHouse said so.
        let taken = [5, 6, 7, 8].map(|number| put(&mut world, "events", number));
        assert_eq!(taken, [Accepted, Accepted, Accepted, Busy]);
    }
}

#[test]
fn a_table_alone_and_one_that_nobody_refuses_may_fill_the_whole_backlog() {
    let options = Options { backlog_groups: 3, ..Options::default() };
    let mut alone = World::new(options);
    group_of(&mut alone, "gone", 1);
    alone.inserted(&missing());
    let mut silent = world(options);
    group_of(&mut silent, "events", 1);
    silent.lose();
    for world in [&mut alone, &mut silent] {
        world.answered();
        for number in [2, 3, 4] {
            world.put_of(number, "gone", batch(NOON, number), &block(1, 1));
            world.advance(250);
        }
        let taken: Vec<_> = world.answered().into_iter().map(|(_, taken)| taken).collect();
        assert_eq!(taken, [Accepted, Accepted, Busy]);
    }
}

#[test]
fn a_share_has_room_for_a_batch_at_least() {
    let mut world = World::new(Options {
        tables: 9,
        backlog_groups: 3,
        backlog_batches: 3,
        ..Options::default()
    });
    group_of(&mut world, "gone", 1);
    world.inserted(&missing());
    world.put_of(2, "gone", batch(NOON, 2), &block(1, 2));
    assert_eq!(world.answered(), [(1, Accepted), (2, Busy)]);
    // Once ClickHouse takes it again, there is no share any more.
    world.advance(100);
    world.accept();
    group_of(&mut world, "gone", 2);
    group_of(&mut world, "gone", 3);
    assert_eq!(world.answered(), [(2, Accepted), (3, Accepted)]);
}

#[test]
fn a_table_that_clickhouse_refuses_backs_off_alone() {
    let mut world = world(Options::default());
    let gone = group_of(&mut world, "gone", 1);
    world.inserted(&missing());
    let mut rng = Rng::new(SEED);
    rng.uuid_v7(UnixMs(0));
    let wait_ms = backoff_ms(1, &mut rng).max(backoff_ms(1, &mut rng));
    assert_eq!(world.wake, Some(250 + wait_ms));
    // The others' go at once, two at a time; none waits for it.
    for number in [2, 3, 4] {
        world.put_of(number, "events", batch(NOON, number), &block_of(1_000_000));
    }
    assert_eq!(world.inserts.len(), 2);
    assert!(!world.inserts.contains(&gone));
    world.accept();
    world.accept();
    assert_eq!(world.inserts.len(), 1);
}

#[test]
fn a_table_that_fails_is_probed_beside_the_others_and_takes_one_place() {
    let mut world = world(Options::default());
    for (number, table) in [(1, "gone"), (2, "other")] {
        world.put_of(number, table, batch(NOON, number), &block(1, 1));
        world.advance(1);
    }
    world.advance(249);
    let [gone, other] = [(); 2].map(|()| world.inserted(&missing()));
    for number in 3..=6 {
        world.put_of(number, "events", batch(NOON, number), &block_of(1_000_000));
    }
    assert!(!world.inserts.contains(&gone) && !world.inserts.contains(&other));
    for _ in 0..2 {
        // Both are due now, and a place is free: one after the other has it, and no more than that.
        world.advance(5_000);
        world.accept();
        for table in [gone, other] {
            assert_eq!((world.inserts.len(), world.inserts[1]), (2, table));
            let event = world.inserts.remove(0);
            world.inserted(&missing());
            world.inserts.insert(0, event);
        }
        assert!(!world.inserts.contains(&gone) && !world.inserts.contains(&other));
    }
}

#[test]
fn after_silence_another_table_is_tried_first() {
    let mut world = world(Options { inserts: 1, ..Options::default() });
    let hangs = group_of(&mut world, "hangs", 1);
    let events = group_of(&mut world, "events", 2);
    assert_eq!(world.lose(), hangs);
    world.advance(100);
    assert_eq!(world.inserts, [events]);
    // Once that is answered, the server lives: the probe of the first is beside whatever else.
    world.accept();
    assert_eq!(world.inserts, [hangs]);
}

#[test]
fn health_tells_which_table_waits_and_why() {
    let mut world = world(Options::default());
    group_of(&mut world, "gone", 1);
    group_of(&mut world, "events", 2);
    world.inserted(&missing());
    world.accept();
    let problem = "ClickHouse answered 404, exception code 60".to_owned();
    let gone =
        Failing { table: "gone".into(), groups: 1, batches: 1, bytes: 20, failures: 1, problem };
    let status = world.shard.status(world.now);
    assert_eq!((status.failing, status.failures), (vec![gone], 0));
    world.advance(100);
    world.inserted(&uncertain(false));
    let status = world.shard.status(world.now);
    assert_eq!((status.failing[0].failures, status.failing[0].problem.as_str()), (2, "lost"));
    assert_eq!(status.failures, 1);
    world.advance(5_000);
    world.accept();
    assert_eq!(world.shard.status(world.now).failing, []);
}
