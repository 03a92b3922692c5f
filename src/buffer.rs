//! The open buffer: events as typed columns of `events`, until they are sealed into a batch.
//!
//! Invariant: the batch's id is drawn when the buffer opens and never changes after.

use alloc::string::String;
use alloc::vec::Vec;

use crate::block;
use crate::column::{Column, LowCardinality, Push, Wire, varint, write_text};
use crate::event::{Event, Page};
use crate::limits::PAGE_TEXT_BYTES;
use crate::outbox::Batch;
use crate::rng::Uuid;

/// The page view that rows belong to, owned.
#[derive(Clone, Debug)]
pub struct PageContext {
    id: Uuid,
    /// In the order of [`TEXTS`], where they stand behind those of the event.
    texts: [String; 7],
    /// Bytes that all of them add to a row, at most: a length takes up to two.
    row_bytes: usize,
}

impl PageContext {
    /// A page view under a new id; texts over [`PAGE_TEXT_BYTES`] lose their end.
    #[must_use]
    pub fn new(id: Uuid, page: &Page<'_>) -> Self {
        let Page { hostname, pathname, referrer, utm_source, utm_medium, utm_campaign, visitor_id } =
            *page;
        let texts =
            [hostname, pathname, referrer, utm_source, utm_medium, utm_campaign, visitor_id]
                .map(cut);
        let row_bytes = texts.iter().map(|text| 2 + text.len()).sum();
        Self { id, texts, row_bytes }
    }
}

fn cut(text: &str) -> String {
    String::from(text.get(..text.floor_char_boundary(PAGE_TEXT_BYTES)).unwrap_or_default())
}

/// Bytes of the columns whose values all have one width: `value`, `occurred_at`, two UUIDs, `seq`,
/// and the `batch_id` that goes straight to ClickHouse.
const FIXED_ROW_BYTES: usize = 8 + 8 + 16 + 16 + 4 + 16;

/// Bytes of a block around its rows, at most: two counts, and for each of the 19 columns the name
/// and the type with their lengths. The test `the_bounds_hold` holds it.
const BLOCK_HEAD_BYTES: usize = 600;

/// Name and type of the columns that are not dictionaries, each behind its length: the first four
/// must be there whatever they hold.
const PLAIN: [&str; 7] = [
    "\x09entity_id\x06String",
    "\x07page_id\x04UUID",
    "\x03seq\x06UInt32",
    "\x0boccurred_at\x14DateTime64(3, 'UTC')",
    "\x0asession_id\x04UUID",
    "\x05value\x07Float64",
    "\x0aproperties\x06String",
];
const ENTITY_ID: usize = 0;
const PAGE_ID: usize = 1;
const SEQ: usize = 2;
const OCCURRED_AT: usize = 3;
const SESSION_ID: usize = 4;
const VALUE: usize = 5;
const PROPERTIES: usize = 6;

/// The dictionaries: the event's, of which the first two must be there, then the page's.
const TEXTS: [&str; 10] = [
    "name",
    "entity_type",
    "user_id",
    "hostname",
    "pathname",
    "referrer",
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "visitor_id",
];
const REQUIRED_TEXTS: usize = 2;
const EVENT_TEXTS: usize = 3;

/// Rows of `events`, as columns; open from [`Buffer::open`] until [`Buffer::seal`].
///
/// The texts of a page are written once for all its rows: they lag behind until another page begins
/// or somebody wants to know.
///
/// Its memory is kept from batch to batch. The columns are two arrays because one loop for all of
/// them is smaller than a field each: the page downloads this.
#[derive(Clone, Debug)]
pub struct Buffer {
    id: Uuid,
    rows: u32,
    page: PageContext,
    /// The number of the next row on its page.
    next_seq: u32,
    /// The last rows, which the page's texts are not written for.
    lagging: u32,
    /// In the order of [`PLAIN`], as on the wire.
    plain: [Vec<u8>; 7],
    /// In the order of [`TEXTS`].
    texts: [LowCardinality; 10],
}

impl Buffer {
    /// Without rows, on its first page view.
    #[must_use]
    pub fn new(page: PageContext) -> Self {
        Self {
            id: Uuid::default(),
            rows: 0,
            page,
            next_seq: 0,
            lagging: 0,
            plain: [const { Vec::new() }; 7],
            // A loop; the array's own default is a call for each.
            texts: core::array::from_fn(|_| LowCardinality::default()),
        }
    }

