//! Rows of JSON as the columns of one block.

use super::properties::NO_PROPERTIES;
use super::row::{Row, TEXTS};
use std::net::Ipv6Addr;
use tallymark::block;
use tallymark::column::{
    Column, DateTime64, Float64, IPv6, LowCardinality, Push, Strings, UInt32, Uuids,
};
use tallymark::rng::Uuid;
use tallymark::time::UnixMs;

/// The columns that a client may write, and the addresses beside them.
#[derive(Debug)]
pub struct Columns {
    request_id: Uuid,
    happened_at: UnixMs,
    texts: [LowCardinality; TEXTS.len()],
    page_id: Uuids,
    seq: UInt32,
    occurred_at: DateTime64,
    session_id: Uuids,
    value: Float64,
    /// As the page sends them, as `String`: read as `JSON`, ClickHouse turns a text that looks like
    /// a time into one (26.7.2.1).
    properties: Strings,
    has_properties: bool,
    ip: IPv6,
}

impl Columns {
    /// No rows yet. What a row leaves out comes from these two.
    pub fn new(request_id: Uuid, happened_at: UnixMs) -> Self {
        Self {
            request_id,
            happened_at,
            texts: std::array::from_fn(|_| LowCardinality::default()),
            page_id: Uuids::default(),
            seq: UInt32::default(),
            occurred_at: DateTime64::default(),
            session_id: Uuids::default(),
            value: Float64::default(),
            properties: Strings::default(),
            has_properties: false,
            ip: IPv6::default(),
        }
    }

    /// Appends the row that stands at `index` in its request.
    pub fn push(&mut self, index: usize, row: &Row) {
        for (column, text) in self.texts.iter_mut().zip(&row.texts) {
            column.push(text.as_str());
        }
        // What a run of the fuzzer has to find: rows that move up where others were refused.
        #[cfg(planted_bug)]
        let index = self.rows().min(index);
        // At most BLOCK_ROWS.
        let place = (self.request_id, u32::try_from(index).unwrap_or(u32::MAX));
        let (page_id, seq) = row.identity.unwrap_or(place);
        self.page_id.push(page_id);
        self.seq.push(seq);
        self.occurred_at.push(row.occurred_at.unwrap_or(self.happened_at));
        self.session_id.push(row.session_id);
        self.value.push(row.value);
        self.has_properties |= row.properties != NO_PROPERTIES;
        self.properties.push(row.properties.as_str());
        self.ip.push(row.ip.unwrap_or(Ipv6Addr::UNSPECIFIED));
    }

    /// Rows so far.
    pub fn rows(&self) -> usize {
        self.seq.rows()
    }

    /// The addresses, unless there is none.
    pub fn ips(&self) -> Option<&IPv6> {
        (!self.ip.is_all_default()).then_some(&self.ip)
    }

    /// The block, without columns that would hold what the table fills in by itself.
    pub fn encode(&self) -> Vec<u8> {
        let mut columns: Vec<(&str, &dyn Column)> = Vec::new();
        for ((name, is_required, _), column) in TEXTS.iter().zip(&self.texts) {
            if *is_required || !column.is_all_default() {
                columns.push((name, column));
            }
        }
        columns.push(("page_id", &self.page_id));
        columns.push(("seq", &self.seq));
        columns.push(("occurred_at", &self.occurred_at));
        if !self.session_id.is_all_default() {
            columns.push(("session_id", &self.session_id));
        }
        if !self.value.is_all(1.0) {
            columns.push(("value", &self.value));
        }
        if self.has_properties {
            columns.push(("properties", &self.properties));
        }
        let mut body = Vec::with_capacity(block::encoded_len(&columns));
        block::encode(&columns, &mut body);
        body
    }
}
