//! Runs the fuzzer: `cargo test --release --manifest-path tests/fuzz/Cargo.toml`.
//!
//! On stable Rust, so without cargo-fuzz: libFuzzer is guided by counters that the compiler puts
//! in under the flags below, which are those that cargo-fuzz passes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

#[path = "../golden/format.rs"]
mod format;
#[path = "../golden/ours.rs"]
mod ours;

use format::Golden;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const GUIDED: &str = "-Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Ccodegen-units=1";

/// The longest body that is tried. Every branch but those of the size limits is reached by less,
/// and those have tests of their own.
const BODY_BYTES: usize = 4096;

/// How long to look; `FUZZ_SECONDS` says otherwise.
const SECONDS: &str = "60";

#[test]
fn what_clickhouse_and_we_write_holds() {
    for (_, body) in seeds() {
        tallymark_fuzz::holds(&body);
    }
    for (_, body) in bodies() {
        tallymark_fuzz::json::holds(&body);
    }
    URLS.iter().for_each(|text| tallymark_fuzz::parsers::url_holds(text.as_bytes()));
    TOKENS.iter().for_each(|text| tallymark_fuzz::parsers::token_holds(text.as_bytes()));
    RULES.iter().for_each(|text| tallymark_fuzz::parsers::rules_hold(text.as_bytes()));
}

#[test]
fn the_block_checker_holds_for_whatever_the_fuzzer_draws() {
    holds_for_whatever_is_drawn("block", seeds());
}

#[test]
fn the_json_parser_holds_for_whatever_the_fuzzer_draws() {
    holds_for_whatever_is_drawn("events", bodies());
}

#[test]
fn the_url_parser_holds_for_whatever_the_fuzzer_draws() {
    holds_for_whatever_is_drawn("url", texts(URLS));
}

#[test]
fn the_token_parser_holds_for_whatever_the_fuzzer_draws() {
    holds_for_whatever_is_drawn("token", texts(TOKENS));
}

#[test]
fn the_rules_parser_holds_for_whatever_the_fuzzer_draws() {
    holds_for_whatever_is_drawn("rules", texts(RULES));
}

fn holds_for_whatever_is_drawn(target: &str, seeds: Vec<(String, Vec<u8>)>) {
    let output = fuzz("", "holds", target, seeds);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    assert!(told.contains("inline 8-bit counters"), "the fuzzer is blind:\n{told}");
    let done = told.lines().find(|line| line.starts_with("Done ")).unwrap_or_default();
    println!("{done}");
    let runs: u64 = done.split(' ').nth(1).unwrap().parse().unwrap();
    assert!(runs > 0, "{told}");
}

#[test]
fn a_bound_check_that_is_taken_out_is_found() {
    let output = fuzz("--cfg planted_bug", "planted", "block", seeds());
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "the fuzzer missed the planted bug:\n{told}");
    assert!(told.contains("the twins disagree: walking takes"), "{told}");
}

#[test]
fn rows_that_move_up_are_found() {
    let output = fuzz("--cfg planted_bug", "planted", "events", bodies());
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "the fuzzer missed the planted bug:\n{told}");
    assert!(told.contains("a row lost its place"), "{told}");
}

#[test]
fn a_bad_escape_that_swallows_what_follows_is_found() {
    finds_planted("url", texts(URLS), "the twins disagree: a parameter");
}

#[test]
fn a_token_of_two_spellings_is_found() {
    finds_planted("token", texts(TOKENS), "a changed token is taken");
}

#[test]
fn a_rule_of_no_table_is_found() {
    finds_planted("rules", texts(RULES), "a rule of no table is taken");
}

fn finds_planted(target: &str, seeds: Vec<(String, Vec<u8>)>, message: &str) {
    let output = fuzz("--cfg planted_bug", "planted", target, seeds);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "the fuzzer missed the planted bug:\n{told}");
    assert!(told.contains(message), "{told}");
}

/// Builds the target with these further flags and runs it over a fresh copy of the seeds.
fn fuzz(flags: &str, run: &str, target: &str, seeds: Vec<(String, Vec<u8>)>) -> Output {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{target}-{run}"));
    let corpus = folder.join("corpus");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&corpus).unwrap();
    for (name, body) in seeds {
        fs::write(corpus.join(name), body).unwrap();
    }
    let seconds = env::var("FUZZ_SECONDS").unwrap_or_else(|_| SECONDS.to_owned());
    Command::new(build(flags, target))
        .arg(&corpus)
        .arg(format!("-dict={}/{target}.dict", env!("CARGO_MANIFEST_DIR")))
        .arg(format!("-artifact_prefix={}/", folder.display()))
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={BODY_BYTES}"))
        .args(["-seed=26", "-print_final_stats=1"])
        .output()
        .unwrap()
}

