//! Shows that the simulation can fail: each mutant is the core, or the receiver, with one
//! sentence of the design left out, and has to be caught within [`SEEDS`] runs.
//!
//! ```sh
//! cargo test --test mutants              # all of them; MUTANT=name for one
//! ```
//! The core is copied and changed as text, each change in exactly one place, and compiled with
//! the simulation by `rustc` itself: it has no dependency.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod list;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use list::{MUTANTS, Mutant};

/// Runs within which a mutant has to be caught.
const SEEDS: &str = "20000";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn rustc(arguments: &[&str]) {
    let output = Command::new("rustc")
        .args(["--edition", "2024", "-Copt-level=2", "-Cdebug-assertions", "--cap-lints=allow"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What the simulation says of a mutant; `None` if it finds nothing.
fn run(mutant: &Mutant, into: &Path) -> Option<String> {
    let source = into.join("src");
    copy(&root().join("src"), &source);
    for (file, from, to) in mutant.changes {
        let path = source.join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.matches(from).count(), 1, "{}: {from} in {file}", mutant.name);
        fs::write(path, text.replace(from, to)).unwrap();
    }
    let library = into.join("libtallymark.rlib");
    let program = into.join("simulation");
    let (library, program) = (library.to_str().unwrap(), program.to_str().unwrap());
    let lib = source.join("lib.rs");
    let lib =
        ["--crate-type", "rlib", "--crate-name", "tallymark", "-o", library, lib.to_str().unwrap()];
    rustc(&lib);
    let simulation = root().join("tests/simulation/main.rs");
    let external = format!("tallymark={library}");
    rustc(&["--test", "-o", program, "--extern", &external, simulation.to_str().unwrap()]);
    let output = Command::new(program)
        .env("SEEDS", SEEDS)
        .env("MUTANT", mutant.weakness)
        .env_remove("SEED")
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    let of_seed = said.lines().find(|line| line.starts_with("seed ")).map(String::from);
    of_seed.or_else(|| (!output.status.success()).then_some(said))
}

#[test]
fn each_mutant_is_caught() {
    let only = env::var("MUTANT").unwrap_or_default();
    let into = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mutants");
    let mut alive = Vec::new();
    for mutant in MUTANTS.iter().filter(|it| only.is_empty() || it.name == only) {
        let said = run(mutant, &into);
        let short: String = said.as_deref().unwrap_or("LIVES").chars().take(110).collect();
        println!("{:<32} {short}", mutant.name);
        if said.is_none() {
            alive.push(mutant.name);
        }
        fs::remove_dir_all(&into).unwrap();
    }
    assert!(alive.is_empty(), "not caught: {alive:?}");
}
