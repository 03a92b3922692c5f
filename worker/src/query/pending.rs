//! Queries on their way: one after the other to ClickHouse, their results into one answer.

use super::run::known;
use super::{Ask, Catalogue, Query, request};
use crate::answer::Answer;
use crate::config::Config;
use crate::limits;
use crate::refusal::{Code, Refusal};
use crate::upstream::{Outcome, Request};
use std::collections::VecDeque;
use tallymark::time::UnixMs;

/// The queries of one request.
#[derive(Debug)]
pub struct Pending {
    /// Not yet sent.
    waiting: VecDeque<(String, Request)>,
    /// The name of the one that was sent.
    sent: String,
    /// The answer so far.
    body: Vec<u8>,
    /// Whether the answer is one result, not a list.
    single: bool,
}

impl Pending {
    /// Checks every question, so that a wrong one costs the database nothing.
    ///
    /// # Errors
    /// The first refusal; in a list it names the query.
    pub fn new(
        asks: &[Ask],
        catalogue: &Catalogue,
        site: &str,
        now: UnixMs,
        config: &Config,
        single: bool,
    ) -> Result<Self, Refusal> {
        let mut waiting = VecDeque::with_capacity(asks.len());
        for (index, ask) in asks.iter().enumerate() {
            let request = request(ask, catalogue, site, now, config).map_err(|refusal| {
                let message = format!("query {index}: {}", refusal.message);
                if single { refusal } else { Refusal { message, ..refusal } }
            })?;
            waiting.push_back((ask.name.clone(), request));
        }
        let body = if single { Vec::new() } else { b"[".to_vec() };
        Ok(Self { waiting, sent: String::new(), body, single })
    }

    /// The next request, with what is left of the bytes that one answer may have.
    pub fn next_request(&mut self) -> Option<Request> {
        let (name, mut request) = self.waiting.pop_front()?;
        self.sent = name;
        request.answer_bytes = limits::RESULT_BYTES.saturating_sub(self.body.len());
        Some(request)
    }

    /// Takes one result; the next request, if there is one.
    ///
    /// # Errors
    /// `502 upstream`, with its cause in the log alone.
    pub fn take(
        &mut self,
        outcome: &Outcome,
        catalogue: &Catalogue,
    ) -> Result<Option<Request>, Answer> {
        let query = known(&self.sent, catalogue)?;
        if !self.single && self.body.len() > 1 {
            self.body.push(b',');
        }
        splice(outcome, query, &mut self.body).map_err(|line| {
            let refusal = Refusal::new(Code::Upstream, "the database did not answer this query");
            Answer::from(refusal).logged(format!("query {}: {line}", query.head.name))
        })?;
        Ok(self.next_request())
    }

    /// The whole answer.
    #[must_use]
    pub fn answer(mut self) -> Answer {
        if !self.single {
            self.body.push(b']');
        }
        Answer::json(200, self.body)
    }
}

/// Appends `{"data", "columns", "cached_at"}`.
///
/// The rows are not parsed: they are JSON objects, a line each, and JSON text holds no line break.
fn splice(outcome: &Outcome, query: &Query, body: &mut Vec<u8>) -> Result<(), String> {
    let rows = outcome.success()?.body.trim_ascii_end();
    body.reserve(rows.len() + query.columns_json.len() + 64);
    body.extend_from_slice(b"{\"data\":[");
    body.extend(rows.iter().map(|&byte| if byte == b'\n' { b',' } else { byte }));
    body.extend_from_slice(b"],\"columns\":");
    body.extend_from_slice(query.columns_json.as_bytes());
    body.extend_from_slice(b",\"cached_at\":null}");
    Ok(())
}
