//! Method and path choose one route.

use crate::answer::Answer;
use crate::events::Form;
use crate::refusal::{Code, Refusal};

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// `POST /v1/batch`.
    Batch,
    /// `POST /v1/events`, `POST /ingest-events`.
    Events(Form),
    /// `POST /v1/cdc`.
    Changes,
    /// `GET /v1/query/<name>`.
    Query(&'a str),
    /// `POST /v1/query`: several at once.
    Queries,
    /// `POST /v1/sql`.
    Sql,
    /// `POST /v1/admin/migrate`.
    Migrate,
    /// `GET /v1/health`.
    Health,
    /// `GET /v1/admin/groups/<shard>/<group>`, `POST` of it with `/replay` or `/discard`.
    Group(&'a str),
    /// `GET /tallymark/<file>`.
    Asset(&'a str),
}

impl<'a> Route<'a> {
    /// Chooses the route, or answers at once: `404` for an unknown path, `405` for another
    /// method, and a preflight.
    ///
    /// # Errors
    /// That answer.
    pub fn choose(method: &str, path: &'a str) -> Result<Self, Answer> {
        let route = match path {
            "/v1/batch" => Self::Batch,
            "/v1/events" => Self::Events(Form::Events),
            "/ingest-events" => Self::Events(Form::Ingest),
            "/v1/cdc" => Self::Changes,
            "/v1/query" => Self::Queries,
            "/v1/sql" => Self::Sql,
            "/v1/admin/migrate" => Self::Migrate,
            "/v1/health" => Self::Health,
            _ => Self::of_prefix(path).ok_or_else(not_found)?,
        };
        match method {
            "POST" if route.posts() => Ok(route),
            "GET" | "HEAD" if !route.posts() => Ok(route),
            "OPTIONS" => Err(Answer::preflight(route.methods())),
            _ => Err(Answer::bad_method(route.methods())),
        }
    }

    /// A route whose path goes on with a name.
    fn of_prefix(path: &'a str) -> Option<Self> {
        let after = |prefix| path.strip_prefix(prefix);
        after("/v1/query/")
            .map(Self::Query)
            .or_else(|| after("/v1/admin/groups/").map(Self::Group))
            .or_else(|| after("/tallymark/").map(Self::Asset))
    }

    /// Whether the route takes a body, or changes something.
    fn posts(self) -> bool {
        match self {
            Self::Batch | Self::Events(_) | Self::Changes => true,
            Self::Queries | Self::Sql | Self::Migrate => true,
            Self::Group(path) => path.ends_with("/replay") || path.ends_with("/discard"),
            _ => false,
        }
    }

    /// Whether its requests are counted against a limit: those that anybody with a site's key makes.
    #[must_use]
    pub fn is_limited(self) -> bool {
        match self {
            Self::Batch | Self::Events(_) | Self::Changes | Self::Query(_) | Self::Queries => true,
            Self::Sql | Self::Migrate | Self::Health | Self::Group(_) | Self::Asset(_) => false,
        }
    }

    /// The code for a parameter that is there twice; `None` where parameters say nothing.
    #[must_use]
    pub fn doubled_code(self) -> Option<Code> {
        match self {
            Self::Batch | Self::Events(_) | Self::Changes => Some(Code::BadRequest),
            Self::Query(_) | Self::Queries | Self::Sql | Self::Migrate => Some(Code::BadParam),
            Self::Health | Self::Group(_) | Self::Asset(_) => None,
        }
    }

    /// The methods that the route takes.
    fn methods(self) -> &'static str {
        if self.posts() { "POST, OPTIONS" } else { "GET, HEAD, OPTIONS" }
    }
}

/// The answer for a path that leads nowhere.
#[must_use]
pub fn not_found() -> Answer {
    Refusal::new(Code::NotFound, "there is nothing at this path").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_has_its_route() {
        for (method, path, route) in [
            ("POST", "/v1/batch", Route::Batch),
            ("POST", "/v1/events", Route::Events(Form::Events)),
            ("POST", "/ingest-events", Route::Events(Form::Ingest)),
            ("POST", "/v1/cdc", Route::Changes),
            ("POST", "/v1/query", Route::Queries),
            ("GET", "/v1/query/summary", Route::Query("summary")),
            ("HEAD", "/v1/query/summary", Route::Query("summary")),
            ("POST", "/v1/sql", Route::Sql),
            ("POST", "/v1/admin/migrate", Route::Migrate),
            ("GET", "/v1/health", Route::Health),
            ("GET", "/v1/admin/groups/0/id", Route::Group("0/id")),
            ("POST", "/v1/admin/groups/0/id/replay", Route::Group("0/id/replay")),
            ("GET", "/tallymark/tracker.js", Route::Asset("tracker.js")),
        ] {
            assert_eq!(Route::choose(method, path), Ok(route), "{method} {path}");
        }
    }

    #[test]
    fn unknown_paths_are_not_found_with_any_method() {
        // Those of later versions are unknown too.
        for path in [
            "/",
            "/v1",
            "/v1/batch/",
            "/V1/batch",
            "/v1/events/",
            "/ingest-event",
            "/v1/cdc/",
            "/v1/sql/",
            "/v1/admin",
        ] {
            for method in ["GET", "POST", "OPTIONS"] {
                let answer = Route::choose(method, path).unwrap_err();
                assert_eq!(answer.status, 404, "{method} {path}");
            }
        }
    }

    #[test]
    fn other_methods_are_refused_with_the_right_ones() {
        for (method, path, methods) in [
            ("GET", "/v1/batch", "POST, OPTIONS"),
            ("PUT", "/v1/batch", "POST, OPTIONS"),
            ("GET", "/v1/query", "POST, OPTIONS"),
            ("POST", "/v1/query/summary", "GET, HEAD, OPTIONS"),
            ("GET", "/v1/admin/groups/0/id/discard", "POST, OPTIONS"),
            ("DELETE", "/v1/health", "GET, HEAD, OPTIONS"),
        ] {
            assert_eq!(
                Route::choose(method, path),
                Err(Answer::bad_method(methods)),
                "{method} {path}"
            );
        }
    }

    #[test]
    fn preflights_are_answered_for_every_route() {
        assert_eq!(Route::choose("OPTIONS", "/v1/batch"), Err(Answer::preflight("POST, OPTIONS")));
        let answer = Route::choose("OPTIONS", "/v1/query/top").unwrap_err();
        assert_eq!(answer.status, 204);
        assert_eq!(
            answer.headers[1],
            ("access-control-allow-methods", "GET, HEAD, OPTIONS".into())
        );
    }
}
