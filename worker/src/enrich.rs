//! What only the edge knows of a batch: its true time, its sender's address and place, and
//! whether it is a bot.

use crate::limits;
use std::net::{IpAddr, Ipv6Addr};
use tallymark::time::UnixMs;

/// How a batch's times are corrected: by the difference of the two clocks when it arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// When the batch arrived, by the edge's clock.
    pub received_at: UnixMs,
    /// When it was sent, by its client's clock.
    pub sent_at: UnixMs,
    /// Whether times long before the arrival stay as they are: for a server's own facts.
    pub takes_old: bool,
}

impl Clock {
    /// `occurred_at` by the edge's clock, clamped to [`limits::OCCURRED_BEFORE_MS`] before the
    /// arrival, and to the arrival itself from [`limits::OCCURRED_AFTER_MS`] after it on.
    #[must_use]
    pub fn correct(self, occurred_at: UnixMs) -> UnixMs {
        let corrected = occurred_at.plus_ms(self.received_at.since_ms(self.sent_at));
        let earliest = if self.takes_old {
            UnixMs(0)
        } else {
            self.received_at.plus_ms(-limits::OCCURRED_BEFORE_MS)
        };
        if corrected < earliest {
            earliest
        } else if corrected > self.received_at.plus_ms(limits::OCCURRED_AFTER_MS) {
            self.received_at
        } else {
            corrected
        }
    }
}

/// Where a request came from, as the platform says; empty where it does not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// ISO 3166-1 alpha-2, upper case.
    pub country: String,
    /// Name of the region.
    pub region: String,
    /// Name of the city.
    pub city: String,
}

impl Place {
    /// The same with every name short enough for a dictionary; a longer one becomes empty.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        bound([&mut self.country, &mut self.region, &mut self.city]);
        self
    }
}

/// What the user agent's own words tell; empty where nothing is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agent {
    /// The browser's name.
    pub browser: String,
    /// The operating system's name.
    pub os: String,
    /// `desktop`, `mobile`, `tablet`, `tv`, `bot`.
    pub device: String,
    /// Whether it says itself that it is no browser of a person.
    pub is_bot: bool,
}

impl Agent {
    /// As [`Place::bounded`].
    #[must_use]
    pub fn bounded(mut self) -> Self {
        bound([&mut self.browser, &mut self.os, &mut self.device]);
        self
    }
}

fn bound(names: [&mut String; 3]) {
    for name in names {
        if name.len() > limits::PLACE_BYTES {
            name.clear();
        }
    }
}

/// Who sent a batch, as far as the edge knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sender {
    /// The address, truncated; `None` when no header is trusted to tell it.
    pub ip: Option<Ipv6Addr>,
    /// Where it is.
    pub place: Place,
    /// What it says that it is.
    pub agent: Agent,
}

/// An address, truncated to what tells a network and no household: 24 bits of IPv4
/// (mapped into IPv6), 48 bits of IPv6. `None` for what is no address.
#[must_use]
pub fn truncated_ip(text: &str) -> Option<Ipv6Addr> {
    // A list, as in x-forwarded-for, is not read: which entry is true only its proxy knows.
    let address = whole_ip(text)?;
    let kept_bits = if address.to_ipv4_mapped().is_some() { 96 + 24 } else { 48 };
    let mask = u128::MAX << (128 - kept_bits);
    Some(Ipv6Addr::from_bits(address.to_bits() & mask))
}

/// The same with all of its bits.
#[must_use]
pub fn whole_ip(text: &str) -> Option<Ipv6Addr> {
    match text.trim().parse::<IpAddr>().ok()? {
        IpAddr::V4(address) => Some(address.to_ipv6_mapped()),
        IpAddr::V6(address) => Some(address),
    }
}

