//! The environment's variables become typed configuration; every wrong one is named.

use crate::cdc::Rules;
use crate::group::Options;
use crate::limits;
use crate::sink::Sink;
use crate::sites::{Sites, digest};
use crate::tables::Tables;
use serde::Deserialize;

/// The worker's variables and secrets as the platform hands them over.
///
/// Each is read as whatever it is, so that a wrong type is told by the variable's name.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub struct Environment {
    clickhouse_url: Option<Variable>,
    clickhouse_database: Option<Variable>,
    clickhouse_insert_user: Option<Variable>,
    clickhouse_insert_password: Option<Variable>,
    clickhouse_read_user: Option<Variable>,
    clickhouse_read_password: Option<Variable>,
    sites: Option<Variable>,
    body_bytes: Option<Variable>,
    upstream_timeout_ms: Option<Variable>,
    client_ip_header: Option<Variable>,
    client_ip: Option<Variable>,
    country_header: Option<Variable>,
    region_header: Option<Variable>,
    city_header: Option<Variable>,
    sink: Option<Variable>,
    groups: Option<Variable>,
    group_shards: Option<Variable>,
    group_window_ms: Option<Variable>,
    group_backlog_bytes: Option<Variable>,
    group_backlog_groups: Option<Variable>,
    cdc_rules: Option<Variable>,
    tables: Option<Variable>,
    cluster: Option<Variable>,
    user_agent: Option<Variable>,
    rate_limiter: Option<Variable>,
    rate_limit_per_minute: Option<Variable>,
    admin_key: Option<Variable>,
    clickhouse_admin_user: Option<Variable>,
    clickhouse_admin_password: Option<Variable>,
    token_secret: Option<Variable>,
}

/// One variable's value: `vars` of a wrangler.toml may be text, numbers or anything.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Variable {
    Text(String),
    Number(f64),
    Other(serde::de::IgnoredAny),
}

/// One wrong variable. The message never repeats the value, which may be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The variable's name.
    pub variable: &'static str,
    /// What it must be.
    pub message: String,
}

/// A user of ClickHouse. Sent in headers, never in a URL.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// `X-ClickHouse-User`.
    pub name: String,
    /// `X-ClickHouse-Key`.
    pub password: String,
}

impl std::fmt::Debug for User {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("User").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Everything that the worker is told by its environment, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `CLICKHOUSE_URL`, without a slash at its end.
    pub clickhouse_url: String,
    /// `CLICKHOUSE_DATABASE`, default `tallymark`.
    pub database: String,
    /// Who inserts: needs `INSERT` on the tables, nothing else.
    pub insert_user: User,
    /// Who reads: needs `SELECT`, and should be bounded by its profile.
    pub read_user: User,
    /// `SITES`.
    pub sites: Sites,
    /// `BODY_BYTES`: the largest body taken, in bytes.
    pub body_bytes: usize,
    /// `UPSTREAM_TIMEOUT_MS`: how long ClickHouse may take, in milliseconds.
    pub upstream_timeout_ms: u32,
    /// `CLIENT_IP_HEADER`, lower case: the header that holds the client's address. Only a proxy
    /// that sets it on every request makes it true, hence none by default.
    pub client_ip_header: Option<String>,
    /// `CLIENT_IP`: whether the address is stored whole; truncated by default.
    pub stores_whole_ip: bool,
    /// `COUNTRY_HEADER`, `REGION_HEADER`, `CITY_HEADER`, lower case: where a proxy says where the client
    /// is. None: as the platform says.
    pub place_headers: [Option<String>; 3],
    /// `SINK`, default `direct`.
    pub sink: Sink,
    /// `GROUP_SHARDS` and the rest of `GROUP_…`.
    pub group: Options,
    /// Whether `GROUPS` is bound: whatever the sink is now, its shards may have taken batches.
    pub has_groups: bool,
    /// `CDC_RULES`: what changes of a database mean; none by default.
    pub cdc_rules: Rules,
    /// `CLUSTER`: where migrations make their tables; one server by default.
    pub cluster: Option<String>,
    /// `TABLES`: tables besides `events`; none by default.
    pub tables: Tables,
    /// `USER_AGENT`: whether browser, system and device are stored, and bots marked by it.
    pub reads_agents: bool,
    /// Whether the binding `RATE_LIMITER` is there: it counts then, for all isolates.
    pub has_rate_limiter: bool,
    /// `RATE_LIMIT_PER_MINUTE`: requests of a key from one address, counted by each isolate; 0 for any.
    pub rate_limit_per_minute: u32,
    /// The digest of `ADMIN_KEY`; without one nobody is the admin.
    pub admin_digest: Option<[u8; 32]>,
    /// Who makes tables; without one the worker does not migrate.
    pub admin_user: Option<User>,
    /// `TOKEN_SECRET`; without one no token is taken.
    pub token_secret: Option<Secret>,
}

