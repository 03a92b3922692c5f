//! `cargo xtask mutants`: shows that the simulation can fail.
//!
//! Each mutant of `tests/mutants/list.rs` is tracker or worker, or the simulation's own world, with
//! one sentence of the design left out, and has to be caught within [`SEEDS`] runs. The sources are
//! copied to `target/mutants` and changed there; the work tree is only read.

#[path = "../../tests/mutants/list.rs"]
mod list;

use crate::progress::Step;
use crate::{ffi, paths};
use anyhow::{Context, Result, bail};
use list::{Change, MUTANTS, Mutant};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Runs within which a mutant has to be caught.
const SEEDS: u64 = 20_000;

/// Runs that the sources as they are have to pass first.
const SEEDS_AS_IT_IS: u64 = 200;

/// What the simulation is made of; the rest of the workspace only so that cargo finds its members.
const SOURCES: [&str; 10] = [
    "Cargo.toml",
    "Cargo.lock",
    "rust-toolchain.toml",
    "src",
    "tests",
    "worker",
    "xtask/Cargo.toml",
    "xtask/src",
    "www/rust/Cargo.toml",
    "www/rust/src",
];

/// Folders that are made, or fetched, and never sources.
const MADE: [&str; 3] = ["dist", "node_modules", "target"];

/// Options of `cargo xtask mutants`.
#[derive(clap::Args)]
pub struct Args {
    /// Mutants to run, by name; all of them unless given
    names: Vec<String>,
}

/// Runs the mutants one after another; fails when one lives, or cannot be made.
pub fn run(args: &Args) -> Result<()> {
    let meant = chosen(&args.names)?;
    let tree = paths::at("target/mutants/tree");
    if tree.exists() {
        std::fs::remove_dir_all(&tree).context("cannot empty target/mutants/tree")?;
    }
    for source in SOURCES {
        copy(&paths::at(source), &tree.join(source))?;
    }
    as_it_is(&tree)?;
    let mut alive = Vec::new();
    for mutant in &meant {
        let began = Instant::now();
        let caught = caught(&tree, mutant)?;
        let seconds = began.elapsed().as_secs();
        let told = match &caught {
            Some((seed, why)) => format!("caught by seed {seed:<6} {seconds:>4} s  {why}"),
            None => format!("LIVES after {SEEDS} seeds, {seconds} s"),
        };
        println!("{:<38} {told}", mutant.name);
        alive.extend(caught.is_none().then_some(mutant.name));
    }
    println!("{} mutants, {} caught", meant.len(), meant.len() - alive.len());
    if !alive.is_empty() {
        bail!("not caught: {}", alive.join(", "));
    }
    Ok(())
}

fn chosen(names: &[String]) -> Result<Vec<&'static Mutant>> {
    if let Some(unknown) = names.iter().find(|name| MUTANTS.iter().all(|it| it.name != **name)) {
        bail!("there is no mutant {unknown}");
    }
    let is_meant = |mutant: &&Mutant| names.is_empty() || names.iter().any(|it| it == mutant.name);
    Ok(MUTANTS.iter().filter(is_meant).collect())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let failed = || format!("cannot copy {} to {}", from.display(), to.display());
    if from.is_dir() {
        std::fs::create_dir_all(to).with_context(failed)?;
        for entry in std::fs::read_dir(from).with_context(failed)? {
            let name = entry?.file_name();
            if !MADE.iter().any(|made| name == *made) {
                copy(&from.join(&name), &to.join(&name))?;
            }
        }
        return Ok(());
    }
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder).with_context(failed)?;
    }
    std::fs::copy(from, to).map(drop).with_context(failed)
}

/// The sources without a change pass: else every mutant would count as caught.
fn as_it_is(tree: &Path) -> Result<()> {
    let step = Step::new("the simulation without a mutant");
    let said = simulate(tree, SEEDS_AS_IT_IS, "")?;
    step.done();
    if !said.passed {
        bail!("the simulation fails without a mutant:\n{}", said.text);
    }
    Ok(())
}

/// The first seed that fails, and with what words; `None` if none does.
fn caught(tree: &Path, mutant: &Mutant) -> Result<Option<(u64, String)>> {
    let before = changed(tree, mutant)?;
    let said = simulate(tree, SEEDS, mutant.weakness)?;
    for (path, text) in before.into_iter().rev() {
        write(&path, &text)?;
    }
    let seed = said.text.lines().find_map(|line| {
        let (seed, why) = line.strip_prefix("seed ")?.split_once(": ")?;
        Some((seed.parse().ok()?, why.chars().take(90).collect()))
    });
    match (said.passed, seed) {
        (true, _) => Ok(None),
        (false, Some(caught)) => Ok(Some(caught)),
        // It did not compile, or broke in another way: that shows nothing.
        (false, None) => bail!("{} cannot be run:\n{}", mutant.name, said.text),
    }
}

/// Makes the changes of a mutant; the files as they were.
fn changed(tree: &Path, mutant: &Mutant) -> Result<Vec<(PathBuf, String)>> {
    let mut before = Vec::new();
    for Change { file, from, to } in mutant.changes {
        let path = tree.join(file);
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {file}"))?;
        let times = text.matches(from).count();
        if times != 1 {
            bail!("{}: this is in {file} {times} times, not once:\n{from}", mutant.name);
        }
        write(&path, &text.replace(from, to))?;
        before.push((path, text));
    }
    Ok(before)
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

struct Said {
    passed: bool,
    text: String,
}

fn simulate(tree: &Path, seeds: u64, weakness: &str) -> Result<Said> {
    let mut command = Command::new("cargo");
    command.args(["test", "--quiet", "--offline", "--profile=simulation", "--test=simulation"]);
    command.current_dir(tree).stdin(Stdio::null());
    command.env("CARGO_TARGET_DIR", paths::at("target/mutants/build"));
    // Compiling is most of the time: a mutant seldom lives for long.
    command.env("CARGO_PROFILE_SIMULATION_OPT_LEVEL", "1").env("CARGO_INCREMENTAL", "1");
    command.env("SEEDS", seeds.to_string()).env("MUTANT", weakness);
    command.env_remove("SEED").env_remove("TELL").env("RUST_BACKTRACE", "0");
    let output = ffi::die_with_parent(&mut command).output().context("cannot run cargo")?;
    let text = [output.stdout, output.stderr].concat();
    Ok(Said { passed: output.status.success(), text: String::from_utf8_lossy(&text).into_owned() })
}
