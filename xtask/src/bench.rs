//! `cargo xtask bench`: the budgets of the design, measured now, each beside its baseline.
//!
//! A script `tests/bench/*.bench.mjs` prints a line of JSON a measurement, whatever else it says:
//! `{"budget": "track", "measured": "92 ns", "baseline": "71 ns", "within": true}`.

use crate::setup::{self, Npm};
use crate::test::{browser::Browser, levels};
use crate::{build, ffi, process};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::fmt::Write;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

/// One budget of the design.
struct Budget {
    /// What a script names it.
    id: &'static str,
    what: &'static str,
    budget: &'static str,
}

/// In the design's order and words.
const BUDGETS: &[Budget] = &[
    budget("snippet-bytes", "the snippet, brotli", "< 1,024 B"),
    budget("first-event-bytes", "path to the first event, brotli", "≤ 2,000 B"),
    budget("core-bytes", "tracker download, core, brotli", "≤ 16,000 B"),
    budget("all-bytes", "tracker download, all observers, brotli", "≤ 20,000 B"),
    budget("track", "track() on a warm page", "≤ 150 ns"),
    budget("main-thread", "main thread per event, until delivered, journal on", "≤ 1.0 × baseline"),
    budget("main-thread-memory", "the same, journal off", "≤ 0.75 × baseline"),
    budget("first-event-cpu", "main-thread CPU to first event accepted", "≤ 1 ms"),
    budget("settled-cpu", "main-thread CPU once settled", "≤ 4 ms"),
    budget("wire", "wire, visit of 30 events in 60 s", "≤ 200 B an event, ≤ 7 requests"),
    budget("wire-slow", "the same at maxTimeMs: 30000", "≤ 120 B, ≤ 3 requests"),
    budget("offline-bytes", "memory per event waiting offline", "≤ 150 B"),
    budget("offline-events", "10,000 tracked offline, after a reload", "all arrive"),
    budget("exactly-once", "events missing / doubled under every fault", "0 / 0"),
    budget("group-cpu", "ClickHouse CPU per batch, grouped", "≤ 1/15 of one insert a batch"),
    budget("group-rate", "one group-maker, batches/s", "aim 2,000"),
    budget("group-ids", "storage of the ids that one group-maker knows", "reported"),
    budget("visible", "from flush() to visible in a query", "p99 < 1 s"),
    budget("queries", "user-facing queries at 20M events, median", "< 50 ms"),
    budget("edge-forward", "edge CPU a request, against read and forward", "≤ 1.25 ×"),
    budget("edge-json", "edge CPU at 500 events, against a JSON worker", "≤ 0.25 ×"),
    budget("hostile", "hostile bodies refused", "< 5 ms, < 64 MB peak"),
];

const fn budget(id: &'static str, what: &'static str, budget: &'static str) -> Budget {
    Budget { id, what, budget }
}

/// What a script found.
struct Measurement {
    id: String,
    measured: String,
    baseline: String,
    within: bool,
    command: String,
}

/// Options of `cargo xtask bench`.
#[derive(clap::Args)]
pub struct Args {
    /// Scripts to run, as in tests/bench/<name>.bench.mjs; all of them unless given
    names: Vec<String>,
}

/// Builds, runs the scripts one after another, prints the table; fails over a budget.
pub fn run(args: &Args) -> Result<()> {
    setup::for_build(Npm::Tests)?;
    build::all()?;
    let browser = Browser::find_or_install()?;
    let mut measurements = Vec::new();
    for file in levels::files_ending("tests/bench", ".bench.mjs")? {
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_default().replace(".bench.mjs", "");
        if args.names.is_empty() || args.names.contains(&name) {
            measurements.extend(script(&name, &browser)?);
        }
    }
    println!("{}", table(&measurements));
    let over: Vec<&str> =
        measurements.iter().filter(|found| !found.within).map(|found| found.id.as_str()).collect();
    if !over.is_empty() {
        bail!("over budget: {}", over.join(", "));
    }
    Ok(())
}

fn script(name: &str, browser: &Browser) -> Result<Vec<Measurement>> {
    let file = format!("tests/bench/{name}.bench.mjs");
    let mut command = process::command("node", ["--expose-gc", &file]);
    levels::for_node(&mut command, Some(browser))?;
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child =
        ffi::die_with_parent(&mut command).spawn().with_context(|| format!("cannot run {file}"))?;
    let mut found = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            match measurement(&line, &format!("cargo xtask bench {name}")) {
                Some(measurement) => found.push(measurement),
                None => eprintln!("  {line}"),
            }
        }
    }
    if !child.wait()?.success() {
        bail!("{file} failed");
    }
    Ok(found)
}

fn measurement(line: &str, command: &str) -> Option<Measurement> {
    let value: Value = serde_json::from_str(line).ok()?;
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    Some(Measurement {
        id: text("budget")?,
        measured: text("measured")?,
        baseline: text("baseline").unwrap_or_else(|| "-".to_owned()),
        within: value.get("within")?.as_bool()?,
        command: command.to_owned(),
    })
}

/// Every budget is a row, measured or not; what is measured beyond them comes last.
fn table(measurements: &[Measurement]) -> String {
    let mut out =
        String::from("| what | budget | measured | baseline | command |\n|---|---|---|---|---|\n");
    let mut row = |what: &str, budget: &str, found: Option<&Measurement>| {
        // Writing to a String cannot fail.
        let _ = match found {
            Some(found) => {
                let over = if found.within { "" } else { " **over**" };
                let Measurement { measured, baseline, command, .. } = found;
                writeln!(out, "| {what} | {budget} | {measured}{over} | {baseline} | `{command}` |")
            }
            None => writeln!(out, "| {what} | {budget} | not measured yet | | |"),
        };
    };
    for budget in BUDGETS {
        let found = measurements.iter().find(|found| found.id == budget.id);
        row(budget.what, budget.budget, found);
    }
    for found in measurements {
        if !BUDGETS.iter().any(|budget| budget.id == found.id) {
            row(&found.id, "-", Some(found));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str =
        r#"{"budget": "track", "measured": "92 ns", "baseline": "71 ns", "within": true}"#;

    #[test]
    fn a_measured_budget_shows_its_baseline_and_command() {
        let found = measurement(LINE, "cargo xtask bench page").unwrap();
        let expected =
            "| track() on a warm page | ≤ 150 ns | 92 ns | 71 ns | `cargo xtask bench page` |\n";
        assert!(table(&[found]).contains(expected));
    }

    #[test]
    fn a_budget_without_a_measurement_says_so() {
        let expected = "| track() on a warm page | ≤ 150 ns | not measured yet | | |\n";
        assert!(table(&[]).contains(expected));
    }

    #[test]
    fn a_budget_that_is_exceeded_stands_out() {
        let found = measurement(&LINE.replace("true", "false"), "c").unwrap();
        assert!(table(&[found]).contains("| 92 ns **over** |"));
    }

    #[test]
    fn what_is_no_measurement_is_left_alone() {
        assert!(measurement("warming up", "c").is_none());
        assert!(measurement(r#"{"budget": "track"}"#, "c").is_none());
    }
}
