//! The variables of the group-maker.

use super::environment::Environment;
use super::problems::{Problem, Problems};
use crate::group::Options;
use crate::limits;

/// What a shard is told, for so many tables.
pub fn read(problems: &mut Problems, from: &Environment, tables: usize) -> Option<Options> {
    let defaults = Options::default();
    let shards = problems.number("GROUP_SHARDS", &from.group_shards, 1, (1, limits::GROUP_SHARDS));
    let window_ms = problems.number(
        "GROUP_WINDOW_MS",
        &from.group_window_ms,
        defaults.window_ms,
        limits::GROUP_WINDOW_MS_RANGE,
    );
    let backlog_bytes = problems.number(
        "GROUP_BACKLOG_BYTES",
        &from.group_backlog_bytes,
        defaults.backlog_bytes,
        limits::GROUP_BACKLOG_BYTES_RANGE,
    );
    let backlog_groups = problems.number(
        "GROUP_BACKLOG_GROUPS",
        &from.group_backlog_groups,
        defaults.backlog_groups,
        limits::GROUP_BACKLOG_GROUPS_RANGE,
    );
    Some(Options {
        shards: shards?,
        tables,
        window_ms: window_ms?,
        backlog_bytes: backlog_bytes?,
        backlog_groups: backlog_groups?,
        ..defaults
    })
}

/// What must be true together with `SINK = "group"`.
pub fn check(problems: &mut Problems, from: &Environment, body_bytes: Option<usize>) {
    if from.groups.is_none() {
        let message = "is missing: SINK = \"group\" needs this binding to a Durable Object";
        problems.0.push(Problem { variable: "GROUPS", message: message.into() });
    }
    let most = limits::GROUP_BODY_BYTES_MAX;
    if body_bytes.is_some_and(|bytes| bytes > most) {
        let message = format!("must be at most {most} with SINK = \"group\"");
        problems.0.push(Problem { variable: "BODY_BYTES", message });
    }
}
