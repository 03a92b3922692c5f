//! What is sent back: status, headers and body, readable by any page.

use crate::limits;
use crate::refusal::{Code, Refusal};
use tallymark::time::UnixMs;

/// A whole answer.
///
/// Every answer carries `access-control-allow-origin: *`: which origin may use a key is decided
/// before anything is done or read, no answer depends on cookies, and a page must be able to read
/// why it was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(&'static str, String)>,
    /// The body; empty for none.
    pub body: Vec<u8>,
    /// A line for the operator's log.
    pub log: Option<String>,
}

impl Answer {
    /// A JSON body that no cache keeps.
    #[must_use]
    pub fn json(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![
            ("access-control-allow-origin", "*".into()),
            ("cache-control", "no-store".into()),
            ("content-type", "application/json".into()),
        ];
        Self { status, headers, body: body.into(), log: None }
    }

    /// `202`: the batch is durable at its sink. `known` when it had been taken before.
    #[must_use]
    pub fn accepted(now: UnixMs, known: bool) -> Self {
        Self::json(202, format!(r#"{{"now":{},"known":{known}}}"#, now.0))
    }

    /// A refusal; when it is only for now, with `Retry-After`, which pages may read.
    #[must_use]
    pub fn refused(refusal: &Refusal) -> Self {
        let answer = Self::json(refusal.code.status(), refusal.body());
        if refusal.code == Code::Busy {
            return answer.again_after(limits::RETRY_AFTER_S);
        }
        answer
    }

    /// The same with `Retry-After`, which pages may read.
    #[must_use]
    pub fn again_after(mut self, seconds: u32) -> Self {
        self.headers.push(("retry-after", seconds.to_string()));
        self.headers.push(("access-control-expose-headers", "retry-after".into()));
        self
    }

    /// The answer to a preflight for a path that takes `methods`.
    ///
    /// Nothing of ours needs one; an own header of the caller's (a JSON content type, a bearer
    /// token) does.
    #[must_use]
    pub fn preflight(methods: &str) -> Self {
        let headers = vec![
            ("access-control-allow-origin", "*".into()),
            ("access-control-allow-methods", methods.into()),
            ("access-control-allow-headers", "authorization, content-type, x-api-key".into()),
            ("access-control-max-age", "86400".into()),
        ];
        Self { status: 204, headers, body: Vec::new(), log: None }
    }

    /// `405` with the methods that the path takes.
    #[must_use]
    pub fn bad_method(methods: &str) -> Self {
        let message = format!("this path takes {methods}");
        let mut answer = Self::refused(&Refusal::new(Code::BadMethod, message));
        answer.headers.push(("allow", methods.into()));
        answer
    }

    /// The same with a line for the operator's log.
    #[must_use]
    pub fn logged(mut self, line: impl Into<String>) -> Self {
        self.log = Some(line.into());
        self
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        Self::refused(&refusal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
        answer.headers.iter().find(|(header, _)| *header == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn accepted_says_when_and_whether_it_was_known() {
        let answer = Answer::accepted(UnixMs(1_795_435_200_123), false);
        assert_eq!(answer.status, 202);
        assert_eq!(answer.body, br#"{"now":1795435200123,"known":false}"#);
        assert_eq!(header(&answer, "access-control-allow-origin"), Some("*"));
        assert_eq!(header(&answer, "cache-control"), Some("no-store"));
        let known = Answer::accepted(UnixMs(1), true);
        assert_eq!(known.body, br#"{"now":1,"known":true}"#);
    }

    #[test]
    fn only_busy_says_when_to_come_again() {
        let busy = Answer::from(Refusal::new(Code::Busy, "later"));
        assert_eq!(busy.status, 503);
        assert_eq!(header(&busy, "retry-after"), Some("2"));
        assert_eq!(header(&busy, "access-control-expose-headers"), Some("retry-after"));
        assert_eq!(header(&busy, "access-control-allow-origin"), Some("*"));
        let upstream = Answer::from(Refusal::new(Code::Upstream, "no"));
        assert_eq!(header(&upstream, "retry-after"), None);
    }

    #[test]
    fn bad_method_names_the_right_ones() {
        let answer = Answer::bad_method("POST, OPTIONS");
        assert_eq!(answer.status, 405);
        assert_eq!(header(&answer, "allow"), Some("POST, OPTIONS"));
        assert_eq!(
            answer.body,
            br#"{"code":"bad_method","message":"this path takes POST, OPTIONS"}"#
        );
    }
}
