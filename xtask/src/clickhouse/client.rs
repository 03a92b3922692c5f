//! The few requests that the commands themselves make to ClickHouse over HTTP.

use super::users::User;
use anyhow::{Context, Result, bail};
use std::time::Duration;

/// A ClickHouse HTTP interface and the user to come as.
#[derive(Clone)]
pub struct Client {
    url: String,
    user: Option<User>,
    database: Option<&'static str>,
    agent: ureq::Agent,
}

impl Client {
    /// A client without a user.
    pub fn new(url: &str) -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(120)))
            .http_status_as_error(false)
            .proxy(None)
            .build();
        Self {
            url: url.trim_end_matches('/').to_owned(),
            user: None,
            database: None,
            agent: config.into(),
        }
    }

    /// The same, as this user.
    pub fn with_user(mut self, user: &User) -> Self {
        self.user = Some(user.clone());
        self
    }

    /// The same, with names that say no database meaning this one.
    pub fn with_database(mut self, database: &'static str) -> Self {
        self.database = Some(database);
        self
    }

    /// The server's address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether the server answers at all.
    pub fn ping(&self) -> bool {
        let answer = self.agent.get(format!("{}/ping", self.url)).call();
        answer.is_ok_and(|answer| answer.status() == 200)
    }

    /// Runs one statement and gives its answer as text.
    pub fn query(&self, statement: &str) -> Result<String> {
        let mut request = self.agent.post(&self.url);
        if let Some(user) = &self.user {
            request = request
                .header("X-ClickHouse-User", &user.name)
                .header("X-ClickHouse-Key", &user.password);
        }
        if let Some(database) = self.database {
            request = request.header("X-ClickHouse-Database", database);
        }
        let mut answer = request
            .send(statement)
            .with_context(|| format!("no answer from ClickHouse at {}", self.url))?;
        let text = answer.body_mut().read_to_string().context("ClickHouse's answer broke off")?;
        if answer.status() != 200 {
            bail!("{}", text.trim());
        }
        Ok(text)
    }
}
