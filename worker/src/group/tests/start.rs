//! A start from storage.

use super::world::{SEED, Storage, World};
use crate::group::{Options, Output, Problem, Shard, Stored, Taken};
use tallymark::rng::Uuid;

use Taken::Known;

#[test]
fn d13_open_groups_are_sent_first_under_their_token_with_their_bytes() {
    let mut world = World::new(Options::default());
    world.group(&[1]);
    world.accept();
    let open = [world.group(&[2]), world.group(&[3])];
    let bodies = open.map(|group| world.body(group));
    world.restart();
    assert_eq!(world.inserts, open);
    assert_eq!(open.map(|group| world.body(group)), bodies);
    assert_eq!(world.alarms.len(), 1);
    for number in [1, 2, 3] {
        world.put(number);
    }
    assert_eq!(world.answered(), [(1, Known), (2, Known), (3, Known)]);
}

#[test]
fn another_number_of_shards_refuses_to_start() {
    let storage = World::new(Options { shards: 4, ..Options::default() }).storage;
    assert_eq!(storage.shards, Some(4));
    let started = World::on(storage, Options { shards: 5, ..Options::default() });
    assert_eq!(started.err(), Some(Problem::ShardsChanged { stored: 4, configured: 5 }));
}

#[test]
fn a_new_shard_goes_by_the_first_one_s_number() {
    let world = World::new(Options::default());
    let stored = |shards, first| Stored { shards, shards_of_first: first, ..Stored::default() };
    let first = |shards, first| {
        let options = Options { shards: 4, ..Options::default() };
        let mut shard = Shard::open(world.now, SEED, options, &stored(shards, first))?;
        Ok::<_, Problem>(shard.poll_output())
    };
    assert_eq!(first(None, None), Ok(Output::WriteShards(4)));
    assert_eq!(first(None, Some(4)), Ok(Output::WriteShards(4)));
    assert_eq!(first(Some(4), None), Ok(Output::Wake(None)));
    let changed = Problem::ShardsChanged { stored: 5, configured: 4 };
    assert_eq!(first(None, Some(5)), Err(changed));
}

#[test]
fn a_damaged_row_refuses_to_start() {
    let mut world = World::new(Options::default());
    let group = world.group(&[1]);
    let mut stored = world.storage.stored();
    stored.groups[0].members.pop();
    let started = Shard::open(world.now, SEED, Options::default(), &stored);
    assert_eq!(started.err(), Some(Problem::Damaged(group)));
}

#[test]
fn an_empty_storage_starts_with_nothing_to_do() {
    let world = World::on(Storage::default(), Options::default()).unwrap();
    assert_eq!((world.wake, world.inserts.len(), world.alarms.len()), (None, 0, 0));
    assert_eq!(world.shard.status(world.now).known_in_memory, 0);
    assert_eq!(Uuid::default().v7_time(), None);
}
