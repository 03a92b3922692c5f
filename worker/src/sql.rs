//! `POST /v1/sql`: one statement of the admin's, run as the reading user, whose profile bounds its
//! time, its rows and its result, and forbids it to change anything.
//!
//! The statement is the request's body; values come as parameters `param_<name>` of the URL, as
//! ClickHouse itself names them.

use crate::answer::Answer;
use crate::config::Config;
use crate::limits;
use crate::refusal::{Code, Refusal};
use crate::upstream::{Outcome, Reply, Request};
use crate::url::Url;

/// READONLY, ACCESS_DENIED, SETTING_CONSTRAINT_VIOLATION; TOO_MANY_ROWS, TIMEOUT_EXCEEDED,
/// MEMORY_LIMIT_EXCEEDED, TOO_MANY_BYTES, TOO_MANY_ROWS_OR_BYTES: what the reading user may not do.
const FORBIDDEN: [&str; 8] = ["164", "497", "452", "158", "159", "241", "307", "396"];

/// TOO_MANY_SIMULTANEOUS_QUERIES, SOCKET_TIMEOUT, NETWORK_ERROR: the same may be answered later.
const UPSTREAM: [&str; 3] = ["202", "209", "210"];

/// The request to ClickHouse.
///
/// # Errors
/// `bad_param` for a parameter that is none of a statement's, and for a body that is no text.
pub fn request(statement: &[u8], url: &Url<'_>, config: &Config) -> Result<Request, Refusal> {
    let bad = |message: String| Refusal::new(Code::BadParam, message);
    if std::str::from_utf8(statement).is_err() {
        return Err(bad("the statement must be text in UTF-8".into()));
    }
    let mut values = Vec::new();
    for (name, value) in url.parameters() {
        if !is_param(&name) {
            let name: String = name.chars().take(limits::SITE_BYTES).collect();
            return Err(bad(format!("{name}: only parameters param_… are passed on")));
        }
        values.push((name.into_owned(), escaped(&value)));
    }
    if values.len() > limits::SQL_PARAMS {
        return Err(bad(format!("at most {} parameters", limits::SQL_PARAMS)));
    }
    let mut parameters = vec![("default_format", "JSON"), ("wait_end_of_query", "1")];
    parameters.extend(values.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let mut request = Request::new(config, &config.read_user, &parameters);
    request.body = statement.to_vec();
    request.answer_bytes = limits::RESULT_BYTES;
    Ok(request)
}

/// `param_` and a name: nothing that could be a setting.
fn is_param(name: &str) -> bool {
    name.strip_prefix("param_").is_some_and(|rest| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        !rest.is_empty() && rest.bytes().all(plain)
    })
}

/// ClickHouse reads a parameter as a TabSeparated value.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r")
}

/// A query's answer, or why there is none: the admin is told ClickHouse's own words.
#[must_use]
pub fn answer(outcome: &Outcome) -> Answer {
    let line = match outcome.success() {
        Ok(reply) => {
            return match spliced(&reply.body) {
                Some(body) => Answer::json(200, body),
                None => refused(Code::BadParam, "the statement must be a SELECT without FORMAT"),
            };
        }
        Err(line) => line,
    };
    match outcome {
        Outcome::Answer(Reply { exception_code: Some(code), body, .. }) => {
            let told = match code.as_str() {
                code if FORBIDDEN.contains(&code) => Code::Forbidden,
                code if UPSTREAM.contains(&code) => Code::Upstream,
                _ => Code::BadParam,
            };
            refused(told, &words(body))
        }
        _ => refused(Code::Upstream, &line).logged(format!("sql: {line}")),
    }
}

fn refused(code: Code, message: &str) -> Answer {
    Refusal::new(code, message).into()
}

/// The beginning of an exception's text.
#[must_use]
pub fn words(body: &[u8]) -> String {
    String::from_utf8_lossy(body).trim().chars().take(limits::EXCEPTION_CHARS).collect()
}

