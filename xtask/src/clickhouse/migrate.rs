//! `cargo xtask migrate`: applies `worker/schema/*.sql` in order.

use super::DATABASE;
use super::client::Client;
use super::users::User;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// Options of `cargo xtask migrate`.
#[derive(clap::Args)]
pub struct Args {
    /// Address of ClickHouse's HTTP interface
    #[arg(long, env = "CLICKHOUSE_URL")]
    url: String,
    /// A user who may create databases, tables and views
    #[arg(long, env = "CLICKHOUSE_USER", default_value = "default")]
    user: String,
    /// That user's password
    #[arg(long, env = "CLICKHOUSE_PASSWORD", default_value = "", hide_env_values = true)]
    password: String,
}

/// Applies the migrations and says how many files there were.
pub fn run(args: &Args) -> Result<()> {
    let user = User { name: args.user.clone(), password: args.password.clone() };
    let files =
        apply(&Client::new(&args.url).with_user(&user), &crate::paths::at("worker/schema"))?;
    println!("applied {files} files");
    Ok(())
}

/// Creates the database and runs every file in the order of their names. Each statement is
/// idempotent, so a run after a broken one is safe.
pub fn apply(client: &Client, folder: &Path) -> Result<usize> {
    client.query(&format!("CREATE DATABASE IF NOT EXISTS {DATABASE}"))?;
    let client = client.clone().with_database(DATABASE);
    let files = sql_files(folder)?;
    for file in &files {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        for statement in statements(&text) {
            client.query(statement).with_context(|| format!("{} failed", file.display()))?;
        }
    }
    Ok(files.len())
}

fn sql_files(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "sql") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Cuts a file at each `;` that is neither quoted nor in a comment: over HTTP ClickHouse takes
/// one statement a request.
fn statements(text: &str) -> Vec<&str> {
    let bytes = text.as_bytes();
    let (mut found, mut start, mut at, mut has_code) = (Vec::new(), 0, 0, false);
    while at < bytes.len() {
        let rest = &bytes[at..];
        at += match rest {
            [quote @ (b'\'' | b'"' | b'`'), ..] => {
                has_code = true;
                quoted_bytes(rest, *quote)
            }
            [b'-', b'-', ..] => until(rest, b"\n"),
            [b'/', b'*', ..] => until(rest, b"*/"),
            [b';', ..] => {
                if has_code {
                    found.push(text[start..at].trim());
                }
                (start, has_code) = (at + 1, false);
                1
            }
            [byte, ..] => {
                has_code |= !byte.is_ascii_whitespace();
                1
            }
            [] => 1,
        };
    }
    if has_code {
        found.push(text[start..].trim());
    }
    found
}

/// Length of a quoted piece; a doubled quote ends one piece and begins the next, which comes to
/// the same.
fn quoted_bytes(text: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < text.len() {
        match text[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

fn until(text: &[u8], end: &[u8]) -> usize {
    let found = text.windows(end.len()).position(|window| window == end);
    found.map_or(text.len(), |at| at + end.len())
}

#[cfg(test)]
mod tests {
    use super::statements;

    #[test]
    fn cuts_at_semicolons_outside_quotes_and_comments() {
        let text = "-- first; really\nCREATE a;\n/* b; */ SELECT ';', \"x;\", `y;`, 'it\\'s;' ;\n";
        let expected =
            ["-- first; really\nCREATE a", "/* b; */ SELECT ';', \"x;\", `y;`, 'it\\'s;'"];
        assert_eq!(statements(text), expected);
    }

    #[test]
    fn the_last_statement_needs_no_semicolon_and_comments_alone_are_none() {
        assert_eq!(statements("SELECT 1;\nSELECT 2"), ["SELECT 1", "SELECT 2"]);
        assert_eq!(statements("-- nothing;\n;;\n/* at all */"), [""; 0]);
    }

    #[test]
    fn a_doubled_quote_does_not_end_the_text() {
        assert_eq!(statements("SELECT 'a'';b'; SELECT 2"), ["SELECT 'a'';b'", "SELECT 2"]);
    }
}
