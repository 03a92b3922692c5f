//! Where batches go, and the address that each is posted to.

use alloc::string::String;

use crate::answer::Receiver;
use crate::journal::DestinationId;
use crate::rng::Uuid;
use crate::time::UnixMs;

/// A receiver and what it takes to be let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The edge worker.
    Worker {
        /// Its base URL, without a slash at the end.
        endpoint: String,
        /// The site's public write key.
        key: String,
    },
    /// ClickHouse's own HTTP endpoint, as a user that may insert and nothing else.
    ClickHouse {
        /// Its base URL, without a slash at the end.
        url: String,
        /// The database.
        database: String,
        /// The user.
        user: String,
        /// The user's password: whoever sees the page sees it.
        password: String,
        /// The value of the column `site`, which the worker would know from the key.
        site: String,
    },
}

/// What the tracker itself has to know of its destination. The address of each request is put
/// together by the shell: the page's has `encodeURIComponent`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Whose answers are believed.
    pub receiver: Receiver,
    /// What a record of the journal is checked against: batches go nowhere else.
    pub id: DestinationId,
    /// The value of the column `site`, when the rows go straight to ClickHouse.
    pub site: Option<String>,
}

impl Destination {
    /// A table there.
    #[must_use]
    pub fn target(&self, table: &str) -> Target {
        let site = match self {
            Self::Worker { .. } => None,
            Self::ClickHouse { site, .. } => Some(site.clone()),
        };
        Target { receiver: self.receiver(), id: DestinationId::of(&self.name(table)), site }
    }

    /// The name of a table there: texts with a line break behind each. Database and site belong to
    /// it; a password does not: a new one lets the same rows into the same table.
    #[must_use]
    pub fn name(&self, table: &str) -> String {
        let texts = match self {
            Self::Worker { endpoint, key } => [endpoint, key, table, ""],
            Self::ClickHouse { url, database, site, .. } => [url, database, table, site],
        };
        texts.into_iter().flat_map(|text| [text, "\n"]).collect()
    }

    /// Whose answers are believed.
    #[must_use]
    pub const fn receiver(&self) -> Receiver {
        match self {
            Self::Worker { .. } => Receiver::Worker,
            Self::ClickHouse { .. } => Receiver::ClickHouse,
        }
    }

    /// The address for one batch, sent at `at`. Everything travels in it: a header of our own
    /// would cost a preflight.
    #[must_use]
    pub fn url(&self, table: &str, id: Uuid, at: UnixMs) -> String {
        let mut url = String::with_capacity(256);
        match self {
            Self::Worker { endpoint, key } => {
                url.push_str(endpoint);
                url.push_str("/v1/batch?v=1");
                push_parameter(&mut url, "k", key);
                push_uuid(&mut url, "id", id);
                push_parameter(&mut url, "t", table);
                url.push_str("&at=");
                push_decimal(&mut url, at.0.unsigned_abs());
            }
            Self::ClickHouse { url: base, database, user, password, .. } => {
                url.push_str(base);
                url.push_str("/?query=INSERT%20INTO%20");
                push_encoded(&mut url, table);
                url.push_str("%20FORMAT%20Native");
                push_parameter(&mut url, "user", user);
                push_parameter(&mut url, "password", password);
                push_parameter(&mut url, "database", database);
                url.push_str("&async_insert=0");
                push_uuid(&mut url, "insert_deduplication_token", id);
                url.push_str("&input_format_skip_unknown_fields=0");
            }
        }
        url
    }
}

fn push_parameter(url: &mut String, name: &str, value: &str) {
    url.push('&');
    url.push_str(name);
    url.push('=');
    push_encoded(url, value);
}

fn push_uuid(url: &mut String, name: &str, id: Uuid) {
    url.push('&');
    url.push_str(name);
    url.push('=');
    id.to_text().iter().for_each(|&digit| url.push(char::from(digit)));
}

/// Percent-encodes everything but RFC 3986's unreserved characters.
fn push_encoded(url: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            url.push(char::from(byte));
        } else {
            url.push('%');
            url.push(hex_digit(byte >> 4));
            url.push(hex_digit(byte & 15));
        }
    }
}

const fn hex_digit(nibble: u8) -> char {
    (if nibble < 10 { b'0' + nibble } else { b'A' - 10 + nibble }) as char
}

/// A number in decimal. Not `format!`: that costs the page 1.5 KB (measured).
pub(crate) fn push_decimal(text: &mut String, mut number: u64) {
    let mut digits = [0; 20];
    let mut length = 0_usize;
    for digit in &mut digits {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        length += 1;
        if number == 0 {
            break;
        }
    }
    digits.iter().take(length).rev().for_each(|&digit| text.push(char::from(digit)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn id() -> Uuid {
        Rng::new([1, 2, 3, 4]).uuid_v7(UnixMs(1_795_435_200_123))
    }

    #[test]
    fn u7_the_workers_address_carries_everything_without_a_header() {
        let worker =
            Destination::Worker { endpoint: "https://e.example".into(), key: "pk/ü 1".into() };
        let text = id().to_text();
        let expected = alloc::format!(
            "https://e.example/v1/batch?v=1&k=pk%2F%C3%BC%201&id={}&t=events&at=1795435200999",
            core::str::from_utf8(&text).unwrap()
        );
        assert_eq!(worker.url("events", id(), UnixMs(1_795_435_200_999)), expected);
    }

    #[test]
    fn u6_clickhouses_address_carries_the_token_and_refuses_unknown_columns() {
        let clickhouse = Destination::ClickHouse {
            url: "http://127.0.0.1:8123".into(),
            database: "tallymark".into(),
            user: "page".into(),
            password: "a&b=c".into(),
            site: "demo".into(),
        };
        let text = id().to_text();
        let expected = alloc::format!(
            "http://127.0.0.1:8123/?query=INSERT%20INTO%20events%20FORMAT%20Native&user=page\
             &password=a%26b%3Dc&database=tallymark&async_insert=0\
             &insert_deduplication_token={}&input_format_skip_unknown_fields=0",
            core::str::from_utf8(&text).unwrap()
        );
        assert_eq!(clickhouse.url("events", id(), UnixMs(0)), expected);
    }

    #[test]
    fn decimals_are_written_from_zero_to_the_largest() {
        for number in [0, 7, 10, 1_795_435_200_999, u64::MAX] {
            let mut text = String::new();
            push_decimal(&mut text, number);
            assert_eq!(text, alloc::format!("{number}"));
        }
    }
}
