//! Changes of a database, `/v1/cdc`: envelopes of Debezium's PostgreSQL connector become events by
//! declared rules.
//!
//! Each change is an insert of its own under an id from its place in the log. A connector that
//! restarts sends changes again and cuts the stream elsewhere: only what stands under one token
//! by itself is dropped when it comes a second time.
//!
//! | envelope | becomes |
//! |---|---|
//! | create, update, delete, snapshot read | an event for each rule that it meets; ignored without one |
//! | tombstone, schema change, transaction marker, heartbeat, truncate, logical message | ignored |
//! | anything else | refused by its index |
//!
//! Owners follow from events: whoever a rule says uploaded an entity owns it
//! (`schema/`, name `Upload`).

mod change;
mod rules;

pub use rules::Rules;

use crate::answer::Answer;
use crate::batch;
use crate::block::{self, Ways};
use crate::config::Config;
use crate::enrich::Sender;
use crate::events::{Columns, Fault, Refused, Row, body};
use crate::limits;
use crate::refusal::{Code, Refusal};
use crate::url::Url;
use change::{Change, Record};
use serde::Serialize;
use tallymark::rng::Uuid;
use tallymark::schema::EVENTS;
use tallymark::time::UnixMs;

/// The site that a connector's key belongs to.
///
/// # Errors
/// `bad_key`, `bad_origin`; `forbidden` for a page's key, `bad_request` where no rules are declared.
pub fn authorize(
    url: &Url<'_>,
    origin: Option<&str>,
    api_key: Option<&str>,
    config: &Config,
) -> Result<String, Refusal> {
    let key = url.parameters().find(|(name, _)| name == "k").map(|(_, key)| key);
    let key = api_key.or(key.as_deref()).unwrap_or_default();
    let site = config.sites.authorize(key, origin)?;
    if !site.is_server() {
        return Err(Refusal::new(Code::Forbidden, "changes are taken with a server's key alone"));
    }
    if config.cdc_rules.is_empty() {
        return Err(Refusal::new(Code::BadRequest, "the variable CDC_RULES declares no rules"));
    }
    Ok(site.name.clone())
}

/// What a body came to: batches to store one after the other, then what to tell.
#[derive(Debug)]
pub struct Changes {
    /// The rest of them, the next one last.
    batches: Vec<(batch::Head, Vec<u8>)>,
    receipt: Receipt,
}

#[derive(Debug, Default, Serialize)]
struct Receipt {
    /// Changes that became events.
    taken: usize,
    /// Records that mean nothing here.
    ignored: usize,
    refused: Vec<Refused>,
}

impl Changes {
    /// Reads the records of `body`.
    ///
    /// # Errors
    /// As for a body of events; `too_large` for more than [`limits::CHANGES`] records.
    pub fn read(
        body: &[u8],
        site: &str,
        received_at: UnixMs,
        config: &Config,
    ) -> Result<Self, Refusal> {
        let body = body::plain(body)?;
        let records = body::rows(body::text(&body)?)?;
        if records.len() > limits::CHANGES {
            let message = format!("the body has more than {} changes", limits::CHANGES);
            return Err(Refusal::new(Code::TooLarge, message));
        }
        let mut changes = Self { batches: Vec::new(), receipt: Receipt::default() };
        let receipt = &mut changes.receipt;
        for (index, text) in records.into_iter().enumerate() {
            match events_of(text, site, &config.cdc_rules) {
                Ok(None) => receipt.ignored += 1,
                Ok(Some((id, columns))) => {
                    changes.batches.push(finish(site, id, &columns, received_at)?);
                    receipt.taken += 1;
                }
                Err(Fault { code, message }) => {
                    receipt.refused.push(Refused { index, code: code.name(), message });
                }
            }
        }
        changes.batches.reverse();
        Ok(changes)
    }

    /// The next batch, in the log's order.
    pub fn next_batch(&mut self) -> Option<(batch::Head, Vec<u8>)> {
        self.batches.pop()
    }

