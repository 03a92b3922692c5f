//! `cargo xtask clickhouse`: a real ClickHouse on this machine, inside this process.
//!
//! The npm package `chdb` carries ClickHouse as a library; called with clickhouse-local's
//! arguments it can listen like a server. One endless query keeps it up, and killing that query
//! is its clean stop (measured: answers after 0.15 to 0.5 s, stops in 110 ms).

pub mod client;
pub mod config;
pub mod embedded;
pub mod migrate;
pub mod users;

use crate::{ffi, paths};
use anyhow::{Context, Result, anyhow, bail};
use client::Client;
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tallymark_worker::migrate::{Cluster, Options};
use tallymark_worker::tables::Tables;

/// The database that everything lives in.
pub const DATABASE: &str = "tallymark";

/// The cluster of all servers that know one another.
pub const SHARDS: &str = "shards";

/// How long the embedded server may take until it answers.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Runs until it is killed by [`stop`]. `max_execution_time` is lifted for this query alone.
const KEEP_UP: &str = "SELECT sleepEachRow(0.1) FROM system.numbers LIMIT 1000000000000 \
    SETTINGS function_sleep_max_microseconds_per_block = 0, max_block_size = 1, \
    max_execution_time = 0 FORMAT Null";

/// Options of `cargo xtask clickhouse`.
#[derive(clap::Args)]
pub struct Args {
    /// Port of the HTTP interface, on 127.0.0.1
    #[arg(long)]
    http_port: u16,
    /// Port of the native interface, on 127.0.0.1; none unless given
    #[arg(long)]
    tcp_port: Option<u16>,
    /// Where the data and the users' passwords are; made if missing
    #[arg(long)]
    data_dir: PathBuf,
    /// Leave out the database and its tables
    #[arg(long)]
    bare: bool,
    /// Tables of one's own, as the worker's variable TABLES declares them
    #[arg(long, default_value = "", value_parser = migrate::tables)]
    tables: Tables,
    /// Native ports of all servers of the cluster `shards` in their order, this one's among them; each
    /// is a shard
    #[arg(long, requires = "tcp_port")]
    shard: Vec<u16>,
}

impl Args {
    /// The cluster that this server is a shard of.
    fn cluster(&self) -> Result<Option<Cluster>> {
        let name = format!("{SHARDS}:servers");
        let name = if self.shard.is_empty() { "" } else { &name };
        Cluster::parse(name).map_err(anyhow::Error::msg)
    }
}

/// Starts the server, prints `ready: <url>` once the tables are there, ends on SIGINT or SIGTERM.
pub fn run(args: &Args) -> Result<()> {
    let library = library()?;
    for port in [Some(args.http_port), args.tcp_port].into_iter().flatten() {
        port_is_free(port)?;
    }
    let signals = ffi::StopSignals::block()?;
    let _lock = lock(&args.data_dir)?;
    let users = users::Users::open_or_draw(&args.data_dir)?;
    let config = config::write(args, &users)?;
    let client = Client::new(&format!("http://127.0.0.1:{}", args.http_port));

    let stopper = client.clone().with_user(&users.stop);
    std::thread::spawn(move || {
        signals.wait();
        stop(&stopper);
    });
    let admin = client.with_user(&users.admin);
    let (bare, tables) = (args.bare, args.tables.clone());
    let cluster = args.cluster()?;
    std::thread::spawn(move || {
        if let Err(error) = prepare(&admin, bare, &tables, cluster.as_ref()) {
            eprintln!("error: {error:#}");
            ffi::exit_now(1);
        }
        println!("ready: {}", admin.url());
    });

    // Told to listen without a port of ours, it would take 9000.
    let tcp = if args.tcp_port.is_some() { "SYSTEM START LISTEN TCP;" } else { "" };
    let arguments = [
        "clickhouse",
        &format!("--config-file={}", config.display()),
        "--log-level",
        "warning",
        "--multiquery",
        "--query",
        &format!("SYSTEM START LISTEN HTTP; {tcp} {KEEP_UP}"),
    ];
    let ended = ffi::run_clickhouse_local(&library, &arguments.map(str::to_owned));
    match ended {
        // The kill of the query is how it is meant to end.
        Err(error) if !error.to_string().contains("QUERY_WAS_CANCELLED") => {
            eprintln!("error: {}", first_sentence(&format!("{error:#}")));
            ffi::exit_now(1)
        }
        _ => ffi::exit_now(0),
    }
}

