//! `JSON`, as text.
//!
//! ```text
//! {"a":1}, {}
//! 01 00 00 00 00 00 00 00    version 1: each row is text      (prefix)
//! 07 7B 22 61 22 3A 31 7D    a string a row                   (rows …)
//! 02 7B 7D
//! ```
//! Checked against ClickHouse 26.7.2.1 (`SerializationObject.cpp`); it writes this form itself
//! under `output_format_native_write_json_as_string=1`.

use super::{Column, Push, Strings};
use alloc::vec::Vec;

/// The only version that is text.
pub(super) const VERSION: u64 = 1;
/// The type's name as ClickHouse spells it.
pub(super) const NAME: &str = "JSON";
/// The default: an object of no fields, in wire form.
const EMPTY: &[u8] = b"\x02{}";

/// A column of `JSON`, each row the text of one JSON object.
///
/// The empty text stands for the empty object. Whether a text is JSON is the server's to say.
///
/// ```
/// use tallymark::column::{Column, Json, Push};
///
/// let mut column = Json::default();
/// column.push("");
/// assert!(column.is_all_default());
/// let mut bytes = Vec::new();
/// column.write_rows(&mut bytes);
/// assert_eq!(bytes, b"\x02{}");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Json {
    texts: Strings,
}

impl Column for Json {
    fn write_type(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(NAME.as_bytes());
    }

    fn type_len(&self) -> usize {
        NAME.len()
    }

    fn rows(&self) -> usize {
        self.texts.rows()
    }

    fn encoded_len(&self) -> usize {
        size_of_val(&VERSION) + self.texts.encoded_len()
    }

    fn write_prefix(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&VERSION.to_le_bytes());
    }

    fn write_rows(&self, out: &mut Vec<u8>) {
        self.texts.write_rows(out);
    }

    fn is_all_default(&self) -> bool {
        self.texts.is_repeated(EMPTY)
    }

    fn push_default(&mut self) {
        self.texts.push_wire(EMPTY, 1);
    }

    fn clear(&mut self) {
        self.texts.clear();
    }
}

impl<T: AsRef<[u8]>> Push<T> for Json {
    fn push(&mut self, text: T) {
        match text.as_ref() {
            b"" => self.push_default(),
            text => self.texts.push(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_empty_objects_are_all_default() {
        let mut column = Json::default();
        column.push("{}");
        column.push_default();
        assert!(column.is_all_default());
        assert_eq!(column.encoded_len(), 8 + 6);
        column.push(r#"{"a":1}"#);
        assert!(!column.is_all_default());
        column.clear();
        assert_eq!(column.rows(), 0);
    }
}
