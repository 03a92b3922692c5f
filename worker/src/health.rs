//! `GET /v1/health`: are the variables right, and does ClickHouse answer?

use crate::answer::Answer;
use crate::config::{Config, Problem};
use crate::limits;
use crate::upstream::{Outcome, Request};
use serde::Serialize;

/// Asks for a number as the queries do. Not a ping, which needs no password: this shows that the
/// reading user may come in, and that counts come back as numbers.
const QUESTION: &str = "SELECT toUInt64(1) AS one FORMAT JSONEachRow";

/// The whole answer to [`QUESTION`].
const EXPECTED: &[u8] = b"{\"one\":1}";

/// The body of an answer.
#[derive(Serialize)]
struct Health<'a> {
    ok: bool,
    /// The wrong variables: names and what they must be, never values.
    config: Vec<Wrong<'a>>,
    /// `null` when it was not asked.
    clickhouse: Option<&'a str>,
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

/// `200` when all is well, else `503`.
#[must_use]
pub fn answer(outcome: &Outcome) -> Answer {
    match outcome.success() {
        Ok(reply) if reply.body.trim_ascii_end() == EXPECTED => report(&[], Some("ok")),
        Ok(_) => {
            let line = "the reading user's profile must not quote 64-bit integers";
            report(&[], Some(line)).logged(format!("health: {line}"))
        }
        Err(line) => report(&[], Some(&line)).logged(format!("health: {line}")),
    }
}

/// `503` with every wrong variable.
#[must_use]
pub fn misconfigured(problems: &[Problem]) -> Answer {
    report(problems, None)
}

fn report(problems: &[Problem], clickhouse: Option<&str>) -> Answer {
    let ok = clickhouse == Some("ok");
    let config = problems
        .iter()
        .map(|problem| Wrong { variable: problem.variable, message: &problem.message })
        .collect();
    let health = Health { ok, config, clickhouse };
    let body = serde_json::to_string(&health).unwrap_or_default();
    Answer::json(if ok { 200 } else { 503 }, body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::Reply;

    fn told(body: &str) -> (u16, String) {
        let reply =
            Reply { status: 200, has_query_id: true, body: body.into(), ..Reply::default() };
        let answer = answer(&Outcome::Answer(reply));
        (answer.status, String::from_utf8(answer.body).unwrap())
    }

    #[test]
    fn all_well_is_200() {
        let body = r#"{"ok":true,"config":[],"clickhouse":"ok"}"#;
        assert_eq!(told("{\"one\":1}\n"), (200, body.into()));
    }

    #[test]
    fn a_profile_that_quotes_numbers_is_told() {
        let body = r#"{"ok":false,"config":[],"clickhouse":"the reading user's profile must not quote 64-bit integers"}"#;
        assert_eq!(told("{\"one\":\"1\"}\n"), (503, body.into()));
    }

    #[test]
    fn no_answer_is_503_and_says_so() {
        let answer = answer(&Outcome::TimedOut);
        assert_eq!(answer.status, 503);
        assert_eq!(
            answer.body,
            br#"{"ok":false,"config":[],"clickhouse":"ClickHouse did not answer in time"}"#
        );
    }

    #[test]
    fn wrong_variables_are_listed() {
        let problem = Problem { variable: "SITES", message: "is missing".into() };
        let answer = misconfigured(&[problem]);
        assert_eq!(answer.status, 503);
        assert_eq!(
            answer.body,
            br#"{"ok":false,"config":[{"variable":"SITES","message":"is missing"}],"clickhouse":null}"#
        );
    }
}
