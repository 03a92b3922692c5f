//! `POST /v1/batch` up to its body: everything that can be refused without reading it.

use crate::config::Config;
use crate::limits;
use crate::refusal::{Code, Refusal};
use crate::sites::caller;
use crate::url::Url;
use tallymark::rng::Uuid;
use tallymark::schema::Table;
use tallymark::time::UnixMs;

/// What a batch's URL and headers say, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The site, from the key.
    pub site: String,
    /// Whether the key is a server's: the sender is not whom its events are about.
    pub is_server: bool,
    /// The table.
    pub table: &'static Table,
    /// The batch's id, of version 7.
    pub id: Uuid,
    /// When the batch was sent, by its client's clock.
    pub sent_at: UnixMs,
    /// The client's own guess at being a bot; empty for people.
    pub bot_hint: String,
}

impl Head {
    /// Reads and checks `v`, `k` with the origin, `t`, `id` and `at`, in this order.
    ///
    /// # Errors
    /// `bad_request`, `bad_key`, `bad_origin`, `bad_table`, `too_old`.
    pub fn read(
        url: &Url<'_>,
        origin: Option<&str>,
        fetch_site: Option<&str>,
        now: UnixMs,
        config: &Config,
    ) -> Result<Self, Refusal> {
        let [mut version, mut key, mut table, mut id, mut at, mut bot_hint] = Default::default();
        for (name, value) in url.parameters() {
            match &*name {
                "v" => version = Some(value),
                "k" => key = Some(value),
                "t" => table = Some(value),
                "id" => id = Some(value),
                "at" => at = Some(value),
                "b" => bot_hint = Some(value),
                // A later client may say more; what it means is bound to a later version.
                _ => {}
            }
        }
        if version.as_deref() != Some("1") {
            return Err(bad("parameter v must be 1"));
        }
        let site =
            config.sites.authorize(&key.unwrap_or_default(), caller(origin, fetch_site, url))?;
        let (site, is_server) = (site.name.clone(), site.is_server());
        let table = known_table(&table.unwrap_or_default(), &site, config)?;
        let (id, id_time) = id_of(id.as_deref(), now)?;
        let sent_at = sent_at(at.as_deref(), now)?;
        check_age(id_time, sent_at)?;
        let bot_hint = bot_hint.unwrap_or_default().into_owned();
        Ok(Self { site, is_server, table, id, sent_at, bot_hint })
    }
}

fn bad(message: &str) -> Refusal {
    Refusal::new(Code::BadRequest, message)
}

/// The parameter `id`, of version 7, and the time in it.
///
/// # Errors
/// `bad_request` for what is none, and for one from the future.
pub fn id_of(text: Option<&str>, now: UnixMs) -> Result<(Uuid, UnixMs), Refusal> {
    let id = text
        .and_then(|text| Uuid::parse(text.as_bytes()))
        .ok_or_else(|| bad("parameter id must be a UUID"))?;
    let time = id.v7_time().ok_or_else(|| bad("parameter id must be a UUID of version 7"))?;
    if time > now.plus_ms(limits::CLOCK_AHEAD_MS) {
        return Err(bad("parameter id is more than 24 hours in the future"));
    }
    Ok((id, time))
}

/// The parameter `at`.
///
/// # Errors
/// `bad_request` for what is no time, and for one from the future.
pub fn sent_at(text: Option<&str>, now: UnixMs) -> Result<UnixMs, Refusal> {
    let time = text
        .and_then(milliseconds)
        .ok_or_else(|| bad("parameter at must be the time of sending, in Unix milliseconds"))?;
    if time > now.plus_ms(limits::CLOCK_AHEAD_MS) {
        return Err(bad("parameter at is more than 24 hours in the future"));
    }
    Ok(time)
}

/// Whether a batch that was opened at `id_time` may still be sent, both by its client's clock.
///
/// # Errors
/// `too_old`.
pub fn check_age(id_time: UnixMs, sent_at: UnixMs) -> Result<(), Refusal> {
    if sent_at.since_ms(id_time) > limits::BATCH_AGE_MS {
        return Err(Refusal::new(Code::TooOld, "the batch is older than 24 hours"));
    }
    Ok(())
}

/// The table of this name that the site's key may write to: `events`, or one of `TABLES`.
///
/// # Errors
/// `bad_table`.
pub fn known_table(name: &str, site: &str, config: &Config) -> Result<&'static Table, Refusal> {
    let none = || Refusal::new(Code::BadTable, "parameter t names no table");
    config.tables.writable(name, site).ok_or_else(none)
}

