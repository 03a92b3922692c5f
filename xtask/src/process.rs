//! Running other programs: a failure is one sentence with the end of what they said.

use crate::progress::Step;
use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::process::{Child, Command, Stdio};

/// Lines of a failed program's output that are shown, from its start and from its end: npm tells
/// the reason first, cargo last.
const SHOWN_LINES: (usize, usize) = (10, 30);

/// How npm, cargo, rustup and apt say that there is no network.
const NO_NETWORK: [&str; 7] = [
    "ENOTFOUND",
    "EAI_AGAIN",
    "ECONNREFUSED",
    "ETIMEDOUT",
    "Could not resolve host",
    "Temporary failure resolving",
    "could not download file",
];

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
        let said = String::from_utf8_lossy(&said);
        if NO_NETWORK.iter().any(|sign| said.contains(sign)) {
            bail!("{name} needs the network, and it cannot be reached");
        }
        bail!("{name} failed ({}):\n{}", shown(command), ends(&said));
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

fn ends(said: &str) -> String {
    let lines: Vec<&str> = said.lines().collect();
    let (head, tail) = SHOWN_LINES;
    if lines.len() <= head + tail {
        return lines.join("\n");
    }
    [&lines[..head], &["..."], &lines[lines.len() - tail..]].concat().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_without_a_network_fails_in_one_sentence() {
        let mut command = command("sh", ["-c", "echo npm error code ENOTFOUND; exit 1"]);
        let error = step("installing npm parts", &mut command).unwrap_err();
        let expected = "installing npm parts needs the network, and it cannot be reached";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn a_long_failure_shows_both_ends() {
        let said: String = (0..100).map(|line| format!("{line}\n")).collect();
        let shown = ends(&said);
        assert!(shown.starts_with("0\n1\n") && shown.ends_with("98\n99"), "{shown}");
        assert!(shown.contains("\n9\n...\n70\n"), "{shown}");
    }
}
