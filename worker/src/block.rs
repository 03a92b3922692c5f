//! A batch's body becomes the block that is stored: inflated, checked against its table, its
//! times corrected, the edge's columns behind the client's untouched bytes.

use crate::batch::Head;
use crate::enrich::{self, Clock, Sender};
use crate::inflate::{inflate, is_gzip};
use crate::limits;
use crate::refusal::{Code, Refusal};
use std::borrow::Cow;
use tallymark::block::{self, Block, BlockError, Cause};
use tallymark::column::{Column, DateTime64, IPv6, LowCardinality, Push, Uuids};
use tallymark::schema::Table;
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
    let body = if is_gzip(body) {
        Cow::Owned(inflate(body, limits::BODY_BYTES_MAX)?)
    } else {
        Cow::Borrowed(body)
    };
    let block = block::walk(&body)?;
    let checked = block::check(&block, table)?;
    let clock = Clock { received_at, sent_at: head.sent_at };
    let times = corrected(&checked, clock);
    let times = times.as_deref().map(|times| (OCCURRED_AT, times));
    let edge = EdgeColumns::new(head, sender, received_at, checked.rows());
    let mut out = Vec::new();
    block::append(&checked, times, &edge.columns(), &mut out)?;
    Ok(out)
}

/// The block's times by the edge's clock; `None` for a table without them.
fn corrected(block: &Block<'_>, clock: Clock) -> Option<Vec<UnixMs>> {
    let times = block.column(OCCURRED_AT)?.values::<UnixMs>()?;
    Some(times.map(|occurred_at| clock.correct(occurred_at)).collect())
}

/// What the edge knows, a row each. A column that would be empty is left to its DEFAULT.
struct EdgeColumns {
    site: LowCardinality,
    received_at: DateTime64,
    batch_id: Uuids,
    ip: Option<IPv6>,
    texts: [(&'static str, LowCardinality); 4],
}

impl EdgeColumns {
    fn new(head: &Head, sender: &Sender, received_at: UnixMs, rows: usize) -> Self {
        let place = &sender.place;
        Self {
            site: repeated(head.site.as_str(), rows),
            received_at: repeated(received_at, rows),
            batch_id: repeated(head.id, rows),
            ip: sender.ip.map(|ip| repeated(ip, rows)),
            texts: [
                ("country", repeated(place.country.as_str(), rows)),
                ("region", repeated(place.region.as_str(), rows)),
                ("city", repeated(place.city.as_str(), rows)),
                ("bot", repeated(enrich::bot(&head.bot_hint), rows)),
            ],
        }
    }

    fn columns(&self) -> Vec<(&str, &dyn Column)> {
        let mut columns: Vec<(&str, &dyn Column)> = vec![
            ("site", &self.site),
            ("received_at", &self.received_at),
            ("batch_id", &self.batch_id),
        ];
        columns.extend(self.ip.as_ref().map(|ip| ("ip", ip as &dyn Column)));
        let texts = self.texts.iter().filter(|(_, column)| !column.is_all_default());
        columns.extend(texts.map(|(name, column)| (*name, column as &dyn Column)));
        columns
    }
}

/// A column of one value.
fn repeated<C: Push<V> + Default, V: Copy>(value: V, rows: usize) -> C {
    let mut column = C::default();
    column.push_repeated(value, rows);
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
