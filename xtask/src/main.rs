//! The commands of this repository: `cargo xtask demo`, `cargo xtask test` and their parts.
//!
//! | module | job |
//! |---|---|
//! | `setup` | the pinned tools and npm parts, fetched once |
//! | `build` | `pkg/`, `worker/dist/`, `target/www/` |
//! | `clickhouse` | a real ClickHouse inside this process, its users, the migrations |
//! | `ffi` | every call into C, and the only `unsafe` |
//!
//! Invariant: what fails is told as one sentence on stderr, exit code 1; never a trace.

mod build;
mod clickhouse;
mod ffi;
mod paths;
mod process;
mod progress;
mod setup;

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
    /// Build the npm package (pkg/), the worker (worker/dist/) and the demo site (target/www/)
    Build(build::Args),
    /// Run a real ClickHouse from the npm package chdb, until Ctrl-C
    Clickhouse(clickhouse::Args),
    /// Apply worker/schema/*.sql to a ClickHouse
    Migrate(clickhouse::migrate::Args),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Build(args) => build::run(&args),
        Command::Clickhouse(args) => clickhouse::run(&args),
        Command::Migrate(args) => clickhouse::migrate::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
