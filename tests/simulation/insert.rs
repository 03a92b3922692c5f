//! What the worker posts to ClickHouse, read back as the server would read it.

use tallymark::block::{self, Block};
use tallymark::drops::DROPPED;
use tallymark::rng::Uuid;
use tallymark::time::UnixMs;
use tallymark_worker::upstream::Request;
use tallymark_worker::xxh64;

use crate::clickhouse::{Insert, RowKey};

/// The sites of the worker's configuration, by number.
pub const SITES: [&str; 2] = ["s0", "s1"];

/// What decides the partition: rule 6 of the design, and the way to break it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlacedBy {
    BatchId,
    /// `occurred_at` as the edge corrected it, which differs from try to try.
    CorrectedTime,
}

/// The insert that a request asks for; else what is wrong with it. Its body is blocks of so many
/// bytes, one behind the other; one block if nothing is told.
pub fn read(request: &Request, blocks: &[usize], placed_by: PlacedBy) -> Result<Insert, String> {
    let url = &request.url;
    for (name, value) in [
        ("database", "tallymark"),
        ("query", "INSERT%20INTO%20events%20FORMAT%20Native"),
        ("async_insert", "0"),
        ("input_format_skip_unknown_fields", "0"),
    ] {
        if parameter(url, name) != value {
            return Err(format!("an insert without {name}={value}: {url}"));
        }
    }
    if !request.headers.contains(&("content-encoding", "zstd".into())) {
        return Err("an insert that does not say that it is zstd".into());
    }
    let token = parameter(url, "insert_deduplication_token");
    let token = Uuid::parse(token.as_bytes()).ok_or("an insert without a token")?;
    let body = unpack(&request.body).ok_or("a body that is no zstd frame of raw blocks")?;
    let mut rest = body.as_slice();
    let mut rows = Vec::new();
    let whole = [body.len()];
    for bytes in if blocks.is_empty() { &whole } else { blocks } {
        let (block, behind) = rest.split_at_checked(*bytes).ok_or("a body that ends early")?;
        rows.extend(placed_rows(block, placed_by).ok_or("a block that is not complete")?);
        rest = behind;
    }
    if !rest.is_empty() {
        return Err("a body with something behind its blocks".into());
    }
    Ok(Insert::new(token, rows))
}

/// The batch that a request asks for, if it asks whether the table has one.
pub fn looked_up(request: &Request) -> Option<Uuid> {
    Uuid::parse(parameter(&request.url, "param_batch").as_bytes())
}

/// A parameter of a URL, as it stands there.
pub fn parameter<'a>(url: &'a str, name: &str) -> &'a str {
    let parameters = url.split('?').nth(1).unwrap_or_default().split('&');
    parameters.filter_map(|it| it.split_once('=')).find(|it| it.0 == name).map_or("", |it| it.1)
}

/// The content of one zstd frame of raw blocks with its size and its checksum (RFC 8878).
fn unpack(frame: &[u8]) -> Option<Vec<u8>> {
    let rest = frame.strip_prefix(&[0x28, 0xb5, 0x2f, 0xfd, 0xa4])?;
    let (size, mut rest) = rest.split_first_chunk::<4>()?;
    let mut content = Vec::with_capacity(frame.len());
    loop {
        let (&[b0, b1, b2], behind) = rest.split_first_chunk::<3>()?;
        let head = u32::from_le_bytes([b0, b1, b2, 0]);
        let (raw, behind) = behind.split_at_checked((head >> 3) as usize)?;
        content.extend_from_slice(raw);
        rest = behind;
        // Bits 1 and 2 are the kind of a block: 0 is raw.
        match head & 7 {
            0 => {}
            1 => break,
            _ => return None,
        }
    }
    let is_whole = content.len() == u32::from_le_bytes(*size) as usize
        && rest == (xxh64::hash(&content) as u32).to_le_bytes();
    is_whole.then_some(content)
}

/// The rows of a completed block, each with the time that places it.
pub fn placed_rows(body: &[u8], placed_by: PlacedBy) -> Option<Vec<(RowKey, UnixMs)>> {
    let block = block::walk(body).ok()?;
    let rows = rows_of(&block)?;
    let sites = block.column("site")?.texts()?;
    let ids = block.column("batch_id")?.values::<Uuid>()?;
    let times = block.column("occurred_at")?.values::<UnixMs>()?;
    let mut placed = Vec::with_capacity(rows.len());
    for (((row, site), id), time) in rows.into_iter().zip(sites).zip(ids).zip(times) {
        let site = SITES.iter().position(|name| *name == site)?;
        let placed_by = match placed_by {
            PlacedBy::BatchId => id.v7_time()?,
            PlacedBy::CorrectedTime => time,
        };
        placed.push((RowKey { site, ..row }, placed_by));
    }
    Some(placed)
}

/// The rows of a block as the page makes it, in order, all of site 0.
pub fn rows(body: &[u8]) -> Option<Vec<RowKey>> {
    rows_of(&block::walk(body).ok()?)
}

fn rows_of(block: &Block<'_>) -> Option<Vec<RowKey>> {
    let pages = block.column("page_id")?.values::<Uuid>()?;
    let seqs = block.column("seq")?.values::<u32>()?;
    let values: Vec<u64> = match block.column("value") {
        Some(column) => column.values::<f64>()?.map(|value| value as u64).collect(),
        None => vec![1; block.rows()],
    };
    let names = block.column("name")?.texts()?;
    let ids = block.column("entity_id")?.texts()?;
    // An event's number is its value; that of a `$dropped`, whose value is a total, its entity.
    let numbers = values.into_iter().zip(names).zip(ids).map(|((value, name), id)| match name {
        DROPPED => Some((id.parse().ok()?, value as u32)),
        _ => Some((value, 0)),
    });
    let numbers: Vec<(u64, u32)> = numbers.collect::<Option<_>>()?;
    let row = |((page, seq), (event, total))| RowKey { site: 0, page, seq, event, total };
    Some(pages.zip(seqs).zip(numbers).map(row).collect())
}
