//! Every refusal: its HTTP status, the code that a client acts on, and a text for people.

use serde::Serialize;

/// Why a request is refused. The codes are API.md's; a client acts on the code alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// 400: the body is no block of this table. Final.
    BadBlock,
    /// One event of a request is none: its row is refused, the others are taken. Final.
    BadEvent,
    /// 400: version, id or time are missing or wrong. Final.
    BadRequest,
    /// 401: no site has this key. Final.
    BadKey,
    /// 403: the site does not allow this origin. Final.
    BadOrigin,
    /// 403: the key may not do this. Final.
    Forbidden,
    /// 404: no such table. Final.
    BadTable,
    /// 404: no such path. Final.
    NotFound,
    /// 404: no such query. Final.
    UnknownQuery,
    /// 405: the path exists, with another method. Final.
    BadMethod,
    /// 400: a query's parameter is missing, unknown or wrong. Final.
    BadParam,
    /// 409: replayed, a group that was set aside could be counted twice.
    MaybeStored,
    /// 410: the batch outlived the time for which ids are remembered. Final.
    TooOld,
    /// 429: the key has made too many requests; the same may pass later.
    RateLimited,
    /// 413: over a cap; smaller parts may pass.
    TooLarge,
    /// 503: not now; the same bytes under the same id may pass later.
    Busy,
    /// 502: ClickHouse did not answer the query.
    Upstream,
}

impl Code {
    /// The code as the client reads it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BadBlock => "bad_block",
            Self::BadEvent => "bad_event",
            Self::BadRequest => "bad_request",
            Self::BadKey => "bad_key",
            Self::BadOrigin => "bad_origin",
            Self::Forbidden => "forbidden",
            Self::BadTable => "bad_table",
            Self::NotFound => "not_found",
            Self::UnknownQuery => "unknown_query",
            Self::BadMethod => "bad_method",
            Self::BadParam => "bad_param",
            Self::MaybeStored => "maybe_stored",
            Self::TooOld => "too_old",
            Self::RateLimited => "rate_limited",
            Self::TooLarge => "too_large",
            Self::Busy => "busy",
            Self::Upstream => "upstream",
        }
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::BadBlock | Self::BadEvent | Self::BadRequest | Self::BadParam => 400,
            Self::BadKey => 401,
            Self::BadOrigin | Self::Forbidden => 403,
            Self::BadTable | Self::NotFound | Self::UnknownQuery => 404,
            Self::BadMethod => 405,
            Self::MaybeStored => 409,
            Self::TooOld => 410,
            Self::TooLarge => 413,
            Self::RateLimited => 429,
            Self::Upstream => 502,
            Self::Busy => 503,
        }
    }
}

/// A refusal with its text, and with the place in the block where there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What the client acts on.
    pub code: Code,
    /// One sentence for people; it names what was wrong and never repeats a secret.
    pub message: String,
    /// The row of the block, from 0.
    pub row: Option<u64>,
    /// The column of the block.
    pub column: Option<String>,
}

impl Refusal {
    /// A refusal without a place in a block.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), row: None, column: None }
    }

    /// The body: `{"code", "message"}` and, where they make sense, `row` and `column`.
    #[must_use]
    pub fn body(&self) -> String {
        #[derive(Serialize)]
        struct Body<'a> {
            code: &'a str,
            message: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            row: Option<u64>,
            #[serde(skip_serializing_if = "Option::is_none")]
            column: Option<&'a str>,
        }
        let body = Body {
            code: self.code.name(),
            message: &self.message,
            row: self.row,
            column: self.column.as_deref(),
        };
        // Text and numbers always serialize; were it otherwise, the status still tells.
        serde_json::to_string(&body).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_names_code_and_message_and_the_place_only_where_there_is_one() {
        let mut refusal = Refusal::new(Code::BadBlock, "a \"quoted\" name");
        assert_eq!(refusal.body(), r#"{"code":"bad_block","message":"a \"quoted\" name"}"#);
        refusal.row = Some(3);
        refusal.column = Some("value".into());
        assert_eq!(
            refusal.body(),
            r#"{"code":"bad_block","message":"a \"quoted\" name","row":3,"column":"value"}"#
        );
    }

    #[test]
    fn every_code_has_the_status_of_the_api() {
        let table = [
            (Code::BadBlock, 400, "bad_block"),
            (Code::BadEvent, 400, "bad_event"),
            (Code::BadRequest, 400, "bad_request"),
            (Code::BadKey, 401, "bad_key"),
            (Code::BadOrigin, 403, "bad_origin"),
            (Code::Forbidden, 403, "forbidden"),
            (Code::BadTable, 404, "bad_table"),
            (Code::NotFound, 404, "not_found"),
            (Code::UnknownQuery, 404, "unknown_query"),
            (Code::BadMethod, 405, "bad_method"),
            (Code::BadParam, 400, "bad_param"),
            (Code::MaybeStored, 409, "maybe_stored"),
            (Code::TooOld, 410, "too_old"),
            (Code::TooLarge, 413, "too_large"),
            (Code::RateLimited, 429, "rate_limited"),
            (Code::Busy, 503, "busy"),
            (Code::Upstream, 502, "upstream"),
        ];
        for (code, status, name) in table {
            assert_eq!((code.status(), code.name()), (status, name));
        }
    }
}
