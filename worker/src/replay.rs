//! Before a group that was set aside is tried again: does its table have any of it?
//!
//! A try whose answer was lost may have stored the group. While the table remembers the group's
//! token, it drops whatever it has of it; after that it would take all of it a second time. So the
//! table is asked for the group's batches first, and what could be counted twice is refused, unless
//! the admin says that he has looked (`?force=1`).

use crate::answer::Answer;
use crate::aside::{Action, Target};
use crate::config::Config;
use crate::form::Form;
use crate::group::Listed;
use crate::limits;
use crate::refusal::{Code, Refusal};
use crate::upstream::{Outcome, Request};
use serde::Deserialize;

/// A replay on its way.
#[derive(Debug)]
pub struct Replay {
    target: Target,
    of: Listed,
    /// Batches that the table was asked for.
    asked: usize,
}

/// What to do next.
#[derive(Debug)]
pub enum Turn {
    /// Send this, then [`Replay::take`].
    Fetch(Request),
    /// Nothing of it can be counted twice: have the shard try it again.
    Go(Target),
    /// It is over.
    Respond(Answer),
}

/// What the table has of some batches.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Found {
    /// How many of them.
    known: usize,
    /// Whether it remembers the tokens of everything that came since the first of them.
    remembered: u8,
}

impl Replay {
    /// `listed` is what the shard said of the group: JSON of [`Listed`].
    pub fn begin(target: Target, listed: &[u8], config: &Config) -> (Self, Turn) {
        // The shard is our own; were its answer none, nobody could tell what the group holds.
        let of: Listed = serde_json::from_slice(listed).unwrap_or_default();
        let replay = Self { target, of, asked: 0 };
        let turn = if replay.of.batches.is_empty() {
            refused(format!(
                "the table {} holds no batch_id and received_at, so that nobody can tell whether \
                 an earlier try stored the group",
                replay.of.table
            ))
        } else {
            Turn::Fetch(replay.question(config))
        };
        (replay, turn)
    }

    /// Takes ClickHouse's answer to the last question.
    pub fn take(&mut self, outcome: &Outcome, config: &Config) -> Turn {
        let found = match outcome.success().map(|reply| serde_json::from_slice(&reply.body)) {
            Ok(Ok(Found { known, remembered })) => Ok((known, remembered == 1)),
            Ok(Err(_)) => Err("ClickHouse's answer to the look-up is not one".to_owned()),
            Err(line) => Err(line),
        };
        match found {
            Ok((known, false)) if known > 0 => refused(format!(
                "the table {} has batches of the group already, {known} of {} that were looked \
                 up, and may have forgotten its token",
                self.of.table,
                self.next().len()
            )),
            Ok(_) => {
                self.asked += self.next().len();
                if self.next().is_empty() {
                    return Turn::Go(Target { action: Action::Replay, ..self.target });
                }
                Turn::Fetch(self.question(config))
            }
            Err(line) => {
                let refusal = Refusal::new(Code::Upstream, &line);
                Turn::Respond(Answer::from(refusal).logged(format!("replay: {line}")))
            }
        }
    }

    /// The batches to be asked for now.
    fn next(&self) -> &[String] {
        let rest = self.of.batches.get(self.asked..).unwrap_or_default();
        rest.get(..limits::REPLAY_BATCHES).unwrap_or(rest)
    }

    fn question(&self, config: &Config) -> Request {
        let (table, relied_on) = (&self.of.table, limits::TOKENS_RELIED_ON);
        let mut form = Form::default();
        form.push(
            "query",
            &format!(
                "WITH (SELECT (uniqExact(batch_id), min(received_at)) FROM {table} \
                 WHERE batch_id IN {{batches:Array(UUID)}}) AS found \
                 SELECT toUInt32(found.1) AS known, known > 0 AND (SELECT count() FROM (\
                 SELECT DISTINCT batch_id FROM {table} \
                 WHERE found.1 > 0 AND received_at >= found.2 \
                 LIMIT {relied_on})) < {relied_on} AS remembered FORMAT JSONEachRow"
            ),
        );
        form.push("param_batches", &format!("['{}']", self.next().join("','")));
        let mut request = Request::new(config, &config.read_user, &[]);
        request.headers.push(("content-type", Form::CONTENT_TYPE.into()));
        request.body = form.finish();
        request.answer_bytes = limits::INSERT_ANSWER_BYTES;
        request
    }
}

