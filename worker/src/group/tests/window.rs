//! When batches become a group, and who is told what.

use super::world::{NOON, World, batch, block, block_of};
use crate::group::{Options, Taken};

use Taken::{Accepted, Busy, Known};

fn world() -> World {
    World::new(Options::default())
}

#[test]
fn a_window_ends_250_ms_after_its_first_batch() {
    let mut world = world();
    world.put(1);
    assert_eq!(world.wake, Some(250));
    world.advance(100);
    world.put(2);
    assert_eq!(world.wake, Some(250));
    world.advance(149);
    assert_eq!(world.storage.groups.len(), 0);
    world.advance(1);
    assert_eq!(world.inserts.len(), 1);
    assert_eq!(world.answered(), [(1, Accepted), (2, Accepted)]);
    assert_eq!(world.body(world.inserts[0]), [block(1, 1), block(1, 2)].concat());
}

#[test]
fn d13_nothing_is_told_or_sent_before_the_row_is_durable() {
    let mut world = world();
    world.auto_sync = false;
    let group = world.group(&[1]);
    assert!(world.has_body(group));
    assert_eq!((world.answered(), world.inserts.len()), (vec![], 0));
    world.synced();
    assert_eq!((world.answered(), world.inserts.as_slice()), (vec![(1, Accepted)], &[group][..]));
}

#[test]
fn rows_that_fill_a_group_end_its_window_at_once() {
    let mut world = World::new(Options { window_rows: 5, ..Options::default() });
    world.put_block(1, 1, &block(4, 1));
    assert_eq!(world.storage.groups.len(), 0);
    world.put_block(2, 2, &block(1, 2));
    assert_eq!(world.inserts.len(), 1);
    assert_eq!(world.answered(), [(1, Accepted), (2, Accepted)]);
    assert_eq!(world.wake, None);
}

#[test]
fn a_batch_that_would_not_fit_begins_the_next_group() {
    let mut world = World::new(Options { window_bytes: 100, ..Options::default() });
    world.put_block(1, 1, &block_of(60));
    world.put_block(2, 2, &block_of(41));
    assert_eq!(world.answered(), [(1, Accepted)]);
    // 41 and 59 fill a group to the byte.
    world.put_block(3, 3, &block_of(59));
    assert_eq!(world.answered(), [(2, Accepted), (3, Accepted)]);
    // One that is larger than a group is one by itself.
    world.put_block(4, 4, &block_of(150));
    assert_eq!(world.answered(), [(4, Accepted)]);
}

#[test]
fn each_table_has_groups_of_its_own() {
    let mut world = world();
    world.put(1);
    world.advance(100);
    world.put_of(2, "other", batch(NOON, 2), &block(1, 2));
    world.advance(150);
    assert_eq!(world.answered(), [(1, Accepted)]);
    assert_eq!(world.wake, Some(350));
    world.advance(100);
    assert_eq!(world.answered(), [(2, Accepted)]);
    let tables: Vec<_> =
        world.storage.groups.values().map(|(row, ..)| row.table.as_str()).collect();
    assert_eq!(tables, ["events", "other"]);
}

#[test]
fn d13_twins_in_the_window_and_while_it_is_written_wait_for_the_same_row() {
    let mut world = world();
    world.auto_sync = false;
    world.put_block(1, 7, &block(1, 7));
    world.put_block(2, 7, &block(1, 7));
    world.advance(250);
    world.put_block(3, 7, &block(1, 7));
    assert_eq!(world.answered(), []);
    world.synced();
    assert_eq!(world.answered(), [(1, Accepted), (2, Known), (3, Known)]);
    assert_eq!(world.body(world.inserts[0]), block(1, 7));
    // While it is under way, and once ClickHouse has it.
    world.put_block(4, 7, &block(1, 7));
    world.accept();
    world.put_block(5, 7, &block(1, 7));
    assert_eq!(world.answered(), [(4, Known), (5, Known)]);
    assert_eq!(world.storage.groups.len(), 1);
}

#[test]
fn d13_the_same_id_of_another_site_or_table_is_another_batch() {
    let mut world = world();
    world.put_of(1, "events", batch(NOON, 1), &block(1, 1));
    world.put_of(2, "other", batch(NOON, 1), &block(1, 1));
    world.advance(250);
    assert_eq!(world.answered(), [(1, Accepted), (2, Accepted)]);
}

#[test]
fn what_is_no_block_with_rows_is_refused() {
    let mut world = world();
    // Nothing, counts that do not end, no rows, more rows than any block has.
    let blocks: [&[u8]; 5] =
        [&[], &[0x80; 12], &[0, 0], &[1, 0], &[1, 0xff, 0xff, 0xff, 0xff, 0x7f]];
    for (call, block) in blocks.iter().enumerate() {
        world.put_block(call as u32, 1, block);
    }
    let busy: Vec<_> = (0..5).map(|call| (call, Busy)).collect();
    assert_eq!(world.answered(), busy);
    assert_eq!(world.logs, ["group: a batch without a block was refused"; 5]);
    assert_eq!(world.wake, None);
}
