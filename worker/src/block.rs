//! A batch's body becomes the block that is stored: inflated, checked against its table, its
//! times corrected, the edge's columns behind the client's untouched bytes.

use crate::batch::Head;
use crate::enrich::{self, Clock, Sender};
use crate::inflate::plain;
use crate::refusal::{Code, Refusal};
use tallymark::block::{self, Block, BlockError, Cause};
use tallymark::column::{Column, DateTime64, Fixed, IPv6, LowCardinality, Uuids, Wire};
use tallymark::schema::{By, EVENTS, Table};
use tallymark::time::UnixMs;

/// The column whose times are corrected.
const OCCURRED_AT: &str = "occurred_at";

/// Checks `body` and completes it.
///
/// # Errors
/// `bad_block` with row and column where one is to blame; `too_large` when it inflates to more
/// than a block may have.
pub fn complete(
    body: &[u8],
    head: &Head,
    table: &Table,
    sender: &Sender,
    received_at: UnixMs,
) -> Result<Vec<u8>, Refusal> {
    finish(&plain(body)?, head, table, sender, received_at, Ways::default())
}

/// What a caller with a server's key may do beyond a page.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ways<'a> {
    /// Times before the clamp stay as they are.
    pub takes_old: bool,
    /// Addresses, a row each, instead of the sender's.
    pub ips: Option<&'a IPv6>,
}

/// The same for a body that is inflated already.
///
/// # Errors
/// Those of [`complete`].
pub fn finish(
    body: &[u8],
    head: &Head,
    table: &Table,
    sender: &Sender,
    received_at: UnixMs,
    ways: Ways<'_>,
) -> Result<Vec<u8>, Refusal> {
    let block = block::walk(body)?;
    let checked = block::check(&block, table)?;
    let clock = Clock { received_at, sent_at: head.sent_at, takes_old: ways.takes_old };
    let times = corrected(&checked, clock);
    let times = times.as_deref().map(|times| (OCCURRED_AT, times));
    let mut edge = EdgeColumns::new(head, sender, received_at, checked.rows());
    if let Some(ips) = ways.ips {
        edge.ip = Some(ips.clone());
    }
    let mut out = Vec::new();
    block::append(&checked, times, &edge.columns(table), &mut out)?;
    Ok(out)
}

/// The block's times by the edge's clock; `None` for a table without them.
fn corrected(block: &Block<'_>, clock: Clock) -> Option<Vec<UnixMs>> {
    let times = block.column(OCCURRED_AT)?.values::<UnixMs>()?;
    Some(times.map(|occurred_at| clock.correct(occurred_at)).collect())
}

/// What the edge knows, a row each. A text that would be empty is left to its column's DEFAULT.
struct EdgeColumns {
    site: LowCardinality,
    received_at: DateTime64,
    batch_id: Uuids,
    ip: Option<IPv6>,
    texts: Vec<(&'static str, LowCardinality)>,
}

impl EdgeColumns {
    fn new(head: &Head, sender: &Sender, received_at: UnixMs, rows: usize) -> Self {
        let Sender { place, agent, .. } = sender;
        let texts = [
            ("country", &*place.country),
            ("region", &place.region),
            ("city", &place.city),
            ("browser", &agent.browser),
            ("os", &agent.os),
            ("device", &agent.device),
            ("bot", enrich::bot(&head.bot_hint, agent)),
        ];
        let known = texts.into_iter().filter(|(_, text)| !text.is_empty());
        Self {
            site: repeated_text(&head.site, rows),
            received_at: repeated(received_at, rows),
            batch_id: repeated(head.id, rows),
            ip: sender.ip.map(|ip| repeated(ip, rows)),
            texts: known.map(|(name, text)| (name, repeated_text(text, rows))).collect(),
        }
    }

