//! Against a real ClickHouse, which `CLICKHOUSE_URL` names: it reads back what we write.

// Clippy allows these in `#[test]` functions only; what those call is a test just as much.
#![allow(clippy::unwrap_used, clippy::panic)]

#[allow(dead_code, reason = "as much of the simulation as its model of ClickHouse needs")]
#[path = "../simulation/dice.rs"]
mod dice;
#[path = "../golden/format.rs"]
mod format;
#[allow(dead_code, reason = "the simulation forgets by time too")]
#[path = "../simulation/clickhouse.rs"]
mod model;
#[path = "../golden/ours.rs"]
mod ours;

mod blocks;
mod client;
mod deduplication;
mod goldens;

use client::Client;

/// A database of one test, gone when the test ends.
struct Database {
    client: Client,
    name: String,
}

impl Database {
    fn new(test: &str) -> Self {
        let client = Client::from_env();
        let name = format!("tallymark_{test}_{}", std::process::id());
        client.query(&format!("CREATE DATABASE {name}"));
        Self { client, name }
    }

    /// Makes a table of these columns; its name with the database's.
    fn table(&self, name: &str, columns: &str) -> String {
        let table = format!("{}.{name}", self.name);
        self.client.query(&format!("CREATE TABLE {table} ({columns}) ENGINE = Memory"));
        table
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.client.query(&format!("DROP DATABASE {}", self.name));
    }
}
