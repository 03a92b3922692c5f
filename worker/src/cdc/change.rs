//! One record of Debezium's PostgreSQL connector, with or without its schema around it.
//!
//! ```text
//! {"schema": {…}, "payload": {
//!     "before": null | {column: value, …},
//!     "after":  null | {column: value, …},
//!     "source": {"name", "db", "schema", "table", "txId", "lsn", "ts_ms", "snapshot", …},
//!     "op": "c" | "u" | "d" | "r" | "t" | "m", … }}
//! ```
//! From version 0.10 on, as of 3.0 (Debezium's documentation of the connector's events).

use crate::events::{Fault, bad};
use crate::limits;
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tallymark::rng::Uuid;
use tallymark::time::UnixMs;

/// What happened to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// It was inserted.
    Create,
    /// It was updated.
    Update,
    /// It was deleted.
    Delete,
    /// It was there when a snapshot was taken.
    Read,
}

/// What a record is.
#[derive(Debug)]
pub enum Record {
    /// A row changed.
    Change(Change),
    /// It tells of no row.
    Other,
}

/// A row's change.
#[derive(Debug, PartialEq)]
pub struct Change {
    /// What happened.
    pub op: Op,
    /// `schema.table`.
    pub table: String,
    /// The row before, as far as the table's REPLICA IDENTITY tells; empty for none.
    pub before: Map<String, Value>,
    /// The row after; empty for none.
    pub after: Map<String, Value>,
    /// When the transaction was committed, by the database's clock.
    pub committed_at: UnixMs,
    /// The connector's name of the server, and the database.
    database: String,
    /// Where in the log it stands.
    position: String,
}

impl Record {
    /// Reads a record's text.
    ///
    /// # Errors
    /// What is none, and a change that does not say where in the log it stands.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        if text.len() > limits::CHANGE_BYTES {
            return Err(bad(format!("the record has more than {} bytes", limits::CHANGE_BYTES)));
        }
        let value: Value = serde_json::from_str(text)
            .map_err(|error| bad(format!("the record is no JSON: column {}", error.column())))?;
        let payload = match value {
            Value::Object(mut members) if members.contains_key("payload") => {
                members.remove("payload").unwrap_or_default()
            }
            other => other,
        };
        let mut payload = match payload {
            // A tombstone: for Kafka to forget the key.
            Value::Null => return Ok(Self::Other),
            Value::Object(payload) => payload,
            _ => return Err(bad("the record is no envelope of Debezium's")),
        };
        let op = match payload.get("op").and_then(Value::as_str) {
            Some("c") => Op::Create,
            Some("u") => Op::Update,
            Some("d") => Op::Delete,
            Some("r") => Op::Read,
            // TRUNCATE, and a message that somebody wrote to the log.
            Some("t" | "m") => return Ok(Self::Other),
            Some(_) => return Err(bad("op is none that is known")),
            None => {
                // Schema change, transaction marker, heartbeat.
                let others = ["ddl", "tableChanges", "status", "ts_ms"];
                return if others.iter().any(|name| payload.contains_key(*name)) {
                    Ok(Self::Other)
                } else {
                    Err(bad("the record is no envelope of Debezium's"))
                };
            }
        };
        let Some(Value::Object(source)) = payload.remove("source") else {
            return Err(bad("source is missing"));
        };
        let text = |name: &str| {
            let text = source.get(name).and_then(Value::as_str);
            text.ok_or_else(|| bad(format!("source.{name} is missing")))
        };
        let committed_at = source.get("ts_ms").and_then(Value::as_i64).filter(|&ms| ms >= 0);
        let committed_at = committed_at.ok_or_else(|| bad("source.ts_ms is missing"))?;
        let position = match (op, source.get("lsn")) {
            // A snapshot stands nowhere in the log: all its rows have one position.
            (Op::Read, _) => String::new(),
            (_, Some(Value::Number(lsn))) => {
                format!("{lsn} {}", source.get("txId").unwrap_or(&Value::Null))
            }
            _ => return Err(bad("source.lsn is missing")),
        };
        let mut row = |name: &str| match payload.remove(name) {
            Some(Value::Object(row)) => Ok(row),
            None | Some(Value::Null) => Ok(Map::new()),
            Some(_) => Err(bad(format!("{name} is no row"))),
        };
        let change = Change {
            op,
            table: format!("{}.{}", text("schema")?, text("table")?),
            before: row("before")?,
            after: row("after")?,
            committed_at: UnixMs(committed_at),
            database: format!("{} {}", text("name")?, text("db")?),
            position,
        };
        let is_empty = if op == Op::Delete { &change.before } else { &change.after }.is_empty();
        if is_empty {
            return Err(bad("the changed row is missing"));
        }
        Ok(Self::Change(change))
    }
}

