//! The operator's ways (statements, migrations, health, groups that were set aside), and files.

use super::{Exchange, Request, State, Step, out_of_turn, read};
use crate::access;
use crate::admin::{self, Migration};
use crate::answer::Answer;
use crate::aside::{self, Action, Target};
use crate::assets;
use crate::health;
use crate::limits;
use crate::replay::{self, Replay};
use crate::sql;
use crate::upstream::Outcome;
use crate::url::Url;
use std::rc::Rc;

/// What is awaited on one of these ways.
#[derive(Debug)]
pub(super) enum Operating {
    /// The body of a statement, for this URL.
    Statement(String),
    /// ClickHouse's answer to it.
    Sql,
    /// The body of a migration, which says nothing, for this URL.
    Migrate(String),
    /// ClickHouse's answer to one of its statements.
    Migration(Migration),
    /// ClickHouse's answer to the health question.
    Health,
    /// What the shards say, beside what ClickHouse said.
    Shards(String),
    /// What the shard did.
    Admin(Target),
    /// ClickHouse's answer whether it has any of a group that is to be replayed.
    Replay(Replay),
    /// A file's status.
    Asset(String),
}

impl Operating {
    /// The most that an awaited body may have.
    pub(super) const fn cap_bytes(&self) -> usize {
        match self {
            Self::Statement(_) => limits::SQL_BYTES,
            _ => 0,
        }
    }
}

impl Exchange {
    pub(super) fn begin_sql(&mut self, request: &Request<'_>) -> Result<Step, Answer> {
        access::admin(request.authorization, self.worker.config()?)?;
        self.state = State::Operating(Operating::Statement(request.url.into()));
        read(request, limits::SQL_BYTES)
    }

    pub(super) fn begin_migrate(&mut self, request: &Request<'_>) -> Result<Step, Answer> {
        access::admin(request.authorization, self.worker.config()?)?;
        self.state = State::Operating(Operating::Migrate(request.url.into()));
        read(request, 0)
    }

    pub(super) fn begin_health(&mut self) -> Result<Step, Answer> {
        match &self.worker.config {
            Ok(config) => {
                self.state = State::Operating(Operating::Health);
                Ok(Step::Fetch(health::request(config)))
            }
            Err(problems) => Err(health::misconfigured(problems)),
        }
    }

    pub(super) fn begin_group(
        &mut self,
        path: &str,
        request: &Request<'_>,
        url: &Url<'_>,
    ) -> Result<Step, Answer> {
        let worker = Rc::clone(&self.worker);
        let config = worker.config()?;
        access::admin(request.authorization, config)?;
        Ok(self.ask_admin(Target::parse(path, url, config)?))
    }

    pub(super) fn begin_asset(&mut self, file: &str) -> Result<Step, Answer> {
        if assets::content_type(file).is_none() {
            return Err(crate::routes::not_found());
        }
        self.state = State::Operating(Operating::Asset(file.into()));
        Ok(Step::Asset)
    }

    pub(super) fn body_to_operate(
        &mut self,
        awaited: Operating,
        body: &[u8],
    ) -> Result<Step, Answer> {
        let worker = Rc::clone(&self.worker);
        let config = worker.config()?;
        match awaited {
            Operating::Statement(url) => {
                self.state = State::Operating(Operating::Sql);
                Ok(Step::Fetch(sql::request(body, &Url::parse(&url), config)?))
            }
            Operating::Migrate(url) => {
                let (migration, turn) = Migration::begin(&Url::parse(&url), config)?;
                Ok(self.migrate(migration, turn))
            }
            _ => Err(out_of_turn()),
        }
    }

    pub(super) fn upstream_to_operate(&mut self, awaited: Operating, outcome: &Outcome) -> Step {
        match awaited {
            Operating::Health => self.ask_shards(health::clickhouse(outcome)),
            Operating::Sql => Step::Respond(sql::answer(outcome)),
            Operating::Migration(mut migration) => {
                let turn = match self.worker.config() {
                    Ok(config) => migration.take(outcome, config),
                    Err(answer) => admin::Turn::Respond(answer),
                };
                self.migrate(migration, turn)
            }
            Operating::Replay(mut replay) => {
                let turn = match self.worker.config() {
                    Ok(config) => replay.take(outcome, config),
                    Err(answer) => replay::Turn::Respond(answer),
                };
                self.replay(replay, turn)
            }
            _ => Step::Respond(out_of_turn()),
        }
    }

    /// Health goes on to the shards, where there are some.
    fn ask_shards(&mut self, clickhouse: String) -> Step {
        let groups =
            self.worker.config.as_ref().map(|config| (config.has_groups, config.group.shards));
        self.state = State::Operating(Operating::Shards(clickhouse));
        match groups {
            Ok((true, count)) => Step::Shards { count },
            _ => self.shards(&[]),
        }
    }

    /// The shards' reports, in their order: JSON of their status, or a sentence.
    pub fn shards(&mut self, reports: &[String]) -> Step {
        match (std::mem::replace(&mut self.state, State::Idle), &self.worker.config) {
            (State::Operating(Operating::Shards(clickhouse)), Ok(config)) => {
                Step::Respond(health::answer(&clickhouse, config, reports))
            }
            _ => Step::Respond(out_of_turn()),
        }
    }

    fn ask_admin(&mut self, target: Target) -> Step {
        self.state = State::Operating(Operating::Admin(target));
        Step::Admin(target)
    }

    /// The shard did it; a body for [`Action::Read`], what it holds for [`Action::List`], `None` when
    /// it has no such group.
    pub fn admin(&mut self, found: Option<Vec<u8>>) -> Step {
        let worker = Rc::clone(&self.worker);
        let State::Operating(Operating::Admin(target)) =
            std::mem::replace(&mut self.state, State::Idle)
        else {
            return Step::Respond(out_of_turn());
        };
        match (found, &worker.config) {
            (Some(listed), Ok(config)) if target.action == Action::List => {
                let (replay, turn) = Replay::begin(target, &listed, config);
                self.replay(replay, turn)
            }
            (found, _) => Step::Respond(aside::answer(target.action, found)),
        }
    }

    fn replay(&mut self, replay: Replay, turn: replay::Turn) -> Step {
        match turn {
            replay::Turn::Fetch(request) => {
                self.state = State::Operating(Operating::Replay(replay));
                Step::Fetch(request)
            }
            replay::Turn::Go(target) => self.ask_admin(target),
            replay::Turn::Respond(answer) => Step::Respond(answer),
        }
    }

    /// The assets answered with this status; 0 when there are none.
    pub fn asset(&mut self, status: u16) -> Step {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Operating(Operating::Asset(file)) => {
                assets::headers(&file, status).map_or_else(Step::Respond, Step::Relay)
            }
            _ => Step::Respond(out_of_turn()),
        }
    }

    fn migrate(&mut self, migration: Migration, turn: admin::Turn) -> Step {
        match turn {
            admin::Turn::Fetch(request) => {
                self.state = State::Operating(Operating::Migration(migration));
                Step::Fetch(request)
            }
            admin::Turn::Respond(answer) => Step::Respond(answer),
        }
    }
}
