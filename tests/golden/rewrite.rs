//! Asks the ClickHouse at `CLICKHOUSE_URL` for every golden again: `cargo run --example goldens`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a tool of the tests")]

#[path = "../server/client.rs"]
mod client;
mod format;

use client::Client;
use format::Golden;

fn main() {
    let client = Client::from_env();
    let version = client.text("SELECT version()");
    for golden in Golden::all() {
        let bytes = client.query(&format!("{}\nFORMAT Native", golden.query));
        let changed = if bytes == golden.bytes { "as before" } else { "CHANGED" };
        println!("{:<28} {:>5} bytes, {changed}", golden.name, bytes.len());
        Golden { bytes, ..golden }.write(version.trim());
    }
}
