//! The open buffer: events as typed columns of `events`, until they are sealed into a batch.
//!
//! Invariant: the batch's id is drawn when the buffer opens and never changes after.

use alloc::string::String;
use alloc::vec::Vec;

use crate::block;
use crate::column::{
    Column, DateTime64, Float64, LowCardinality, Push, Strings, UInt32, Uuids, varint,
};
use crate::destination::Destination;
use crate::event::{Event, Page};
use crate::limits::PAGE_TEXT_BYTES;
use crate::outbox::Batch;
use crate::rng::Uuid;

/// The page view that rows belong to, owned.
#[derive(Clone, Debug)]
pub struct PageContext {
    id: Uuid,
    /// In the order of [`COLUMNS`], where they stand behind those of the event.
    texts: [String; 6],
}

impl PageContext {
    /// A page view under a new id; texts over [`PAGE_TEXT_BYTES`] lose their end.
    #[must_use]
    pub fn new(id: Uuid, page: &Page<'_>) -> Self {
        let Page { hostname, pathname, referrer, utm_source, utm_medium, utm_campaign } = *page;
        let texts = [hostname, pathname, referrer, utm_source, utm_medium, utm_campaign].map(cut);
        Self { id, texts }
    }
}

fn cut(text: &str) -> String {
    let end = (0..=PAGE_TEXT_BYTES.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    String::from(end.and_then(|end| text.get(..end)).unwrap_or_default())
}

/// One row: an event and what the tracker knows around it.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// What the shell handed over.
    pub event: &'a Event<'a>,
    /// Where it happened.
    pub page: &'a PageContext,
    /// The session at that time.
    pub session_id: Uuid,
    /// Its number on the page, from 0 without gaps.
    pub seq: u32,
}

/// Bytes of the columns whose values all have one width: `value`, `occurred_at`, two UUIDs, `seq`,
/// and the `batch_id` that goes straight to ClickHouse.
const FIXED_ROW_BYTES: usize = 8 + 8 + 16 + 16 + 4 + 16;

/// Bytes of a block around its rows, at most: two counts, and for each of the 18 columns the name
/// and the type with their lengths. The test `the_bounds_hold` holds it.
const BLOCK_HEAD_BYTES: usize = 600;

/// How many bytes a row can add to a block, at most.
#[must_use]
pub fn row_bytes_at_most(event: &Event<'_>, page: &PageContext) -> usize {
    let Event { name, entity_type, entity_id, user_id, properties, .. } = *event;
    let texts = [name, entity_type, entity_id, user_id, properties];
    let texts = texts.into_iter().chain(page.texts.iter().map(String::as_str));
    FIXED_ROW_BYTES + texts.map(|text| varint::len(text.len()) + text.len()).sum::<usize>()
}

/// The columns, in the order of a block: the first [`REQUIRED`] must be there whatever they hold.
const COLUMNS: [&str; 16] = [
    "entity_id",
    "page_id",
    "seq",
    "occurred_at",
    "name",
    "entity_type",
    "user_id",
    "hostname",
    "pathname",
    "referrer",
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "session_id",
    "value",
    "properties",
];
const REQUIRED: usize = 6;
/// Where the texts begin, and two others stand.
const FIRST_TEXT: usize = 4;
const VALUE: usize = 14;
const PROPERTIES: usize = 15;

/// Rows of `events`, as columns; open from [`Buffer::open`] until [`Buffer::seal`].
///
/// Its memory is kept from batch to batch. The texts are an array because one loop for all of them
/// is smaller than a field each: the page downloads this.
#[derive(Clone, Debug)]
pub struct Buffer {
    id: Uuid,
    /// The value of `site`, when the rows go straight to ClickHouse: the worker knows it itself.
    site: Option<String>,
    entity_id: Strings,
    page_id: Uuids,
    seq: UInt32,
    occurred_at: DateTime64,
    /// From `name` to `utm_campaign`.
    texts: [LowCardinality; 9],
    session_id: Uuids,
    value: Float64,
    properties: Strings,
}