/// The target built with counters; with `--target`, so that build scripts go without.
fn build(flags: &str, bin: &str) -> PathBuf {
    let version = Command::new("rustc").arg("-vV").output().unwrap().stdout;
    let version = String::from_utf8(version).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let target_dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/guided");
    let target_dir =
        if flags.is_empty() { target_dir } else { target_dir.with_file_name("planted") };
    let built = Command::new(env::var("CARGO").unwrap())
        .args(["build", "--quiet", "--release", "--bin", bin, "--features=fuzzer"])
        .args(["--target", host, "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .env("CARGO_TARGET_DIR", &target_dir)
        .env("RUSTFLAGS", format!("{GUIDED} {flags}"))
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .status()
        .unwrap();
    assert!(built.success());
    target_dir.join(host).join("release").join(bin)
}

/// What to begin with: a row of every field, alone and among others, and what is refused.
fn bodies() -> Vec<(String, Vec<u8>)> {
    const ID: &str = "01a20846-fe00-7000-8000-000000000002";
    let whole = format!(
        r#"{{"name":"a","entity_type":"b","entityId":1,"value":-1.5e3,"user_id":"u",
            "page_id":"{ID}","seq":1,"session_id":"{ID}","occurred_at":1795435200000,
            "properties":{{"a":{{"b":[1,{{"c":null}}]}},"d":"\ud83d\ude00"}},"pathname":"/é"}}"#
    )
    .replace('\n', " ");
    let bodies = [
        ("whole", whole.clone()),
        ("lines", format!("{whole}\n\n{{\"name\":\"b\"}}\r\n")),
        ("array", format!("[{whole}, {{\"name\":\"b\",\"ip_address\":\"::1\"}}]")),
        ("paths", r#"[{"name":"a","properties":{"a.b":1,"a":{"c":2}}}]"#.into()),
        ("ingest", r#"{"api_key":"page","events":[{"event_name":"a","user_id":"u"}]}"#.into()),
        ("none", "[]".into()),
        (
            "change",
            r#"{"before":{"id":1,"n":1},"after":{"id":1,"n":3,"t":5,"p":{"a.b":1}},"source":{"name":"s","db":"d","schema":"a","table":"b","txId":5,"lsn":7,"ts_ms":1795435200000},"op":"u"}"#.into(),
        ),
        ("tombstone", r#"{"schema":null,"payload":null}"#.into()),
    ];
    bodies.map(|(name, body)| (name.to_owned(), body.into_bytes())).into()
}

const URLS: &[&str] = &[
    "https://edge.test/v1/batch?v=1&k=pk_open&t=events&id=01a20846-fe00-7000-8000-000000000001",
    "https://edge.test/v1/query/summary?id=%C3%A4+b%26&id=2#x",
    "http://127.0.0.1:8787",
];

const TOKENS: &[&str] = &[
    r#"{"site":"demo","queries":["summary"],"ids":["42"],"exp":1795435201}"#,
    r#"{"site":"demo","queries":[],"exp":1795435199}"#,
    "tt1.e30.e30",
];

const RULES: &[&str] = &[
    include_str!("../../worker/cdc.example.json"),
    r#"[{"table":"a.b","on":["create","delete","read"],"changed":[],"event":{"name":"a","entity_id":{"column":"id"},"value":{"delta":"n"}}}]"#,
    r#"[{"table":"a.b","on":["update"],"changed":["n"],"event":{"name":{"column":"s"},"occurred_at":{"column":"t","unit":"us"},"properties":{"p":true}}}]"#,
    "[]",
];

/// Each of these texts under its place in the list.
fn texts(list: &[&str]) -> Vec<(String, Vec<u8>)> {
    let named = |(at, text): (usize, &&str)| (format!("seed_{at}"), text.as_bytes().to_vec());
    list.iter().enumerate().map(named).collect()
}

/// What to begin with: ClickHouse's bytes and ours.
fn seeds() -> Vec<(String, Vec<u8>)> {
    let goldens = Golden::all().into_iter().map(|golden| (golden.name, golden.bytes));
    let ours = ours::all();
    let ours = ours.iter().map(|(name, columns)| (format!("ours_{name}"), ours::encode(columns)));
    goldens.chain(ours).collect()
}
