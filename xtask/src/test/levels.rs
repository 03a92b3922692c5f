//! The levels of testing, and what each runs.

use super::browser::Browser;
use super::outcome::Test;
use super::runner;
use crate::clickhouse;
use crate::clickhouse::embedded::{self, Embedded};
use crate::setup::{self, Npm};
use crate::{build, paths, process};
use anyhow::{Context, Result};
use clap::ValueEnum;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

/// A level; in the order in which they run, quick ones first.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub enum Level {
    /// Formatting and warnings, Rust and JavaScript
    Lint,
    /// cargo test of the whole workspace
    Native,
    /// 100,000 lives of a browser with everything going wrong
    Simulation,
    /// Hostile blocks for 60 s, and a planted bug that must be found
    Fuzz,
    /// Both shells in Chromium, by wasm-pack
    Browser,
    /// Chromium, workerd and ClickHouse together
    E2e,
    /// The npm package as its users get it
    Package,
    /// Budgets on what a visitor downloads
    Size,
}

/// How long one file of node tests may take before it counts as failed: a hang must not hang the
/// run.
const NODE_TEST_TIMEOUT_MS: u32 = 600_000;

/// The same for a whole run of the browser suite.
const BROWSER_TIMEOUT_S: &str = "300";

/// Runs of the simulation; from 100,000 on it also checks that enough went wrong.
const SIMULATION_SEEDS: &str = "100000";

impl Level {
    /// As it is written on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Sets up what it needs and runs it.
    pub fn run(self) -> Result<Vec<Test>> {
        setup::for_build(Npm::Tests)?;
        let name = self.name();
        match self {
            Self::Lint => lint(&name),
            Self::Native => runner::run(
                &name,
                "cargo test",
                &mut process::command("cargo", ["test", "--workspace", "--no-fail-fast"]),
            ),
            Self::Simulation => simulation(&name),
            Self::Fuzz => fuzz(&name),
            Self::Browser => browser(&name),
            Self::E2e => {
                build::all()?;
                let browser = Browser::find_or_install()?;
                let mut tests = server_tests(&name)?;
                tests.extend(node_tests(&name, "tests/e2e", Some(&browser))?);
                Ok(tests)
            }
            Self::Package => {
                build::all()?;
                let browser = Browser::find_or_install()?;
                node_tests(&name, "tests/package", Some(&browser))
            }
            Self::Size => {
                build::all()?;
                node_tests(&name, "tests/size", None)
            }
        }
    }
}

fn lint(level: &str) -> Result<Vec<Test>> {
    let cargo = |args: &[&str]| process::command("cargo", args);
    let wasm = ["--target", "wasm32-unknown-unknown"];
    let clippy = ["clippy", "--quiet"];
    let deny = ["--", "-D", "warnings"];
    let checks = [
        ("rustfmt", cargo(&["fmt", "--all", "--check"])),
        ("clippy", cargo(&[&clippy[..], &["--workspace", "--all-targets"], &deny].concat())),
        (
            "clippy of the shells",
            cargo(
                &[&clippy[..], &wasm, &["--features", "js-visit,js-observe,web"], &deny].concat(),
            ),
        ),
        (
            "clippy of the worker's exports",
            cargo(
                &[&clippy[..], &wasm, &["-p", "tallymark-worker", "--features", "wasm"], &deny]
                    .concat(),
            ),
        ),
        (
            "prettier",
            process::command(paths::npm_tool("prettier"), ["--check", "--log-level=warn", "."]),
        ),
    ];
    checks.into_iter().map(|(name, mut command)| runner::check(level, name, &mut command)).collect()
}

/// Optimised, and with what the test itself counts on the way to the terminal.
fn simulation(level: &str) -> Result<Vec<Test>> {
    let mut command = process::command("cargo", ["test", "--profile=simulation"]);
    command.args(["--test=simulation", "--", "--nocapture"]).env("SEEDS", SIMULATION_SEEDS);
    command.env_remove("SEED").env_remove("MUTANT").env_remove("TELL");
    runner::run(level, "the simulation", &mut command)
}

fn fuzz(level: &str) -> Result<Vec<Test>> {
    let mut command = process::command("cargo", ["test", "--release", "--manifest-path"]);
    runner::run(level, "the fuzz tests", command.arg("tests/fuzz/Cargo.toml"))
}

fn browser(level: &str) -> Result<Vec<Test>> {
    let browser = Browser::find_or_install()?;
    setup::wasm_pack()?;
    let mut command =
        process::command(paths::tool("wasm-pack"), ["test", "--headless", "--chrome"]);
    command.arg("--chromedriver").arg(&browser.driver);
    // The runner comes from target/tools, never from the network.
    command.args(["--mode", "no-install", "--", "--features", "js-visit,web", "--test", "browser"]);
    command.env("PATH", tools_first()?);
    command.env("WASM_BINDGEN_TEST_WEBDRIVER_JSON", browser.webdriver_json()?);
    command.env("WASM_BINDGEN_TEST_TIMEOUT", BROWSER_TIMEOUT_S);
    runner::run(level, "wasm-pack", &mut command)
}

/// What a real ClickHouse makes of our bytes, without a worker or a page.
fn server_tests(level: &str) -> Result<Vec<Test>> {
    let mut command = process::command("cargo", ["test", "--test", "server"]);
    // A server of one's own, with its user and password, goes through as it is.
    if std::env::var_os("CLICKHOUSE_URL").is_some() {
        return runner::run(level, "cargo test --test server", &mut command);
    }
    let data_dir = paths::at("target/stacks/server");
    clickhouse::reset(&data_dir)?;
    let http_port = clickhouse::free_port()?;
    let plan = embedded::Plan { data_dir, http_port, is_bare: true, ..embedded::Plan::default() };
    let server = Embedded::start(&plan)?;
    let admin = &server.users.admin;
    command.env("CLICKHOUSE_URL", &server.url);
    command.env("CLICKHOUSE_USER", &admin.name).env("CLICKHOUSE_PASSWORD", &admin.password);
    runner::run(level, "cargo test --test server", &mut command)
}

/// Runs every `*.test.mjs` of the folder, one file after another: they share two cores.
fn node_tests(level: &str, folder: &str, browser: Option<&Browser>) -> Result<Vec<Test>> {
    let files = files_ending(folder, ".test.mjs")?;
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let mut command = process::command("node", ["--test", "--test-concurrency=1"]);
    command.arg(format!("--test-timeout={NODE_TEST_TIMEOUT_MS}"));
    command.arg("--test-reporter=./tests/reporter.mjs").args(files);
    for_node(&mut command, browser)?;
    runner::run(level, "node --test", &mut command)
}

/// What the harness wants to know.
pub fn for_node(command: &mut Command, browser: Option<&Browser>) -> Result<()> {
    command.env("XTASK", std::env::current_exe()?);
    if let Some(browser) = browser {
        command.env("CHROMIUM", &browser.chromium);
    }
    Ok(())
}

/// The folder's files whose name ends so, in order; none if there is no folder.
pub fn files_ending(folder: &str, end: &str) -> Result<Vec<PathBuf>> {
    let folder = paths::at(folder);
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&folder)? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(end) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn tools_first() -> Result<OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders =
        std::iter::once(paths::at("target/tools/bin")).chain(std::env::split_paths(&path));
    std::env::join_paths(folders).context("PATH cannot be extended")
}
