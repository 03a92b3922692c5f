//! `cargo xtask test`: every level, the runners' own output, the contract, one line at the end.

pub mod browser;
pub mod levels;
pub mod outcome;
mod runner;

use crate::{contract, paths};
use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use levels::Level;
use outcome::{Ending, Test};

/// Options of `cargo xtask test`.
#[derive(clap::Args)]
pub struct Args {
    /// Levels to run; all of them unless given
    levels: Vec<Level>,
}

/// Runs the levels one after another; a level that fails does not keep the next from running.
pub fn run(args: &Args) -> Result<()> {
    let all = args.levels.is_empty();
    let levels = if all { Level::value_variants() } else { args.levels.as_slice() };
    let mut tests = Vec::new();
    for level in levels {
        println!("\n=== {}", level.name());
        let ran = level.run().unwrap_or_else(|error| {
            eprintln!("error: {error:#}");
            vec![failure(*level, "could not be run")]
        });
        let nothing = ran.iter().all(|test| test.ending == Ending::Skipped);
        tests.extend(ran);
        if nothing {
            println!("{} ran no test", level.name());
            tests.push(failure(*level, "ran no test"));
        }
    }
    report(&tests, all)
}

fn report(tests: &[Test], all: bool) -> Result<()> {
    let count = |ending| tests.iter().filter(|test| test.ending == ending).count();
    let text = std::fs::read_to_string(paths::at("tests/CONTRACT.md"))
        .context("cannot read tests/CONTRACT.md")?;
    println!("\n=== contract\n{}", contract::table(&text, tests, all));
    for test in tests.iter().filter(|test| test.ending == Ending::Failed) {
        println!("failed: {}: {}", test.level, test.name);
    }
    let (passed, failed) = (count(Ending::Passed), count(Ending::Failed));
    println!("{} skipped\n{passed} passed, {failed} failed", count(Ending::Skipped));
    if failed > 0 {
        bail!("not everything passed");
    }
    Ok(())
}

fn failure(level: Level, why: &str) -> Test {
    Test { level: level.name(), name: format!("({why})"), ending: Ending::Failed }
}
