//! The environment's variables become typed configuration; every wrong one is named.

mod environment;
mod group;
mod parse;
mod problems;

pub use environment::Environment;
pub use problems::Problem;

use crate::cdc::Rules;
use crate::group::Options;
use crate::limits;
use crate::migrate::Cluster;
use crate::sink::Sink;
use crate::sites::{Sites, digest};
use crate::tables::Tables;
use problems::Problems;

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
    pub cluster: Option<Cluster>,
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
        let mut problems = Problems::default();
        match Self::checked(from, &mut problems) {
            Some(config) if problems.0.is_empty() => Ok(config),
            _ => Err(problems.0),
        }
    }

    fn checked(from: &Environment, problems: &mut Problems) -> Option<Self> {
        let clickhouse_url =
            problems.read("CLICKHOUSE_URL", &from.clickhouse_url, None, parse::base_url);
        let database = problems.read(
            "CLICKHOUSE_DATABASE",
            &from.clickhouse_database,
            Some("tallymark"),
            parse::name,
        );
        let insert_user = problems.user(
            ("CLICKHOUSE_INSERT_USER", &from.clickhouse_insert_user),
            ("CLICKHOUSE_INSERT_PASSWORD", &from.clickhouse_insert_password),
        );
        let read_user = problems.user(
            ("CLICKHOUSE_READ_USER", &from.clickhouse_read_user),
            ("CLICKHOUSE_READ_PASSWORD", &from.clickhouse_read_password),
        );
        let sites = problems.read("SITES", &from.sites, None, Sites::parse);
        let body_bytes = problems.number(
            "BODY_BYTES",
            &from.body_bytes,
            limits::BODY_BYTES,
            (limits::BODY_BYTES_MIN, limits::BODY_BYTES_MAX),
        );
        let upstream_timeout_ms = problems.number(
            "UPSTREAM_TIMEOUT_MS",
            &from.upstream_timeout_ms,
            limits::UPSTREAM_TIMEOUT_MS,
            limits::UPSTREAM_TIMEOUT_MS_RANGE,
        );
        let client_ip_header = problems.header("CLIENT_IP_HEADER", &from.client_ip_header);
        let stores_whole_ip =
            problems.read("CLIENT_IP", &from.client_ip, Some("truncated"), parse::stores_whole_ip);
        let country = problems.header("COUNTRY_HEADER", &from.country_header);
        let region = problems.header("REGION_HEADER", &from.region_header);
        let city = problems.header("CITY_HEADER", &from.city_header);
        let admin_key = problems.read("ADMIN_KEY", &from.admin_key, Some(""), parse::secret);
        let admin_name = problems.read(
            "CLICKHOUSE_ADMIN_USER",
            &from.clickhouse_admin_user,
            Some(""),
            parse::header_value,
        );
        let admin_password =
            problems.password("CLICKHOUSE_ADMIN_PASSWORD", &from.clickhouse_admin_password);
        let token_secret =
            problems.read("TOKEN_SECRET", &from.token_secret, Some(""), parse::secret);
        let cdc_rules = problems.read("CDC_RULES", &from.cdc_rules, Some(""), Rules::parse);
        let tables = problems.read("TABLES", &from.tables, Some(""), Tables::parse);
        let cluster = problems.read("CLUSTER", &from.cluster, Some(""), Cluster::parse);
        let rate_limit_per_minute = problems.number(
            "RATE_LIMIT_PER_MINUTE",
            &from.rate_limit_per_minute,
            0,
            limits::RATE_LIMIT_PER_MINUTE_RANGE,
        );
        let reads_agents =
            problems.read("USER_AGENT", &from.user_agent, Some("store"), parse::reads_agents);
        let sink = problems.read("SINK", &from.sink, Some("direct"), Sink::parse);
        let declared = tables.as_ref().map_or(0, |tables| tables.iter().count());
        let group = group::read(problems, from, 1 + declared);
        if sink == Some(Sink::Group) {
            group::check(problems, from, body_bytes);
        }
        let is_sharded = cluster.iter().flatten().any(Cluster::is_sharded);
        if sink == Some(Sink::AsyncInsert) && is_sharded {
            let message = "async_insert is not for the shards of CLUSTER: its queue may leave an \
                           insert's token behind";
            problems.0.push(Problem { variable: "SINK", message: message.into() });
        }
        // Only now may one that is wrong end it: all have been read, and every problem is noted.
        let (admin_name, admin_password) = (admin_name?, admin_password?);
        Some(Self {
            clickhouse_url: clickhouse_url?,
            database: database?,
            insert_user: insert_user?,
            read_user: read_user?,
            sites: sites?,
            body_bytes: body_bytes?,
            upstream_timeout_ms: upstream_timeout_ms?,
            client_ip_header: client_ip_header?,
            stores_whole_ip: stores_whole_ip?,
            place_headers: [country?, region?, city?],
            sink: sink?,
            group: group?,
            has_groups: from.groups.is_some(),
            cdc_rules: cdc_rules?,
            tables: tables?,
            cluster: cluster?,
            has_rate_limiter: from.rate_limiter.is_some(),
            rate_limit_per_minute: rate_limit_per_minute?,
            reads_agents: reads_agents?,
            admin_digest: admin_key?.as_deref().map(digest),
            admin_user: (!admin_name.is_empty())
                .then_some(User { name: admin_name, password: admin_password }),
            token_secret: token_secret?.map(Secret),
        })
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
            ("CLUSTER", Some("\"a:b\""), "must end with :shards, with :servers or with neither"),
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
    fn a_queue_is_not_for_several_shards() {
        let with = |sink: &str, cluster: &str| {
            let mut json: serde_json::Value = serde_json::from_str(GOOD).unwrap();
            json["SINK"] = sink.into();
            json["CLUSTER"] = cluster.into();
            let problems = read(&json.to_string()).err().unwrap_or_default();
            problems.iter().map(|problem| problem.variable).collect::<Vec<_>>()
        };
        assert_eq!(with("async_insert", "main:shards"), ["SINK"]);
        assert_eq!(with("async_insert", "main:servers"), ["SINK"]);
        assert!(with("async_insert", "main").is_empty());
        assert!(with("direct", "main:shards").is_empty());
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
