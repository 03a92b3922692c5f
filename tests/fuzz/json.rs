//! What holds for every body of `/v1/events`, `/ingest-events` and `/v1/cdc`: reading it never panics and
//! allocates within a bound; each row is taken or refused, in order; what is taken is one block of
//! the table whose rows have their own place, and properties that ClickHouse takes; the same
//! request gives the same bytes.

use super::ALLOCATOR;
use serde_json::Value;
use std::collections::BTreeSet;
use tallymark::block;
use tallymark::limits::BLOCK_ROWS;
use tallymark::rng::{Rng, Uuid};
use tallymark::time::UnixMs;
use tallymark_worker::batch::Head as Batch;
use tallymark_worker::cdc::Changes;
use tallymark_worker::config::Config;
use tallymark_worker::enrich::Sender;
use tallymark_worker::events::{Form, Head, Taken};
use tallymark_worker::refusal::{Code, Refusal};
use tallymark_worker::url::Url;

/// 2026-11-23T12:00:00Z, in Unix milliseconds; the id below has the same time.
const NOW: i64 = 1_795_435_200_000;
const URL: &str = "https://edge.test/?k=page&id=01a20846-fe00-7000-8000-000000000001";

/// How that id ends.
const LAST: &[u8] = b"000000000001";

/// A body of some kilobytes, its rows, their columns and the block.
const TAKE_BYTES: usize = 8 * 1024 * 1024;

const ENVIRONMENT: &str = r#"{
    "CLICKHOUSE_URL": "http://ch.test:8123",
    "CLICKHOUSE_INSERT_USER": "writer",
    "CLICKHOUSE_READ_USER": "reader",
    "SITES": "[{\"site\":\"a\",\"key\":\"page\",\"origins\":[\"*\"]},{\"site\":\"a\",\"key\":\"server\",\"kind\":\"server\"}]",
    "CDC_RULES": "[{\"table\":\"a.b\",\"on\":[\"create\",\"update\",\"delete\",\"read\"],\"event\":{\"name\":\"a\",\"entity_id\":{\"column\":\"id\"},\"value\":{\"delta\":\"n\"},\"occurred_at\":{\"column\":\"t\",\"unit\":\"us\"},\"properties\":{\"p\":{\"column\":\"p\"}}}}]"
}"#;

/// Panics if anything that should hold does not hold for `body`.
pub fn holds(body: &[u8]) {
    let config = Config::read(&serde_json::from_str(ENVIRONMENT).unwrap()).unwrap();
    changes_hold(body, &config);
    for (form, api_key) in [
        (Form::Events, None),
        (Form::Events, Some("server")),
        (Form::Ingest, None),
        (Form::Ingest, Some("server")),
    ] {
        ALLOCATOR.set_limit(ALLOCATOR.allocated() + TAKE_BYTES).unwrap();
        let taken = take(form, api_key, body, &config, NOW);
        ALLOCATOR.set_limit(usize::MAX).unwrap();
        match &taken {
            Ok(taken) => taken_holds(taken, body),
            Err(refusal) => {
                let known = [Code::BadRequest, Code::BadBlock, Code::TooLarge, Code::BadKey];
                assert!(known.contains(&refusal.code), "{refusal:?}");
            }
        }
        // Not assert_eq!: printing two blocks would take longer than finding them.
        assert!(taken == take(form, api_key, body, &config, NOW), "one request, two results");
    }
}

/// The same for changes: what becomes an insert is one block under its id.
fn changes_hold(body: &[u8], config: &Config) {
    let read = || Changes::read(body, "a", UnixMs(NOW), config);
    let (Ok(mut changes), Ok(mut again)) = (read(), read()) else { return };
    while let Some((Batch { id, .. }, body)) = changes.next_batch() {
        let block = block::walk(&body).unwrap();
        assert!(block.column("batch_id").unwrap().values::<Uuid>().unwrap().all(|own| own == id));
        assert!(id.v7_time().is_some());
        assert!(again.next_batch().is_some_and(|(same, _)| same.id == id));
    }
}

fn take(
    form: Form,
    api_key: Option<&str>,
    body: &[u8],
    config: &Config,
    now: i64,
) -> Result<Taken, Refusal> {
    let mut rng = Rng::new([1; 4]);
    let url = Url::parse(URL);
    // With a key of its own in the URL the header is the only other one.
    let url = if form == Form::Ingest { Url { query: "", ..url } } else { url };
    Head::read(form, &url, None, api_key, UnixMs(now), config, &mut rng)?.take(
        body,
        &Sender::default(),
        UnixMs(now),
        config,
    )
}

fn taken_holds(taken: &Taken, sent: &[u8]) {
    let receipt = &taken.receipt;
    let rows = receipt.taken + receipt.refused.len();
    assert!(rows <= BLOCK_ROWS);
    let refused: BTreeSet<usize> = receipt.refused.iter().map(|refused| refused.index).collect();
    assert!(refused.len() == receipt.refused.len() && refused.iter().all(|&index| index < rows));
    assert!(receipt.refused.iter().all(|refused| !refused.message.is_empty()));
    let Some((_, body)) = &taken.batch else {
        assert_eq!(receipt.taken, 0);
        return;
    };
    let block = block::walk(body).unwrap();
    assert_eq!(block.rows(), receipt.taken);
    assert!(block.column("name").unwrap().texts().unwrap().all(|name| !name.is_empty()));
    if let Some(properties) = block.column("properties") {
        properties.texts().unwrap().for_each(|text| assert!(is_taken_by_clickhouse(text), "{text}"));
    }
    // Whoever names the request's own id as a page's says what stands where.
    if sent.windows(LAST.len()).any(|window| window == LAST) {
        return;
    }
    let own = block.column("batch_id").unwrap().values::<Uuid>().unwrap().next().unwrap();
    let pages = block.column("page_id").unwrap().values::<Uuid>().unwrap();
    let seqs = block.column("seq").unwrap().values::<u32>().unwrap();
    let places = (0..rows).filter(|index| !refused.contains(index));
    for ((page, seq), place) in pages.zip(seqs).zip(places) {
        assert!(page != own || seq as usize == place, "a row lost its place");
    }
}

/// An object of which no path is there twice: the naive twin, by the paths' texts.
fn is_taken_by_clickhouse(text: &str) -> bool {
    let value: Value = serde_json::from_str(text).unwrap();
    value.is_object() && is_distinct(&value)
}

fn is_distinct(value: &Value) -> bool {
    match value {
        Value::Object(_) => {
            let mut paths = Vec::new();
            leaves(None, value, &mut paths);
            let distinct: BTreeSet<_> = paths.iter().map(|(path, _)| path).collect();
            distinct.len() == paths.len() && paths.iter().all(|(_, leaf)| is_distinct(leaf))
        }
        Value::Array(elements) => elements.iter().all(is_distinct),
        _ => true,
    }
}

fn leaves<'a>(path: Option<&str>, value: &'a Value, paths: &mut Vec<(String, &'a Value)>) {
    let Value::Object(members) = value else {
        paths.push((path.unwrap_or_default().to_owned(), value));
        return;
    };
    for (name, value) in members {
        let path = path.map_or_else(|| name.clone(), |path| format!("{path}.{name}"));
        leaves(Some(&path), value, paths);
    }
}