    /// Those that the table has: one that was declared has the edge's columns that it names.
    fn columns(&self, table: &Table) -> Vec<(&str, &dyn Column)> {
        let mut columns: Vec<(&str, &dyn Column)> = vec![
            ("site", &self.site),
            ("received_at", &self.received_at),
            ("batch_id", &self.batch_id),
        ];
        columns.extend(self.ip.as_ref().map(|ip| ("ip", ip as &dyn Column)));
        columns.extend(self.texts.iter().map(|(name, column)| (*name, column as &dyn Column)));
        if table.name != EVENTS.name {
            let has = |name| table.column(name).is_some_and(|column| column.by == By::Edge);
            columns.retain(|(name, _)| has(name));
        }
        columns
    }
}

/// A column of one text.
fn repeated_text(text: &str, rows: usize) -> LowCardinality {
    let mut column = LowCardinality::default();
    column.push_rows(text.as_bytes(), rows);
    column
}

/// A column of one value.
fn repeated<V: Wire>(value: V, rows: usize) -> Fixed<V> {
    let mut column = Fixed::default();
    column.push_rows(value, rows);
    column
}

impl From<BlockError> for Refusal {
    fn from(error: BlockError) -> Self {
        let code = match error.cause {
            Cause::TooLarge | Cause::TooManyRows => Code::TooLarge,
            _ => Code::BadBlock,
        };
        let message = error.to_string();
        let row = error.row.and_then(|row| u64::try_from(row).ok());
        Self { code, message, row, column: error.column }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits;
    use crate::testing::NOW;
    use miniz_oxide::deflate::compress_to_vec;
    use tallymark::column::{Push, Strings, UInt32};
    use tallymark::rng::{Rng, Uuid};

    const HOUR: i64 = 3_600_000;

    fn head() -> Head {
        Head {
            site: "demo".into(),
            is_server: false,
            table: &EVENTS,
            id: Uuid([7; 16]),
            // The client's clock is an hour slow.
            sent_at: UnixMs(NOW - HOUR),
            bot_hint: String::new(),
        }
    }

    /// A block of views with these times, as a page would send it.
    fn body(times: &[i64]) -> Vec<u8> {
        let rows = times.len();
        let mut text = Strings::default();
        text.push_repeated("x", rows);
        let page: Uuids = repeated(Rng::new([1, 2, 3, 4]).uuid_v4(), rows);
        let seq: UInt32 = repeated(7, rows);
        let mut at = DateTime64::default();
        times.iter().for_each(|&time| at.push(UnixMs(time)));
        let columns: [(&str, &dyn Column); 6] = [
            ("name", &text),
            ("entity_type", &text),
            ("entity_id", &text),
            (OCCURRED_AT, &at),
            ("page_id", &page),
            ("seq", &seq),
        ];
        let mut body = Vec::new();
        block::encode(&columns, &mut body);
        body
    }

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
        bytes.extend_from_slice(&compress_to_vec(plain, 6));
        bytes.extend_from_slice(&crc32fast::hash(plain).to_le_bytes());
        bytes.extend_from_slice(&u32::try_from(plain.len()).unwrap().to_le_bytes());
        bytes
    }

    fn completed(body: &[u8], sender: &Sender) -> Result<Vec<u8>, Refusal> {
        complete(body, &head(), &EVENTS, sender, UnixMs(NOW))
    }

    #[test]
    fn the_edge_s_columns_stand_behind_the_client_s_untouched_bytes() {
        let body = body(&[NOW - HOUR - 5, NOW - HOUR]);
        let out = completed(&body, &Sender::default()).unwrap();
        let block = block::walk(&out).unwrap();
        let names: Vec<_> = block.columns().iter().map(|column| column.name()).collect();
        let client = ["name", "entity_type", "entity_id", OCCURRED_AT, "page_id", "seq"];
        assert_eq!(names, [&client[..], &["site", "received_at", "batch_id"]].concat());
        let was = block::walk(&body).unwrap();
        for name in client {
            let same = was.column(name).unwrap().data() == block.column(name).unwrap().data();
            assert_eq!(same, name != OCCURRED_AT, "{name}");
        }
        let column = |name| block.column(name).unwrap();
        assert!(column("site").texts().unwrap().eq(["demo", "demo"]));
        assert!(column("received_at").values::<UnixMs>().unwrap().eq([UnixMs(NOW); 2]));
        assert!(column("batch_id").values::<Uuid>().unwrap().eq([Uuid([7; 16]); 2]));
    }