/// A text that no log shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Secret(..)")
    }
}

impl Config {
    /// Checks all variables.
    ///
    /// # Errors
    /// Every wrong variable, with what it must be.
    pub fn read(from: &Environment) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems(Vec::new());
        let url = problems.read("CLICKHOUSE_URL", &from.clickhouse_url, None, base_url);
        let database = problems.read(
            "CLICKHOUSE_DATABASE",
            &from.clickhouse_database,
            Some("tallymark"),
            name,
        );
        let insert_user =
            problems.read("CLICKHOUSE_INSERT_USER", &from.clickhouse_insert_user, None, user);
        let insert_password = problems.read(
            "CLICKHOUSE_INSERT_PASSWORD",
            &from.clickhouse_insert_password,
            Some(""),
            header_value,
        );
        let read_user =
            problems.read("CLICKHOUSE_READ_USER", &from.clickhouse_read_user, None, user);
        let read_password = problems.read(
            "CLICKHOUSE_READ_PASSWORD",
            &from.clickhouse_read_password,
            Some(""),
            header_value,
        );
        let sites = problems.read("SITES", &from.sites, None, Sites::parse);
        let body_bytes = problems.read(
            "BODY_BYTES",
            &from.body_bytes,
            Some(&limits::BODY_BYTES.to_string()),
            |text| number(text, limits::BODY_BYTES_MIN, limits::BODY_BYTES_MAX),
        );
        let (least, most) = limits::UPSTREAM_TIMEOUT_MS_RANGE;
        let upstream_timeout_ms = problems.read(
            "UPSTREAM_TIMEOUT_MS",
            &from.upstream_timeout_ms,
            Some(&limits::UPSTREAM_TIMEOUT_MS.to_string()),
            |text| number(text, least, most),
        );
        let client_ip_header =
            problems.read("CLIENT_IP_HEADER", &from.client_ip_header, Some(""), header_name);
        let stores_whole_ip =
            problems.read("CLIENT_IP", &from.client_ip, Some("truncated"), stores_whole_ip);
        let country = problems.read("COUNTRY_HEADER", &from.country_header, Some(""), header_name);
        let region = problems.read("REGION_HEADER", &from.region_header, Some(""), header_name);
        let city = problems.read("CITY_HEADER", &from.city_header, Some(""), header_name);
        let admin_key = problems.read("ADMIN_KEY", &from.admin_key, Some(""), secret);
        let admin_name = problems.read(
            "CLICKHOUSE_ADMIN_USER",
            &from.clickhouse_admin_user,
            Some(""),
            header_value,
        );
        let admin_password = problems.read(
            "CLICKHOUSE_ADMIN_PASSWORD",
            &from.clickhouse_admin_password,
            Some(""),
            header_value,
        );
        let token_secret = problems.read("TOKEN_SECRET", &from.token_secret, Some(""), secret);
        let cdc_rules = problems.read("CDC_RULES", &from.cdc_rules, Some(""), Rules::parse);
        let tables = problems.read("TABLES", &from.tables, Some(""), Tables::parse);
        let cluster = problems.read("CLUSTER", &from.cluster, Some(""), cluster);
        let rate_limit_per_minute = problems.number(
            "RATE_LIMIT_PER_MINUTE",
            &from.rate_limit_per_minute,
            0,
            limits::RATE_LIMIT_PER_MINUTE_RANGE,
        );
        let reads_agents =
            problems.read("USER_AGENT", &from.user_agent, Some("store"), reads_agents);
        let sink = problems.read("SINK", &from.sink, Some("direct"), Sink::parse);
        let declared = tables.as_ref().map_or(0, |tables| tables.iter().count());
        let group = problems.group(from, 1 + declared);
        if sink == Some(Sink::Group) {
            problems.check_groups(from, body_bytes);
        }
        let (
            Some(clickhouse_url),
            Some(database),
            Some(insert_user),
            Some(insert_password),
            Some(read_user),
            Some(read_password),
            Some(sites),
            Some(body_bytes),
            Some(upstream_timeout_ms),
            Some(client_ip_header),
            Some(stores_whole_ip),
            (Some(country), Some(region), Some(city)),
            Some(cdc_rules),
            Some(tables),
            Some(cluster),
            Some(rate_limit_per_minute),
            Some(reads_agents),
            Some(sink),
            Some(group),
            Some(admin_key),
            Some(admin_name),
            Some(admin_password),
            Some(token_secret),
            true,
        ) = (
            url,
            database,
            insert_user,
            insert_password,
            read_user,
            read_password,
            sites,
            body_bytes,
            upstream_timeout_ms,
            client_ip_header,
            stores_whole_ip,
            (country, region, city),
            cdc_rules,
            tables,
            cluster,
            rate_limit_per_minute,
            reads_agents,
            sink,
            group,
            admin_key,
            admin_name,
            admin_password,
            token_secret,
            problems.0.is_empty(),
        )
        else {
            return Err(problems.0);
        };
        Ok(Self {
            clickhouse_url,
            database,
            insert_user: User { name: insert_user, password: insert_password },
            read_user: User { name: read_user, password: read_password },
            sites,
            body_bytes,
            upstream_timeout_ms,
            client_ip_header,
            stores_whole_ip,
            place_headers: [country, region, city],
            sink,
            group,
            has_groups: from.groups.is_some(),
            cdc_rules,
            tables,
            cluster,
            has_rate_limiter: from.rate_limiter.is_some(),
            rate_limit_per_minute,
            reads_agents,
            admin_digest: admin_key.as_deref().map(digest),
            admin_user: (!admin_name.is_empty())
                .then_some(User { name: admin_name, password: admin_password }),
            token_secret: token_secret.map(Secret),
        })
    }
}