/// Unix milliseconds: digits alone, no sign.
fn milliseconds(text: &str) -> Option<UnixMs> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().map(UnixMs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, config};
    use tallymark::schema::EVENTS;

    const HOUR: i64 = 3_600_000;

    /// An id of version 7 with this time.
    fn id(time: i64) -> String {
        let hex = format!("{time:012x}");
        format!("{}-{}-7000-8000-000000000001", &hex[..8], &hex[8..])
    }

    fn good() -> Vec<(&'static str, String)> {
        vec![
            ("v", "1".into()),
            ("k", "pk_open".into()),
            ("t", "events".into()),
            ("id", id(NOW)),
            ("at", NOW.to_string()),
            ("b", "webdriver".into()),
        ]
    }

    /// The good parameters with one replaced, or left out.
    fn with(name: &str, value: Option<&str>) -> Result<Head, Refusal> {
        let query: Vec<_> = good()
            .into_iter()
            .filter_map(|(key, old)| match value {
                _ if key != name => Some(format!("{key}={old}")),
                Some(new) => Some(format!("{key}={new}")),
                None => None,
            })
            .collect();
        let url = format!("https://edge.test/v1/batch?{}", query.join("&"));
        Head::read(&Url::parse(&url), None, None, UnixMs(NOW), &config())
    }

    fn refused(name: &str, value: Option<&str>) -> (Code, String) {
        let refusal = with(name, value).unwrap_err();
        (refusal.code, refusal.message)
    }

    #[test]
    fn a_good_head_is_read() {
        let head = with("more", None).unwrap();
        let expected = Head {
            site: "open".into(),
            is_server: false,
            table: &EVENTS,
            id: Uuid::parse(id(NOW).as_bytes()).unwrap(),
            sent_at: UnixMs(NOW),
            bot_hint: "webdriver".into(),
        };
        assert_eq!(head, expected);
        assert_eq!(with("b", None).unwrap().bot_hint, "");
    }

    #[test]
    fn another_version_is_a_bad_request() {
        let expected = (Code::BadRequest, "parameter v must be 1".to_owned());
        for value in [None, Some(""), Some("2"), Some("01")] {
            assert_eq!(refused("v", value), expected);
        }
    }

    #[test]
    fn a_missing_or_unknown_key_is_a_bad_key() {
        for value in [None, Some(""), Some("pk_other")] {
            assert_eq!(refused("k", value).0, Code::BadKey);
        }
    }

    #[test]
    fn a_key_without_its_origin_is_a_bad_origin() {
        assert_eq!(refused("k", Some("pk_demo")).0, Code::BadOrigin);
    }

    #[test]
    fn an_unknown_table_is_a_bad_table() {
        let expected = (Code::BadTable, "parameter t names no table".to_owned());
        for value in [None, Some(""), Some("Events"), Some("events;"), Some("entity_totals")] {
            assert_eq!(refused("t", value), expected);
        }
    }

    #[test]
    fn an_id_must_be_a_uuid_of_version_7() {
        let no_uuid = (Code::BadRequest, "parameter id must be a UUID".to_owned());
        assert_eq!(refused("id", None), no_uuid);
        assert_eq!(refused("id", Some("1")), no_uuid);
        let v4 = "0198c9a0-0000-4000-8000-000000000000";
        let message = "parameter id must be a UUID of version 7";
        assert_eq!(refused("id", Some(v4)), (Code::BadRequest, message.into()));
    }

    #[test]
    fn a_time_of_sending_must_be_there_and_a_plain_number() {
        let message = "parameter at must be the time of sending, in Unix milliseconds";
        for value in
            [None, Some(""), Some("-1"), Some("%2B1"), Some("1e3"), Some("99999999999999999999")]
        {
            assert_eq!(refused("at", value), (Code::BadRequest, message.into()));
        }
    }

    #[test]
    fn the_future_ends_24_hours_ahead_exactly() {
        let latest = NOW + 24 * HOUR;
        assert!(with("at", Some(&latest.to_string())).is_ok());
        assert_eq!(
            refused("at", Some(&(latest + 1).to_string())),
            (Code::BadRequest, "parameter at is more than 24 hours in the future".into())
        );
        assert!(with("id", Some(&id(latest))).is_ok());
        assert_eq!(
            refused("id", Some(&id(latest + 1))),
            (Code::BadRequest, "parameter id is more than 24 hours in the future".into())
        );
    }

    #[test]
    fn a_batch_lives_24_hours_exactly_by_its_client_s_clock() {
        assert!(with("id", Some(&id(NOW - 24 * HOUR))).is_ok());
        assert_eq!(
            refused("id", Some(&id(NOW - 24 * HOUR - 1))),
            (Code::TooOld, "the batch is older than 24 hours".into())
        );
        // A clock that is years slow makes no batch old.
        assert!(with("at", Some("1000")).is_ok());
    }
}
