//! `cargo xtask migrate`: applies `worker/schema/*.sql` as the worker itself does.

use super::DATABASE;
use super::client::Client;
use super::users::User;
use anyhow::{Context, Result, anyhow};
use std::path::{Path, PathBuf};
use tallymark_worker::limits::TTL_DAYS;
use tallymark_worker::migrate::{Cluster, Failure, Next, Options, Report, Run};
use tallymark_worker::tables::Tables;

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
    /// Only show the SQL
    #[arg(long)]
    dry_run: bool,
    /// Delete events this many days after they occurred; rollups stay
    #[arg(long, value_parser = clap::value_parser!(u32).range(i64::from(TTL_DAYS.0)..=i64::from(TTL_DAYS.1)))]
    ttl_days: Option<u32>,
    /// How long an insert may be under way while rollups are added to a table in use [default:
    /// 15000]
    #[arg(long)]
    settle_ms: Option<u32>,
    /// File that declares tables of one's own, as worker/tables.example.json does
    #[arg(long)]
    tables: Option<PathBuf>,
    /// Make everything on this cluster: NAME of one shard, NAME:shards of several, both replicated;
    /// NAME:servers of several shards of one server each, on this one of them
    #[arg(long, value_parser = cluster)]
    cluster: Option<Cluster>,
}

/// Applies the migrations and says which, or shows them.
pub fn run(args: &Args) -> Result<()> {
    let user = User { name: args.user.clone(), password: args.password.clone() };
    let options =
        Options { dry_run: args.dry_run, ttl_days: args.ttl_days, settle_ms: args.settle_ms };
    let tables = args.tables.as_deref().map(declared).transpose()?.unwrap_or_default();
    let report =
        apply(&Client::new(&args.url).with_user(&user), options, &tables, args.cluster.as_ref())?;
    if args.dry_run {
        for statement in &report.statements {
            println!("{statement};\n");
        }
    }
    let verb = if args.dry_run { "to apply" } else { "applied" };
    println!("-- {verb}: {} files {}", report.files.len(), report.files.join(" "));
    Ok(())
}

/// Creates the database and applies what is missing in it.
pub fn apply(
    client: &Client,
    options: Options,
    tables: &Tables,
    cluster: Option<&Cluster>,
) -> Result<Report> {
    if !options.dry_run {
        let everywhere = cluster.map(Cluster::everywhere).unwrap_or_default();
        client.query(&format!("CREATE DATABASE IF NOT EXISTS {DATABASE}{everywhere}"))?;
    }
    let client = client.clone().with_database(DATABASE);
    let mut run = Run::new(options).with_tables(tables).on_cluster(cluster);
    let mut next = run.begin();
    loop {
        match next {
            Next::Done(report) => return Ok(report),
            Next::Query(statement) => {
                let answer = client.query(&statement);
                let answer = answer.as_deref().map_err(|error| failure(&format!("{error:#}")));
                next = run.take(answer).map_err(|why| anyhow!("{why}; in: {statement}"))?;
            }
        }
    }
}

/// The tables that a file declares.
pub fn declared(file: &Path) -> Result<Tables> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    tables(&text).map_err(|why| anyhow!("{}: {why}", file.display()))
}

fn cluster(text: &str) -> Result<Cluster, String> {
    Cluster::parse(text)?.ok_or_else(|| "must be a name".into())
}

/// The tables of this text; for clap.
pub fn tables(text: &str) -> Result<Tables, String> {
    Tables::parse(text)
}

/// ClickHouse's text begins with `Code: 60. `.
fn failure(message: &str) -> Failure {
    let code = message.strip_prefix("Code: ").and_then(|rest| rest.split('.').next());
    Failure { code: code.map(str::to_owned), message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::failure;

    #[test]
    fn the_code_is_read_from_clickhouse_s_text() {
        let code = |text: &str| failure(text).code;
        assert_eq!(code("Code: 60. DB::Exception: no"), Some("60".to_owned()));
        assert_eq!(code("no answer from ClickHouse"), None);
    }
}
