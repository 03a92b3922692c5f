//! What all requests of an isolate share: checked variables, parsed queries, the cache.

use crate::answer::Answer;
use crate::config::{Config, Environment, Problem};
use crate::exchange::{Request, claimed_key, out_of_turn};
use crate::limit::{self, Limiter};
use crate::limits;
use crate::query::{self, Cache, Catalogue};
use crate::refusal::{Code, Refusal};
use crate::routes::Route;
use crate::url::Url;
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
    limiter: RefCell<Limiter>,
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
            limiter: RefCell::new(Limiter::new(seed[0])),
        }
    }

    /// The header with the client's address, if one is trusted; lower case.
    #[must_use]
    pub fn client_ip_header(&self) -> Option<&str> {
        self.config.as_ref().ok().and_then(|config| config.client_ip_header.as_deref())
    }

    /// The headers that hold country, region and city; empty where the platform says them.
    #[must_use]
    pub fn place_headers(&self) -> [&str; 3] {
        let names = self.config.as_ref().map(|config| &config.place_headers);
        names.map_or([""; 3], |names| names.each_ref().map(|name| name.as_deref().unwrap_or("")))
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

    /// Whom the platform's limiter is to count this request for; nobody without one, and for what is
    /// not limited.
    #[must_use]
    pub fn limit_name(&self, request: &Request<'_>) -> Option<String> {
        self.checked_config().filter(|config| config.has_rate_limiter)?;
        let url = Url::parse(request.url);
        let route = Route::choose(request.method, url.path).ok()?;
        let name = || limit::name(&claimed_key(route, request, &url), request.client_ip);
        route.is_limited().then(name)
    }

    /// Counts this request, or refuses it. A platform whose limiter fails lets it pass.
    pub(crate) fn limit(
        &self,
        route: Route<'_>,
        request: &Request<'_>,
        url: &Url<'_>,
    ) -> Result<(), Answer> {
        if request.is_within_limit == Some(false) {
            return Err(limit::refused(limits::RATE_RETRY_AFTER_S));
        }
        let most = self.checked_config().map_or(0, |config| config.rate_limit_per_minute);
        if most == 0 || request.is_within_limit == Some(true) {
            return Ok(());
        }
        let name = limit::name(&claimed_key(route, request, url), request.client_ip);
        // Nothing that could borrow it again runs meanwhile.
        let mut limiter = self.limiter.try_borrow_mut().map_err(|_| out_of_turn())?;
        limiter.count(&name, most, request.now).map_err(limit::refused)
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
