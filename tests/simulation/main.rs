//! Exactly once, simulated: the real tracker and the real worker against every fault that their
//! design names.
//!
//! ```sh
//! cargo test --test simulation                           # as many seeds as SEEDS says, or a few
//! SEEDS=100000 cargo test --profile simulation --test simulation -- --nocapture
//! SEED=4711 cargo test --test simulation -- --nocapture  # one run again; TELL=1 tells it
//! ```
//! A run is at least 200 events on three tabs with at least 20 faults that took effect. After it, each event that
//! the tracker took is in the table once and was counted by the rollup once, or was dropped for a
//! reason that the simulation knows to be true, or was tracked moments before a crash.

// wasm-pack compiles every test target for wasm, where the worker's core is not.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod browser;
mod clickhouse;
mod dice;
mod edge;
mod faults;
mod group;
mod insert;
mod ledger;
mod object;
mod page;
mod receiver;
mod runs;
mod server;
mod tally;
mod world;

use runs::Runs;
use std::env;

/// Runs without SEEDS: some seconds of a debug build.
const SEEDS: u64 = 2_000;

/// From so many runs on, every happening of [`OFTEN`] has to be among them at least
/// [`AT_LEAST`] times: a simulation in which nothing goes wrong shows nothing.
const MANY: u64 = 100_000;
const AT_LEAST: u64 = 10_000;
const OFTEN: [&str; 12] = [
    "answer lost",
    "journal adopted",
    "journal handed over with a record on its way",
    "page crashed",
    "half of a split",
    "queue_full",
    "storage_full",
    "too_old",
    "insert whose answer was lost with the old ClickHouse",
    "shard restarted",
    "group set aside",
    "total of drops told",
];

fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.replace('_', "").parse().ok()
}

#[test]
fn every_event_is_delivered_once_or_dropped_for_a_reason() {
    let seeds = match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SEEDS").unwrap_or(SEEDS),
    };
    let count = seeds.end - seeds.start;
    let began = std::time::Instant::now();
    let mutant = env::var("MUTANT").unwrap_or_default();
    let tally = match Runs::new(seeds, mutant, env::var("TELL").is_ok()).all() {
        Ok(tally) => tally,
        Err((seed, broken)) => panic!(
            "seed {seed}: {broken}\nagain: SEED={seed} cargo test --test simulation -- --nocapture"
        ),
    };
    tally.print();
    println!("{count} seeds in {:.1} s", began.elapsed().as_secs_f32());
    if count >= MANY {
        let seldom: Vec<_> = OFTEN.iter().filter(|what| tally.of(what) < AT_LEAST).collect();
        assert!(seldom.is_empty(), "less than {AT_LEAST} times: {seldom:?}");
    }
}
