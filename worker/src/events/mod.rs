//! Events as JSON, `/v1/events` and `/ingest-events`: they become one checked block, which then
//! goes the way of a batch.
//!
//! Under one `id` the stored rows depend on the body and the id alone, never on when or how often
//! it was sent: what a row leaves out is filled in from the id and the row's place. Only the
//! corrected times and what the edge sees of the sender may differ, as for a batch.
//!
//! | a row leaves out | it gets |
//! |---|---|
//! | `page_id` and `seq` | the id of the request and the row's index in it |
//! | `occurred_at` | the time in the request's id, by its client's clock |
//! | anything else | the column's DEFAULT |

pub mod body;
mod columns;
mod properties;
mod row;
mod time;

pub use columns::Columns;
pub use properties::properties;
pub use row::{Fault, Names, Row, bad};
pub use time::rfc3339;

use crate::answer::Answer;
use crate::batch;
use crate::block::{self, Ways};
use crate::config::Config;
use crate::enrich::Sender;
use crate::refusal::{Code, Refusal};
use crate::sites::Site;
use crate::tables::Rows;
use crate::url::Url;
use serde::Serialize;
use tallymark::rng::{Rng, Uuid};
use tallymark::schema::{EVENTS, Table};
use tallymark::time::UnixMs;

/// How the body is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `/v1/events`: an array or a line each, columns by their names.
    Events,
    /// `/ingest-events`: `{"api_key", "events": [{"event_name", "event_timestamp", …}]}`.
    Ingest,
}

/// What is known of a request before its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    form: Form,
    /// `None` when the key is in the body.
    grant: Option<Grant>,
    key: String,
    origin: Option<String>,
    table: &'static Table,
    id: Uuid,
    sent_at: UnixMs,
    /// When a row without a time happened, by the client's clock.
    happened_at: UnixMs,
    bot_hint: String,
}

/// What a key allows.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Grant {
    site: String,
    is_server: bool,
}

impl Grant {
    fn of(site: &Site) -> Self {
        Self { site: site.name.clone(), is_server: site.is_server() }
    }
}

impl Head {
    /// Reads `k` or the header `x-api-key`, `t`, `id`, `at` and `b`. Without an `id` it draws one from
    /// `rng`: every request is then a batch of its own.
    ///
    /// # Errors
    /// `bad_key`, `bad_origin`, `bad_table`, `bad_request`, `too_old`.
    pub fn read(
        form: Form,
        url: &Url<'_>,
        origin: Option<&str>,
        api_key: Option<&str>,
        now: UnixMs,
        config: &Config,
        rng: &mut Rng,
    ) -> Result<Self, Refusal> {
        let [mut key, mut table, mut id, mut at, mut bot_hint] = Default::default();
        for (name, value) in url.parameters() {
            match &*name {
                "k" => key = Some(value),
                "t" => table = Some(value),
                "id" => id = Some(value),
                "at" => at = Some(value),
                "b" => bot_hint = Some(value),
                _ => {}
            }
        }
        let key = api_key.map(str::to_owned).or(key.map(|key| key.into_owned()));
        let grant = match (&key, form) {
            (None, Form::Ingest) => None,
            _ => {
                let site = config.sites.authorize(key.as_deref().unwrap_or_default(), origin)?;
                Some(Grant::of(site))
            }
        };
        let site = grant.as_ref().map_or("", |grant| grant.site.as_str());
        let table = match table {
            // An ingested event has its own four names, which no other table has.
            Some(name) if form == Form::Ingest && name != EVENTS.name => {
                return Err(Refusal::new(Code::BadTable, "this path writes to events alone"));
            }
            Some(name) => batch::known_table(&name, site, config)?,
            None => &EVENTS,
        };
        let sent_at = at.map(|text| batch::sent_at(Some(&text), now)).transpose()?.unwrap_or(now);
        let (id, happened_at) = match id {
            Some(text) => {
                let (id, time) = batch::id_of(Some(&text), now)?;
                batch::check_age(time, sent_at)?;
                (id, time)
            }
            None => (rng.uuid_v7(now), sent_at),
        };
        Ok(Self {
            form,
            grant,
            key: key.unwrap_or_default(),
            origin: origin.map(str::to_owned),
            table,
            id,
            sent_at,
            happened_at,
            bot_hint: bot_hint.unwrap_or_default().into_owned(),
        })
    }

