//! The embedded server as a child: this program again, as `xtask clickhouse`.

use super::users::Users;
use crate::{ffi, process};
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// What to start.
#[derive(Clone, Default)]
pub struct Plan {
    /// Where its data goes.
    pub data_dir: PathBuf,
    /// Port of its HTTP interface, on 127.0.0.1.
    pub http_port: u16,
    /// Without its database and tables.
    pub is_bare: bool,
    /// The worker's variable `TABLES`.
    pub tables: String,
    /// Its native port, on 127.0.0.1, for a server that is a shard.
    pub tcp_port: Option<u16>,
    /// The native ports of all shards, in their order; none for a server by itself.
    pub shards: Vec<u16>,
}

/// A server that listens, and that ends when this is dropped.
pub struct Embedded {
    /// Address of its HTTP interface.
    pub url: String,
    /// Who may do what.
    pub users: Users,
    plan: Plan,
    child: Child,
}

impl Embedded {
    /// Starts it and waits until it listens.
    pub fn start(plan: &Plan) -> Result<Self> {
        let data_dir = &plan.data_dir;
        std::fs::create_dir_all(data_dir)
            .with_context(|| format!("cannot make {}", data_dir.display()))?;
        let log_path = data_dir.join("clickhouse.err");
        let log = std::fs::File::create(&log_path)
            .with_context(|| format!("cannot write {}", log_path.display()))?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["clickhouse", "--http-port", &plan.http_port.to_string(), "--data-dir"]);
        command.arg(data_dir).args(plan.is_bare.then_some("--bare"));
        command.args(["--tables", &plan.tables]);
        if let Some(port) = plan.tcp_port {
            command.args(["--tcp-port", &port.to_string()]);
        }
        for port in &plan.shards {
            command.args(["--shard", &port.to_string()]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut child =
            ffi::die_with_parent(&mut command).spawn().context("cannot start ClickHouse")?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let Some(url) = line.strip_prefix("ready: ") else {
            process::stop(&mut child);
            bail!("ClickHouse did not start: {}", reason(&log_path));
        };
        let users = Users::open_or_draw(data_dir)?;
        Ok(Self { url: url.trim().to_owned(), users, plan: plan.clone(), child })
    }

    /// Starts it anew after it has ended, on the same data and ports.
    pub fn restart(&mut self) -> Result<()> {
        *self = Self::start(&self.plan)?;
        Ok(())
    }

    /// Its process.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Its process's id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        process::stop(&mut self.child);
    }
}

/// The sentence that matters in the server's log.
fn reason(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let told = text.lines().find_map(|line| line.strip_prefix("error: "));
    let thrown = text.lines().find(|line| line.starts_with("Code: "));
    told.or(thrown).unwrap_or("it said nothing").to_owned()
}