fn refused(why: String) -> Turn {
    let message = format!(
        "{why}: replayed it could be counted twice. Discard it, or, if you have looked, replay it \
         with ?force=1"
    );
    Turn::Respond(Refusal::new(Code::MaybeStored, message).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::config;
    use crate::upstream::Reply;
    use tallymark::rng::Uuid;

    const TARGET: Target = Target { shard: 3, group: Uuid([7; 16]), action: Action::List };

    fn begin(table: &str, batches: usize) -> (Replay, Turn) {
        let batches = (0..batches).map(|at| format!("b{at}")).collect();
        let listed = serde_json::to_vec(&Listed { table: table.into(), batches }).unwrap();
        Replay::begin(TARGET, &listed, &config())
    }

    fn found(body: &str) -> Outcome {
        let body = body.into();
        Outcome::Answer(Reply { status: 200, has_query_id: true, body, ..Reply::default() })
    }

    fn told(turn: Turn) -> (u16, String) {
        let Turn::Respond(answer) = turn else { panic!("{turn:?}") };
        (answer.status, String::from_utf8(answer.body).unwrap())
    }

    fn is_go(turn: &Turn) -> bool {
        matches!(turn, Turn::Go(Target { shard: 3, action: Action::Replay, .. }))
    }

    #[test]
    fn the_table_is_asked_as_the_reader_with_the_batches_apart_from_the_statement() {
        let (_, turn) = begin("events", 2);
        let Turn::Fetch(request) = turn else { panic!("{turn:?}") };
        assert_eq!(request.url, "http://ch.test:8123/?database=tallymark");
        assert_eq!(request.headers[0], ("x-clickhouse-user", "reader".to_owned()));
        let body = String::from_utf8(request.body).unwrap();
        assert!(body.contains("name=\"param_batches\"\r\n\r\n['b0','b1']\r\n"), "{body}");
    }

    #[test]
    fn a_group_that_its_table_has_nothing_of_or_still_drops_is_replayed() {
        for answer in ["{\"known\":0,\"remembered\":0}\n", "{\"known\":2,\"remembered\":1}\n"] {
            let (mut replay, _) = begin("events", 2);
            assert!(is_go(&replay.take(&found(answer), &config())), "{answer}");
        }
    }

    #[test]
    fn all_its_batches_are_asked_for_a_thousand_at_a_time() {
        let (mut replay, mut turn) = begin("events", 2_001);
        for (first, last) in [("b0", "b999"), ("b1000", "b1999"), ("b2000", "b2000")] {
            let Turn::Fetch(request) = turn else { panic!("{turn:?}") };
            let body = String::from_utf8(request.body).unwrap();
            assert!(body.contains(&format!("['{first}'")) && body.contains(&format!("'{last}']")));
            turn = replay.take(&found("{\"known\":0,\"remembered\":0}"), &config());
        }
        assert!(is_go(&turn));
    }

    #[test]
    fn what_could_be_counted_twice_is_refused_with_the_way_out() {
        let way = "replayed it could be counted twice. Discard it, or, if you have looked, replay \
                   it with ?force=1";
        let (mut replay, _) = begin("events", 3);
        let why = "the table events has batches of the group already, 2 of 3 that were looked up, \
                   and may have forgotten its token";
        let turn = replay.take(&found("{\"known\":2,\"remembered\":0}"), &config());
        let body = |why| format!(r#"{{"code":"maybe_stored","message":"{why}: {way}"}}"#);
        assert_eq!(told(turn), (409, body(why)));

        let (_, turn) = begin("my_feature_events", 0);
        let why = "the table my_feature_events holds no batch_id and received_at, so that nobody \
                   can tell whether an earlier try stored the group";
        assert_eq!(told(turn), (409, body(why)));
    }

    #[test]
    fn without_an_answer_nothing_is_replayed() {
        for (outcome, message) in [
            (Outcome::TimedOut, "ClickHouse did not answer in time"),
            (found("{}"), "ClickHouse's answer to the look-up is not one"),
        ] {
            let (mut replay, _) = begin("events", 1);
            let body = format!(r#"{{"code":"upstream","message":"{message}"}}"#);
            assert_eq!(told(replay.take(&outcome, &config())), (502, body));
        }
    }
}
