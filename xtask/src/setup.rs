//! What a build needs beyond rustup and Node: fetched once, pinned, into `target/` and
//! `node_modules/`.

use crate::{paths, process};
use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::fs;

/// Must equal the `wasm-bindgen` that Cargo.toml pins: the CLI refuses any other.
const WASM_BINDGEN: &str = "0.2.130";

/// Runs the browser tests.
const WASM_PACK: &str = "0.15.1";

const TARGET: &str = "wasm32-unknown-unknown";

const NODE_MAJOR: u32 = 20;

/// Which npm parts are wanted.
#[derive(Clone, Copy, PartialEq)]
pub enum Npm {
    /// What a build and the demo need.
    Build,
    /// Those and what the tests need.
    Tests,
}

/// Everything that a build needs.
pub fn for_build(npm: Npm) -> Result<()> {
    wasm_target()?;
    npm_parts(npm)?;
    cargo_tool("wasm-bindgen", "wasm-bindgen-cli", WASM_BINDGEN)
}

/// wasm-pack, for the browser tests.
pub fn wasm_pack() -> Result<()> {
    cargo_tool("wasm-pack", "wasm-pack", WASM_PACK)
}

fn wasm_target() -> Result<()> {
    let installed = process::answer("rustc", &["--print", "target-libdir", "--target", TARGET]);
    if installed.is_some_and(|folder| std::path::Path::new(&folder).is_dir()) {
        return Ok(());
    }
    if process::answer("rustup", &["--version"]).is_none() {
        bail!(
            "the target {TARGET} is missing and so is rustup; install rustup from https://rustup.rs"
        );
    }
    process::step(
        &format!("adding the target {TARGET}"),
        &mut process::command("rustup", ["target", "add", TARGET]),
    )
}

/// Installs the npm parts when the lock file differs from the one they were installed by.
fn npm_parts(wanted: Npm) -> Result<()> {
    node()?;
    let modules = paths::at("node_modules");
    // A linked folder belongs to another checkout; npm would empty it under that one's feet.
    if modules.is_symlink() {
        return Ok(());
    }
    let lock = fs::read(paths::at("package-lock.json")).context("cannot read package-lock.json")?;
    let hash = Sha256::digest(&lock).iter().map(|b| format!("{b:02x}")).collect::<String>();
    let stamp = modules.join(".tallymark-stamp");
    let present = fs::read_to_string(&stamp).unwrap_or_default();
    let enough = match wanted {
        Npm::Build => present.starts_with(&hash),
        Npm::Tests => present == format!("{hash} all"),
    };
    if enough {
        return Ok(());
    }
    // No package's own script runs; the parts that matter are platform packages.
    let mut args = vec!["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    if wanted == Npm::Build {
        args.push("--omit=dev");
    }
    process::step(
        "installing npm parts (about 200 MB the first time)",
        &mut process::command("npm", args),
    )?;
    let kind = if wanted == Npm::Build { "build" } else { "all" };
    fs::write(&stamp, format!("{hash} {kind}")).context("cannot write the npm stamp")
}

fn node() -> Result<()> {
    let Some(version) = process::answer("node", &["--version"]) else {
        bail!("Node.js is missing; install version {NODE_MAJOR} or later from https://nodejs.org");
    };
    let major = version.trim_start_matches('v').split('.').next().and_then(|n| n.parse().ok());
    if major.is_none_or(|major: u32| major < NODE_MAJOR) {
        bail!("Node.js {version} is too old; version {NODE_MAJOR} or later is needed");
    }
    Ok(())
}

/// Installs a tool into `target/tools` unless this very version is there.
fn cargo_tool(program: &str, package: &str, version: &str) -> Result<()> {
    let present = process::answer(paths::tool(program), &["--version"]);
    if present.is_some_and(|said| said.split_whitespace().any(|word| word == version)) {
        return Ok(());
    }
    let install = |lock: Option<&str>| {
        process::step(
            &format!("installing {package} {version} (a few minutes, once)"),
            process::command("cargo", ["install", "--quiet", "--force", "--root"])
                .arg(paths::at("target/tools"))
                .args([package, "--version", version])
                .args(lock),
        )
    };
    // Its own lock file is what its authors tested, but a mirror may lack the newest of those.
    install(Some("--locked")).or_else(|_| install(None))
}
