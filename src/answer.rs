//! What a receiver's answer means for a batch.
//!
//! Invariant: only our own acceptance accepts, only our own refusal refuses. A captive portal's
//! 200, a proxy's 403, any 5xx and silence all mean "again: the same bytes, the same id".

use crate::error::{DropReason, FINAL_CLICKHOUSE_CODES};

/// What came back for one request, as the shell saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing: the network failed, the request was blocked, or it took too long.
    None,
    /// A response, whoever it came from.
    Http(Response),
}

/// The parts of an HTTP response that decide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// What its body says, if that is a word of ours.
    pub word: Word,
    /// `Retry-After`, when it is a number of seconds; else 0.
    pub retry_after_s: u32,
    /// `X-ClickHouse-Exception-Code`; 0 when the header is absent.
    pub exception_code: u16,
    /// Whether `X-ClickHouse-Query-Id` is there: the sign that ClickHouse itself answered.
    pub has_query_id: bool,
}

/// A word that the worker answers with, by its place in [`WORDS`]; 0 for anything else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Word(pub u8);

/// The worker's words: the key `now` of its acceptance, then the codes of its refusals.
/// `src/effects/reasons.js` has them in the same order.
pub const WORDS: [&str; 13] = [
    "",
    "now",
    "bad_block",
    "bad_request",
    "bad_key",
    "bad_origin",
    "bad_table",
    "not_found",
    "bad_method",
    "too_large",
    "too_old",
    "rate_limited",
    "busy",
];

/// The status under which each word comes. Apart from them: a page never reads their text.
const STATUSES: [u16; 13] = [0, 202, 400, 400, 401, 403, 404, 404, 405, 413, 410, 429, 503];

impl Word {
    /// The acceptance.
    pub const NOW: Self = Self(1);
    /// The first of the refusals that end a batch; [`Word::TOO_LARGE`] is the last.
    pub const FIRST_REFUSAL: Self = Self(2);
    /// The batch is too large as it is.
    pub const TOO_LARGE: Self = Self(9);
    /// The batch has outlived the horizon.
    pub const TOO_OLD: Self = Self(10);
    /// Not now, and surely not taken.
    pub const RATE_LIMITED: Self = Self(11);

    /// The word of a body. For shells in Rust: a page has `JSON.parse`.
    ///
    /// Our own answers are one flat object each, so that looking for the quoted key suffices.
    #[must_use]
    pub fn read(body: &[u8]) -> Self {
        if member(body, b"\"now\"").is_some_and(|now| now.first().is_some_and(u8::is_ascii_digit)) {
            return Self::NOW;
        }
        let code = member(body, b"\"code\"").and_then(|value| value.strip_prefix(b"\""));
        let code = code.and_then(|value| value.split(|&byte| byte == b'"').next());
        let is_code = |text: &&str| code == Some(text.as_bytes());
        WORDS.iter().skip(2).position(is_code).map_or(Self(0), |at| Self(at as u8 + 2))
    }
}

/// The bytes behind `key:` in the text of a JSON object, from the value's first byte on.
fn member<'a>(body: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let body = body.trim_ascii_start().strip_prefix(b"{")?;
    let at = body.windows(key.len()).position(|window| window == key)?;
    let rest = body.get(at + key.len()..)?.trim_ascii_start().strip_prefix(b":")?;
    Some(rest.trim_ascii_start())
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
        /// What the receiver asked for; 0 for nothing.
        retry_after_ms: u64,
        /// Nobody knows whether the batch arrived: it may never be split.
        unanswered: bool,
    },
}

impl Answer {
    /// Reads the answer as `receiver`'s.
    #[must_use]
    pub fn verdict(&self, receiver: Receiver) -> Verdict {
        let Self::Http(response) = self else {
            return Verdict::Again { retry_after_ms: 0, unanswered: true };
        };
        let known = match receiver {
            Receiver::Worker => response.worker_verdict(),
            Receiver::ClickHouse => response.clickhouse_verdict(),
        };
        known.unwrap_or(Verdict::Again {
            retry_after_ms: u64::from(response.retry_after_s) * 1_000,
            // A time-out of the worker's own call to ClickHouse is "busy" too: only this is sure.
            unanswered: !(response.status == 429 && response.word == Word::RATE_LIMITED),
        })
    }
}

impl Response {
    fn worker_verdict(&self) -> Option<Verdict> {
        if *STATUSES.get(usize::from(self.word.0))? != self.status {
            return None;
        }
        match self.word {
            Word::NOW => Some(Verdict::Accepted),
            Word::TOO_LARGE => Some(Verdict::TooLarge),
            Word::TOO_OLD => Some(Verdict::Refused(DropReason::TOO_OLD)),
            word if word.0 < Word::TOO_LARGE.0 => Some(Verdict::Refused(DropReason::refused(word))),
            _ => None,
        }
    }

    fn clickhouse_verdict(&self) -> Option<Verdict> {
        if self.exception_code != 0 {
            return FINAL_CLICKHOUSE_CODES
                .contains(&self.exception_code)
                .then_some(Verdict::Refused(DropReason::clickhouse(self.exception_code)));
        }
        (self.status == 200 && self.has_query_id).then_some(Verdict::Accepted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGAIN: Verdict = Verdict::Again { retry_after_ms: 0, unanswered: true };

    fn worker(status: u16, body: &str) -> Verdict {
        let response =
            Response { status, word: Word::read(body.as_bytes()), ..Response::default() };
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
        for (at, (status, code)) in [
            (400, "bad_block"),
            (400, "bad_request"),
            (401, "bad_key"),
            (403, "bad_origin"),
            (404, "bad_table"),
            (404, "not_found"),
            (405, "bad_method"),
        ]
        .into_iter()
        .enumerate()
        {
            let body = alloc::format!(r#"{{"code":"{code}","message":"why"}}"#);
            let refusal = DropReason::refused(Word(Word::FIRST_REFUSAL.0 + at as u8));
            assert_eq!(refusal.name(), alloc::format!("refused_{code}"));
            assert_eq!(worker(status, &body), Verdict::Refused(refusal));
            assert_eq!(worker(500, &body), AGAIN, "{code} under a foreign status");
        }
        assert_eq!(worker(410, r#"{"code":"too_old"}"#), Verdict::Refused(DropReason::TOO_OLD));
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
            let word = Word::read(body.as_bytes());
            let response = Response { status, word, retry_after_s: 7, ..Response::default() };
            Answer::Http(response).verdict(Receiver::Worker)
        };
        let again = |unanswered| Verdict::Again { retry_after_ms: 7_000, unanswered };
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
            let refusal = DropReason::clickhouse(code);
            assert_eq!(clickhouse(status, code, true), Verdict::Refused(refusal));
        }
        assert_eq!(clickhouse(500, 252, true), AGAIN, "TOO_MANY_PARTS passes");
        assert_eq!(clickhouse(503, 0, false), AGAIN);
    }
}