/// The wrong variables found so far.
struct Problems(Vec<Problem>);

impl Problems {
    /// One variable, or its default where there is one; `None` once its problem is noted.
    fn read<T>(
        &mut self,
        variable: &'static str,
        value: &Option<Variable>,
        default: Option<&str>,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let parsed = match (value, default) {
            (Some(Variable::Text(text)), _) => parse(text),
            (Some(Variable::Number(number)), _) => parse(&number.to_string()),
            (Some(Variable::Other(_)), _) => Err("must be text".into()),
            (None, Some(default)) => parse(default),
            (None, None) => Err("is missing".into()),
        };
        parsed.map_err(|message| self.0.push(Problem { variable, message })).ok()
    }

    /// A number within bounds, or its default.
    fn number<T: std::str::FromStr + PartialOrd + std::fmt::Display>(
        &mut self,
        variable: &'static str,
        value: &Option<Variable>,
        default: T,
        (least, most): (T, T),
    ) -> Option<T> {
        let default = default.to_string();
        self.read(variable, value, Some(&default), |text| number(text, least, most))
    }

    /// The variables of the group-maker.
    fn group(&mut self, from: &Environment, tables: usize) -> Option<Options> {
        let defaults = Options::default();
        let shards = self.number("GROUP_SHARDS", &from.group_shards, 1, (1, limits::GROUP_SHARDS));
        let window_ms = self.number(
            "GROUP_WINDOW_MS",
            &from.group_window_ms,
            defaults.window_ms,
            limits::GROUP_WINDOW_MS_RANGE,
        );
        let backlog_bytes = self.number(
            "GROUP_BACKLOG_BYTES",
            &from.group_backlog_bytes,
            defaults.backlog_bytes,
            limits::GROUP_BACKLOG_BYTES_RANGE,
        );
        let backlog_groups = self.number(
            "GROUP_BACKLOG_GROUPS",
            &from.group_backlog_groups,
            defaults.backlog_groups,
            limits::GROUP_BACKLOG_GROUPS_RANGE,
        );
        Some(Options {
            shards: shards?,
            tables,
            window_ms: window_ms?,
            backlog_bytes: backlog_bytes?,
            backlog_groups: backlog_groups?,
            ..defaults
        })
    }