    /// `202`, once all batches are stored. What was refused is the operator's to know as well: the
    /// connector does not read answers.
    #[must_use]
    pub fn answer(&self, now: UnixMs) -> Answer {
        #[derive(Serialize)]
        struct Body<'a> {
            now: i64,
            #[serde(flatten)]
            receipt: &'a Receipt,
        }
        let body = Body { now: now.0, receipt: &self.receipt };
        let answer = Answer::json(202, serde_json::to_string(&body).unwrap_or_default());
        match self.receipt.refused.first() {
            None => answer,
            Some(first) => {
                let count = self.receipt.refused.len();
                answer.logged(format!("cdc: {count} changes refused, the first: {}", first.message))
            }
        }
    }
}

/// The id and the rows of one record's change, if it has any.
fn events_of(text: &str, site: &str, rules: &Rules) -> Result<Option<(Uuid, Columns)>, Fault> {
    let change = match Record::parse(text)? {
        Record::Change(change) => change,
        Record::Other => return Ok(None),
    };
    let rows: Vec<Row> = rules.rows(&change)?;
    let Some(first) = rows.first() else { return Ok(None) };
    let happened_at = change.happened_at(first.occurred_at);
    let id = change.id(site, happened_at);
    let mut columns = Columns::new(id, change.committed_at);
    for (index, row) in rows.iter().enumerate() {
        columns.push(index, row);
    }
    Ok(Some((id, columns)))
}

fn finish(
    site: &str,
    id: Uuid,
    columns: &Columns,
    received_at: UnixMs,
) -> Result<(batch::Head, Vec<u8>), Refusal> {
    let head = batch::Head {
        site: site.into(),
        is_server: true,
        table: &EVENTS,
        id,
        // The database's clock is as good as ours, and its changes may be old.
        sent_at: received_at,
        bot_hint: String::new(),
    };
    let ways = Ways { takes_old: true, ips: columns.ips() };
    let nobody = Sender::default();
    let block = block::finish(&columns.encode(), &head, head.table, &nobody, received_at, ways)?;
    Ok((head, block))
}

