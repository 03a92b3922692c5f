//! `cargo xtask tables`: what a declaration becomes.

use crate::clickhouse::migrate;
use anyhow::Result;
use std::path::PathBuf;
use tallymark_worker::tables::declarations;

/// Options of `cargo xtask tables`.
#[derive(clap::Args)]
pub struct Args {
    /// File that declares them, as worker/tables.example.json does
    file: PathBuf,
    /// The types of their rows, instead of the DDL
    #[arg(long)]
    types: bool,
}

/// Prints the DDL, or the TypeScript.
pub fn run(args: &Args) -> Result<()> {
    let tables = migrate::declared(&args.file)?;
    if args.types {
        print!("{}", declarations(&tables));
        return Ok(());
    }
    for statement in tables.statements() {
        println!("{statement};\n");
    }
    Ok(())
}