    /// What must be true together with `SINK = "group"`.
    fn check_groups(&mut self, from: &Environment, body_bytes: Option<usize>) {
        if from.groups.is_none() {
            let message = "is missing: SINK = \"group\" needs this binding to a Durable Object";
            self.0.push(Problem { variable: "GROUPS", message: message.into() });
        }
        let most = limits::GROUP_BODY_BYTES_MAX;
        if body_bytes.is_some_and(|bytes| bytes > most) {
            let message = format!("must be at most {most} with SINK = \"group\"");
            self.0.push(Problem { variable: "BODY_BYTES", message });
        }
    }
}

/// A base URL. Credentials in it would reach logs, hence no `@`.
fn base_url(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"@?#".contains(&byte);
    match host {
        Some(host)
            if !host.is_empty()
                && !host.starts_with('/')
                && text.len() <= limits::ORIGIN_BYTES
                && host.bytes().all(plain) =>
        {
            Ok(text.trim_end_matches('/').into())
        }
        _ => Err("must be like \"https://clickhouse.example.com:8443\", without user, password, \
                  ? and #"
            .into()),
    }
}

/// A database's name. It goes into URLs, and into the one statement that makes it ([`crate::admin`]).
fn name(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if (1..=limits::SITE_BYTES).contains(&text.len()) && text.bytes().all(plain) {
        return Ok(text.into());
    }
    Err("must be letters, digits and _".into())
}

/// A cluster's name, or none.
fn cluster(text: &str) -> Result<Option<String>, String> {
    if text.is_empty() { Ok(None) } else { name(text).map(Some) }
}

/// What an HTTP header can carry unchanged.
fn header_value(text: &str) -> Result<String, String> {
    if text.len() <= limits::KEY_BYTES && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(text.into());
    }
    Err(format!("must be at most {} ASCII characters without spaces", limits::KEY_BYTES))
}

/// A key or secret of the operator's, or none.
fn secret(text: &str) -> Result<Option<String>, String> {
    let bytes = limits::SECRET_BYTES_MIN..=limits::KEY_BYTES;
    if text.is_empty() || bytes.contains(&text.len()) && header_value(text).is_ok() {
        return Ok((!text.is_empty()).then(|| text.into()));
    }
    let (least, most) = (limits::SECRET_BYTES_MIN, limits::KEY_BYTES);
    Err(format!("must be {least} to {most} ASCII characters without spaces, or empty"))
}

/// A user's name.
fn user(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("must not be empty".into()) } else { header_value(text) }
}

/// The name of a header, or nothing.
fn header_name(text: &str) -> Result<Option<String>, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if text.len() <= limits::KEY_BYTES && text.bytes().all(plain) {
        return Ok((!text.is_empty()).then(|| text.to_ascii_lowercase()));
    }
    Err("must be the name of a header, such as cf-connecting-ip, or empty".into())
}

fn stores_whole_ip(text: &str) -> Result<bool, String> {
    match text {
        "whole" => Ok(true),
        "truncated" => Ok(false),
        _ => Err("must be \"truncated\" or \"whole\"".into()),
    }
}

fn reads_agents(text: &str) -> Result<bool, String> {
    match text {
        "store" => Ok(true),
        "ignore" => Ok(false),
        _ => Err("must be \"store\" or \"ignore\"".into()),
    }
}

