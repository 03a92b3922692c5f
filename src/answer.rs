//! What a receiver's answer means for a batch.
//!
//! Invariant: only our own acceptance accepts, only our own refusal refuses. A captive portal's
//! 200, a proxy's 403, any 5xx and silence all mean "again: the same bytes, the same id".

use crate::error::{DropReason, FINAL_CLICKHOUSE_CODES, Refusal};

/// What came back for one request, as the shell saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    /// Nothing: the network failed, the request was blocked, or it took too long.
    None,
    /// A response, whoever it came from.
    Http(Response<'a>),
}

/// The parts of an HTTP response that decide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Response<'a> {
    /// The status code.
    pub status: u16,
    /// The beginning of the body, at most [`crate::limits::ANSWER_BYTES`].
    pub body: &'a [u8],
    /// `Retry-After`, when it is a number of seconds.
    pub retry_after_s: Option<u32>,
    /// `X-ClickHouse-Exception-Code`; 0 when the header is absent.
    pub exception_code: u16,
    /// Whether `X-ClickHouse-Query-Id` is there: the sign that ClickHouse itself answered.
    pub has_query_id: bool,
}

/// Who is spoken to, and so whose answers are believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receiver {
    /// The edge worker.
    Worker,
    /// ClickHouse's own HTTP endpoint.
    ClickHouse,
}

/// What to do with the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is durable: forget it.
    Accepted,
    /// It will never be taken: drop it, and count it under the reason.
    Refused(DropReason),
    /// It is too large as it is.
    TooLarge,
    /// Send the same bytes under the same id again, later.
    Again {
        /// What the receiver asked for.
        retry_after_ms: Option<u64>,
        /// Nobody knows whether the batch arrived: it may never be split.
        unanswered: bool,
    },
}

/// The worker's own refusals, by status and code.
const CODES: [(u16, &str, Verdict); 11] = [
    (400, "bad_block", refused(Refusal::BadBlock)),
    (400, "bad_request", refused(Refusal::BadRequest)),
    (401, "bad_key", refused(Refusal::BadKey)),
    (403, "bad_origin", refused(Refusal::BadOrigin)),
    (404, "bad_table", refused(Refusal::BadTable)),
    (404, "not_found", refused(Refusal::NotFound)),
    (405, "bad_method", refused(Refusal::BadMethod)),
    (410, "too_old", Verdict::Refused(DropReason::TooOld)),
    (413, "too_large", Verdict::TooLarge),
    // Definite: the batch was not taken.
    (429, "rate_limited", Verdict::Again { retry_after_ms: None, unanswered: false }),
    // A time-out of the worker's own call to ClickHouse is "busy" too.
    (503, "busy", Verdict::Again { retry_after_ms: None, unanswered: true }),
];

const fn refused(refusal: Refusal) -> Verdict {
    Verdict::Refused(DropReason::Refused(refusal))
}

impl Answer<'_> {
    /// Reads the answer as `receiver`'s.
    #[must_use]
    pub fn verdict(&self, receiver: Receiver) -> Verdict {
        let Self::Http(response) = self else {
            return Verdict::Again { retry_after_ms: None, unanswered: true };
        };
        let known = match receiver {
            Receiver::Worker => response.worker_verdict(),
            Receiver::ClickHouse => response.clickhouse_verdict(),
        };
        known.unwrap_or(Verdict::Again {
            retry_after_ms: response.retry_after_s.map(|seconds| u64::from(seconds) * 1_000),
            unanswered: true,
        })
    }
}

impl Response<'_> {
    fn worker_verdict(&self) -> Option<Verdict> {
        if self.status == 202 {
            let now = member(self.body, b"\"now\"")?;
            return now.first()?.is_ascii_digit().then_some(Verdict::Accepted);
        }
        let code = member(self.body, b"\"code\"")?.strip_prefix(b"\"")?;
        let code = code.split(|&byte| byte == b'"').next()?;
        let (.., verdict) = CODES
            .iter()
            .find(|(status, known, _)| *status == self.status && known.as_bytes() == code)?;
        Some(match *verdict {
            Verdict::Again { unanswered, .. } => Verdict::Again {
                retry_after_ms: self.retry_after_s.map(|seconds| u64::from(seconds) * 1_000),
                unanswered,
            },
            definite => definite,
        })
    }

    fn clickhouse_verdict(&self) -> Option<Verdict> {
        if self.exception_code != 0 {
            return FINAL_CLICKHOUSE_CODES.contains(&self.exception_code).then_some(
                Verdict::Refused(DropReason::Refused(Refusal::ClickHouse(self.exception_code))),
            );
        }
        (self.status == 200 && self.has_query_id).then_some(Verdict::Accepted)
    }
}

