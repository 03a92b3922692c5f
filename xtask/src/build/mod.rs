//! `cargo xtask build`: the npm package, the worker's files and the demo site.
//!
//! Cargo decides what to compile; every later step is skipped while its inputs' hash is the same.

mod package;
mod site;
mod stamp;
mod wasm;
mod worker;

use crate::setup::{self, Npm};
use anyhow::Result;
use clap::ValueEnum;

/// Options of `cargo xtask build`.
#[derive(clap::Args)]
pub struct Args {
    /// One part alone; all of them unless given
    part: Option<Part>,
}

/// A part that can be built alone.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Part {
    /// The npm package, into pkg/
    Package,
    /// The worker and what it serves, into worker/dist/
    Worker,
    /// The demo site, into target/www/
    Site,
}

/// Sets up and builds.
pub fn run(args: &Args) -> Result<()> {
    setup::for_build(Npm::Build)?;
    match args.part {
        Some(Part::Package) => package::build(),
        // The worker serves the package's files.
        Some(Part::Worker) => package::build().and_then(|()| worker::build()),
        Some(Part::Site) => site::build(),
        None => all(),
    }
}

/// Builds everything; set-up is the caller's.
pub fn all() -> Result<()> {
    package::build()?;
    worker::build()?;
    site::build()
}
