//! As much of ClickHouse's HTTP interface as the tests need.

use std::env;

/// A server and who we are to it.
pub struct Client {
    url: String,
    user: String,
    password: String,
}

impl Client {
    /// The server that `CLICKHOUSE_URL` names, as `CLICKHOUSE_USER` or `default`.
    pub fn from_env() -> Self {
        let url = env::var("CLICKHOUSE_URL");
        let url = url.unwrap_or_else(|_| panic!("set CLICKHOUSE_URL to a server's HTTP address"));
        let user = env::var("CLICKHOUSE_USER").unwrap_or_else(|_| "default".to_owned());
        let password = env::var("CLICKHOUSE_PASSWORD").unwrap_or_default();
        Self { url: url.trim_end_matches('/').to_owned(), user, password }
    }

    /// Runs a statement; panics with the server's words when it fails.
    pub fn query(&self, statement: &str) -> Vec<u8> {
        self.post(&self.url, statement.as_bytes())
    }

    /// The answer as text.
    pub fn text(&self, statement: &str) -> String {
        String::from_utf8(self.query(statement)).unwrap()
    }

    /// Inserts a body of format Native.
    #[allow(dead_code, reason = "the goldens only ask")]
    pub fn insert(&self, table: &str, body: &[u8]) {
        let url = format!(
            "{}/?async_insert=0&input_format_skip_unknown_fields=0\
             &query=INSERT%20INTO%20{table}%20FORMAT%20Native",
            self.url
        );
        self.post(&url, body);
    }

    /// Inserts a body of format Native under a token; the server's words when it refuses.
    #[allow(dead_code, reason = "the goldens only ask")]
    pub fn try_insert(&self, table: &str, token: &str, body: &[u8]) -> Result<(), String> {
        let url = format!(
            "{}/?async_insert=0&insert_deduplication_token={token}\
             &query=INSERT%20INTO%20{table}%20FORMAT%20Native",
            self.url
        );
        self.send(&url, body).map(drop)
    }

    fn post(&self, url: &str, body: &[u8]) -> Vec<u8> {
        self.send(url, body).unwrap_or_else(|told| panic!("{told}"))
    }

    fn send(&self, url: &str, body: &[u8]) -> Result<Vec<u8>, String> {
        let mut answer = ureq::post(url)
            .config()
            .http_status_as_error(false)
            .build()
            .header("X-ClickHouse-User", &self.user)
            .header("X-ClickHouse-Key", &self.password)
            .send(body)
            .unwrap();
        let failed = answer.headers().get("X-ClickHouse-Exception-Code").is_some();
        let body = answer.body_mut().read_to_vec().unwrap();
        if failed || answer.status() != 200 {
            return Err(format!("{}: {}", answer.status(), String::from_utf8_lossy(&body)));
        }
        Ok(body)
    }
}