    /// Takes the rows of `body` that can be taken.
    ///
    /// # Errors
    /// `bad_request` for a body that cannot be taken apart into rows, `too_large` for one of too
    /// many rows or bytes, and of `/ingest-events` `bad_key` and `bad_origin`.
    pub fn take(
        self,
        body: &[u8],
        sender: &Sender,
        received_at: UnixMs,
        config: &Config,
    ) -> Result<Taken, Refusal> {
        let body = body::plain(body)?;
        let text = body::text(&body)?;
        let (rows, grant, names) = match self.form {
            Form::Events => (body::rows(text)?, self.grant, Names::Columns),
            Form::Ingest => {
                let envelope = body::envelope(text)?;
                let grant = match (self.grant, envelope.api_key) {
                    (Some(grant), None) => grant,
                    (Some(grant), Some(key)) if key == self.key => grant,
                    (Some(_), Some(_)) => {
                        let message = "api_key is another key than the header x-api-key";
                        return Err(Refusal::new(Code::BadKey, message));
                    }
                    (None, key) => {
                        let key = key.unwrap_or_default();
                        Grant::of(config.sites.authorize(&key, self.origin.as_deref())?)
                    }
                };
                (envelope.rows, Some(grant), Names::Ingest)
            }
        };
        // `read` leaves it out for the one form that has just found it.
        let Some(grant) = grant else { return Err(Refusal::new(Code::BadKey, "no key")) };
        let mut columns = Columns::new(self.id, self.happened_at);
        let mut own = config
            .tables
            .find(&self.table.name)
            .map(|declared| Rows::new(declared, self.happened_at));
        let mut refused = Vec::new();
        for (index, text) in rows.into_iter().enumerate() {
            let taken = match &mut own {
                Some(own) => own.push(text),
                None => {
                    Row::parse(text, names, grant.is_server).map(|row| columns.push(index, &row))
                }
            };
            if let Err(Fault { code, message }) = taken {
                if code == Code::TooLarge {
                    return Err(Refusal::new(code, message));
                }
                refused.push(Refused { index, code: code.name(), message });
            }
        }
        let taken = own.as_ref().map_or_else(|| columns.rows(), Rows::rows);
        let receipt = Receipt { taken, refused };
        if receipt.taken == 0 {
            return Ok(Taken { batch: None, receipt });
        }
        let head = batch::Head {
            site: grant.site,
            is_server: grant.is_server,
            table: self.table,
            id: self.id,
            sent_at: self.sent_at,
            bot_hint: self.bot_hint,
        };
        // A server's own address and place say nothing of whom its events are about.
        let nobody = Sender::default();
        let (sender, ways) = if grant.is_server {
            (&nobody, Ways { takes_old: true, ips: columns.ips() })
        } else {
            (sender, Ways::default())
        };
        let body = own.map_or_else(|| columns.encode(), |own| own.encode());
        let block = block::finish(&body, &head, self.table, sender, received_at, ways)?;
        Ok(Taken { batch: Some((head, block)), receipt })
    }
}

/// What a body came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken {
    /// The block to store, complete; `None` when no row is left.
    pub batch: Option<(batch::Head, Vec<u8>)>,
    /// What the client is told once it is stored.
    pub receipt: Receipt,
}

/// How many rows were taken, and which were not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// Rows.
    pub taken: usize,
    /// The others, in their order.
    pub refused: Vec<Refused>,
}

/// One row that was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// Its place in the request, from 0.
    pub index: usize,
    /// What the client acts on.
    pub code: &'static str,
    /// One sentence for people.
    pub message: String,
}

