//! What several tests share: one configuration, one moment.

use crate::config::{Config, Environment, User};
use crate::worker::Worker;
use std::rc::Rc;

/// 2026-11-23T12:00:00Z, in Unix milliseconds.
pub const NOW: i64 = 1_795_435_200_000;

/// `ADMIN_KEY`.
pub const ADMIN_KEY: &str = "the-admin-key-of-thirty-two-characters-or-more";

/// A token with this payload, signed with `TOKEN_SECRET`.
pub fn sign(payload: &str) -> String {
    crate::token::sign(payload, "a-secret-of-at-least-thirty-two-characters")
}

const ENVIRONMENT: &str = r#"{
    "CLICKHOUSE_URL": "http://ch.test:8123",
    "CLICKHOUSE_INSERT_USER": "writer",
    "CLICKHOUSE_INSERT_PASSWORD": "in",
    "CLICKHOUSE_READ_USER": "reader",
    "CLICKHOUSE_READ_PASSWORD": "out",
    "SITES": "[{\"site\":\"demo\",\"key\":\"pk_demo\",\"origins\":[\"https://example.com\"],\"reader_keys\":[\"rk_demo\"]},{\"site\":\"demo\",\"key\":\"sk_demo\",\"kind\":\"server\"},{\"site\":\"open\",\"key\":\"pk_open\",\"origins\":[\"*\"]}]",
    "ADMIN_KEY": "the-admin-key-of-thirty-two-characters-or-more",
    "CLICKHOUSE_ADMIN_USER": "maker",
    "CLICKHOUSE_ADMIN_PASSWORD": "all",
    "TOKEN_SECRET": "a-secret-of-at-least-thirty-two-characters",
    "BODY_BYTES": 5000,
    "CLIENT_IP_HEADER": "x-real-ip"
}"#;

/// The same, with a rule for what happens to `public.models`.
pub fn environment_with_rules() -> Environment {
    let rules = r#"[{\"table\":\"public.models\",\"on\":[\"create\"],\"event\":{\"name\":\"a\"}}]"#;
    let start = format!(r#"{{ "CDC_RULES": "{rules}","#);
    serde_json::from_str(&ENVIRONMENT.replacen('{', &start, 1)).unwrap()
}

/// A site `demo` bound to one origin, with a server's key, a site `open` for all; bodies up to 5,000 bytes.
pub fn environment() -> Environment {
    serde_json::from_str(ENVIRONMENT).unwrap()
}

/// The same, checked.
pub fn config() -> Config {
    Config::read(&environment()).unwrap()
}

/// The same with four shards of the group-maker.
pub fn grouping_environment() -> Environment {
    let mut json: serde_json::Value = serde_json::from_str(ENVIRONMENT).unwrap();
    json["SINK"] = "group".into();
    json["GROUPS"] = serde_json::json!({});
    json["GROUP_SHARDS"] = 4.into();
    serde_json::from_value(json).unwrap()
}

/// The same once more with the sink `direct`.
pub fn once_grouping_environment() -> Environment {
    let mut json: serde_json::Value = serde_json::from_str(ENVIRONMENT).unwrap();
    json["GROUPS"] = serde_json::json!({});
    json["GROUP_SHARDS"] = 4.into();
    serde_json::from_value(json).unwrap()
}

/// The same with these variables more, as JSON.
pub fn environment_with(variables: &str) -> Environment {
    let mut json: serde_json::Value = serde_json::from_str(ENVIRONMENT).unwrap();
    let more: serde_json::Value = serde_json::from_str(&format!("{{{variables}}}")).unwrap();
    for (name, value) in more.as_object().unwrap() {
        json[name] = value.clone();
    }
    serde_json::from_value(json).unwrap()
}

/// The same with the metrics document's table.
pub fn config_with_tables() -> Config {
    let mut json: serde_json::Value = serde_json::from_str(ENVIRONMENT).unwrap();
    json["TABLES"] = include_str!("../tables.example.json").into();
    Config::read(&serde_json::from_value(json).unwrap()).unwrap()
}

/// Its reading user.
pub fn reader() -> User {
    config().read_user
}

/// A worker of it.
pub fn worker() -> Rc<Worker> {
    Rc::new(Worker::new(&environment(), [1, 2, 3, 4]))
}
