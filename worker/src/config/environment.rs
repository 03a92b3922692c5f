//! The environment's variables, each as whatever it is.

use serde::Deserialize;

/// The worker's variables and secrets as the platform hands them over.
///
/// Each is read as whatever it is, so that a wrong type is told by the variable's name.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub struct Environment {
    pub(super) clickhouse_url: Option<Variable>,
    pub(super) clickhouse_database: Option<Variable>,
    pub(super) clickhouse_insert_user: Option<Variable>,
    pub(super) clickhouse_insert_password: Option<Variable>,
    pub(super) clickhouse_read_user: Option<Variable>,
    pub(super) clickhouse_read_password: Option<Variable>,
    pub(super) sites: Option<Variable>,
    pub(super) body_bytes: Option<Variable>,
    pub(super) upstream_timeout_ms: Option<Variable>,
    pub(super) client_ip_header: Option<Variable>,
    pub(super) client_ip: Option<Variable>,
    pub(super) country_header: Option<Variable>,
    pub(super) region_header: Option<Variable>,
    pub(super) city_header: Option<Variable>,
    pub(super) sink: Option<Variable>,
    pub(super) groups: Option<Variable>,
    pub(super) group_shards: Option<Variable>,
    pub(super) group_window_ms: Option<Variable>,
    pub(super) group_backlog_bytes: Option<Variable>,
    pub(super) group_backlog_groups: Option<Variable>,
    pub(super) cdc_rules: Option<Variable>,
    pub(super) tables: Option<Variable>,
    pub(super) cluster: Option<Variable>,
    pub(super) user_agent: Option<Variable>,
    pub(super) rate_limiter: Option<Variable>,
    pub(super) rate_limit_per_minute: Option<Variable>,
    pub(super) admin_key: Option<Variable>,
    pub(super) clickhouse_admin_user: Option<Variable>,
    pub(super) clickhouse_admin_password: Option<Variable>,
    pub(super) token_secret: Option<Variable>,
}

/// One variable's value: `vars` of a wrangler.toml may be text, numbers or anything.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Variable {
    Text(String),
    Number(f64),
    Other(serde::de::IgnoredAny),
}
