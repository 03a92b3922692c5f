//! A completed block becomes one insert, and ClickHouse's answer becomes ours.

use crate::answer::Answer;
use crate::config::Config;
use crate::exception;
use crate::group::Inserted;
use crate::limits;
use crate::refusal::{Code, Refusal};
use crate::upstream::{Outcome, Reply, Request};
use tallymark::rng::Uuid;
use tallymark::time::UnixMs;

/// ClickHouse's codes for data that it read to the end and will never take: the same bytes again
/// would be refused again. Everything else may be trouble that passes.
///
/// `INCORRECT_DATA`, for JSON text that is none, is the only one that a checked block can still
/// earn (26.7.2.1); the others stand for the same should a server check more.
const FINAL_CODES: [&str; 1] = ["117"];

/// One insert: of a batch under its id, or of a group under its own.
///
/// `async_insert=0`: the token must cover exactly this insert. A column unknown to the server is
/// an error, because skipping it would lose data silently. A `Distributed` table answers once the
/// shards have the rows, not once it has them itself; other tables know nothing of that.
#[must_use]
pub fn request(config: &Config, table: &str, token: Uuid, body: Vec<u8>) -> Request {
    with_settings(config, table, token, body, &[("async_insert", "0")])
}

/// The same for the server's own queue, which makes one part of many such inserts. It answers only
/// once that part is written, and remembers each insert's token (26.1 or later).
#[must_use]
pub fn queued(config: &Config, table: &str, token: Uuid, body: Vec<u8>) -> Request {
    let settings =
        [("async_insert", "1"), ("wait_for_async_insert", "1"), ("async_insert_deduplicate", "1")];
    with_settings(config, table, token, body, &settings)
}

fn with_settings(
    config: &Config,
    table: &str,
    token: Uuid,
    body: Vec<u8>,
    settings: &[(&str, &str)],
) -> Request {
    let statement = format!("INSERT INTO {table} FORMAT Native");
    let token = token.to_string();
    let mut parameters = vec![("query", statement.as_str())];
    parameters.extend_from_slice(settings);
    parameters.extend([
        ("insert_deduplication_token", token.as_str()),
        ("input_format_skip_unknown_fields", "0"),
        ("distributed_foreground_insert", "1"),
    ]);
    let mut request = Request::new(config, &config.insert_user, &parameters);
    request.headers.push(("content-encoding", "zstd".into()));
    request.body = body;
    request.answer_bytes = limits::INSERT_ANSWER_BYTES;
    request.answer_is_short = true;
    request
}

/// Asks whether the table has the batch, and whether its token is still remembered: a batch that is
/// not young is looked for by its id, because a table remembers the tokens of its last inserts only.
///
/// What came since may have ids of any time (changes of a database, clocks that are years slow), so
/// their months do not bound it; an index on `received_at` does (`schema/027_events_by_arrival`).
/// Where the reader's limits still forbid it, nothing is known and the batch is busy.
#[must_use]
pub fn look_up(config: &Config, table: &str, batch: Uuid) -> Request {
    let relied_on = limits::TOKENS_RELIED_ON;
    let statement = format!(
        "WITH (SELECT min(received_at) FROM {table} WHERE batch_id = {{batch:UUID}}) AS first \
         SELECT first > 0 AS known, known AND (SELECT count() FROM (\
         SELECT DISTINCT batch_id FROM {table} WHERE first > 0 AND received_at >= first \
         LIMIT {relied_on})) < {relied_on} AS remembered FORMAT JSONEachRow"
    );
    let batch = batch.to_string();
    let parameters = [("query", statement.as_str()), ("param_batch", &batch)];
    let mut request = Request::new(config, &config.read_user, &parameters);
    request.answer_bytes = limits::INSERT_ANSWER_BYTES;
    request
}

/// What a look-up finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The table has nothing of the batch.
    Nothing,
    /// The table has it, and drops it by its token when it is inserted again. It has to be: a view
    /// may have failed at the first try, and only another insert makes that good.
    Remembered,
    /// The table has it, and might take it a second time.
    Forgotten,
}

/// Reads the answer to [`look_up`].
///
/// # Errors
/// A line for the operator's log: nothing is known, and nothing may be inserted.
pub fn found(outcome: &Outcome) -> Result<Found, String> {
    match outcome.success()?.body.trim_ascii_end() {
        br#"{"known":0,"remembered":0}"# => Ok(Found::Nothing),
        br#"{"known":1,"remembered":1}"# => Ok(Found::Remembered),
        br#"{"known":1,"remembered":0}"# => Ok(Found::Forgotten),
        _ => Err("ClickHouse's answer to the look-up is not one".into()),
    }
}

