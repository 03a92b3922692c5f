//! Exactly once, simulated: the real tracker against every fault that its design names.
//!
//! ```sh
//! cargo test --test simulation                           # as many seeds as SEEDS says, or 2,000
//! SEEDS=100000 cargo test --profile simulation --test simulation -- --nocapture
//! SEED=4711 cargo test --test simulation -- --nocapture  # one run again
//! ```
//! A run is at least 200 events on three tabs with at least 20 faults. After it, each event that
//! the tracker took is in the table once and was counted by the rollup once, or was dropped for a
//! reason that the simulation knows to be true, or was tracked moments before a crash.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod browser;
mod clickhouse;
mod dice;
mod faults;
mod ledger;
mod page;
mod receiver;
mod tally;
mod world;

use std::env;
use tally::Tally;
use world::World;

fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.replace('_', "").parse().ok()
}

#[test]
fn every_event_is_delivered_once_or_dropped_for_a_reason() {
    let mutant = env::var("MUTANT").unwrap_or_default();
    let seeds = match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SEEDS").unwrap_or(2_000),
    };
    let began = std::time::Instant::now();
    let mut tally = Tally::default();
    for seed in seeds.clone() {
        let mut world = World::new(seed, &mutant, env::var("TELL").is_ok());
        if let Err(broken) = world.run() {
            panic!(
                "seed {seed}: {broken}\nagain: SEED={seed} cargo test --test simulation -- --nocapture"
            );
        }
        tally.merge(world.tally);
    }
    tally.print();
    println!("{} seeds in {:.1} s", seeds.end - seeds.start, began.elapsed().as_secs_f32());
    if seeds.end - seeds.start >= 100_000 {
        for what in [
            "answer lost",
            "journal adopted",
            "page crashed",
            "half of a split",
            "queue_full",
            "storage_full",
            "too_old",
        ] {
            assert!(tally.of(what) >= 10_000, "{what}: only {}", tally.of(what));
        }
    }
}