/// A whole number within bounds.
fn number<T: std::str::FromStr + PartialOrd + std::fmt::Display>(
    text: &str,
    least: T,
    most: T,
) -> Result<T, String> {
    match text.parse::<T>() {
        Ok(number) if number >= least && number <= most => Ok(number),
        _ => Err(format!("must be a whole number from {least} to {most}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{
        "CLICKHOUSE_URL": "http://127.0.0.1:8123/",
        "CLICKHOUSE_INSERT_USER": "tallymark_insert",
        "CLICKHOUSE_INSERT_PASSWORD": "in",
        "CLICKHOUSE_READ_USER": "tallymark_read",
        "CLICKHOUSE_READ_PASSWORD": "out",
        "SITES": "[{\"site\":\"demo\",\"key\":\"pk_demo\",\"origins\":[\"*\"]}]",
        "ASSETS": {"fetch": null}
    }"#;

    fn read(json: &str) -> Result<Config, Vec<Problem>> {
        Config::read(&serde_json::from_str(json).unwrap())
    }

    /// The good environment with one variable replaced, or left out.
    fn with(variable: &str, value: Option<&str>) -> Result<Config, Vec<Problem>> {
        let mut json: serde_json::Value = serde_json::from_str(GOOD).unwrap();
        let all = json.as_object_mut().unwrap();
        match value {
            Some(value) => all.insert(variable.into(), serde_json::from_str(value).unwrap()),
            None => all.remove(variable),
        };
        read(&json.to_string())
    }

    #[test]
    fn defaults_are_those_of_the_documentation() {
        let config = read(GOOD).unwrap();
        assert_eq!(config.clickhouse_url, "http://127.0.0.1:8123");
        assert_eq!(config.database, "tallymark");
        assert_eq!(
            config.insert_user,
            User { name: "tallymark_insert".into(), password: "in".into() }
        );
        assert_eq!(
            config.read_user,
            User { name: "tallymark_read".into(), password: "out".into() }
        );
        assert_eq!((config.body_bytes, config.upstream_timeout_ms), (1_000_000, 10_000));
        assert_eq!(config.client_ip_header, None);
        assert_eq!((config.sink, config.group), (Sink::Direct, Options::default()));
        assert_eq!((config.admin_digest, config.admin_user), (None, None));
        assert_eq!(config.token_secret, None);
        assert!(config.reads_agents && config.cdc_rules.is_empty());
    }

    #[test]
    fn groups_need_their_binding_and_a_body_that_fits_a_row() {
        let mut json: serde_json::Value = serde_json::from_str(GOOD).unwrap();
        json["SINK"] = "group".into();
        json["BODY_BYTES"] = 1_600_001.into();
        let problems = read(&json.to_string()).unwrap_err();
        let found: Vec<_> =
            problems.iter().map(|found| (found.variable, found.message.as_str())).collect();
        assert_eq!(
            found,
            [
                ("GROUPS", "is missing: SINK = \"group\" needs this binding to a Durable Object"),
                ("BODY_BYTES", "must be at most 1600000 with SINK = \"group\""),
            ]
        );
        json["BODY_BYTES"] = 1_600_000.into();
        json["GROUPS"] = serde_json::json!({});
        json["GROUP_SHARDS"] = "4".into();
        json["GROUP_WINDOW_MS"] = 300.into();
        json["GROUP_BACKLOG_BYTES"] = 2_000_000.into();
        json["GROUP_BACKLOG_GROUPS"] = 10.into();
        let config = read(&json.to_string()).unwrap();
        let expected = Options {
            shards: 4,
            window_ms: 300,
            backlog_bytes: 2_000_000,
            backlog_groups: 10,
            ..Options::default()
        };
        assert_eq!((config.sink, config.group), (Sink::Group, expected));
    }

    #[test]
    fn numbers_come_as_numbers_or_as_text() {
        assert_eq!(with("BODY_BYTES", Some("5000")).unwrap().body_bytes, 5_000);
        assert_eq!(with("BODY_BYTES", Some("\"5000\"")).unwrap().body_bytes, 5_000);
        assert_eq!(with("UPSTREAM_TIMEOUT_MS", Some("100")).unwrap().upstream_timeout_ms, 100);
    }

    #[test]
    fn the_address_header_is_kept_in_lower_case() {
        let config = with("CLIENT_IP_HEADER", Some("\"CF-Connecting-IP\"")).unwrap();
        assert_eq!(config.client_ip_header.as_deref(), Some("cf-connecting-ip"));
    }

    #[test]
    fn each_wrong_variable_is_named_with_what_it_must_be() {
        let url = "must be like \"https://clickhouse.example.com:8443\", without user, password, \
                   ? and #";
        let password = "must be at most 128 ASCII characters without spaces";
        let secret = "must be 32 to 128 ASCII characters without spaces, or empty";
        let header = "must be the name of a header, such as cf-connecting-ip, or empty";
        let sink = "must be \"group\", \"direct\" or \"async_insert\"";
        for (variable, value, message) in [
            ("CLICKHOUSE_URL", None, "is missing"),
            ("CLICKHOUSE_URL", Some("\"127.0.0.1:8123\""), url),
            ("CLICKHOUSE_URL", Some("\"https://\""), url),
            ("CLICKHOUSE_URL", Some("\"https:///x\""), url),
            ("CLICKHOUSE_URL", Some("\"https://user:secret@host\""), url),
            ("CLICKHOUSE_URL", Some("\"https://host/?password=x\""), url),
            ("CLICKHOUSE_DATABASE", Some("\"\""), "must be letters, digits and _"),
            ("CLICKHOUSE_DATABASE", Some("\"a&b\""), "must be letters, digits and _"),
            ("CLICKHOUSE_INSERT_USER", None, "is missing"),
            ("CLICKHOUSE_INSERT_USER", Some("\"\""), "must not be empty"),
            ("CLICKHOUSE_INSERT_PASSWORD", Some("\"a\\nb\""), password),
            ("CLICKHOUSE_READ_USER", Some("true"), "must be text"),
            ("CLICKHOUSE_READ_PASSWORD", Some("\"ä\""), password),
            ("SITES", None, "is missing"),
            ("SITES", Some("\"[]\""), "must list 1 to 10000 sites"),
            ("BODY_BYTES", Some("999"), "must be a whole number from 1000 to 2000000"),
            ("BODY_BYTES", Some("2000001"), "must be a whole number from 1000 to 2000000"),
            ("BODY_BYTES", Some("1000.5"), "must be a whole number from 1000 to 2000000"),
            ("BODY_BYTES", Some("\"many\""), "must be a whole number from 1000 to 2000000"),
            ("UPSTREAM_TIMEOUT_MS", Some("99"), "must be a whole number from 100 to 60000"),
            ("CLIENT_IP_HEADER", Some("\"a b\""), header),
            ("CLIENT_IP", Some("\"all\""), "must be \"truncated\" or \"whole\""),
            ("CITY_HEADER", Some("\"a b\""), header),
            ("SINK", Some("\"groups\""), sink),
            ("GROUP_SHARDS", Some("0"), "must be a whole number from 1 to 64"),
            ("GROUP_WINDOW_MS", Some("9"), "must be a whole number from 10 to 5000"),
            (
                "GROUP_BACKLOG_BYTES",
                Some("1999999"),
                "must be a whole number from 2000000 to 8000000000",
            ),
            ("GROUP_BACKLOG_GROUPS", Some("0"), "must be a whole number from 1 to 100000"),
            (
                "CDC_RULES",
                Some("\"[{}]\""),
                "must be JSON, a list of rules: missing field `table` at line 1 column 3",
            ),
            (
                "TABLES",
                Some("\"{}\""),
                "must be JSON, a list of tables: invalid type: map, expected a sequence at line 1 \
                 column 0",
            ),
            ("RATE_LIMIT_PER_MINUTE", Some("-1"), "must be a whole number from 0 to 1000000"),
            ("CLUSTER", Some("\"a'b\""), "must be letters, digits and _"),
            ("USER_AGENT", Some("\"\""), "must be \"store\" or \"ignore\""),
            ("ADMIN_KEY", Some("\"too short\""), secret),
            ("TOKEN_SECRET", Some("\"thirty-two characters and a space\""), secret),
            ("CLICKHOUSE_ADMIN_USER", Some("\"a b\""), password),
        ] {
            let problem = Problem { variable, message: message.into() };
            assert_eq!(with(variable, value).unwrap_err(), [problem], "{variable} {value:?}");
        }
    }

    #[test]
    fn all_wrong_variables_are_named_at_once() {
        let variables: Vec<_> =
            read("{}").unwrap_err().iter().map(|problem| problem.variable).collect();
        assert_eq!(
            variables,
            ["CLICKHOUSE_URL", "CLICKHOUSE_INSERT_USER", "CLICKHOUSE_READ_USER", "SITES"]
        );
    }

    #[test]
    fn debug_output_keeps_the_passwords() {
        let text = format!("{:?}", read(GOOD).unwrap().insert_user);
        assert_eq!(text, "User { name: \"tallymark_insert\", .. }");
    }
}
