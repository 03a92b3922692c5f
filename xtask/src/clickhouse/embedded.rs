//! The embedded server as a child: this program again, as `xtask clickhouse`.

use super::users::Users;
use crate::{ffi, process};
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A server that listens, and that ends when this is dropped.
pub struct Embedded {
    /// Address of its HTTP interface.
    pub url: String,
    /// Who may do what.
    pub users: Users,
    child: Child,
}

impl Embedded {
    /// Starts it and waits until it listens; with its database and tables, unless `bare`.
    ///
    /// `tables` is the worker's variable of this name.
    pub fn start(data_dir: &Path, port: u16, bare: bool, tables: &str) -> Result<Self> {
        std::fs::create_dir_all(data_dir)
            .with_context(|| format!("cannot make {}", data_dir.display()))?;
        let log_path = data_dir.join("clickhouse.err");
        let log = std::fs::File::create(&log_path)
            .with_context(|| format!("cannot write {}", log_path.display()))?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["clickhouse", "--http-port", &port.to_string(), "--data-dir"]);
        command.arg(data_dir).args(bare.then_some("--bare")).args(["--tables", tables]);
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
        Ok(Self { url: url.trim().to_owned(), users, child })
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