impl Change {
    /// Whether it was read in a snapshot.
    pub fn is_snapshot(&self) -> bool {
        self.op == Op::Read
    }

    /// An id of version 7 from the place in the log: the same for every delivery, with
    /// `happened_at` as its time. The row itself is part of it, for a `COPY` writes many rows at one
    /// position; and so is the site, for one database may be told to several.
    pub fn id(&self, site: &str, happened_at: UnixMs) -> Uuid {
        let mut digest = Sha256::new();
        // Text and values always serialize.
        let rows =
            [&self.before, &self.after].map(|row| serde_json::to_string(row).unwrap_or_default());
        let op = format!("{:?}", self.op);
        let [before, after] = &rows;
        for part in [site, &self.database, &self.table, &op, &self.position, before, after] {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part.as_bytes());
        }
        let digest: [u8; 32] = digest.finalize().into();
        Uuid::v7(happened_at, digest.first_chunk().copied().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = r#"{"version":"3.0.0.Final","connector":"postgresql","name":"site",
        "ts_ms":1795435200123,"snapshot":"false","db":"app","sequence":"[\"24023119\",\"24023128\"]",
        "ts_us":1795435200123456,"schema":"public","table":"models","txId":555,"lsn":24023128,
        "xmin":null}"#;

    fn payload(op: &str, before: &str, after: &str) -> String {
        format!(
            r#"{{"before":{before},"after":{after},"source":{SOURCE},"transaction":null,
                "op":"{op}","ts_ms":1795435200999}}"#
        )
    }

    fn change(text: &str) -> Change {
        match Record::parse(text).unwrap() {
            Record::Change(change) => change,
            Record::Other => panic!("{text}"),
        }
    }

    fn message(text: &str) -> String {
        Record::parse(text).unwrap_err().message
    }

    #[test]
    fn s2_11_each_kind_of_change_is_read_with_and_without_its_schema() {
        for (op, before, after, expected) in [
            ("c", "null", r#"{"id":1}"#, Op::Create),
            ("u", r#"{"id":1}"#, r#"{"id":1,"a":2}"#, Op::Update),
            ("u", "null", r#"{"id":1}"#, Op::Update),
            ("d", r#"{"id":1}"#, "null", Op::Delete),
            ("r", "null", r#"{"id":1}"#, Op::Read),
        ] {
            let plain = payload(op, before, after);
            let found = change(&plain);
            assert_eq!((found.op, found.table.as_str()), (expected, "public.models"));
            assert_eq!(found.committed_at, UnixMs(1_795_435_200_123), "not when it was processed");
            let row = |text: &str| serde_json::from_str::<Option<Map<_, _>>>(text).unwrap();
            assert_eq!(found.before, row(before).unwrap_or_default());
            assert_eq!(found.after, row(after).unwrap_or_default());
            let wrapped = format!(r#"{{"schema":{{"type":"struct"}},"payload":{plain}}}"#);
            assert_eq!(change(&wrapped), found);
        }
    }

    #[test]
    fn records_that_tell_of_no_row_are_others() {
        for text in [
            "null",
            r#"{"schema":null,"payload":null}"#,
            &payload("t", "null", "null"),
            &payload("m", "null", "null"),
            r#"{"source":{},"ts_ms":1,"databaseName":"app","schemaName":"public","ddl":null,
                "tableChanges":[{"type":"ALTER"}]}"#,
            r#"{"status":"BEGIN","id":"555:24023128","event_count":null,"ts_ms":1}"#,
            r#"{"ts_ms":1795435200123}"#,
        ] {
            assert!(matches!(Record::parse(text), Ok(Record::Other)), "{text}");
        }
    }

    #[test]
    fn what_is_no_record_is_refused_by_what_is_wrong_with_it() {
        let good = payload("c", "null", r#"{"id":1}"#);
        for (text, expected) in [
            ("{".into(), "the record is no JSON: column 1"),
            ("7".into(), "the record is no envelope of Debezium's"),
            ("[]".into(), "the record is no envelope of Debezium's"),
            (r#"{"payload":"x"}"#.into(), "the record is no envelope of Debezium's"),
            (r#"{"name":"view"}"#.into(), "the record is no envelope of Debezium's"),
            (payload("x", "null", "null"), "op is none that is known"),
            (r#"{"op":"c"}"#.into(), "source is missing"),
            (good.replace("\"schema\":\"public\"", "\"schema\":1"), "source.schema is missing"),
            (good.replace("\"table\":\"models\",", ""), "source.table is missing"),
            (good.replace("\"db\":\"app\",", ""), "source.db is missing"),
            (good.replace("\"name\":\"site\",", ""), "source.name is missing"),
            (good.replace("1795435200123,", "null,"), "source.ts_ms is missing"),
            (good.replace("1795435200123,", "-1,"), "source.ts_ms is missing"),
            (good.replace("24023128,", "null,"), "source.lsn is missing"),
            (payload("c", "null", "[1]"), "after is no row"),
            (payload("c", "7", "{}"), "before is no row"),
            (payload("c", "null", "null"), "the changed row is missing"),
            (payload("d", "null", r#"{"id":1}"#), "the changed row is missing"),
        ] {
            assert_eq!(message(&text), expected, "{text}");
        }
        let long = payload("c", "null", &format!(r#"{{"a":"{}"}}"#, "x".repeat(262_144)));
        assert_eq!(message(&long), "the record has more than 262144 bytes");
    }

    #[test]
    fn an_id_is_the_same_for_every_delivery_and_differs_by_place_row_and_table() {
        let good = payload("c", "null", r#"{"id":1}"#);
        let id = |text: &str| {
            let change = change(text);
            change.id("art", change.committed_at)
        };
        let first = id(&good);
        assert_eq!(first.v7_time(), Some(UnixMs(1_795_435_200_123)));
        // Sent again, later, with its schema.
        let again = good.replace("1795435200999", "1795435999999");
        assert_eq!(id(&format!(r#"{{"schema":1,"payload":{again}}}"#)), first);
        for (from, to) in [
            ("24023128,", "24023129,"),
            ("\"txId\":555", "\"txId\":556"),
            (r#"{"id":1}"#, r#"{"id":2}"#),
            ("\"table\":\"models\"", "\"table\":\"posts\""),
            ("\"schema\":\"public\"", "\"schema\":\"other\""),
            ("\"name\":\"site\"", "\"name\":\"other\""),
            ("\"db\":\"app\"", "\"db\":\"other\""),
            ("\"op\":\"c\"", "\"op\":\"u\""),
            ("1795435200123,", "1795435200124,"),
        ] {
            assert_ne!(id(&good.replace(from, to)), first, "{from}");
        }
    }

    #[test]
    fn a_row_read_again_in_another_snapshot_has_its_id_by_its_own_time() {
        let read = payload("r", "null", r#"{"id":1}"#);
        let later = read.replace("24023128,", "null,").replace("1795435200123,", "1795435900000,");
        let happened_at = UnixMs(1_700_000_000_000);
        assert_eq!(change(&read).id("art", happened_at), change(&later).id("art", happened_at));
        assert_ne!(change(&read).id("art", happened_at), change(&read).id("other", happened_at));
        assert_eq!(change(&read).id("art", happened_at).v7_time(), Some(happened_at));
    }
}
