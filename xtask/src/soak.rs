//! `cargo xtask soak`: long loads with faults, which the tests leave out.

use crate::setup::{self, Npm};
use crate::test::{browser::Browser, levels};
use crate::{build, ffi, process};
use anyhow::{Context, Result, bail};
use std::process::Stdio;

/// Options of `cargo xtask soak`.
#[derive(clap::Args)]
pub struct Args {
    /// Scripts to run, as in tests/soak/<name>.soak.mjs; all of them unless given
    names: Vec<String>,
}

/// Builds, runs the scripts one after another; fails if any of them does.
pub fn run(args: &Args) -> Result<()> {
    setup::for_build(Npm::Tests)?;
    build::all()?;
    let browser = Browser::find_or_install()?;
    let (mut failed, mut ran) = (Vec::new(), 0);
    for file in levels::files_ending("tests/soak", ".soak.mjs")? {
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_default().replace(".soak.mjs", "");
        if !args.names.is_empty() && !args.names.contains(&name) {
            continue;
        }
        let mut command = process::command("node", ["--max-old-space-size=2000"]);
        command.arg(&file).stdin(Stdio::null());
        levels::for_node(&mut command, Some(&browser))?;
        let mut child = ffi::die_with_parent(&mut command)
            .spawn()
            .with_context(|| format!("cannot run {}", file.display()))?;
        if !child.wait()?.success() {
            failed.push(name);
        }
        ran += 1;
    }
    if ran == 0 {
        bail!("there is no such script in tests/soak");
    }
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}
