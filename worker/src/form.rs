//! A form, in which a statement goes to ClickHouse with its parameters apart from it.

/// A `multipart/form-data` body. ClickHouse takes parameters from it, and it has no length that
/// proxies cut off, as URLs have.
#[derive(Debug, Default)]
pub struct Form(Vec<u8>);

impl Form {
    /// A fixed boundary is safe: it begins with a line break, and no value holds one, see
    /// [`bind`](crate::query::bind); statements are our own.
    pub const CONTENT_TYPE: &'static str = "multipart/form-data; boundary=tallymark-query";

    /// Appends a field.
    pub fn push(&mut self, name: &str, value: &str) {
        let head = "--tallymark-query\r\ncontent-disposition: form-data; name=\"";
        for part in [head, name, "\"\r\n\r\n", value, "\r\n"] {
            self.0.extend_from_slice(part.as_bytes());
        }
    }

    /// The body.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.0.extend_from_slice(b"--tallymark-query--\r\n");
        self.0
    }
}