impl Change {
    /// The time of the id, which places the row in a partition. A snapshot that is taken again
    /// reads the same rows at another time and another place in the log: only what the row itself
    /// says is the same then. A row that says no time of its own lands in January 1970.
    fn happened_at(&self, of_row: Option<UnixMs>) -> UnixMs {
        if self.is_snapshot() { of_row.unwrap_or(UnixMs(0)) } else { self.committed_at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, config};

    const RULES: &str = r#"[{"table":"public.models","on":["create"],
        "event":{"name":"Upload","entity_id":{"column":"id"}}}]"#;

    fn declared() -> Config {
        Config { cdc_rules: Rules::parse(RULES).unwrap(), ..config() }
    }

    fn record(table: &str, id: u32) -> String {
        format!(
            r#"{{"before":null,"after":{{"id":{id}}},"op":"c","source":{{"name":"s","db":"d",
                "schema":"public","table":"{table}","txId":1,"lsn":{id},"ts_ms":{NOW}}}}}"#
        )
        .replace('\n', "")
    }

    fn read(body: &str) -> Result<Changes, Refusal> {
        Changes::read(body.as_bytes(), "demo", UnixMs(NOW + 5), &declared())
    }

    #[test]
    fn each_change_is_an_insert_of_its_own_in_the_log_s_order() {
        let lines = [record("models", 1), "null".into(), record("other", 9), record("models", 2)];
        let mut changes = read(&lines.join("\n")).unwrap();
        let mut ids = Vec::new();
        for expected in ["1", "2"] {
            let (batch::Head { id, .. }, block) = changes.next_batch().unwrap();
            let block = tallymark::block::walk(&block).unwrap();
            let text = |name| block.column(name).unwrap().texts().unwrap().next().unwrap();
            assert_eq!((text("entity_id"), text("site")), (expected, "demo"));
            let time = block.column("occurred_at").unwrap().values::<UnixMs>().unwrap().next();
            assert_eq!(time, Some(UnixMs(NOW)));
            let batch = block.column("batch_id").unwrap().values::<Uuid>().unwrap().next();
            assert_eq!(batch, Some(id));
            ids.push(id);
        }
        assert!(changes.next_batch().is_none());
        assert_ne!(ids[0], ids[1]);
        let answer = changes.answer(UnixMs(NOW));
        assert_eq!(
            String::from_utf8(answer.body).unwrap(),
            r#"{"now":1795435200000,"taken":2,"ignored":2,"refused":[]}"#
        );
        assert_eq!(answer.log, None);
        // Delivered again, cut elsewhere: the same ids.
        let (again, _) = read(&record("models", 2)).unwrap().next_batch().unwrap();
        assert_eq!(again.id, ids[1]);
    }

    #[test]
    fn s3_23_a_snapshot_s_row_has_one_id_whenever_it_is_read() {
        let rules = r#"[{"table":"public.models","on":["read"],
            "event":{"name":"Upload","entity_id":{"column":"id"},
                "occurred_at":{"column":"at","unit":"ms"}}}]"#;
        let declared = Config { cdc_rules: Rules::parse(rules).unwrap(), ..config() };
        let id_of = |at: &str, read_at: i64| {
            let record = format!(
                r#"{{"before":null,"after":{{"id":1,"at":{at}}},"op":"r","source":{{"name":"s",
                    "db":"d","schema":"public","table":"models","ts_ms":{read_at}}}}}"#
            )
            .replace('\n', "");
            let read = Changes::read(record.as_bytes(), "demo", UnixMs(NOW), &declared);
            read.unwrap().next_batch().unwrap().0.id
        };
        for (at, time) in [("5", UnixMs(5)), ("null", UnixMs(0))] {
            let id = id_of(at, NOW);
            assert_eq!(id.v7_time(), Some(time));
            assert_eq!(id, id_of(at, NOW + 3_600_000));
        }
    }

    #[test]
    fn a_bad_record_is_told_by_its_index_and_to_the_operator() {
        let mut changes = read(&format!("[{},7]", record("models", 1))).unwrap();
        assert!(changes.next_batch().is_some());
        let answer = changes.answer(UnixMs(NOW));
        assert_eq!(
            String::from_utf8(answer.body).unwrap(),
            r#"{"now":1795435200000,"taken":1,"ignored":0,"refused":[{"index":1,"code":"bad_event","message":"the record is no envelope of Debezium's"}]}"#
        );
        let log = "cdc: 1 changes refused, the first: the record is no envelope of Debezium's";
        assert_eq!(answer.log.as_deref(), Some(log));
    }

    #[test]
    fn more_changes_than_inserts_may_be_done_are_too_large() {
        let many = |records: usize| read(&"null\n".repeat(records));
        assert!(many(limits::CHANGES).is_ok());
        assert_eq!(many(limits::CHANGES + 1).unwrap_err().code, Code::TooLarge);
        assert_eq!(read("[").unwrap_err().code, Code::BadRequest);
    }

    #[test]
    fn changes_need_a_server_s_key_and_declared_rules() {
        let code = |query: &str, api_key, config: &Config| {
            let url = format!("https://edge.test/v1/cdc?{query}");
            authorize(&Url::parse(&url), None, api_key, config).map_err(|refusal| refusal.code)
        };
        assert_eq!(code("k=sk_demo", None, &declared()), Ok("demo".into()));
        assert_eq!(code("", Some("sk_demo"), &declared()), Ok("demo".into()));
        assert_eq!(code("", None, &declared()), Err(Code::BadKey));
        assert_eq!(code("k=pk_open", None, &declared()), Err(Code::Forbidden));
        assert_eq!(code("k=sk_demo", None, &config()), Err(Code::BadRequest));
    }
}
