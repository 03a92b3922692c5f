//! `POST /v1/admin/migrate`: the migrations, run by the worker as its admin user.

use crate::answer::Answer;
use crate::config::{Config, User};
use crate::limits;
use crate::migrate::{Cluster, Failure, Next, Options, Run};
use crate::refusal::{Code, Refusal};
use crate::sql::words;
use crate::upstream::{Outcome, Reply, Request};
use crate::url::Url;

/// A run on its way.
#[derive(Debug)]
pub struct Migration {
    run: Run,
    /// Whether the database itself is still to be made.
    is_new: bool,
}

/// What to do next.
#[derive(Debug)]
pub enum Turn {
    /// Send this, then [`Migration::take`].
    Fetch(Request),
    /// It is over.
    Respond(Answer),
}

impl Migration {
    /// Reads `dry_run=1` and `ttl_days=…`; the first request.
    ///
    /// # Errors
    /// `forbidden` without an admin user, `bad_param`.
    pub fn begin(url: &Url<'_>, config: &Config) -> Result<(Self, Turn), Refusal> {
        let user = admin_user(config)?;
        let settle_ms = config.upstream_timeout_ms.saturating_add(limits::MIGRATE_SETTLE_MARGIN_MS);
        let mut options = Options { settle_ms: Some(settle_ms), ..Options::default() };
        for (name, value) in url.parameters() {
            match (&*name, &*value) {
                ("dry_run", "1") => options.dry_run = true,
                ("ttl_days", days) => {
                    let (least, most) = limits::TTL_DAYS;
                    let days = days.parse().ok().filter(|days| (least..=most).contains(days));
                    let must = || format!("ttl_days must be a whole number from {least} to {most}");
                    let days = days.ok_or_else(|| Refusal::new(Code::BadParam, must()))?;
                    options.ttl_days = Some(days);
                }
                _ => {
                    let message = "the parameters are dry_run=1 and ttl_days=<days>";
                    return Err(Refusal::new(Code::BadParam, message));
                }
            }
        }
        let mut migration = Self {
            run: Run::new(options).with_tables(&config.tables).on_cluster(config.cluster.as_ref()),
            is_new: !options.dry_run,
        };
        let turn = if migration.is_new {
            let everywhere = config.cluster.as_ref().map(Cluster::everywhere).unwrap_or_default();
            let statement =
                format!("CREATE DATABASE IF NOT EXISTS {}{everywhere}", config.database);
            // Until it is there, a request cannot name it.
            Turn::Fetch(request(&statement, user, "system", config))
        } else {
            migration.turn(None, config)
        };
        Ok((migration, turn))
    }

    /// Takes what came of the last request.
    pub fn take(&mut self, outcome: &Outcome, config: &Config) -> Turn {
        match outcome.success() {
            Err(line) if self.is_new => failed(&failure(outcome, line).message),
            Ok(_) if self.is_new => {
                self.is_new = false;
                self.turn(None, config)
            }
            Ok(reply) => {
                let text = String::from_utf8_lossy(&reply.body);
                self.turn(Some(Ok(&text)), config)
            }
            Err(line) => self.turn(Some(Err(failure(outcome, line))), config),
        }
    }

    fn turn(&mut self, answer: Option<Result<&str, Failure>>, config: &Config) -> Turn {
        let next = match answer {
            None => Ok(self.run.begin()),
            Some(answer) => self.run.take(answer),
        };
        match (next, admin_user(config)) {
            (Ok(Next::Query(statement)), Ok(user)) => {
                Turn::Fetch(request(&statement, user, &config.database, config))
            }
            (Ok(Next::Done(report)), _) => {
                // Names and statements are text, which always serializes.
                let body = serde_json::to_string(&report).unwrap_or_default();
                Turn::Respond(Answer::json(200, body))
            }
            (Err(message), _) => failed(&message),
            (_, Err(refusal)) => Turn::Respond(refusal.into()),
        }
    }
}

fn admin_user(config: &Config) -> Result<&User, Refusal> {
    let none = "this worker has no user that makes tables (CLICKHOUSE_ADMIN_USER)";
    config.admin_user.as_ref().ok_or_else(|| Refusal::new(Code::Forbidden, none))
}

fn request(statement: &str, user: &User, database: &str, config: &Config) -> Request {
    let parameters = [("wait_end_of_query", "1")];
    let mut request = Request::of_database(database, config, user, &parameters);
    request.body = statement.into();
    request.timeout_ms = limits::MIGRATE_TIMEOUT_MS;
    request.answer_bytes = limits::INSERT_ANSWER_BYTES;
    request
}

fn failure(outcome: &Outcome, line: String) -> Failure {
    match outcome {
        Outcome::Answer(Reply { exception_code: Some(code), body, .. }) => {
            Failure { code: Some(code.clone()), message: words(body) }
        }
        _ => Failure { code: None, message: format!("{line}; run it again, it goes on") },
    }
}

