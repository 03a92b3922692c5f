//! Runs one test runner: its output streams through, and is read on the way.

use super::outcome::{Ending, Reader, Test};
use crate::ffi;
use anyhow::{Context, Result};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

/// Runs it to its end and gives the tests that it named.
pub fn run(level: &str, name: &str, command: &mut Command) -> Result<Vec<Test>> {
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child =
        ffi::die_with_parent(command).spawn().with_context(|| format!("cannot run {name}"))?;
    let mut reader = Reader::new(level);
    if let Some(stdout) = child.stdout.take() {
        let mut out = std::io::stdout().lock();
        // Bytes, not text: what a test prints need not be UTF-8.
        for line in BufReader::new(stdout).split(b'\n') {
            let line = line.with_context(|| format!("cannot read from {name}"))?;
            out.write_all(&line)?;
            out.write_all(b"\n")?;
            reader.line(String::from_utf8_lossy(&line).trim_end_matches('\r'));
        }
    }
    let succeeded = child.wait()?.success();
    Ok(reader.finish(name, succeeded))
}

/// Runs a check that is one test by itself: it passes if the program succeeds.
pub fn check(level: &str, name: &str, command: &mut Command) -> Result<Test> {
    let status =
        command.stdin(Stdio::null()).status().with_context(|| format!("cannot run {name}"))?;
    let ending = if status.success() { Ending::Passed } else { Ending::Failed };
    println!("test {name} ... {}", if status.success() { "ok" } else { "FAILED" });
    Ok(Test { level: level.to_owned(), name: name.to_owned(), ending })
}
