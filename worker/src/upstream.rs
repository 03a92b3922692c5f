//! A request to ClickHouse, and what can come of it.

use crate::config::{Config, User};
use crate::exception;
use crate::url::push_escaped;

/// Room for the URL of an insert, so that it does not grow piece by piece; others may need more.
const URL_BYTES: usize = 512;

/// A request to ClickHouse, always a `POST`, for the entry to fetch.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// The whole URL. No credential is in it: URLs are logged.
    pub url: String,
    /// Names and values.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// When to give up, body of the answer included, in milliseconds.
    pub timeout_ms: u32,
    /// How much of an answer is read before it counts as none, in bytes.
    pub answer_bytes: usize,
    /// Whether ClickHouse's own answer is short for sure, nothing or the text of one exception: then
    /// nobody need count its chunks.
    pub answer_is_short: bool,
    /// What other requests may wait for instead of sending the same, if anything.
    pub flight: Option<String>,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An answer, whole.
    Answer(Reply),
    /// None in time: what was sent may yet take effect.
    TimedOut,
    /// None at all, a broken one, or one too large.
    Failed,
}

/// An answer of ClickHouse, or of something in between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status, which does not tell bad data from trouble.
    pub status: u16,
    /// `X-ClickHouse-Exception-Code`, which does.
    pub exception_code: Option<String>,
    /// Whether `X-ClickHouse-Query-Id` is there: only then is it ClickHouse that answers.
    pub has_query_id: bool,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// A request as `user`, with `parameters` besides the database.
    #[must_use]
    pub fn new(config: &Config, user: &User, parameters: &[(&str, &str)]) -> Self {
        Self::of_database(&config.database, config, user, parameters)
    }

    /// The same for another database than the configured one.
    #[must_use]
    pub fn of_database(
        database: &str,
        config: &Config,
        user: &User,
        parameters: &[(&str, &str)],
    ) -> Self {
        let mut url = String::with_capacity(URL_BYTES);
        url.push_str(&config.clickhouse_url);
        url.push_str("/?database=");
        push_escaped(&mut url, database);
        for (name, value) in parameters {
            url.push('&');
            url.push_str(name);
            url.push('=');
            push_escaped(&mut url, value);
        }
        let headers = vec![
            ("x-clickhouse-user", user.name.clone()),
            ("x-clickhouse-key", user.password.clone()),
        ];
        let timeout_ms = config.upstream_timeout_ms;
        Self {
            url,
            headers,
            body: Vec::new(),
            timeout_ms,
            answer_bytes: 0,
            answer_is_short: false,
            flight: None,
        }
    }
}

impl Outcome {
    /// The answer, if ClickHouse did what it was asked.
    ///
    /// # Errors
    /// A line for the operator's log. It holds no text of ClickHouse's, which may quote data.
    pub fn success(&self) -> Result<&Reply, String> {
        match self {
            Self::Answer(reply) if reply.is_success() => Ok(reply),
            Self::Answer(Reply { status, exception_code: Some(code), .. }) => {
                Err(format!("ClickHouse answered {status}, {}", exception::told(code)))
            }
            Self::Answer(Reply { status, .. }) => {
                Err(format!("{status} came back, but not from ClickHouse"))
            }
            Self::TimedOut => Err("ClickHouse did not answer in time".into()),
            Self::Failed => Err("ClickHouse cannot be reached, or its answer is broken".into()),
        }
    }
}

impl Reply {
    fn is_success(&self) -> bool {
        self.status == 200 && self.exception_code.is_none() && self.has_query_id
    }
}

impl std::fmt::Debug for Request {
    /// Without the headers, which hold the password, and the body, which holds data.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes = self.body.len();
        out.debug_struct("Request").field("url", &self.url).field("body_bytes", &bytes).finish()
    }
}
