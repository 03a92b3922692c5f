//! `POST /v1/batch` up to its body: everything that can be refused without reading it.

use crate::config::Config;
use crate::limits;
use crate::refusal::{Code, Refusal};
use crate::sites::caller;
use crate::url::Url;
use tallymark::rng::Uuid;
use tallymark::schema::{EVENTS, Table};
use tallymark::time::UnixMs;

/// What a batch's URL and headers say, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The site, from the key.
    pub site: String,
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
        let bad = |message: &str| Refusal::new(Code::BadRequest, message);
        if version.as_deref() != Some("1") {
            return Err(bad("parameter v must be 1"));
        }
        let site = config
            .sites
            .authorize(&key.unwrap_or_default(), caller(origin, fetch_site, url))?
            .name
            .clone();
        let table = known_table(&table.unwrap_or_default())?;
        let id = id
            .and_then(|text| Uuid::parse(text.as_bytes()))
            .ok_or_else(|| bad("parameter id must be a UUID"))?;
        let id_time =
            id.v7_time().ok_or_else(|| bad("parameter id must be a UUID of version 7"))?;
        let sent_at = at
            .and_then(|text| milliseconds(&text))
            .ok_or_else(|| bad("parameter at must be the time of sending, in Unix milliseconds"))?;
        let latest = now.plus_ms(limits::CLOCK_AHEAD_MS);
        if sent_at > latest {
            return Err(bad("parameter at is more than 24 hours in the future"));
        }
        if id_time > latest {
            return Err(bad("parameter id is more than 24 hours in the future"));
        }
        if sent_at.since_ms(id_time) > limits::BATCH_AGE_MS {
            return Err(Refusal::new(Code::TooOld, "the batch is older than 24 hours"));
        }
        Ok(Self { site, table, id, sent_at, bot_hint: bot_hint.unwrap_or_default().into_owned() })
    }
}

/// The table of this name.
fn known_table(name: &str) -> Result<&'static Table, Refusal> {
    if name == EVENTS.name {
        return Ok(&EVENTS);
    }
    Err(Refusal::new(Code::BadTable, "parameter t names no table"))
}

/// Unix milliseconds: digits alone, no sign.
fn milliseconds(text: &str) -> Option<UnixMs> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().map(UnixMs)
}
