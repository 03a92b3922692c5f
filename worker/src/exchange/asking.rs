//! Named queries: an answer of the cache, or the database's.

use super::{Exchange, Request, State, Step, out_of_turn, read};
use crate::access::Grant;
use crate::answer::Answer;
use crate::config::Config;
use crate::limits;
use crate::query::{self, Ask, Pending, Store, Turn};
use crate::refusal::Refusal;
use crate::sites::caller;
use crate::upstream::{self, Outcome};
use crate::url::Url;
use std::rc::Rc;
use tallymark::time::UnixMs;

/// What is awaited on a query's way.
#[derive(Debug)]
pub(super) enum Asking {
    /// The body with several queries; whether they are to be fetched anew.
    Queries(Grant, bool),
    /// ClickHouse's answer to the next of these queries.
    Query(Pending),
    /// All are answered; some are fetched anew behind the answer.
    Behind(Pending),
}

impl Exchange {
    pub(super) fn begin_query(
        &mut self,
        name: &str,
        request: &Request<'_>,
        url: &Url<'_>,
    ) -> Result<Step, Answer> {
        let worker = Rc::clone(&self.worker);
        let grant = grant(request, url, worker.config()?)?;
        let ask = Ask::of_url(name, url, &worker.catalogue)?;
        self.ask(&[ask], &grant, true, is_refresh(url))
    }

    pub(super) fn begin_queries(
        &mut self,
        request: &Request<'_>,
        url: &Url<'_>,
    ) -> Result<Step, Answer> {
        let grant = grant(request, url, self.worker.config()?)?;
        self.state = State::Asking(Asking::Queries(grant, is_refresh(url)));
        read(request, limits::QUERY_BODY_BYTES)
    }

    pub(super) fn body_to_ask(&mut self, awaited: Asking, body: &[u8]) -> Result<Step, Answer> {
        match awaited {
            Asking::Queries(grant, refresh) => {
                self.ask(&query::asks(body)?, &grant, false, refresh)
            }
            _ => Err(out_of_turn()),
        }
    }

    pub(super) fn upstream_to_ask(&mut self, awaited: Asking, outcome: &Outcome) -> Step {
        match awaited {
            Asking::Query(mut pending) => {
                let worker = Rc::clone(&self.worker);
                let taken =
                    pending.take(outcome, &mut worker.cache.borrow_mut(), &worker.catalogue);
                taken.and_then(|()| self.turn(pending)).unwrap_or_else(Step::Respond)
            }
            _ => Step::Respond(out_of_turn()),
        }
    }

    /// The shared cache has this: when it was computed, and the rows; or nothing.
    pub fn found(&mut self, kept: Option<(UnixMs, &[u8])>) -> Step {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Asking(Asking::Query(mut pending)) => {
                if let Some((at, rows)) = kept {
                    pending.found(at, rows, &mut self.worker.cache.borrow_mut());
                }
                self.turn(pending).unwrap_or_else(Step::Respond)
            }
            _ => Step::Respond(out_of_turn()),
        }
    }

    /// The other request's fetch has ended, or taken too long.
    pub fn joined(&mut self) -> Step {
        self.found(None)
    }

    /// The result that came last, for the shared cache, if it is one to share.
    pub fn to_store(&mut self) -> Option<Store> {
        match &mut self.state {
            State::Asking(Asking::Query(pending) | Asking::Behind(pending)) => pending.to_store(),
            _ => None,
        }
    }

    /// After the answer: what is to be fetched anew, if anything; then [`Exchange::upstream_behind`].
    /// With nothing left to do the exchange is as new, and may begin again.
    pub fn behind(&mut self) -> Option<upstream::Request> {
        let next = match &mut self.state {
            State::Asking(Asking::Behind(pending)) => {
                pending.next_behind(&mut self.worker.cache.borrow_mut())
            }
            _ => None,
        };
        if next.is_none() {
            *self = Self::new(Rc::clone(&self.worker));
        }
        next
    }

    /// This came of it.
    pub fn upstream_behind(&mut self, outcome: &Outcome) {
        if let State::Asking(Asking::Behind(pending)) = &mut self.state {
            pending.take_behind(outcome, &mut self.worker.cache.borrow_mut());
        }
    }

    /// Checks all queries before the first is sent.
    fn ask(
        &mut self,
        asks: &[Ask],
        grant: &Grant,
        single: bool,
        refresh: bool,
    ) -> Result<Step, Answer> {
        let worker = Rc::clone(&self.worker);
        let config = worker.config()?;
        let pending = Pending::new(asks, &worker.catalogue, grant, self.now, config, single)?;
        self.turn(pending.refreshed(refresh))
    }

    fn turn(&mut self, mut pending: Pending) -> Result<Step, Answer> {
        let worker = Rc::clone(&self.worker);
        let step = match pending.next(&mut worker.cache.borrow_mut(), &worker.catalogue)? {
            Turn::Fetch(request) => Step::Fetch(request),
            Turn::Look(name) => Step::Look(name),
            Turn::Join(name) => {
                Step::Join { name, timeout_ms: worker.config()?.upstream_timeout_ms }
            }
            Turn::Done => {
                let answer = pending.answer();
                self.state = State::Asking(Asking::Behind(pending));
                return Ok(Step::Respond(answer));
            }
        };
        self.state = State::Asking(Asking::Query(pending));
        Ok(step)
    }
}

impl Drop for Exchange {
    /// A request that ends before its fetch does keeps nobody waiting.
    fn drop(&mut self) {
        if let State::Asking(Asking::Query(pending)) = &mut self.state {
            pending.land(&mut self.worker.cache.borrow_mut());
        }
    }
}

/// Who asks, and about which site.
fn grant(request: &Request<'_>, url: &Url<'_>, config: &Config) -> Result<Grant, Refusal> {
    let key = url.parameters().find(|(name, _)| name == "k").map(|(_, key)| key);
    let caller = caller(request.origin, request.fetch_site, url);
    let key = key.unwrap_or_default();
    Grant::read(&key, request.authorization, caller, request.now, config)
}

fn is_refresh(url: &Url<'_>) -> bool {
    url.parameters().any(|(name, value)| name == "refresh" && value == "1")
}