    /// Rows from here on are of another page view, and numbered from 0.
    pub fn turn_page(&mut self, page: PageContext) {
        self.catch_up();
        self.page = page;
        self.next_seq = 0;
    }

    /// Begins the batch `id`.
    pub fn open(&mut self, id: Uuid) {
        debug_assert!(self.is_empty(), "rows would change their batch");
        self.id = id;
    }

    /// The id that the batch will have.
    #[must_use]
    pub const fn id(&self) -> Uuid {
        self.id
    }

    /// Rows in the buffer.
    #[must_use]
    pub const fn rows(&self) -> u32 {
        self.rows
    }

    /// Whether there is nothing to seal.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Bytes of the block as it would be sealed now, or a little more: columns that hold only
    /// defaults are counted here and left out there. `site` as for [`Buffer::block`].
    #[must_use]
    pub fn body_bytes(&self, site: Option<&str>) -> usize {
        let edge = site.map_or(0, |site| self.rows as usize * (16 + 2 + site.len()));
        let lagging = self.lagging as usize * self.page.row_bytes;
        let plain: usize = self.plain.iter().map(Vec::len).sum();
        let texts: usize = self.texts.iter().map(Column::encoded_len).sum();
        BLOCK_HEAD_BYTES + edge + lagging + plain + texts
    }

    /// How many bytes an event can add to that, at most.
    #[must_use]
    pub fn row_bytes_at_most(&self, event: &Event<'_>) -> usize {
        let Event { name, entity_type, entity_id, user_id, properties, .. } = *event;
        let texts = [name, entity_type, entity_id, user_id, properties];
        let bytes: usize = texts.iter().map(|text| text.len()).sum();
        // A length takes up to three bytes: STRING_BYTES are fewer than 2^21.
        FIXED_ROW_BYTES + 5 * 3 + bytes + self.page.row_bytes
    }

    /// Appends a row: an event in the session that it belongs to.
    pub fn push(&mut self, event: &Event<'_>, session_id: Uuid) {
        self.rows += 1;
        self.lagging += 1;
        self.push_text(ENTITY_ID, event.entity_id);
        self.push_bytes(PAGE_ID, &self.page.id.to_wire());
        self.push_bytes(SEQ, &self.next_seq.to_wire());
        self.next_seq = self.next_seq.wrapping_add(1);
        self.push_bytes(OCCURRED_AT, &event.occurred_at.to_wire());
        self.push_bytes(SESSION_ID, &session_id.to_wire());
        self.push_bytes(VALUE, &event.value.to_wire());
        // No properties are an empty object: the empty text is no JSON.
        let properties = if event.properties.is_empty() { "{}" } else { event.properties };
        self.push_text(PROPERTIES, properties);
        let texts = [event.name, event.entity_type, event.user_id];
        for (column, text) in self.texts.iter_mut().zip(texts) {
            column.push(text);
        }
    }

    /// Writes the page's texts for the rows that lack them; [`Buffer::body_bytes`], which takes them
    /// for `String`, tells less after it.
    pub fn catch_up(&mut self) {
        let rows = core::mem::take(&mut self.lagging) as usize;
        let columns = self.texts.iter_mut().skip(EVENT_TEXTS);
        for (column, text) in columns.zip(&self.page.texts) {
            column.push_rows(text.as_bytes(), rows);
        }
    }

    fn push_bytes(&mut self, column: usize, bytes: &[u8]) {
        if let Some(column) = self.plain.get_mut(column) {
            column.extend_from_slice(bytes);
        }
    }

    fn push_text(&mut self, column: usize, text: &str) {
        if let Some(column) = self.plain.get_mut(column) {
            write_text(text.as_bytes(), column);
        }
    }

    /// Turns the rows into one Native block, for good, and is empty after; `None` without rows.
    pub fn seal(&mut self, site: Option<&str>) -> Option<Batch> {
        if self.is_empty() {
            return None;
        }
        let batch = Batch { id: self.id, rows: self.rows, body: self.block(site) };
        self.rows = 0;
        self.plain.iter_mut().for_each(Vec::clear);
        self.texts.iter_mut().for_each(Column::clear);
        Some(batch)
    }