    #[test]
    fn times_are_corrected_and_clamped_at_both_ends() {
        let times = [-49, -48, -1, 0, 1].map(|hours| NOW - HOUR + hours * HOUR);
        let out = completed(&body(&times), &Sender::default()).unwrap();
        let block = block::walk(&out).unwrap();
        let found = block.column(OCCURRED_AT).unwrap().values::<UnixMs>().unwrap();
        assert!(found.eq([-48, -48, -1, 0, 0].map(|hours| UnixMs(NOW + hours * HOUR))));
    }

    #[test]
    fn what_is_known_of_the_sender_is_there_and_nothing_else() {
        let mut sender = Sender { ip: enrich::truncated_ip("203.0.113.9"), ..Sender::default() };
        sender.place.country = "DE".into();
        sender.agent.browser = "Firefox".into();
        sender.agent.device = "desktop".into();
        let head = Head { bot_hint: "webdriver".into(), ..head() };
        let out = complete(&body(&[NOW]), &head, &EVENTS, &sender, UnixMs(NOW)).unwrap();
        let block = block::walk(&out).unwrap();
        let text = |name| block.column(name).map(|column| column.texts().unwrap().next().unwrap());
        assert_eq!(text("country"), Some("DE"));
        assert_eq!(text("bot"), Some("webdriver"));
        assert_eq!((text("region"), text("city")), (None, None));
        assert_eq!((text("browser"), text("os")), (Some("Firefox"), None));
        assert_eq!(text("device"), Some("desktop"));
        let ip = block.column("ip").unwrap().data();
        assert_eq!(ip, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 203, 0, 113, 0]);
    }

    #[test]
    fn a_gzip_body_comes_to_the_same() {
        let plain = body(&[NOW]);
        let sender = Sender::default();
        assert_eq!(completed(&gzip(&plain), &sender), completed(&plain, &sender));
    }

    #[test]
    fn a_bad_block_is_told_with_row_and_column() {
        let mut columns: Vec<(&str, &dyn Column)> = Vec::new();
        let mut name = Strings::default();
        name.push("view");
        name.push(&*"x".repeat(201));
        columns.push(("name", &name));
        let mut body = Vec::new();
        block::encode(&columns, &mut body);
        let refusal = completed(&body, &Sender::default()).unwrap_err();
        assert_eq!((refusal.code, refusal.row), (Code::BadBlock, Some(1)));
        assert_eq!(refusal.column.as_deref(), Some("name"));
        assert_eq!(refusal.message, "column name, row 1: a string is too long");
    }

    #[test]
    fn a_client_may_not_write_the_edge_s_columns() {
        let out = completed(&body(&[NOW]), &Sender::default()).unwrap();
        let refusal = completed(&out, &Sender::default()).unwrap_err();
        assert_eq!((refusal.code, refusal.column.as_deref()), (Code::BadBlock, Some("site")));
    }

    #[test]
    fn too_many_rows_or_bytes_are_too_large_so_that_the_client_splits() {
        let refusal = completed(&body(&[NOW; 10_001]), &Sender::default()).unwrap_err();
        assert_eq!(refusal.code, Code::TooLarge);
        let bomb = gzip(&vec![0; limits::BODY_BYTES_MAX + 1]);
        assert_eq!(completed(&bomb, &Sender::default()).unwrap_err().code, Code::TooLarge);
    }
}
