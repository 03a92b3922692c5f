//! From a question to ClickHouse's request.

use super::bind::{Given, bind, from_text, wrong};
use super::{Catalogue, Query};
use crate::access::Grant;
use crate::config::Config;
use crate::form::Form;
use crate::limits;
use crate::refusal::{Code, Refusal};
use crate::upstream::Request;
use crate::url::Url;
use serde::Deserialize;
use std::collections::BTreeMap;
use tallymark::time::UnixMs;

/// One query with its parameters, as asked for.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// The query's name.
    pub name: String,
    /// Values by parameter.
    #[serde(default, deserialize_with = "crate::members::distinct")]
    pub params: BTreeMap<String, Given>,
}

impl Ask {
    /// What `GET /v1/query/<name>?…` asks for.
    ///
    /// # Errors
    /// `unknown_query`, `bad_param`.
    pub fn of_url(name: &str, url: &Url<'_>, catalogue: &Catalogue) -> Result<Self, Refusal> {
        let query = known(name, catalogue)?;
        let mut params = BTreeMap::new();
        for (key, text) in url.parameters() {
            // Both are read elsewhere.
            if matches!(&*key, "k" | "refresh") {
                continue;
            }
            let param = query.param(&key);
            let param = param.ok_or_else(|| unknown_param(&key))?;
            params.insert(key.into_owned(), from_text(param, &text)?);
        }
        Ok(Self { name: name.into(), params })
    }
}

/// What `POST /v1/query` asks for.
///
/// # Errors
/// `bad_param` for a body that is no list of queries, or too long a list.
pub fn asks(body: &[u8]) -> Result<Vec<Ask>, Refusal> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        queries: Vec<Ask>,
    }
    let bad = |message: String| Refusal::new(Code::BadParam, message);
    let Body { queries } = serde_json::from_slice(body).map_err(|error| {
        bad(format!(
            "the body must be {{\"queries\": [{{\"name\", \"params\"}}]}}: line {}, column {}",
            error.line(),
            error.column()
        ))
    })?;
    if queries.len() > limits::QUERIES {
        return Err(bad(format!("at most {} queries at once", limits::QUERIES)));
    }
    Ok(queries)
}

/// A question that may be asked, ready to be sent.
#[derive(Debug)]
pub struct Prepared {
    /// The query's name.
    pub name: String,
    /// What tells its answer from every other: query, site and all values.
    pub key: String,
    /// For how long an answer may be served again, in seconds; 0 for never.
    pub cache_seconds: u32,
    /// The request to ClickHouse.
    pub request: Request,
}

/// Checks a question and makes its request. The body is a form: the statement, and each parameter
/// apart from it.
///
/// No setting is sent, so that the reading user may be `readonly = 1`, which forbids them all.
///
/// # Errors
/// `unknown_query`, `forbidden`, `bad_param`.
pub fn prepare(
    ask: &Ask,
    catalogue: &Catalogue,
    grant: &Grant,
    now: UnixMs,
    config: &Config,
) -> Result<Prepared, Refusal> {
    let query = known(&ask.name, catalogue)?;
    grant.check(ask, query)?;
    if let Some(name) = ask.params.keys().find(|name| query.param(name).is_none()) {
        return Err(unknown_param(name));
    }
    let mut form = Form::default();
    form.push("query", &format!("{}\nFORMAT JSONEachRow", query.sql.trim_end()));
    form.push("param_site", &grant.site);
    // Neither a site's name holds a line break, see [`crate::sites`], nor a value, see [`bind`].
    let mut key = format!("{}\n{}", ask.name, grant.site);
    // Seconds with a fraction; the clock is the worker's, so that an answer is that of its time.
    form.push("param_now", &format!("{}.{:03}", now.0.div_euclid(1_000), now.0.rem_euclid(1_000)));
    for param in &query.head.params {
        let value = match (ask.params.get(&param.name), &param.default) {
            (Some(given), _) => bind(param, given)?,
            (None, Some(default)) => default.clone(),
            (None, None) => return Err(wrong(param)),
        };
        form.push(&format!("param_{}", param.name), &value);
        key.push('\n');
        key.push_str(&value);
    }
    // The whole result before the first byte: a failure half way is then an error, no short list.
    let mut request = Request::new(config, &config.read_user, &[("wait_end_of_query", "1")]);
    request.headers.push(("content-type", Form::CONTENT_TYPE.into()));
    request.body = form.finish();
    request.answer_bytes = limits::RESULT_BYTES;
    let cache_seconds = query.head.cache_seconds;
    Ok(Prepared { name: ask.name.clone(), key, cache_seconds, request })
}

pub(super) fn known<'a>(name: &str, catalogue: &'a Catalogue) -> Result<&'a Query, Refusal> {
    let unknown = || Refusal::new(Code::UnknownQuery, "there is no query of this name");
    catalogue.find(name).ok_or_else(unknown)
}

fn unknown_param(name: &str) -> Refusal {
    let name: String = name.chars().take(limits::SITE_BYTES).collect();
    Refusal::new(Code::BadParam, format!("the query has no parameter {name}"))
}
