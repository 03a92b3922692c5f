//! The Native block: encode on the page, walk and check at the edge.
//!
//! ```text
//! 02                          columns, varint
//! 03                          rows, varint
//! 04 6E 61 6D 65              a column's name: varint length, bytes
//! 06 53 74 72 69 6E 67        its type, the same
//! …                           its prefix and its rows
//! 03 73 65 71  06 55 49 …     the next column
//! ```
//! Checked against ClickHouse 26.7.2.1 over HTTP (no protocol revision, so no block info).
//!
//! The page calls [`encode()`]. The edge calls [`walk()`], which looks at nothing but the bytes,
//! then [`check()`], which compares with a [`Table`](crate::schema::Table), then [`append()`],
//! which puts the edge's columns behind the client's without touching them.
//!
//! Invariants: no column is copied before it is forwarded; nothing is allocated in proportion to
//! a number that the body claims. A body that the server would answer with 200 and not store (a
//! block of no columns and no rows), or store wrongly (another type), never passes.

mod append;
mod check;
mod encode;
mod error;
mod view;
mod walk;

pub use append::append;
pub use check::{Checked, check};
pub(crate) use encode::encode_column;
pub use encode::{encode, encoded_len};
pub use error::{BlockError, Cause};
pub use view::{Block, ColumnView};
pub use walk::walk;