impl Receipt {
    /// `202` with `now` and the receipt.
    #[must_use]
    pub fn answer(&self, now: UnixMs) -> Answer {
        #[derive(Serialize)]
        struct Body<'a> {
            now: i64,
            #[serde(flatten)]
            receipt: &'a Receipt,
        }
        let body = Body { now: now.0, receipt: self };
        // Text and numbers always serialize; were it otherwise, the status still tells.
        Answer::json(202, serde_json::to_string(&body).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enrich::truncated_ip;
    use crate::testing::{NOW, config};

    /// Its time is [`NOW`].
    const ID: &str = "01a20846-fe00-7000-8000-000000000001";
    const HOUR: i64 = 3_600_000;

    fn head(form: Form, query: &str, api_key: Option<&str>) -> Result<Head, Refusal> {
        let url = format!("https://edge.test/?{query}");
        let mut rng = Rng::new([1, 2, 3, 4]);
        Head::read(form, &Url::parse(&url), None, api_key, UnixMs(NOW), &config(), &mut rng)
    }

    fn sender() -> Sender {
        let mut sender = Sender { ip: truncated_ip("203.0.113.9"), ..Sender::default() };
        sender.place.country = "DE".into();
        sender
    }

    fn take(query: &str, body: &str) -> Taken {
        let head = head(Form::Events, query, None).unwrap();
        head.take(body.as_bytes(), &sender(), UnixMs(NOW), &config()).unwrap()
    }

    fn ingest(api_key: Option<&str>, body: &str) -> Result<Taken, Refusal> {
        let head = head(Form::Ingest, "", api_key)?;
        head.take(body.as_bytes(), &sender(), UnixMs(NOW), &config())
    }

    fn block_of(taken: &Taken) -> &[u8] {
        &taken.batch.as_ref().unwrap().1
    }

    /// A column of the block that would be stored.
    fn times(taken: &Taken) -> Vec<i64> {
        let block = tallymark::block::walk(block_of(taken)).unwrap();
        let times = block.column("occurred_at").unwrap().values::<UnixMs>().unwrap();
        times.map(|time| time.0).collect()
    }

    fn texts(taken: &Taken, column: &str) -> Option<Vec<String>> {
        let block = tallymark::block::walk(block_of(taken)).unwrap();
        let texts = block.column(column)?.texts().unwrap();
        Some(texts.map(str::to_owned).collect())
    }

    #[test]
    fn rows_become_one_block_of_the_table_in_their_order() {
        let body = r#"[{"name":"a","entity_id":"1","properties":{"x":1}},{"name":"b","value":2}]"#;
        let taken = take(&format!("k=pk_open&id={ID}"), body);
        assert_eq!(taken.receipt, Receipt { taken: 2, refused: vec![] });
        let block = tallymark::block::walk(block_of(&taken)).unwrap();
        let names: Vec<_> = block.columns().iter().map(|column| column.name()).collect();
        assert_eq!(
            names,
            [
                "name",
                "entity_type",
                "entity_id",
                "page_id",
                "seq",
                "occurred_at",
                "value",
                "properties",
                "site",
                "received_at",
                "batch_id",
                "ip",
                "country"
            ]
        );
        assert_eq!(texts(&taken, "name").unwrap(), ["a", "b"]);
        assert_eq!(texts(&taken, "site").unwrap(), ["open", "open"]);
        assert_eq!(texts(&taken, "properties").unwrap(), [r#"{"x":1}"#, "{}"]);
        assert_eq!(texts(&taken, "country").unwrap(), ["DE", "DE"]);
        assert!(block.column("value").unwrap().values::<f64>().unwrap().eq([1.0, 2.0]));
        let id = Uuid::parse(ID.as_bytes()).unwrap();
        assert!(block.column("page_id").unwrap().values::<Uuid>().unwrap().eq([id, id]));
        assert!(block.column("batch_id").unwrap().values::<Uuid>().unwrap().eq([id, id]));
        assert!(block.column("seq").unwrap().values::<u32>().unwrap().eq([0, 1]));
    }

    #[test]
    fn a_bad_row_is_told_by_its_index_and_the_others_keep_their_places() {
        let body = "{\"name\":\"a\"}\nnonsense\n{\"name\":\"b\",\"ip_address\":\"::1\"}\n\
                    {\"name\":\"c\"}";
        let taken = take(&format!("k=pk_open&id={ID}"), body);
        let answer = taken.receipt.answer(UnixMs(NOW));
        assert_eq!(answer.status, 202);
        assert_eq!(
            String::from_utf8(answer.body).unwrap(),
            r#"{"now":1795435200000,"taken":2,"refused":[{"index":1,"code":"bad_event","message":"the event is no JSON: column 2"},{"index":2,"code":"forbidden","message":"ip_address is taken with a server's key alone"}]}"#
        );
        let block = tallymark::block::walk(block_of(&taken)).unwrap();
        assert!(block.column("seq").unwrap().values::<u32>().unwrap().eq([0, 3]));
    }

    #[test]
    fn no_row_left_is_no_block() {
        for (body, refused) in [("[]", 0), ("", 0), ("[1]", 1)] {
            let taken = take("k=pk_open", body);
            assert_eq!((taken.batch, taken.receipt.taken), (None, 0));
            assert_eq!(taken.receipt.refused.len(), refused, "{body}");
        }
    }

    #[test]
    fn d13_the_same_request_gives_the_same_rows_whenever_it_comes_but_for_its_arrival() {
        let body = br#"[{"name":"a"},{"x":1},{"name":"b","occurred_at":1795435199000}]"#;
        let at = |sent_at: i64, now: i64, seed: u64| {
            let url = format!("https://edge.test/?k=pk_open&id={ID}&at={sent_at}");
            let mut rng = Rng::new([seed; 4]);
            let url = Url::parse(&url);
            let head = Head::read(Form::Events, &url, None, None, UnixMs(now), &config(), &mut rng);
            let taken =
                head.unwrap().take(body, &Sender::default(), UnixMs(now), &config()).unwrap();
            (block_of(&taken).to_vec(), times(&taken))
        };
        let (first, first_times) = at(NOW, NOW, 1);
        // Twenty hours later the client sends it again; its clock shows the same difference.
        let (again, again_times) = at(NOW + 20 * HOUR, NOW + 20 * HOUR, 2);
        assert_eq!(first_times, [1_795_435_200_000, 1_795_435_199_000]);
        assert_eq!(first_times, again_times);
        let different = first.iter().zip(&again).filter(|(a, b)| a != b).count();
        assert_eq!(first.len(), again.len());
        // `received_at`, twice: 20 hours are 0x0449_1000 ms, which changes three bytes.
        assert!(different > 0 && different <= 8, "{different}");
    }

    #[test]
    fn with_at_times_are_corrected_and_without_they_are_not() {
        let body = format!(r#"[{{"name":"a","occurred_at":{}}},{{"name":"b"}}]"#, NOW - 5_000);
        assert_eq!(times(&take(&format!("k=pk_open&id={ID}"), &body)), [NOW - 5_000, NOW]);
        // The client's clock is a minute slow.
        let sent_at = NOW - 60_000;
        let taken = take(&format!("k=pk_open&id={ID}&at={sent_at}"), &body);
        assert_eq!(times(&taken), [NOW + 55_000, NOW + 60_000]);
        assert_eq!(times(&take(&format!("k=pk_open&at={sent_at}"), &body)), [NOW + 55_000, NOW]);
        assert_eq!(times(&take("k=pk_open", &body)), [NOW - 5_000, NOW]);
    }

    #[test]
    fn without_an_id_every_request_is_a_batch_of_its_own() {
        let url = Url::parse("https://edge.test/?k=pk_open");
        let mut rng = Rng::new([1, 2, 3, 4]);
        let mut draw = || {
            let now = UnixMs(NOW);
            Head::read(Form::Events, &url, None, None, now, &config(), &mut rng).unwrap().id
        };
        let (first, second) = (draw(), draw());
        assert_ne!(first, second);
        assert_eq!(first.v7_time(), Some(UnixMs(NOW)));
    }

    #[test]
    fn heads_are_refused_before_the_body() {
        let refused = |query: &str| head(Form::Events, query, None).unwrap_err().code;
        assert_eq!(refused(""), Code::BadKey);
        assert_eq!(refused("k=pk_other"), Code::BadKey);
        assert_eq!(refused("k=pk_demo"), Code::BadOrigin);
        assert_eq!(refused("k=pk_open&t=entity_totals"), Code::BadTable);
        assert_eq!(refused("k=pk_open&id=1"), Code::BadRequest);
        assert_eq!(refused("k=pk_open&id=0198c9a0-0000-4000-8000-000000000000"), Code::BadRequest);
        assert_eq!(refused("k=pk_open&at=now"), Code::BadRequest);
        assert_eq!(refused(&format!("k=pk_open&at={}", NOW + 24 * HOUR + 1)), Code::BadRequest);
        let old = NOW - 24 * HOUR - 1;
        let old = format!("{:08x}-{:04x}-7000-8000-000000000001", old >> 16, old & 0xffff);
        assert_eq!(refused(&format!("k=pk_open&id={old}")), Code::TooOld);
        assert_eq!(head(Form::Ingest, "", Some("pk_other")).unwrap_err().code, Code::BadKey);
    }

    #[test]
    fn a_server_s_key_passes_addresses_and_old_facts_and_nothing_of_itself() {
        let body = r#"[{"name":"a","ip_address":"203.0.113.77","occurred_at":86400000},
                       {"name":"b"}]"#;
        let head = head(Form::Events, &format!("id={ID}"), Some("sk_demo")).unwrap();
        let taken = head.take(body.as_bytes(), &sender(), UnixMs(NOW), &config()).unwrap();
        assert_eq!(taken.receipt, Receipt { taken: 2, refused: vec![] });
        assert_eq!(times(&taken), [86_400_000, NOW]);
        assert_eq!(texts(&taken, "site").unwrap(), ["demo", "demo"]);
        assert_eq!(texts(&taken, "country"), None);
        let block = tallymark::block::walk(block_of(&taken)).unwrap();
        let ip = block.column("ip").unwrap().data();
        let expected = [&[0; 10][..], &[255, 255, 203, 0, 113, 77], &[0; 16]].concat();
        assert_eq!(ip, expected);
        // A page's key clamps.
        let body = r#"[{"name":"a","occurred_at":86400000}]"#;
        assert_eq!(times(&take("k=pk_open", body)), [NOW - 48 * HOUR]);
    }

    #[test]
    fn s4_9_the_key_is_in_the_header_or_in_the_body_and_the_same_in_both() {
        let body = |key: &str| format!(r#"{{"api_key":"{key}","events":[{{"event_name":"a"}}]}}"#);
        let site = |taken: Taken| texts(&taken, "site").unwrap();
        assert_eq!(site(ingest(Some("pk_open"), &body("pk_open")).unwrap()), ["open"]);
        assert_eq!(site(ingest(None, &body("pk_open")).unwrap()), ["open"]);
        let without = r#"{"events":[{"event_name":"a"}]}"#;
        assert_eq!(site(ingest(Some("sk_demo"), without).unwrap()), ["demo"]);
        let code = |result: Result<Taken, Refusal>| result.unwrap_err().code;
        assert_eq!(code(ingest(None, without)), Code::BadKey);
        assert_eq!(code(ingest(None, &body("pk_other"))), Code::BadKey);
        assert_eq!(code(ingest(None, &body("pk_demo"))), Code::BadOrigin);
        let refusal = ingest(Some("pk_open"), &body("sk_demo")).unwrap_err();
        let message = "api_key is another key than the header x-api-key";
        assert_eq!((refusal.code, refusal.message.as_str()), (Code::BadKey, message));
    }

    #[test]
    fn bodies_are_refused_as_a_whole_only_where_rows_cannot_be_told_apart() {
        let refused = |body: &[u8]| {
            let head = head(Form::Events, "k=pk_open", None).unwrap();
            head.take(body, &Sender::default(), UnixMs(NOW), &config()).unwrap_err().code
        };
        assert_eq!(refused(b"[{"), Code::BadRequest);
        assert_eq!(refused(b"\xff"), Code::BadRequest);
        assert_eq!(refused(b"\x1f\x8b"), Code::BadRequest);
        assert_eq!(refused("1\n".repeat(10_001).as_bytes()), Code::TooLarge);
        // More than a block may have: 200 rows of 20,000 bytes.
        let row = format!(r#"{{"name":"a","properties":{{"a":"{}"}}}}"#, "x".repeat(20_000));
        assert_eq!(refused(vec![row; 200].join("\n").as_bytes()), Code::TooLarge);
    }

    #[test]
    fn rows_that_no_block_could_hold_are_refused_as_a_whole_by_what_they_leave_out() {
        let tables = format!(
            r#"[{{\"name\":\"t\",\"columns\":[{{\"name\":\"id\",\"type\":\"UInt8\",\"default\":0}},
                {{\"name\":\"text\",\"type\":\"String\",\"default\":\"{}\"}}],\"order_by\":[\"id\"]}}]"#,
            "x".repeat(30_000)
        );
        let tables = format!(r#""TABLES":"{}""#, tables.replace('\n', ""));
        let config = Config::read(&crate::testing::environment_with(&tables)).unwrap();
        let url = Url::parse("https://edge.test/?k=pk_open&t=t");
        let mut rng = Rng::new([1; 4]);
        let mut refused = |rows: usize| {
            let now = UnixMs(NOW);
            let head = Head::read(Form::Events, &url, None, None, now, &config, &mut rng).unwrap();
            head.take("{}\n".repeat(rows).as_bytes(), &sender(), now, &config).err()
        };
        assert_eq!(refused(66), None);
        let message = "the rows before it have more than 2000000 bytes";
        assert_eq!(refused(10_000), Some(Refusal::new(Code::TooLarge, message)));
        // Where no row follows, the block itself is found too large.
        assert_eq!(refused(67).unwrap().code, Code::TooLarge);
    }

    #[test]
    fn s2_6_rows_of_a_declared_table_become_a_block_of_it_alone() {
        let config = crate::testing::config_with_tables();
        let url = format!("https://edge.test/?k=pk_open&t=my_feature_events&id={ID}");
        let mut rng = Rng::new([1; 4]);
        let read = |form, url: &str, rng: &mut Rng| {
            Head::read(form, &Url::parse(url), None, None, UnixMs(NOW), &config, rng)
        };
        let head = read(Form::Events, &url, &mut rng).unwrap();
        let body = br#"[{"feature_id":1,"user_id":2,"action":"open"},{"name":"view"}]"#;
        let taken = head.take(body, &sender(), UnixMs(NOW), &config).unwrap();
        let message = "\"name\" is no column of my_feature_events".into();
        let refused = vec![Refused { index: 1, code: "bad_event", message }];
        assert_eq!(taken.receipt, Receipt { taken: 1, refused });
        let block = tallymark::block::walk(block_of(&taken)).unwrap();
        let names: Vec<_> = block.columns().iter().map(|column| column.name()).collect();
        // It has none of the edge's columns, so none is written.
        assert_eq!(names, ["feature_id", "user_id", "action", "metadata", "created_at"]);
        // An ingested event has names of its own.
        let refused = read(Form::Ingest, &url, &mut rng).unwrap_err();
        assert_eq!(refused.code, Code::BadTable);
    }
}
