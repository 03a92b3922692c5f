//! Our bytes are ClickHouse's own, for every column type.

use crate::{golden_format::Golden, golden_ours as ours};
use crate::{naive, twin};
use tallymark::block;

#[test]
fn every_golden_has_a_column_of_ours_and_the_other_way() {
    let mut names: Vec<_> = ours::all().iter().map(|(name, _)| (*name).to_owned()).collect();
    names.sort();
    assert_eq!(names, Golden::all().into_iter().map(|golden| golden.name).collect::<Vec<_>>());
}

#[test]
fn our_bytes_are_those_of_clickhouse() {
    let ours = ours::all();
    for golden in Golden::all() {
        let (_, columns) = ours.iter().find(|(name, _)| *name == golden.name).unwrap();
        assert_eq!(hex(&ours::encode(columns)), hex(&golden.bytes), "{}", golden.name);
    }
}

#[test]
fn clickhouses_bytes_walk_and_read_as_the_naive_twin_reads_them() {
    for golden in Golden::all() {
        let walked = block::walk(&golden.bytes).map(|block| twin::view(&block));
        assert_eq!(walked.ok(), naive::decode(&golden.bytes), "{}", golden.name);
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x} ")).collect()
}
