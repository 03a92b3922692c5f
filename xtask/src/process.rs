//! Running other programs: a failure is one sentence with the end of what they said.

use crate::progress::Step;
use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::process::{Child, Command, Stdio};

/// Lines of a failed program's output that are shown.
const SHOWN_LINES: usize = 40;

/// Builds a command that runs at the repository's root.
pub fn command<S: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    args: impl IntoIterator<Item = S>,
) -> Command {
    let mut command = Command::new(program);
    command.args(args).current_dir(crate::paths::root());
    command
}

/// Runs a step to its end, quietly; what it said is shown only when it failed.
pub fn step(name: &str, command: &mut Command) -> Result<()> {
    let step = Step::new(name);
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", shown(command)))?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        bail!("{name} failed ({}):\n{}", shown(command), last_lines(&said));
    }
    step.done();
    Ok(())
}

/// What a program prints, trimmed, or nothing if it is missing or fails.
pub fn answer(program: impl AsRef<OsStr>, args: &[&str]) -> Option<String> {
    let output = command(program, args).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Asks a child to stop and waits until it has.
pub fn stop(child: &mut Child) {
    if let Ok(None) = child.try_wait() {
        crate::ffi::terminate(child.id());
        // It may have ended in between; then there is nothing to wait for.
        let _ = child.wait();
    }
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn last_lines(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
}