    /// The block of the rows so far, as sealing now would give it: a count of columns and one of
    /// rows, then for each column its name, its type and its rows. `site` is the value of the
    /// column `site` when the rows go straight to ClickHouse: the worker knows it itself.
    #[must_use]
    pub fn block(&mut self, site: Option<&str>) -> Vec<u8> {
        self.catch_up();
        let mut columns = 0;
        let mut body = Vec::with_capacity(self.body_bytes(site));
        for (at, (head, bytes)) in PLAIN.iter().zip(&self.plain).enumerate() {
            if !self.is_left_out(at, bytes) {
                columns += 1;
                body.extend_from_slice(head.as_bytes());
                body.extend_from_slice(bytes);
            }
        }
        for (at, (name, column)) in TEXTS.iter().zip(&self.texts).enumerate() {
            if at < REQUIRED_TEXTS || !column.is_all_default() {
                columns += 1;
                block::encode_column(name, column, &mut body);
            }
        }
        if let Some(site) = site {
            columns += 2;
            body.extend_from_slice(b"\x04site\x06String");
            (0..self.rows).for_each(|_| write_text(site.as_bytes(), &mut body));
            body.extend_from_slice(b"\x08batch_id\x04UUID");
            (0..self.rows).for_each(|_| body.extend_from_slice(&self.id.to_wire()));
        }
        let mut block = Vec::with_capacity(body.len() + 8);
        varint::write(columns, &mut block);
        varint::write(self.rows as usize, &mut block);
        block.extend_from_slice(&body);
        block
    }

    /// Whether the receiver would fill in the same values by itself.
    fn is_left_out(&self, column: usize, bytes: &[u8]) -> bool {
        match column {
            VALUE => bytes.chunks_exact(8).all(|value| value == 1.0_f64.to_le_bytes()),
            PROPERTIES => bytes.len() == self.rows as usize * "\x02{}".len(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use crate::time::UnixMs;
    use alloc::format;

    const SITE: Option<&str> = Some("demo");

    fn empty() -> Buffer {
        Buffer::new(PageContext::new(Uuid([1; 16]), &Page::default()))
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
            buffer.turn_page(page);
            let row_bytes = buffer.row_bytes_at_most(&event);
            let before = buffer.body_bytes(SITE);
            buffer.push(&event, Uuid([2; 16]));
            // A dictionary that gives up grows by what it had saved; nothing else may.
            let is_giving_up = kind > 256 && seq % kind == 256;
            let grown = buffer.body_bytes(SITE) - before;
            assert!(is_giving_up || grown <= row_bytes + 22, "{seq}");
        }
    }

    #[test]
    fn the_bounds_hold() {
        for (rows, kind) in [(1, 1), (3, 2), (500, 10), (500, 255), (700, 300)] {
            let mut buffer = empty();
            buffer.open(Rng::new([1, 2, 3, 4]).uuid_v7(UnixMs(1)));
            fill(&mut buffer, rows, kind);
            let bound = buffer.body_bytes(SITE);
            let batch = buffer.seal(SITE).unwrap();
            assert_eq!(buffer.seal(SITE), None, "it is empty after");
            assert_eq!(batch.rows, rows);
            assert!(batch.body.len() <= bound, "{} of {bound}", batch.body.len());
            assert!(batch.body.len() + BLOCK_HEAD_BYTES + 22 * rows as usize > bound, "too loose");
        }
    }

    #[test]
    fn what_a_page_says_of_all_its_rows_counts_once() {
        let text = "x".repeat(PAGE_TEXT_BYTES);
        let page = Page { pathname: &text, ..Page::default() };
        let mut buffer = Buffer::new(PageContext::new(Uuid([1; 16]), &page));
        buffer.open(Uuid([7; 16]));
        let event = Event { name: "view", ..Event::at(UnixMs(1)) };
        (0..100).for_each(|_| buffer.push(&event, Uuid([2; 16])));
        assert!(buffer.body_bytes(None) > 100 * PAGE_TEXT_BYTES, "until somebody asks");
        buffer.catch_up();
        assert!(buffer.body_bytes(None) < 5 * PAGE_TEXT_BYTES);
        let body = buffer.block(None);
        let block = block::walk(&body).unwrap();
        assert!(block.column("pathname").unwrap().texts().unwrap().eq([text.as_str(); 100]));
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
        let mut buffer = empty();
        buffer.open(id);
        fill(&mut buffer, 2, 2);
        let body = buffer.seal(SITE).unwrap().body;
        let block = block::walk(&body).unwrap();
        assert!(block.column("site").unwrap().texts().unwrap().eq(["demo", "demo"]));
        assert!(block.column("batch_id").unwrap().values::<Uuid>().unwrap().eq([id, id]));
    }
}