/// The pinned library for this machine.
pub fn library() -> Result<PathBuf> {
    let platform = match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") if cfg!(target_env = "gnu") => "linux-x64-gnu",
        ("linux", "aarch64") if cfg!(target_env = "gnu") => "linux-arm64-gnu",
        ("macos", "x86_64") => "darwin-x64",
        ("macos", "aarch64") => "darwin-arm64",
        (os, arch) => bail!(
            "there is no embedded ClickHouse for {os} on {arch}; \
             point CLICKHOUSE_URL (with CLICKHOUSE_USER and CLICKHOUSE_PASSWORD) at your own"
        ),
    };
    let folder = paths::at("node_modules/@chdb").join(format!("lib-{platform}"));
    let library = folder.join("libchdb.so");
    if !library.is_file() {
        bail!(
            "{} is missing; run `cargo xtask build` once, or point CLICKHOUSE_URL at your own \
             ClickHouse",
            library.display()
        );
    }
    Ok(library)
}

/// Fails with one sentence when something already listens on the port.
pub fn port_is_free(port: u16) -> Result<()> {
    TcpListener::bind(("127.0.0.1", port)).map(drop).map_err(|_| {
        anyhow!("port {port} of 127.0.0.1 is in use; end what uses it or choose another")
    })
}

/// A port that nothing listens on now. Below 32768: above, the kernel gives them away itself, and
/// one was once taken between the look and the use.
pub fn free_port() -> Result<u16> {
    let mut bytes = [0; 2];
    for _ in 0..200 {
        getrandom::fill(&mut bytes).map_err(|error| anyhow!("no randomness: {error}"))?;
        let port = 20_000 + u16::from_le_bytes(bytes) % 12_000;
        if port_is_free(port).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port between 20000 and 32000")
}

fn prepare(admin: &Client, bare: bool, tables: &Tables, cluster: Option<&Cluster>) -> Result<()> {
    wait_until_up(admin)?;
    if bare {
        return Ok(());
    }
    migrate::apply(admin, Options::default(), tables, cluster).map(drop)
}

/// Waits for `/ping`; the pause is short because the server answers within half a second.
fn wait_until_up(client: &Client) -> Result<()> {
    let since = Instant::now();
    while !client.ping() {
        if since.elapsed() > START_LIMIT {
            bail!("ClickHouse did not answer within {} s", START_LIMIT.as_secs());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Before the server listens there is nothing to stop.
fn stop(client: &Client) {
    if !client.ping() {
        ffi::exit_now(0);
    }
    let kill = "KILL QUERY WHERE query LIKE 'SELECT sleepEachRow%' AND user = '' ASYNC";
    if let Err(error) = client.query(kill) {
        eprintln!("error: ClickHouse did not take the stop: {error:#}");
        ffi::exit_now(1);
    }
}

fn first_sentence(message: &str) -> &str {
    message.split(". (").next().unwrap_or(message)
}

/// Removes the data of an earlier run, and nothing that is not such data.
pub fn reset(data_dir: &Path) -> Result<()> {
    if !data_dir.exists() {
        return Ok(());
    }
    if !data_dir.join(users::FILE).is_file() {
        bail!(
            "{} does not look like a data directory of ours; it is left alone",
            data_dir.display()
        );
    }
    let _lock = lock(data_dir)?;
    std::fs::remove_dir_all(data_dir)
        .with_context(|| format!("cannot remove {}", data_dir.display()))
}

/// Makes the directory ours until the answer is dropped. ClickHouse has a lock too, but by then
/// its config would have been written over a running server's.
fn lock(data_dir: &Path) -> Result<File> {
    std::fs::create_dir_all(data_dir)
        .with_context(|| format!("cannot make {}", data_dir.display()))?;
    let path = data_dir.join("lock");
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(_) => bail!("{} is in use by another server; end it first", data_dir.display()),
    }
}
