//! The commands of this repository: `cargo xtask demo`, `cargo xtask test` and their parts.
//!
//! | module | job |
//! |---|---|
//! | `setup` | the pinned tools and npm parts, fetched once |
//! | `build` | `pkg/`, `worker/dist/`, `target/www/` |
//! | `clickhouse` | a real ClickHouse inside this process, its users, the migrations |
//! | `workerd` | the worker and the site in workerd |
//! | `stack` | the two together, for the demo and for tests |
//! | `tables` | declared tables as DDL and TypeScript |
//! | `test` | the levels of testing, what their runners said |
//! | `contract` | rows of the contract against the tests that name them |
//! | `mutants` | the simulation against code that breaks a rule |
//! | `bench` | the budgets of the design, measured |
//! | `soak` | long loads with faults |
//! | `ffi` | every call into C, and the only `unsafe` |
//!
//! Invariant: what fails is told as one sentence on stderr, exit code 1; never a trace.

mod bench;
mod build;
mod clickhouse;
mod contract;
mod demo;
mod ffi;
mod mutants;
mod paths;
mod process;
mod progress;
mod setup;
mod soak;
mod stack;
mod tables;
mod test;
mod workerd;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// The commands of tallymark's repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Set up, build and run everything here; prints `ready: <url>`, stops on Ctrl-C
    Demo(demo::Args),
    /// Set up and run the tests; ends with `N passed, N failed`
    Test(test::Args),
    /// Build the npm package (pkg/), the worker (worker/dist/) and the demo site (target/www/)
    Build(build::Args),
    /// Measure the budgets of the design; prints them as a table
    Bench(bench::Args),
    /// Run the long loads with faults, about ten minutes
    Soak(soak::Args),
    /// Show that the simulation catches code that breaks a rule
    Mutants(mutants::Args),
    /// Run a real ClickHouse from the npm package chdb, until Ctrl-C
    Clickhouse(clickhouse::Args),
    /// Apply worker/schema/*.sql to a ClickHouse
    Migrate(clickhouse::migrate::Args),
    /// Print the DDL and the TypeScript of declared tables
    Tables(tables::Args),
    /// The demo's stack for tests
    #[command(hide = true)]
    Stack(stack::command::Args),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Bench(args) => bench::run(&args),
        Command::Build(args) => build::run(&args),
        Command::Clickhouse(args) => clickhouse::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Mutants(args) => mutants::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Migrate(args) => clickhouse::migrate::run(&args),
        Command::Soak(args) => soak::run(&args),
        Command::Tables(args) => tables::run(&args),
        Command::Stack(args) => stack::command::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