/// The reason in column `bot`: the client's own hint, else that its user agent says so; empty for
/// people. A hint that is no short word is still a hint; it must not fill the dictionary.
#[must_use]
pub fn bot<'a>(hint: &'a str, agent: &Agent) -> &'a str {
    if hint.is_empty() && agent.is_bot {
        return "user_agent";
    }
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if hint.len() <= limits::BOT_HINT_BYTES && hint.bytes().all(plain) { hint } else { "other" }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_795_435_200_000;

    fn correct(sent_at: i64, occurred_at: i64) -> i64 {
        let clock = Clock { received_at: UnixMs(NOON), sent_at: UnixMs(sent_at), takes_old: false };
        clock.correct(UnixMs(occurred_at)).0
    }

    #[test]
    fn a_whole_address_keeps_all_of_its_bits() {
        let whole = |text| whole_ip(text).map(|ip| ip.to_string());
        assert_eq!(whole("203.0.113.77").as_deref(), Some("::ffff:203.0.113.77"));
        assert_eq!(whole(" 2001:db8::1 ").as_deref(), Some("2001:db8::1"));
        assert_eq!(whole("203.0.113.77, 10.0.0.1"), None);
    }

    #[test]
    fn a_wrong_clock_is_corrected_by_the_difference_at_arrival() {
        assert_eq!(correct(NOON, NOON - 5_000), NOON - 5_000);
        // Two hours slow, and a year fast.
        assert_eq!(correct(NOON - 7_200_000, NOON - 7_205_000), NOON - 5_000);
        assert_eq!(correct(NOON + 31_536_000_000, NOON + 31_535_999_000), NOON - 1_000);
    }

    #[test]
    fn the_clamp_before_is_exact() {
        let h48 = 48 * 3_600_000;
        assert_eq!(correct(NOON, NOON - h48), NOON - h48);
        assert_eq!(correct(NOON, NOON - h48 - 1), NOON - h48);
        assert_eq!(correct(NOON, NOON - 10 * h48), NOON - h48);
    }

    #[test]
    fn old_facts_keep_their_time_where_they_are_taken() {
        let clock = Clock { received_at: UnixMs(NOON), sent_at: UnixMs(NOON), takes_old: true };
        assert_eq!(clock.correct(UnixMs(86_400_000)), UnixMs(86_400_000));
        let clock = Clock { sent_at: UnixMs(NOON + 1), ..clock };
        assert_eq!(clock.correct(UnixMs(0)), UnixMs(0), "not before 1970");
        assert_eq!(clock.correct(UnixMs(i64::MAX)), UnixMs(NOON));
    }

    #[test]
    fn the_clamp_after_is_exact_and_goes_to_the_arrival() {
        let m5 = 5 * 60_000;
        assert_eq!(correct(NOON, NOON + m5), NOON + m5);
        assert_eq!(correct(NOON, NOON + m5 + 1), NOON);
    }

    #[test]
    fn the_ends_of_time_neither_wrap_nor_panic() {
        assert_eq!(correct(NOON, i64::MAX), NOON);
        assert_eq!(correct(NOON, i64::MIN), NOON - 48 * 3_600_000);
        assert_eq!(correct(i64::MAX, i64::MIN), NOON - 48 * 3_600_000);
        assert_eq!(correct(i64::MIN, i64::MAX), NOON);
    }

    #[test]
    fn addresses_lose_what_tells_a_household() {
        let ip = |text: &str| truncated_ip(text).map(|ip| ip.to_string());
        assert_eq!(ip("203.0.113.77").as_deref(), Some("::ffff:203.0.113.0"));
        assert_eq!(ip("::ffff:203.0.113.77").as_deref(), Some("::ffff:203.0.113.0"));
        assert_eq!(ip(" 2001:db8:1:2:3:4:5:6 ").as_deref(), Some("2001:db8:1::"));
        assert_eq!(ip("::1").as_deref(), Some("::"));
        for text in ["", "unknown", "203.0.113.77, 10.0.0.1", "203.0.113.77:80", "1.2.3"] {
            assert_eq!(ip(text), None, "{text}");
        }
    }

    #[test]
    fn bot_hints_are_short_words() {
        let bot = |hint: &str| bot(hint, &Agent::default()).to_owned();
        assert_eq!(bot(""), "");
        assert_eq!(bot("webdriver"), "webdriver");
        assert_eq!(bot("Web Driver"), "other");
        assert_eq!(bot(&"a".repeat(32)), "a".repeat(32));
        assert_eq!(bot(&"a".repeat(33)), "other");
    }

    #[test]
    fn an_agent_that_says_so_is_a_bot_unless_its_page_knows_better_why() {
        let agent = Agent { is_bot: true, ..Agent::default() };
        assert_eq!(bot("", &agent), "user_agent");
        assert_eq!(bot("webdriver", &agent), "webdriver");
    }

    #[test]
    fn agents_too_long_for_a_dictionary_are_left_empty() {
        let agent = |browser: String, os: String| Agent { browser, os, ..Agent::default() };
        let bounded = agent("x".repeat(101), "y".repeat(100)).bounded();
        assert_eq!(bounded, agent(String::new(), "y".repeat(100)));
    }

    #[test]
    fn places_too_long_for_a_dictionary_are_left_empty() {
        let place = Place { country: "DE".into(), region: "x".repeat(101), city: "y".repeat(100) };
        let bounded = Place { country: "DE".into(), region: String::new(), city: "y".repeat(100) };
        assert_eq!(place.bounded(), bounded);
    }
}
