//! Tables and the types of their columns; the built-in table `events`.
//!
//! Migrations under `worker/schema/` are the truth; a test there holds this against them.

use crate::column::{Scalar, Type};
use crate::limits::{EVENT_NAME_BYTES, ID_BYTES, PAGE_TEXT_BYTES, STRING_BYTES};
use alloc::borrow::Cow;

/// Who writes a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum By {
    /// The client; a block may hold it.
    Client,
    /// The edge alone; a block that holds it is refused.
    Edge,
}

/// One column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnSpec {
    /// Its name.
    pub name: Cow<'static, str>,
    /// Its type in the table.
    pub ty: Type,
    /// Who writes it.
    pub by: By,
    /// Whether a client's block must hold it; what is left out takes the table's default.
    pub required: bool,
    /// The longest string that it takes, in bytes; without a meaning for types that hold none.
    pub max_bytes: usize,
}

/// A table that blocks are checked against.
///
/// ```
/// use std::borrow::Cow;
/// use tallymark::column::{Type, TypeError};
/// use tallymark::schema::{By, ColumnSpec, EVENTS, Table};
///
/// assert!(EVENTS.column("occurred_at").is_some_and(|column| column.required));
///
/// // A table of one's own is another value of the same type.
/// let column = ColumnSpec {
///     name: Cow::Owned("tags".to_string()),
///     ty: Type::parse(b"Array(String)")?,
///     by: By::Client,
///     required: true,
///     max_bytes: 100,
/// };
/// let table = Table { name: Cow::Borrowed("photos"), columns: Cow::Owned(vec![column]) };
/// assert!(table.column("tags").is_some());
/// # Ok::<(), TypeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: Cow<'static, str>,
    /// Its columns, in the table's order.
    pub columns: Cow<'static, [ColumnSpec]>,
}

impl Table {
    /// The column of this name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&ColumnSpec> {
        self.columns.iter().find(|column| column.name == name)
    }
}

/// The built-in table, column by column as `API.md` has it.
pub static EVENTS: Table =
    Table { name: Cow::Borrowed("events"), columns: Cow::Borrowed(EVENT_COLUMNS) };

const LOW_CARDINALITY: Type = Type::scalar(Scalar::LowCardinality);
const STRING: Type = Type::scalar(Scalar::String);
const UUID: Type = Type::scalar(Scalar::Uuid);
const TIME: Type = Type::scalar(Scalar::DateTime64);

const EVENT_COLUMNS: &[ColumnSpec] = &[
    edge("site", LOW_CARDINALITY),
    required("name", LOW_CARDINALITY, EVENT_NAME_BYTES),
    required("entity_type", LOW_CARDINALITY, EVENT_NAME_BYTES),
    required("entity_id", STRING, ID_BYTES),
    optional("value", Type::scalar(Scalar::Float64), 0),
    optional("user_id", STRING, ID_BYTES),
    optional("visitor_id", STRING, ID_BYTES),
    optional("session_id", UUID, 0),
    required("page_id", UUID, 0),
    required("seq", Type::scalar(Scalar::UInt32), 0),
    required("occurred_at", TIME, 0),
    optional("properties", Type::scalar(Scalar::Json), STRING_BYTES),
    optional("hostname", LOW_CARDINALITY, PAGE_TEXT_BYTES),
    optional("utm_source", LOW_CARDINALITY, PAGE_TEXT_BYTES),
    optional("utm_medium", LOW_CARDINALITY, PAGE_TEXT_BYTES),
    optional("utm_campaign", LOW_CARDINALITY, PAGE_TEXT_BYTES),
    optional("pathname", STRING, PAGE_TEXT_BYTES),
    optional("referrer", STRING, PAGE_TEXT_BYTES),
    edge("received_at", TIME),
    edge("batch_id", UUID),
    edge("ip", Type::scalar(Scalar::IPv6)),
    edge("country", LOW_CARDINALITY),
    edge("region", LOW_CARDINALITY),
    edge("city", LOW_CARDINALITY),
    edge("browser", LOW_CARDINALITY),
    edge("os", LOW_CARDINALITY),
    edge("device", LOW_CARDINALITY),
    edge("bot", LOW_CARDINALITY),
];

const fn required(name: &'static str, ty: Type, max_bytes: usize) -> ColumnSpec {
    ColumnSpec { name: Cow::Borrowed(name), ty, by: By::Client, required: true, max_bytes }
}

const fn optional(name: &'static str, ty: Type, max_bytes: usize) -> ColumnSpec {
    ColumnSpec { name: Cow::Borrowed(name), ty, by: By::Client, required: false, max_bytes }
}

const fn edge(name: &'static str, ty: Type) -> ColumnSpec {
    ColumnSpec { name: Cow::Borrowed(name), ty, by: By::Edge, required: false, max_bytes: 0 }
}