/// What came of an insert: accepted only after ClickHouse's own `200`.
#[must_use]
pub fn outcome(outcome: &Outcome) -> Inserted {
    let line = match outcome.success() {
        Ok(_) => return Inserted::Accepted,
        Err(line) => line,
    };
    match outcome {
        Outcome::Answer(Reply { exception_code: Some(code), .. })
            if FINAL_CODES.contains(&code.as_str()) =>
        {
            Inserted::Refused(code.clone())
        }
        Outcome::Answer(reply) => {
            let code = reply.exception_code.as_deref();
            let by_clickhouse = code.is_some_and(|code| !exception::is_of_server(code));
            Inserted::Uncertain { by_clickhouse, line }
        }
        _ => Inserted::Uncertain { by_clickhouse: false, line },
    }
}

/// What the client is told; `known` when the table had the batch already.
#[must_use]
pub fn answer(of: &Outcome, now: UnixMs, known: bool) -> Answer {
    match outcome(of) {
        Inserted::Accepted => Answer::accepted(now, known),
        Inserted::Refused(code) => Answer::from(Refusal::new(
            Code::BadBlock,
            format!("ClickHouse refuses the block with {}", exception::told(&code)),
        ))
        .logged(of.success().err().map(|line| format!("insert: {line}")).unwrap_or_default()),
        Inserted::Uncertain { line, .. } => busy(format!("insert: {line}")),
    }
}

