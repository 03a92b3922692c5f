//! `cargo xtask demo`: everything on this machine, from set-up to a page to click on.

use crate::setup::{self, Npm};
use crate::stack::{Plan, Stack};
use crate::{build, clickhouse, paths};
use anyhow::Result;
use std::path::PathBuf;

/// Options of `cargo xtask demo`.
#[derive(clap::Args)]
pub struct Args {
    /// Port of the site, on 127.0.0.1
    #[arg(long, default_value_t = 8787)]
    port: u16,
    /// Where ClickHouse keeps its data; target/demo of this repository unless given
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Begin with empty tables
    #[arg(long)]
    reset: bool,
}

/// Sets up, builds, starts, says where; stops everything on Ctrl-C.
pub fn run(args: &Args) -> Result<()> {
    // Before the long steps: nobody wants to wait for this sentence.
    clickhouse::port_is_free(args.port)?;
    let data_dir = args.data_dir.clone().unwrap_or_else(|| paths::at("target/demo"));
    if args.reset {
        clickhouse::reset(&data_dir)?;
    }
    setup::for_build(Npm::Build)?;
    build::all()?;
    let mut stack = Stack::start(&Plan {
        site_port: args.port,
        clickhouse_port: clickhouse::free_port()?,
        data_dir,
        worker_clickhouse_url: None,
        origins: Vec::new(),
        sites: Vec::new(),
        vars: Vec::new(),
        shards: 1,
        respawn: false,
    })?;
    println!("ready: {}", stack.site_url());
    stack.until_told(|_| ())
}
