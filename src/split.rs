//! Cutting a sealed block into two of half its rows, for a receiver that finds it too large.
//!
//! Knows the few types that [`Buffer`](crate::buffer::Buffer) writes and no other: walking every
//! type is the edge's, and would cost the page more than all of this.

use alloc::vec;
use alloc::vec::Vec;

use crate::column::{Column, LowCardinality, Push, varint};
use crate::outbox::Batch;
use crate::rng::Uuid;

/// The block's first rows and its others, as batches without an id; none for a block of one row, or
/// one that no buffer has written.
#[must_use]
pub fn in_two(block: &[u8]) -> Vec<Batch> {
    let batch = |(rows, body)| Batch { id: Uuid::default(), rows, body };
    halves(block).map_or_else(Vec::new, |halves| halves.map(batch).into())
}

fn halves(block: &[u8]) -> Option<[(u32, Vec<u8>); 2]> {
    let mut source = Source { rest: block };
    let columns = source.number()?;
    let rows = source.number()?;
    let first = rows / 2;
    if first == 0 {
        return None;
    }
    let halves = [first, rows - first];
    let mut blocks = halves.map(|half| {
        let mut out = Vec::with_capacity(block.len() / 2 + block.len() / 8);
        varint::write(columns, &mut out);
        varint::write(half, &mut out);
        out
    });
    for _ in 0..columns {
        let head = source.rest;
        let name = source.text()?;
        let ty = source.text()?;
        let head = head.get(..head.len() - source.rest.len())?;
        let dictionary =
            if ty == b"LowCardinality(String)" { source.dictionary()? } else { vec![] };
        for (out, half) in blocks.iter_mut().zip(halves) {
            let rows = source.rows(ty, half)?;
            if dictionary.is_empty() {
                out.extend_from_slice(head);
                out.extend_from_slice(rows);
            } else {
                // Anew: a dictionary of more entries than rows is refused.
                let mut column = LowCardinality::default();
                for &index in rows {
                    column.push(*dictionary.get(usize::from(index))?);
                }
                varint::write(name.len(), out);
                out.extend_from_slice(name);
                varint::write(column.type_len(), out);
                column.write_type(out);
                column.write_prefix(out);
                column.write_rows(out);
            }
        }
    }
    let [a, b] = blocks;
    let numbered = |rows, block| u32::try_from(rows).ok().map(|rows| (rows, block));
    source.rest.is_empty().then_some([numbered(first, a)?, numbered(rows - first, b)?])
}

struct Source<'a> {
    rest: &'a [u8],
}

impl<'a> Source<'a> {
    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(bytes)?;
        self.rest = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<usize> {
        let (value, bytes) = varint::read(self.rest).ok()?;
        self.take(bytes)?;
        usize::try_from(value).ok()
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let bytes = self.number()?;
        self.take(bytes)
    }

    /// The entries of a dictionary, and what stands around them: version, flags, two counts.
    fn dictionary(&mut self) -> Option<Vec<&'a [u8]>> {
        self.take(8 + 8)?;
        let (count, rest) = self.rest.split_first_chunk::<8>()?;
        self.rest = rest;
        let entries = (0..u64::from_le_bytes(*count)).map(|_| self.text()).collect();
        self.take(8)?;
        entries
    }

    fn rows(&mut self, ty: &[u8], rows: usize) -> Option<&'a [u8]> {
        let width = match ty {
            b"UUID" => 16,
            b"UInt32" => 4,
            b"LowCardinality(String)" => 1,
            b"String" => {
                let all = self.rest;
                for _ in 0..rows {
                    self.text()?;
                }
                return all.get(..all.len() - self.rest.len());
            }
            // Float64 and DateTime64.
            _ => 8,
        };
        self.take(rows.checked_mul(width)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block;
    use crate::buffer::{Buffer, PageContext};
    use crate::event::{Event, Page};
    use crate::schema::EVENTS;
    use crate::time::UnixMs;
    use alloc::format;
    use alloc::string::String;

    fn block_of(rows: u32, kinds: u32) -> Vec<u8> {
        let page = PageContext::new(Uuid([1; 16]), &Page::default());
        let mut buffer = Buffer::new(page);
        buffer.open(Uuid([7; 16]));
        for seq in 0..rows {
            let text = format!("{}", seq % kinds);
            let page = Page { hostname: "e.example", pathname: &text, ..Page::default() };
            buffer.turn_page(PageContext::new(Uuid([1; 16]), &page));
            let event = Event {
                name: "view",
                entity_type: &text,
                entity_id: &text,
                value: f64::from(seq),
                properties: r#"{"a":1}"#,
                ..Event::at(UnixMs(i64::from(seq)))
            };
            buffer.push(&event, Uuid([2; 16]));
        }
        buffer.block(None)
    }

    /// Each column's rows as text, whatever its type.
    fn rows_of(body: &[u8]) -> Vec<(String, Vec<String>)> {
        let block = block::walk(body).unwrap();
        block::check(&block, &EVENTS).unwrap();
        let column = |column: &block::ColumnView<'_>| {
            let rows: Vec<String> = match column.texts() {
                Some(texts) => texts.map(String::from).collect(),
                None => {
                    let width = column.data().len() / block.rows();
                    column.data().chunks(width).map(|value| format!("{value:?}")).collect()
                }
            };
            assert_eq!(rows.len(), block.rows());
            (String::from(column.name()), rows)
        };
        block.columns().iter().map(column).collect()
    }

    #[test]
    fn the_halves_hold_the_rows_of_the_whole_in_order() {
        for (rows, kinds) in [(2, 1), (3, 2), (500, 10), (501, 255), (700, 300)] {
            let whole = block_of(rows, kinds);
            let [first, second] = in_two(&whole).try_into().unwrap();
            assert_eq!((first.rows, first.rows + second.rows), (rows / 2, rows));
            let mut joined = rows_of(&first.body);
            for ((name, rows), (other, more)) in joined.iter_mut().zip(rows_of(&second.body)) {
                assert_eq!(*name, other);
                rows.extend(more);
            }
            assert_eq!(joined, rows_of(&whole));
        }
    }

    #[test]
    fn one_row_is_not_split_and_neither_is_what_no_buffer_has_written() {
        assert_eq!(in_two(&block_of(1, 1)), []);
        assert_eq!(in_two(b""), []);
        let whole = block_of(40, 3);
        for end in 0..whole.len() {
            assert_eq!(in_two(&whole[..end]), [], "{end}");
        }
    }
}
