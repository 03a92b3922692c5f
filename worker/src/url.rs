//! Path and parameters of a request's URL, which the platform has already made absolute.

use std::borrow::Cow;
use std::collections::BTreeSet;

/// A request's URL, taken apart without a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Url<'a> {
    /// Scheme, host and port: `https://example.com`.
    pub origin: &'a str,
    /// From the first `/`, still escaped.
    pub path: &'a str,
    /// What follows `?`, still escaped; empty without one.
    pub query: &'a str,
}

impl<'a> Url<'a> {
    /// Takes `https://host/path?query#fragment` apart.
    #[must_use]
    pub fn parse(url: &'a str) -> Self {
        let url = url.split_once('#').map_or(url, |(url, _)| url);
        let (before, query) = url.split_once('?').unwrap_or((url, ""));
        let host_at = before.find("://").map_or(0, |at| at + 3);
        let host = before.get(host_at..).unwrap_or("");
        let path_at = host.find('/').map_or(before.len(), |at| host_at + at);
        let (origin, path) = before.split_at_checked(path_at).unwrap_or((before, ""));
        Self { origin, path: if path.is_empty() { "/" } else { path }, query }
    }

    /// The parameters in their order, unescaped as the URL standard's
    /// `application/x-www-form-urlencoded` does it: `+` is a space, a bad escape stays as it is.
    pub fn parameters(&self) -> impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> + use<'a> {
        self.query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (unescape(name), unescape(value))
        })
    }

    /// The first name that is there twice, if any: whoever stands in between may have read the one
    /// value, and we would read the other.
    #[must_use]
    pub fn doubled(&self) -> Option<Cow<'a, str>> {
        let mut names = BTreeSet::new();
        self.parameters().map(|(name, _)| name).find(|name| !names.insert(name.clone()))
    }
}

/// One name or value without its escapes.
fn unescape(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|byte| byte == b'%' || byte == b'+') {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        bytes.push(match (first, tail) {
            (b'+', _) => b' ',
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    rest = after;
                    (high << 4) | low
                }
                _ => {
                    // What a run of the fuzzer has to find: a bad escape that takes what follows it.
                    #[cfg(planted_bug)]
                    {
                        rest = after;
                    }
                    b'%'
                }
            },
            _ => *first,
        });
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

/// The value of one hex digit.
fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Appends `value` to a URL's query, escaped so that it is one value wherever it lands.
pub fn push_escaped(url: &mut String, value: &str) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            url.push(char::from(byte));
            continue;
        }
        url.push('%');
        for nibble in [byte >> 4, byte & 15] {
            url.extend(DIGITS.get(usize::from(nibble)).copied().map(char::from));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(url: &str) -> Vec<(String, String)> {
        let pairs = Url::parse(url).parameters();
        pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
    }

    #[test]
    fn url_comes_apart_at_host_path_and_query() {
        assert_eq!(
            Url::parse("http://127.0.0.1:8787/v1/batch?v=1&k=a#part"),
            Url { origin: "http://127.0.0.1:8787", path: "/v1/batch", query: "v=1&k=a" }
        );
        assert_eq!(
            Url::parse("https://example.com"),
            Url { origin: "https://example.com", path: "/", query: "" }
        );
        // A question mark may stand where the path would.
        assert_eq!(
            Url::parse("https://example.com?a=/b"),
            Url { origin: "https://example.com", path: "/", query: "a=/b" }
        );
        assert_eq!(Url::parse("/v1"), Url { origin: "", path: "/v1", query: "" });
    }

    #[test]
    fn parameters_are_unescaped_in_order() {
        let expected = [("a", "1 2"), ("b", "ä&="), ("c", ""), ("d", "")];
        let found = pairs("http://h/?a=1+2&b=%C3%A4%26%3D&&c&d=");
        assert!(found.iter().map(|(name, value)| (name.as_str(), value.as_str())).eq(expected));
    }

    #[test]
    fn a_name_that_is_there_twice_is_found_however_it_is_written() {
        let doubled = |url| Url::parse(url).doubled().map(Cow::into_owned);
        assert_eq!(doubled("http://h/?a=1&b=2&%61=1"), Some("a".into()));
        assert_eq!(doubled("http://h/?a&A&b=a&&"), None);
    }

    #[test]
    fn bad_escapes_stay_and_bad_utf8_is_replaced() {
        assert_eq!(pairs("http://h/?a=%zz%4"), [("a".into(), "%zz%4".into())]);
        assert_eq!(pairs("http://h/?a=%ff"), [("a".into(), "\u{fffd}".into())]);
        // A sign is no hex digit.
        assert_eq!(pairs("http://h/?a=%+1"), [("a".into(), "% 1".into())]);
    }

    #[test]
    fn escaped_values_read_back() {
        let mut url = String::from("http://h/?a=");
        push_escaped(&mut url, "ä b&c=d/\n%~");
        assert_eq!(url, "http://h/?a=%C3%A4%20b%26c%3Dd%2F%0A%25~");
        assert_eq!(pairs(&url), [("a".into(), "ä b&c=d/\n%~".into())]);
    }
}
