//! `GET /v1/health`: are the variables right, does ClickHouse answer, and what waits in the shards?

use crate::answer::Answer;
use crate::config::{Config, Problem};
use crate::group::Status;
use crate::limits;
use crate::upstream::{Outcome, Request};
use serde::Serialize;

/// Asks for a number as the queries do. Not a ping, which needs no password: this shows that the
/// reading user may come in, and that counts come back as numbers.
const QUESTION: &str = "SELECT toUInt64(1) AS one FORMAT JSONEachRow";

/// The whole answer to [`QUESTION`].
const EXPECTED: &[u8] = b"{\"one\":1}";

/// What is said of a ClickHouse that answers as it should.
const OK: &str = "ok";

/// The body of an answer.
#[derive(Serialize)]
struct Health<'a> {
    ok: bool,
    /// The wrong variables: names and what they must be, never values.
    config: Vec<Wrong<'a>>,
    /// `null` when it was not asked.
    clickhouse: Option<&'a str>,
    /// `SINK`; `null` while a variable is wrong.
    sink: Option<&'a str>,
    /// What each shard of the group-maker says; empty without one.
    groups: Vec<Shard>,
}

/// What a shard says: what waits there, or why it takes nothing.
#[derive(Serialize)]
struct Shard {
    shard: usize,
    #[serde(flatten)]
    status: Option<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

#[derive(Serialize)]
struct Wrong<'a> {
    variable: &'a str,
    message: &'a str,
}

/// The question to ClickHouse.
#[must_use]
pub fn request(config: &Config) -> Request {
    let mut request = Request::new(config, &config.read_user, &[("query", QUESTION)]);
    request.answer_bytes = limits::INSERT_ANSWER_BYTES;
    request
}

/// What ClickHouse's answer means: `ok`, or what is wrong.
#[must_use]
pub fn clickhouse(outcome: &Outcome) -> String {
    match outcome.success() {
        Ok(reply) if reply.body.trim_ascii_end() == EXPECTED => OK.into(),
        Ok(_) => "the reading user's profile must not quote 64-bit integers".into(),
        Err(line) => line,
    }
}

/// `200` when all is well, else `503`. Groups that wait, or are set aside, are told and no fault
/// of the worker's; a shard that does not start is.
///
/// `shards` are the shards' own reports, in their order: JSON of their status, or a sentence.
#[must_use]
pub fn answer(clickhouse: &str, config: &Config, shards: &[String]) -> Answer {
    let groups: Vec<_> =
        shards.iter().enumerate().map(|(at, text)| Shard::read(at, text)).collect();
    let told = groups.iter().find_map(|shard| shard.problem.clone());
    let ok = clickhouse == OK && told.is_none();
    let answer = report(&Health {
        ok,
        config: Vec::new(),
        clickhouse: Some(clickhouse),
        sink: Some(config.sink.name()),
        groups,
    });
    match told {
        _ if ok => answer,
        Some(problem) => answer.logged(format!("health: {problem}")),
        None => answer.logged(format!("health: {clickhouse}")),
    }
}

/// `503` with every wrong variable.
#[must_use]
pub fn misconfigured(problems: &[Problem]) -> Answer {
    let config = problems
        .iter()
        .map(|problem| Wrong { variable: problem.variable, message: &problem.message })
        .collect();
    report(&Health { ok: false, config, clickhouse: None, sink: None, groups: Vec::new() })
}

impl Shard {
    fn read(shard: usize, text: &str) -> Self {
        match serde_json::from_str(text) {
            Ok(status) => Self { shard, status: Some(status), problem: None },
            Err(_) => Self { shard, status: None, problem: Some(text.into()) },
        }
    }
}

fn report(health: &Health<'_>) -> Answer {
    let body = serde_json::to_string(health).unwrap_or_default();
    Answer::json(if health.ok { 200 } else { 503 }, body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::config;
    use crate::upstream::Reply;

    fn told(outcome: &Outcome, shards: &[&str]) -> (u16, String) {
        let shards: Vec<_> = shards.iter().map(|text| (*text).to_owned()).collect();
        let answer = answer(&clickhouse(outcome), &config(), &shards);
        (answer.status, String::from_utf8(answer.body).unwrap())
    }

    fn rows(body: &str) -> Outcome {
        let body = body.into();
        Outcome::Answer(Reply { status: 200, has_query_id: true, body, ..Reply::default() })
    }

    #[test]
    fn all_well_is_200() {
        let body = r#"{"ok":true,"config":[],"clickhouse":"ok","sink":"direct","groups":[]}"#;
        assert_eq!(told(&rows("{\"one\":1}\n"), &[]), (200, body.into()));
    }

    #[test]
    fn a_profile_that_quotes_numbers_is_told() {
        let body = r#"{"ok":false,"config":[],"clickhouse":"the reading user's profile must not quote 64-bit integers","sink":"direct","groups":[]}"#;
        assert_eq!(told(&rows("{\"one\":\"1\"}\n"), &[]), (503, body.into()));
    }

    #[test]
    fn no_answer_is_503_and_says_so() {
        let body = r#"{"ok":false,"config":[],"clickhouse":"ClickHouse did not answer in time","sink":"direct","groups":[]}"#;
        assert_eq!(told(&Outcome::TimedOut, &[]), (503, body.into()));
    }

    #[test]
    fn what_waits_is_told_and_no_fault() {
        let status = r#"{"groups":2,"batches":3,"bytes":4,"oldest_ms":5,"failures":6,"failing":[{"table":"t","groups":1,"batches":1,"bytes":2,"failures":3,"problem":"because"}],"known_in_memory":7,"stored_bytes":9,"given_up":0,"aside_groups":1,"aside_batches":1,"aside_bytes":8,"set_aside":[{"group":"g","table":"events","batches":1,"rows":30,"bytes":8,"code":"117","problem":"why"}]}"#;
        let (code, body) = told(&rows("{\"one\":1}\n"), &[status]);
        let shard = format!("{{\"shard\":0,{}", &status[1..]);
        let expected = format!(
            r#"{{"ok":true,"config":[],"clickhouse":"ok","sink":"direct","groups":[{shard}]}}"#
        );
        assert_eq!((code, body), (200, expected));
    }

    #[test]
    fn a_shard_that_does_not_start_is_503_with_its_sentence() {
        let (code, body) = told(&rows("{\"one\":1}\n"), &["GROUP_SHARDS is 4"]);
        let expected = r#"{"ok":false,"config":[],"clickhouse":"ok","sink":"direct","groups":[{"shard":0,"problem":"GROUP_SHARDS is 4"}]}"#;
        assert_eq!((code, body.as_str()), (503, expected));
    }

    #[test]
    fn wrong_variables_are_listed() {
        let problem = Problem { variable: "SITES", message: "is missing".into() };
        let answer = misconfigured(&[problem]);
        assert_eq!(answer.status, 503);
        assert_eq!(
            String::from_utf8(answer.body).unwrap(),
            r#"{"ok":false,"config":[{"variable":"SITES","message":"is missing"}],"clickhouse":null,"sink":null,"groups":[]}"#
        );
    }
}
