//! What all requests of an isolate share: checked variables, parsed queries, the cache.

use crate::answer::Answer;
use crate::config::{Config, Environment, Problem};
use crate::query::{self, Cache, Catalogue};
use crate::refusal::{Code, Refusal};
use std::cell::RefCell;
use tallymark::rng::Rng;

/// What all requests share: made once from the environment.
#[derive(Debug)]
pub struct Worker {
    pub(crate) config: Result<Config, Vec<Problem>>,
    pub(crate) catalogue: Catalogue,
    /// Draws ids for requests that bring none.
    pub(crate) ids: RefCell<Rng>,
    pub(crate) cache: RefCell<Cache>,
}

impl Worker {
    /// Checks the environment and parses the queries. Never fails: wrong variables are told by
    /// `/v1/health`, and everything else is `busy` until they are right. `seed` is entropy.
    #[must_use]
    pub fn new(environment: &Environment, seed: [u64; 4]) -> Self {
        let catalogue = Catalogue::parse(&query::FILES);
        debug_assert!(catalogue.is_ok(), "a query's head is wrong: {catalogue:?}");
        Self {
            config: Config::read(environment),
            catalogue: catalogue.unwrap_or_default(),
            ids: RefCell::new(Rng::new(seed)),
            cache: RefCell::default(),
        }
    }

    /// The header with the client's address, if one is trusted; lower case.
    #[must_use]
    pub fn client_ip_header(&self) -> Option<&str> {
        self.config.as_ref().ok().and_then(|config| config.client_ip_header.as_deref())
    }

    /// The configuration, if it is right.
    #[must_use]
    pub fn checked_config(&self) -> Option<&Config> {
        self.config.as_ref().ok()
    }

    /// Whether `User-Agent` is to be read.
    #[must_use]
    pub fn reads_agents(&self) -> bool {
        self.config.as_ref().is_ok_and(|config| config.reads_agents)
    }

    /// The configuration, or `busy` while a variable is wrong.
    pub(crate) fn config(&self) -> Result<&Config, Answer> {
        self.config.as_ref().map_err(|problems| {
            let names: Vec<_> = problems.iter().map(|problem| problem.variable).collect();
            let refusal = Refusal::new(Code::Busy, "the worker is not configured, see /v1/health");
            Answer::from(refusal).logged(format!("wrong variables: {}", names.join(", ")))
        })
    }
}