/// ClickHouse's `FORMAT JSON` as a query's answer. It is cut by its own line breaks and tabs, which
/// no JSON text holds:
///
/// ```text
/// {⏎⇥"meta":⏎⇥[ … ⏎⇥],⏎⏎⇥"data":⏎⇥[ … ⏎⇥],⏎⏎⇥"rows": …
/// ```
fn spliced(json: &[u8]) -> Option<Vec<u8>> {
    let json = std::str::from_utf8(json).ok()?;
    let (_, rest) = json.split_once("{\n\t\"meta\":\n\t[")?;
    let (meta, rest) = rest.split_once("\n\t],\n\n\t\"data\":\n\t[")?;
    let (data, _) = rest.split_once("\n\t],\n\n\t\"rows\":")?;
    Some(format!("{{\"data\":[{data}],\"columns\":[{meta}],\"cached_at\":null}}").into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::config;

    fn sent(parameters: &str) -> Result<String, String> {
        let url = format!("https://edge.test/v1/sql?{parameters}");
        let request = request(b"SELECT 1", &Url::parse(&url), &config());
        request.map(|request| request.url).map_err(|refusal| refusal.message)
    }

    #[test]
    fn a_statement_goes_as_the_body_and_values_beside_it() {
        assert_eq!(
            sent("param_a=x%09y%5C&param_B_2=1").unwrap(),
            "http://ch.test:8123/?database=tallymark&default_format=JSON&wait_end_of_query=1\
             &param_a=x%5Cty%5C%5C&param_B_2=1"
        );
        let url = Url::parse("https://edge.test/v1/sql");
        let request = request(b"SELECT 1", &url, &config()).unwrap();
        assert_eq!(request.body, b"SELECT 1");
        assert_eq!(request.headers[0], ("x-clickhouse-user", "reader".into()));
    }

    #[test]
    fn nothing_but_values_is_passed_on() {
        for name in ["readonly", "param_", "query", "param_a-b", "user", "k", "session_id"] {
            let message = format!("{name}: only parameters param_… are passed on");
            assert_eq!(sent(&format!("{name}=0")), Err(message));
        }
        let many: String = (0..101).map(|at| format!("param_{at}=1&")).collect();
        assert_eq!(sent(&many), Err("at most 100 parameters".into()));
        let refused = request(b"SELECT '\xff'", &Url::parse("/v1/sql"), &config()).unwrap_err();
        assert_eq!(refused.message, "the statement must be text in UTF-8");
    }

    fn told(status: u16, code: Option<&str>, body: &str) -> (u16, String) {
        let exception_code = code.map(str::to_owned);
        let reply = Reply { status, exception_code, has_query_id: true, body: body.into() };
        let answer = answer(&Outcome::Answer(reply));
        (answer.status, String::from_utf8(answer.body).unwrap())
    }

    #[test]
    fn the_server_s_json_becomes_a_query_s_answer() {
        let json = "{\n\t\"meta\":\n\t[\n\t\t{\n\t\t\t\"name\": \"a\",\n\t\t\t\"type\": \"UInt8\"\n\t\t}\n\t],\n\n\t\"data\":\n\t[\n\t\t{\n\t\t\t\"a\": 1\n\t\t}\n\t],\n\n\t\"rows\": 1,\n\n\t\"statistics\":\n\t{\n\t}\n}\n";
        let (status, body) = told(200, None, json);
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(status, 200);
        assert_eq!(
            body,
            serde_json::json!({"data": [{"a": 1}], "columns": [{"name": "a", "type": "UInt8"}], "cached_at": null})
        );
    }

    #[test]
    fn what_the_reading_user_may_not_do_is_forbidden_and_what_is_wrong_a_bad_parameter() {
        let forbidden = r#"{"code":"forbidden","message":"Code: 164."}"#;
        assert_eq!(told(500, Some("164"), "Code: 164.\n"), (403, forbidden.into()));
        let wrong = r#"{"code":"bad_param","message":"Code: 62."}"#;
        assert_eq!(told(400, Some("62"), "Code: 62."), (400, wrong.into()));
        assert_eq!(told(200, None, "1\n").0, 400);
    }

    #[test]
    fn what_is_nobody_s_fault_but_the_server_s_is_upstream() {
        for code in ["202", "209", "210"] {
            let message = format!("{{\"code\":\"upstream\",\"message\":\"Code: {code}.\"}}");
            assert_eq!(told(500, Some(code), &format!("Code: {code}.")), (502, message));
        }
        assert_eq!(answer(&Outcome::TimedOut).status, 502);
    }
}