fn failed(message: &str) -> Turn {
    let refusal = Refusal::new(Code::Upstream, message);
    Turn::Respond(Answer::from(refusal).logged(format!("migrate: {message}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::config;

    fn begin(parameters: &str) -> Result<(Migration, Turn), String> {
        let url = format!("https://edge.test/v1/admin/migrate{parameters}");
        Migration::begin(&Url::parse(&url), &config()).map_err(|refusal| refusal.message)
    }

    fn reply(status: u16, code: Option<&str>, body: &str) -> Outcome {
        let exception_code = code.map(str::to_owned);
        Outcome::Answer(Reply { status, exception_code, has_query_id: true, body: body.into() })
    }

    fn sent(turn: Turn) -> (String, String) {
        let Turn::Fetch(request) = turn else { panic!("{turn:?}") };
        assert_eq!(request.headers[0], ("x-clickhouse-user", "maker".into()));
        (request.url, String::from_utf8(request.body).unwrap())
    }

    #[test]
    fn the_database_is_made_first_and_named_from_then_on() {
        let (mut migration, turn) = begin("").unwrap();
        let (url, body) = sent(turn);
        assert_eq!(url, "http://ch.test:8123/?database=system&wait_end_of_query=1");
        assert_eq!(body, "CREATE DATABASE IF NOT EXISTS tallymark");
        let (url, body) = sent(migration.take(&reply(200, None, ""), &config()));
        assert_eq!(url, "http://ch.test:8123/?database=tallymark&wait_end_of_query=1");
        assert!(body.contains("throwIf"), "{body}");
        let (_, body) = sent(migration.take(&reply(200, None, ""), &config()));
        assert!(body.contains("CREATE TABLE IF NOT EXISTS migrations"));
    }

    #[test]
    fn a_dry_run_answers_with_the_statements() {
        let (mut migration, turn) = begin("?dry_run=1&ttl_days=9").unwrap();
        assert_eq!(sent(turn).1, "SELECT DISTINCT name FROM migrations");
        let turn = migration.take(&reply(404, Some("60"), "Code: 60."), &config());
        let Turn::Respond(answer) = turn else { panic!("{turn:?}") };
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!((answer.status, &body["dry_run"]), (200, &true.into()));
        let last = body["statements"].as_array().unwrap().last().unwrap().as_str().unwrap();
        assert!(last.ends_with("toIntervalDay(9)"), "{last}");
    }

    #[test]
    fn a_new_rollup_is_filled_once_no_insert_of_this_worker_s_can_be_under_way() {
        let config = Config { upstream_timeout_ms: 60_000, ..config() };
        let url = Url::parse("https://edge.test/v1/admin/migrate");
        let (mut migration, turn) = Migration::begin(&url, &config).unwrap();
        let names: Vec<_> = crate::migrate::FILES.iter().map(|file| file.name).collect();
        let recorded = names.join("\n").replace("007_event_totals_view\n", "");
        let mut said = vec![sent(turn).1];
        // The clock, twice after the view's moment: short of 65 s after it, and then past it.
        let mut clocks = ["70999\t0", "71000\t0"].iter();
        while !said.last().unwrap().starts_with("INSERT INTO event_totals") {
            let sql = said.last().unwrap();
            let answer = match sql.as_str() {
                sql if sql.starts_with("SELECT DISTINCT name") => recorded.as_str(),
                sql if sql.contains("count() FROM events)") => "1000\t7",
                sql if sql.contains("create_table_query") => "6000",
                sql if sql.contains("sleep(3)") => clocks.next().unwrap(),
                _ => "",
            };
            said.push(sent(migration.take(&reply(200, None, answer), &config)).1);
        }
        assert_eq!(clocks.next(), None);
    }

    #[test]
    fn what_clickhouse_refuses_is_told_in_its_words() {
        for outcomes in [
            vec![reply(403, Some("497"), "Code: 497. ACCESS_DENIED")],
            vec![reply(200, None, ""), reply(403, Some("497"), "Code: 497. ACCESS_DENIED")],
        ] {
            let (mut migration, _) = begin("").unwrap();
            let turns = outcomes.iter().map(|outcome| migration.take(outcome, &config()));
            let Some(Turn::Respond(answer)) = turns.last() else { panic!() };
            let body = r#"{"code":"upstream","message":"Code: 497. ACCESS_DENIED"}"#;
            assert_eq!((answer.status, answer.body.as_slice()), (502, body.as_bytes()));
        }
    }

    #[test]
    fn wrong_parameters_and_a_missing_user_are_refused() {
        let ttl = "ttl_days must be a whole number from 1 to 10000";
        let which = "the parameters are dry_run=1 and ttl_days=<days>";
        for (parameters, message) in [
            ("?ttl_days=0", ttl),
            ("?ttl_days=10001", ttl),
            ("?ttl_days=x", ttl),
            ("?dry_run=yes", which),
            ("?sql=1", which),
        ] {
            assert_eq!(begin(parameters).err(), Some(message.into()), "{parameters}");
        }
        let config = Config { admin_user: None, ..config() };
        let refused = Migration::begin(&Url::parse("/v1/admin/migrate"), &config).err().unwrap();
        assert_eq!(refused.code, Code::Forbidden);
    }
}
