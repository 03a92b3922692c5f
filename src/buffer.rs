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
    hostname: String,
    pathname: String,
    referrer: String,
    utm_source: String,
    utm_medium: String,
    utm_campaign: String,
}

impl PageContext {
    /// A page view under a new id; texts over [`PAGE_TEXT_BYTES`] lose their end.
    #[must_use]
    pub fn new(id: Uuid, page: &Page<'_>) -> Self {
        Self {
            id,
            hostname: cut(page.hostname),
            pathname: cut(page.pathname),
            referrer: cut(page.referrer),
            utm_source: cut(page.utm_source),
            utm_medium: cut(page.utm_medium),
            utm_campaign: cut(page.utm_campaign),
        }
    }

    fn texts(&self) -> [&str; 6] {
        [
            &self.hostname,
            &self.pathname,
            &self.referrer,
            &self.utm_source,
            &self.utm_medium,
            &self.utm_campaign,
        ]
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
    let texts = texts.into_iter().chain(page.texts());
    FIXED_ROW_BYTES + texts.map(|text| varint::len(text.len()) + text.len()).sum::<usize>()
}

/// Rows of `events`, as columns.
#[derive(Clone, Debug)]
pub struct Buffer {
    id: Uuid,
    /// The value of `site`, when the rows go straight to ClickHouse: the worker knows it itself.
    site: Option<String>,
    name: LowCardinality,
    entity_type: LowCardinality,
    entity_id: Strings,
    value: Float64,
    user_id: LowCardinality,
    session_id: Uuids,
    page_id: Uuids,
    seq: UInt32,
    occurred_at: DateTime64,
    properties: Strings,
    /// In the order of [`PageContext::texts`].
    page: [LowCardinality; 6],
}

impl Buffer {
    /// An empty buffer for the batch `id`.
    #[must_use]
    pub fn open(id: Uuid, destination: &Destination) -> Self {
        let site = match destination {
            Destination::Worker { .. } => None,
            Destination::ClickHouse { site, .. } => Some(site.clone()),
        };
        Self {
            id,
            site,
            name: LowCardinality::default(),
            entity_type: LowCardinality::default(),
            entity_id: Strings::default(),
            value: Float64::default(),
            user_id: LowCardinality::default(),
            session_id: Uuids::default(),
            page_id: Uuids::default(),
            seq: UInt32::default(),
            occurred_at: DateTime64::default(),
            properties: Strings::default(),
            page: core::array::from_fn(|_| LowCardinality::default()),
        }
    }

    /// Rows in the buffer.
    #[must_use]
    pub fn rows(&self) -> u32 {
        u32::try_from(self.seq.rows()).unwrap_or(u32::MAX)
    }

    /// Bytes of the block as it would be sealed now, or a little more: columns that hold only
    /// defaults are counted here and left out there.
    #[must_use]
    pub fn body_bytes(&self) -> usize {
        let edge = self.site.as_ref().map_or(0, |site| self.seq.rows() * (16 + 2 + site.len()));
        let columns = self.columns();
        BLOCK_HEAD_BYTES + edge + columns.iter().map(|(_, c)| c.encoded_len()).sum::<usize>()
    }

    /// Appends a row.
    pub fn push(&mut self, row: &Row<'_>) {
        let event = row.event;
        self.name.push(event.name);
        self.entity_type.push(event.entity_type);
        self.entity_id.push(event.entity_id);
        self.value.push(event.value);
        self.user_id.push(event.user_id);
        self.session_id.push(row.session_id);
        self.page_id.push(row.page.id);
        self.seq.push(row.seq);
        self.occurred_at.push(event.occurred_at);
        // No properties are an empty object: the empty text is no JSON.
        self.properties.push(if event.properties.is_empty() { "{}" } else { event.properties });
        for (column, text) in self.page.iter_mut().zip(row.page.texts()) {
            column.push(text);
        }
    }

    /// The id that the batch will have.
    #[must_use]
    pub const fn id(&self) -> Uuid {
        self.id
    }

    /// Turns the rows into one Native block, for good.
    #[must_use]
    pub fn seal(self) -> Batch {
        Batch { id: self.id, rows: self.rows(), body: self.block() }
    }

    /// The block of the rows so far, as sealing now would give it.
    #[must_use]
    pub fn block(&self) -> Vec<u8> {
        let rows = self.rows();
        let mut columns: Vec<(&str, &dyn Column)> = self.columns().to_vec();
        columns.retain(|(name, column)| !self.is_left_out(name, *column));
        let (mut site, mut batch_id) = (LowCardinality::default(), Uuids::default());
        if let Some(text) = &self.site {
            site.push_repeated(text.as_str(), rows as usize);
            batch_id.push_repeated(self.id, rows as usize);
            columns.push(("site", &site));
            columns.push(("batch_id", &batch_id));
        }
        let mut body = Vec::new();
        block::encode(&columns, &mut body);
        body
    }

    /// Whether the receiver would fill in the same values by itself.
    fn is_left_out(&self, name: &str, column: &dyn Column) -> bool {
        match name {
            // Required, whatever they hold.
            "name" | "entity_type" | "entity_id" | "occurred_at" | "page_id" | "seq" => false,
            "value" => self.value.is_all(1.0),
            "properties" => {
                self.properties.encoded_len() == self.properties.rows() * "\x02{}".len()
            }
            _ => column.is_all_default(),
        }
    }

    fn columns(&self) -> [(&'static str, &dyn Column); 16] {
        let [hostname, pathname, referrer, utm_source, utm_medium, utm_campaign] = &self.page;
        [
            ("name", &self.name),
            ("entity_type", &self.entity_type),
            ("entity_id", &self.entity_id),
            ("value", &self.value),
            ("user_id", &self.user_id),
            ("session_id", &self.session_id),
            ("page_id", &self.page_id),
            ("seq", &self.seq),
            ("occurred_at", &self.occurred_at),
            ("properties", &self.properties),
            ("hostname", hostname),
            ("pathname", pathname),
            ("referrer", referrer),
            ("utm_source", utm_source),
            ("utm_medium", utm_medium),
            ("utm_campaign", utm_campaign),
        ]
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
            let mut buffer = Buffer::open(Rng::new([1, 2, 3, 4]).uuid_v7(UnixMs(1)), &straight());
            fill(&mut buffer, rows, kind);
            let bound = buffer.body_bytes();
            let batch = buffer.seal();
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
        let mut buffer = Buffer::open(id, &straight());
        fill(&mut buffer, 2, 2);
        let body = buffer.seal().body;
        let block = block::walk(&body).unwrap();
        assert!(block.column("site").unwrap().texts().unwrap().eq(["demo", "demo"]));
        assert!(block.column("batch_id").unwrap().values::<Uuid>().unwrap().eq([id, id]));
    }
}