impl Buffer {
    /// A buffer that is not open, for rows that go to `destination`.
    #[must_use]
    pub fn new(destination: &Destination) -> Self {
        let site = match destination {
            Destination::Worker { .. } => None,
            Destination::ClickHouse { site, .. } => Some(site.clone()),
        };
        Self {
            id: Uuid::default(),
            site,
            entity_id: Strings::default(),
            page_id: Uuids::default(),
            seq: UInt32::default(),
            occurred_at: DateTime64::default(),
            // A loop; the array's own default is a call for each.
            texts: core::array::from_fn(|_| LowCardinality::default()),
            session_id: Uuids::default(),
            value: Float64::default(),
            properties: Strings::default(),
        }
    }

    /// Begins the batch `id`.
    pub fn open(&mut self, id: Uuid) {
        debug_assert!(self.is_empty(), "rows would change their batch");
        self.id = id;
    }

    /// Rows in the buffer.
    #[must_use]
    pub fn rows(&self) -> u32 {
        u32::try_from(self.seq.rows()).unwrap_or(u32::MAX)
    }

    /// Whether there is nothing to seal.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.seq.rows() == 0
    }

    /// Bytes of the block as it would be sealed now, or a little more: columns that hold only
    /// defaults are counted here and left out there.
    #[must_use]
    pub fn body_bytes(&self) -> usize {
        let edge = self.site.as_ref().map_or(0, |site| self.seq.rows() * (16 + 2 + site.len()));
        BLOCK_HEAD_BYTES + edge + self.columns().map(|column| column.encoded_len()).sum::<usize>()
    }

    /// Appends a row.
    pub fn push(&mut self, row: &Row<'_>) {
        let event = row.event;
        self.entity_id.push(event.entity_id);
        self.page_id.push(row.page.id);
        self.seq.push(row.seq);
        self.occurred_at.push(event.occurred_at);
        let texts = [event.name, event.entity_type, event.user_id].into_iter();
        let texts = texts.chain(row.page.texts.iter().map(String::as_str));
        for (column, text) in self.texts.iter_mut().zip(texts) {
            column.push(text);
        }
        self.session_id.push(row.session_id);
        self.value.push(event.value);
        // No properties are an empty object: the empty text is no JSON.
        self.properties.push(if event.properties.is_empty() { "{}" } else { event.properties });
    }

    /// Turns the rows into one Native block, for good, and is empty after; `None` without rows.
    pub fn seal(&mut self) -> Option<Batch> {
        let rows = self.rows();
        if rows == 0 {
            return None;
        }
        let mut columns: Vec<(&str, &dyn Column)> = Vec::new();
        for (at, (name, column)) in COLUMNS.into_iter().zip(self.columns()).enumerate() {
            if !self.is_left_out(at) {
                columns.push((name, column));
            }
        }
        let (mut site, mut batch_id) = (LowCardinality::default(), Uuids::default());
        if let Some(text) = &self.site {
            site.push_repeated(text.as_str(), rows as usize);
            batch_id.push_repeated(self.id, rows as usize);
            columns.push(("site", &site));
            columns.push(("batch_id", &batch_id));
        }
        let mut body = Vec::with_capacity(self.body_bytes());
        block::encode(&columns, &mut body);
        self.clear();
        Some(Batch { id: self.id, rows, body })
    }

    /// Whether the receiver would fill in the same values by itself, for the column at `at`.
    fn is_left_out(&self, at: usize) -> bool {
        let text = at.checked_sub(FIRST_TEXT).and_then(|at| self.texts.get(at));
        match (at, text) {
            (..REQUIRED, _) => false,
            (_, Some(text)) => text.is_all_default(),
            (VALUE, _) => self.value.is_all(1.0),
            (PROPERTIES, _) => {
                self.properties.encoded_len() == self.properties.rows() * "\x02{}".len()
            }
            _ => false,
        }
    }

    fn clear(&mut self) {
        self.entity_id.clear();
        self.page_id.clear();
        self.seq.clear();
        self.occurred_at.clear();
        self.texts.iter_mut().for_each(Column::clear);
        self.session_id.clear();
        self.value.clear();
        self.properties.clear();
    }

    /// In the order of [`COLUMNS`].
    fn columns(&self) -> impl Iterator<Item = &dyn Column> {
        let first: [&dyn Column; 4] =
            [&self.entity_id, &self.page_id, &self.seq, &self.occurred_at];
        let last: [&dyn Column; 3] = [&self.session_id, &self.value, &self.properties];
        let texts = self.texts.iter().map(|column| -> &dyn Column { column });
        first.into_iter().chain(texts).chain(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use crate::time::UnixMs;
    use alloc::format;

    fn straight() -> Destination {
        let text = || String::from("x");
        let (url, database, user, password) = (text(), text(), text(), text());
        Destination::ClickHouse { url, database, user, password, site: "demo".into() }
    }

    /// Rows of every shape: `kind` says how many different values the dictionaries meet.
    fn fill(buffer: &mut Buffer, rows: u32, kind: u32) {
        for seq in 0..rows {
            let text = format!("{}", seq % kind);
            let page = Page { hostname: "e.example", pathname: &text, ..Page::default() };
            let page = PageContext::new(Uuid([1; 16]), &page);
            let event = Event {
                name: &text,
                entity_type: "post",
                entity_id: &text,
                value: f64::from(seq),
                user_id: &text,
                properties: r#"{"a":1}"#,
                ..Event::at(UnixMs(1))
            };
            let before = buffer.body_bytes();
            buffer.push(&Row { event: &event, page: &page, session_id: Uuid([2; 16]), seq });
            // A dictionary that gives up grows by what it had saved; nothing else may.
            let is_giving_up = kind > 256 && seq % kind == 256;
            let grown = buffer.body_bytes() - before;
            assert!(is_giving_up || grown <= row_bytes_at_most(&event, &page) + 22, "{seq}");
        }
    }

    #[test]
    fn the_bounds_hold() {
        for (rows, kind) in [(1, 1), (3, 2), (500, 10), (500, 255), (700, 300)] {
            let mut buffer = Buffer::new(&straight());
            buffer.open(Rng::new([1, 2, 3, 4]).uuid_v7(UnixMs(1)));
            fill(&mut buffer, rows, kind);
            let bound = buffer.body_bytes();
            let batch = buffer.seal().unwrap();
            assert_eq!(buffer.seal(), None, "it is empty after");
            assert_eq!(batch.rows, rows);
            assert!(batch.body.len() <= bound, "{} of {bound}", batch.body.len());
            assert!(batch.body.len() + BLOCK_HEAD_BYTES + 22 * rows as usize > bound, "too loose");
        }
    }

    #[test]
    fn a_pages_text_is_cut_at_its_limit_between_characters() {
        assert_eq!(cut(&"x".repeat(PAGE_TEXT_BYTES)).len(), PAGE_TEXT_BYTES);
        assert_eq!(cut(&"x".repeat(PAGE_TEXT_BYTES + 1)).len(), PAGE_TEXT_BYTES);
        let odd = "x".repeat(PAGE_TEXT_BYTES - 1) + "é";
        assert_eq!(cut(&odd), odd[..PAGE_TEXT_BYTES - 1]);
    }

    #[test]
    fn u6_straight_to_clickhouse_a_block_names_its_site_and_batch() {
        let id = Rng::new([1, 2, 3, 4]).uuid_v7(UnixMs(1));
        let mut buffer = Buffer::new(&straight());
        buffer.open(id);
        fill(&mut buffer, 2, 2);
        let body = buffer.seal().unwrap().body;
        let block = block::walk(&body).unwrap();
        assert!(block.column("site").unwrap().texts().unwrap().eq(["demo", "demo"]));
        assert!(block.column("batch_id").unwrap().values::<Uuid>().unwrap().eq([id, id]));
    }
}
