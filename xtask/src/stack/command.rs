//! The hidden `cargo xtask stack`: the stack, or ClickHouse alone, for a test.

use super::{Plan, Stack};
use crate::clickhouse::embedded::{self, Embedded};
use crate::clickhouse::{self, DATABASE};
use crate::paths;
use anyhow::{Result, bail};
use serde_json::{Value, json};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io::Read;
use std::path::PathBuf;

/// Options of the hidden `cargo xtask stack`.
#[derive(clap::Args)]
pub struct Args {
    /// ClickHouse alone, with its tables
    #[arg(long)]
    clickhouse_only: bool,
    /// ClickHouse alone, without them
    #[arg(long)]
    bare: bool,
    /// Port of the site; a free one unless given
    #[arg(long)]
    site_port: Option<u16>,
    /// Where the data goes; a fresh folder under target/ that is removed at the end unless given
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Where the worker is to find ClickHouse: a test's proxy before the embedded one
    #[arg(long)]
    clickhouse_url: Option<String>,
    /// A further origin that may use the demo's key
    #[arg(long)]
    origin: Vec<String>,
    /// A further site: {"site", "key", "origins"}
    #[arg(long, value_parser = site)]
    site: Vec<Value>,
    /// How many servers the tables are spread over, each a shard
    #[arg(long, default_value_t = 1)]
    shards: usize,
    /// A variable of the worker
    #[arg(long, value_parser = variable)]
    var: Vec<(String, String)>,
    /// Start again what is killed, on the same data, and print the line again
    #[arg(long)]
    respawn: bool,
}

/// Starts the stack for a test: one line of JSON on stdout, the end when stdin closes. The parts
/// must have been built.
pub fn run(args: &Args) -> Result<()> {
    let folder = paths::at("target/stacks").join(std::process::id().to_string());
    let plan = Plan {
        site_port: args.site_port.map_or_else(clickhouse::free_port, Ok)?,
        clickhouse_port: clickhouse::free_port()?,
        data_dir: args.data_dir.clone().unwrap_or_else(|| folder.clone()),
        worker_clickhouse_url: args.clickhouse_url.clone(),
        origins: args.origin.clone(),
        sites: args.site.clone(),
        vars: args.var.clone(),
        shards: args.shards,
        respawn: args.respawn,
    };
    let outcome = if args.clickhouse_only || args.bare {
        clickhouse_alone(&plan, args.bare)
    } else {
        let mut stack = Stack::start(&plan)?;
        println!("{}", stack.json());
        end_with_stdin();
        stack.until_told(|stack| println!("{}", stack.json()))
    };
    if args.data_dir.is_none() && outcome.is_ok() {
        clickhouse::reset(&folder)?;
    }
    outcome
}

fn clickhouse_alone(plan: &Plan, bare: bool) -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGCHLD])?;
    let server = Embedded::start(&embedded::Plan { is_bare: bare, ..plan.server() })?;
    let json = json!({
        "clickhouse": server.url,
        "database": if bare { "default" } else { DATABASE },
        "users": server.users.json(),
        "dataDir": plan.data_dir,
        "pids": { "clickhouse": server.pid() },
    });
    println!("{json}");
    end_with_stdin();
    if signals.forever().next() == Some(SIGCHLD) {
        bail!("ClickHouse ended by itself; see {}", plan.data_dir.display());
    }
    Ok(())
}

/// What comes on stdin does not matter, only its end.
fn end_with_stdin() {
    std::thread::spawn(|| {
        let _ = std::io::stdin().lock().read_to_end(&mut Vec::new());
        let _ = signal_hook::low_level::raise(SIGTERM);
    });
}

fn site(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(text)
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("must be NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}