/// `503 busy`, and why for the operator.
#[must_use]
pub fn busy(line: impl Into<String>) -> Answer {
    let message = "the batch could not be stored; send it again, unchanged";
    Answer::from(Refusal::new(Code::Busy, message)).logged(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, config};

    fn sent(block: &[u8]) -> Request {
        let id = Uuid::parse(b"0198c9a0-0000-7000-8000-000000000001").unwrap();
        request(&config(), "events", id, block.to_vec())
    }

    #[test]
    fn d13_an_insert_carries_the_batch_s_id_as_its_token_and_no_password_in_the_url() {
        let request = sent(b"block");
        assert_eq!(
            request.url,
            "http://ch.test:8123/?database=tallymark\
             &query=INSERT%20INTO%20events%20FORMAT%20Native&async_insert=0\
             &insert_deduplication_token=0198c9a0-0000-7000-8000-000000000001\
             &input_format_skip_unknown_fields=0&distributed_foreground_insert=1"
        );
        let headers = [
            ("x-clickhouse-user", "writer".to_owned()),
            ("x-clickhouse-key", "in".to_owned()),
            ("content-encoding", "zstd".to_owned()),
        ];
        assert_eq!(request.headers, headers);
        assert_eq!((request.timeout_ms, request.answer_bytes), (10_000, 65_536));
        assert!(request.answer_is_short);
    }

    #[test]
    fn the_queue_s_insert_waits_and_is_remembered_by_its_token() {
        let id = Uuid::parse(b"0198c9a0-0000-7000-8000-000000000001").unwrap();
        assert_eq!(
            queued(&config(), "events", id, Vec::new()).url,
            "http://ch.test:8123/?database=tallymark\
             &query=INSERT%20INTO%20events%20FORMAT%20Native&async_insert=1\
             &wait_for_async_insert=1&async_insert_deduplicate=1\
             &insert_deduplication_token=0198c9a0-0000-7000-8000-000000000001\
             &input_format_skip_unknown_fields=0&distributed_foreground_insert=1"
        );
    }

    #[test]
    fn a_look_up_binds_the_id_and_asks_as_the_reader() {
        let id = Uuid::parse(b"0198c9a0-0000-7000-8000-000000000001").unwrap();
        let request = look_up(&config(), "events", id);
        assert_eq!(
            request.url,
            "http://ch.test:8123/?database=tallymark&query=\
             WITH%20%28SELECT%20min%28received_at%29%20FROM%20events%20\
             WHERE%20batch_id%20%3D%20%7Bbatch%3AUUID%7D%29%20AS%20first%20\
             SELECT%20first%20%3E%200%20AS%20known%2C%20\
             known%20AND%20%28SELECT%20count%28%29%20FROM%20%28\
             SELECT%20DISTINCT%20batch_id%20FROM%20events%20\
             WHERE%20first%20%3E%200%20AND%20received_at%20%3E%3D%20first%20\
             LIMIT%2050000%29%29%20%3C%2050000%20AS%20remembered%20FORMAT%20JSONEachRow\
             &param_batch=0198c9a0-0000-7000-8000-000000000001"
        );
        assert_eq!(request.headers[0], ("x-clickhouse-user", "reader".to_owned()));
        assert!(!request.answer_is_short);
    }

    #[test]
    fn only_a_whole_answer_tells_what_a_table_has() {
        let told = |body: &str| {
            let body = body.into();
            let reply = Reply { status: 200, has_query_id: true, body, ..Reply::default() };
            found(&Outcome::Answer(reply))
        };
        assert_eq!(told("{\"known\":0,\"remembered\":0}\n"), Ok(Found::Nothing));
        assert_eq!(told("{\"known\":1,\"remembered\":1}\n"), Ok(Found::Remembered));
        assert_eq!(told("{\"known\":1,\"remembered\":0}\n"), Ok(Found::Forgotten));
        let strange = Err("ClickHouse's answer to the look-up is not one".to_owned());
        assert_eq!(told(""), strange);
        assert_eq!(told("{\"known\":1}\n"), strange);
        assert_eq!(found(&Outcome::TimedOut), Err("ClickHouse did not answer in time".to_owned()));
        // TOO_MANY_ROWS, of the reader's own limits.
        let limit = Err("ClickHouse answered 500, exception code 158 (the query would read more rows than its user may)".to_owned());
        assert_eq!(found(&reply(500, Some("158"), true)), limit);
    }

    fn told(outcome: &Outcome) -> (u16, String, Option<String>) {
        let answer = answer(outcome, UnixMs(NOW), false);
        (answer.status, String::from_utf8(answer.body).unwrap(), answer.log)
    }

    fn reply(status: u16, code: Option<&str>, has_query_id: bool) -> Outcome {
        let exception_code = code.map(str::to_owned);
        Outcome::Answer(Reply { status, exception_code, has_query_id, body: Vec::new() })
    }

    #[test]
    fn only_clickhouse_s_own_200_accepts() {
        let accepted = r#"{"now":1795435200000,"known":false}"#;
        assert_eq!(told(&reply(200, None, true)), (202, accepted.into(), None));
    }

    #[test]
    fn everything_uncertain_is_busy_and_tells_the_operator_why() {
        let busy = r#"{"code":"busy","message":"the batch could not be stored; send it again, unchanged"}"#;
        for (outcome, line) in [
            (Outcome::TimedOut, "insert: ClickHouse did not answer in time"),
            (Outcome::Failed, "insert: ClickHouse cannot be reached, or its answer is broken"),
            (reply(200, None, false), "insert: 200 came back, but not from ClickHouse"),
            (
                reply(200, Some("241"), true),
                "insert: ClickHouse answered 200, exception code 241 (the server or the user has no memory left)",
            ),
            (reply(403, None, false), "insert: 403 came back, but not from ClickHouse"),
            (
                reply(500, Some("252"), true),
                "insert: ClickHouse answered 500, exception code 252 (the table has too many parts: its merges do not keep up)",
            ),
            (
                reply(400, Some("60"), true),
                "insert: ClickHouse answered 400, exception code 60 (a table is missing: run the migrations)",
            ),
        ] {
            assert_eq!(told(&outcome), (503, busy.into(), Some(line.into())), "{outcome:?}");
        }
    }

    #[test]
    fn an_exception_is_about_the_insert_unless_it_is_about_the_server() {
        let is_about_the_insert = |of: &Outcome| match outcome(of) {
            Inserted::Uncertain { by_clickhouse, .. } => by_clickhouse,
            other => panic!("{other:?}"),
        };
        for code in ["16", "60", "241", "242", "252", "497", "1"] {
            assert!(is_about_the_insert(&reply(500, Some(code), true)), "{code}");
        }
        for code in ["81", "192", "193", "202", "243", "516"] {
            assert!(!is_about_the_insert(&reply(500, Some(code), true)), "{code}");
        }
        assert!(!is_about_the_insert(&reply(500, None, false)));
        assert!(!is_about_the_insert(&Outcome::TimedOut));
    }

    #[test]
    fn data_that_can_never_be_stored_is_refused_for_good() {
        let (status, body, _) = told(&reply(400, Some("117"), true));
        let expected = r#"{"code":"bad_block","message":"ClickHouse refuses the block with exception code 117 (the data is not what its column holds, JSON that is none for example)"}"#;
        assert_eq!((status, body.as_str()), (400, expected));
    }
}