/// The bytes behind `key:` in the text of a JSON object, from the value's first byte on.
///
/// Our own answers are one flat object each, so that looking for the quoted key suffices.
fn member<'a>(body: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let body = body.trim_ascii_start().strip_prefix(b"{")?;
    let at = body.windows(key.len()).position(|window| window == key)?;
    let rest = body.get(at + key.len()..)?.trim_ascii_start().strip_prefix(b":")?;
    Some(rest.trim_ascii_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGAIN: Verdict = Verdict::Again { retry_after_ms: None, unanswered: true };

    fn worker(status: u16, body: &str) -> Verdict {
        let response = Response { status, body: body.as_bytes(), ..Response::default() };
        Answer::Http(response).verdict(Receiver::Worker)
    }

    fn clickhouse(status: u16, exception_code: u16, has_query_id: bool) -> Verdict {
        let response = Response { status, exception_code, has_query_id, ..Response::default() };
        Answer::Http(response).verdict(Receiver::ClickHouse)
    }

    #[test]
    fn only_our_own_202_accepts() {
        assert_eq!(worker(202, r#"{"now":1795435200123,"known":false}"#), Verdict::Accepted);
        assert_eq!(worker(202, r#" { "now" : 1795435200123 }"#), Verdict::Accepted);
        for (status, body) in [
            (200, r#"{"now":1795435200123}"#),
            (200, "<html>Welcome to our Wi-Fi</html>"),
            (202, ""),
            (202, "now"),
            (202, r#"{"now":"soon"}"#),
            (202, r#"{"now":"#),
            (204, ""),
        ] {
            assert_eq!(worker(status, body), AGAIN, "{status} {body}");
        }
    }

    #[test]
    fn each_of_our_refusals_is_final_under_its_own_status() {
        use Refusal::*;
        for (status, code, refusal) in [
            (400, "bad_block", BadBlock),
            (400, "bad_request", BadRequest),
            (401, "bad_key", BadKey),
            (403, "bad_origin", BadOrigin),
            (404, "bad_table", BadTable),
            (404, "not_found", NotFound),
            (405, "bad_method", BadMethod),
        ] {
            let body = alloc::format!(r#"{{"code":"{code}","message":"why"}}"#);
            assert_eq!(worker(status, &body), Verdict::Refused(DropReason::Refused(refusal)));
            assert_eq!(worker(500, &body), AGAIN, "{code} under a foreign status");
        }
        assert_eq!(worker(410, r#"{"code":"too_old"}"#), Verdict::Refused(DropReason::TooOld));
        assert_eq!(worker(413, r#"{"code":"too_large"}"#), Verdict::TooLarge);
    }

    #[test]
    fn a_proxys_refusal_means_again() {
        for status in [400, 401, 403, 404, 405, 408, 410, 413, 425, 429, 500, 502, 503, 504] {
            assert_eq!(worker(status, "<html>Blocked by policy</html>"), AGAIN, "{status}");
            assert_eq!(worker(status, r#"{"code":"somebody_elses"}"#), AGAIN, "{status}");
        }
        assert_eq!(Answer::None.verdict(Receiver::Worker), AGAIN);
    }

    #[test]
    fn retry_after_comes_with_again_and_only_a_rate_limit_is_surely_not_taken() {
        let answer = |status, body: &'static str| {
            let body = body.as_bytes();
            let response = Response { status, body, retry_after_s: Some(7), ..Response::default() };
            Answer::Http(response).verdict(Receiver::Worker)
        };
        let again = |unanswered| Verdict::Again { retry_after_ms: Some(7_000), unanswered };
        assert_eq!(answer(429, r#"{"code":"rate_limited"}"#), again(false));
        assert_eq!(answer(503, r#"{"code":"busy"}"#), again(true));
        assert_eq!(answer(503, "maintenance"), again(true));
    }

    #[test]
    fn u6_clickhouse_accepts_with_its_query_id_and_without_an_exception() {
        assert_eq!(clickhouse(200, 0, true), Verdict::Accepted);
        assert_eq!(clickhouse(200, 0, false), AGAIN, "a portal");
        assert_eq!(clickhouse(204, 0, true), AGAIN);
        assert_eq!(clickhouse(200, 241, true), AGAIN, "MEMORY_LIMIT_EXCEEDED after the headers");
    }

    #[test]
    fn clickhouse_refuses_by_its_exception_code_whatever_the_status() {
        for (status, code) in [(500, 117), (404, 60), (403, 497), (400, 117)] {
            let refusal = DropReason::Refused(Refusal::ClickHouse(code));
            assert_eq!(clickhouse(status, code, true), Verdict::Refused(refusal));
        }
        assert_eq!(clickhouse(500, 252, true), AGAIN, "TOO_MANY_PARTS passes");
        assert_eq!(clickhouse(503, 0, false), AGAIN);
    }
}
