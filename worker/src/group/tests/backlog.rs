//! Inserts under way, what waits for them, and limits on it.

use super::world::{SEED, World, block, block_of, uncertain};
use crate::group::gate::backoff_ms;
use crate::group::{Options, Taken};
use tallymark::rng::Rng;
use tallymark::time::UnixMs;

use Taken::{Accepted, Busy};

#[test]
fn two_inserts_are_under_way_the_oldest_first() {
    let mut world = World::new(Options::default());
    let groups = [1, 2, 3, 4].map(|number| world.group(&[number]));
    assert_eq!(world.inserts, groups[..2]);
    assert_eq!(world.accept(), groups[0]);
    assert_eq!(world.inserts, groups[1..3]);
}

#[test]
fn d13_a_lost_answer_is_followed_by_the_same_bytes_under_the_same_token() {
    let mut world = World::new(Options::default());
    let group = world.group(&[1, 2]);
    let body = world.body(group);
    assert_eq!(world.lose(), group);
    let line = format!("group {} of table events (batches: 2) waits: lost", group);
    assert_eq!((world.inserts.len(), world.logs.as_slice()), (0, &[line][..]));
    let mut rng = Rng::new(SEED);
    rng.uuid_v7(UnixMs(0));
    let wait_ms = backoff_ms(1, &mut rng);
    assert_eq!(world.wake, Some(250 + wait_ms));
    world.advance(wait_ms - 1);
    assert_eq!(world.inserts, []);
    world.advance(1);
    assert_eq!((world.inserts.as_slice(), world.body(group)), (&[group][..], body));
}

#[test]
fn after_a_failure_one_probe_at_a_time_goes_until_one_is_answered() {
    let mut world = World::new(Options::default());
    let groups = [1, 2, 3].map(|number| world.group(&[number]));
    world.lose();
    world.lose();
    world.advance(5_000);
    assert_eq!(world.inserts, groups[..1]);
    world.accept();
    assert_eq!(world.inserts, groups[1..]);
}

#[test]
fn waits_grow_to_five_seconds_and_no_further() {
    let mut world = World::new(Options::default());
    world.group(&[1]);
    for _ in 0..20 {
        world.lose();
        let wait = world.wake.unwrap() - world.now.tick.0;
        assert!(wait <= 5_000);
        world.advance(wait);
    }
    world.lose();
    assert!(world.wake.unwrap() - world.now.tick.0 >= 2_500);
}

#[test]
fn a_group_that_clickhouse_answers_with_an_exception_lets_others_go_first() {
    let mut world = World::new(Options { inserts: 1, ..Options::default() });
    let groups = [1, 2].map(|number| world.group(&[number]));
    world.inserted(&uncertain(true));
    world.advance(5_000);
    assert_eq!(world.inserts, [groups[1]]);
    world.accept();
    assert_eq!(world.inserts, [groups[0]]);
}

#[test]
fn groups_that_all_meet_exceptions_take_turns() {
    let mut world = World::new(Options { inserts: 1, ..Options::default() });
    let groups = [1, 2].map(|number| world.group(&[number]));
    let mut order = Vec::new();
    for _ in 0..4 {
        order.push(world.inserted(&uncertain(true)));
        world.advance(5_000);
    }
    assert_eq!(order, [groups[0], groups[1], groups[0], groups[1]]);
}

#[test]
fn bytes_over_the_limit_are_busy_until_clickhouse_has_taken_some() {
    let options = Options { backlog_bytes: 1_000, window_bytes: 400, ..Options::default() };
    let mut world = World::new(options);
    world.put_block(1, 1, &block_of(400));
    world.put_block(2, 2, &block_of(400));
    // The container's 16 bytes count too.
    assert_eq!(world.shard.status(world.now).bytes, 2 * 416);
    world.put_block(3, 3, &block_of(169));
    assert_eq!(world.answered(), [(1, Accepted), (2, Accepted), (3, Busy)]);
    world.put_block(4, 4, &block_of(168));
    world.put_block(5, 5, &block_of(2));
    assert_eq!(world.answered(), [(5, Busy)]);
    world.accept();
    world.put_block(3, 3, &block_of(169));
    world.advance(250);
    assert_eq!(world.answered(), [(4, Accepted), (3, Accepted)]);
}

#[test]
fn groups_over_the_limit_are_busy() {
    let mut world = World::new(Options { backlog_groups: 2, ..Options::default() });
    world.group(&[1]);
    world.group(&[2]);
    world.put(3);
    assert_eq!(world.answered(), [(1, Accepted), (2, Accepted), (3, Busy)]);
    world.accept();
    world.group(&[3]);
    assert_eq!(world.answered(), [(3, Accepted)]);
}

#[test]
fn batches_over_the_limit_are_busy() {
    let mut world = World::new(Options { backlog_batches: 3, ..Options::default() });
    world.group(&[1, 2]);
    world.put(3);
    world.put(4);
    assert_eq!(world.answered(), [(1, Accepted), (2, Accepted), (4, Busy)]);
    // A twin of what waits takes no room.
    world.put_block(5, 3, &block(1, 3));
    assert_eq!(world.answered(), []);
}

#[test]
fn one_alarm_stands_behind_the_timer_while_anything_waits() {
    let mut world = World::new(Options::default());
    world.group(&[1]);
    world.group(&[2]);
    assert_eq!(world.alarms, [super::world::NOON + 250 + 30_000]);
    world.advance(30_000);
    world.shard.handle_alarm(world.now);
    world.drain();
    assert_eq!(world.alarms.len(), 2);
    assert_eq!(world.alarms[1], world.now.wall.0 + 30_000);
    world.accept();
    world.accept();
    world.shard.handle_alarm(world.now);
    world.drain();
    assert_eq!(world.alarms.len(), 2);
}

#[test]
fn status_tells_what_waits_and_for_how_long() {
    let mut world = World::new(Options::default());
    world.group(&[1, 2]);
    world.advance(1_000);
    world.put(3);
    let status = world.shard.status(world.now);
    assert_eq!((status.groups, status.batches), (1, 3));
    assert_eq!(status.bytes, 8 + 16 + 4);
    assert_eq!((status.oldest_ms, status.failures, status.known_in_memory), (1_000, 0, 2));
    world.lose();
    assert_eq!(world.shard.status(world.now).failures, 1);
}
