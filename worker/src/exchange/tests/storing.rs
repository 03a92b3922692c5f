//! Batches, events and changes, up to what their senders are told.

use super::*;

#[test]
fn u7_a_batch_is_accepted_only_after_the_sink_s_answer() {
    // One column of one row is no whole event; `block` shows the accepted ones.
    let mut refused = exchange();
    begin(&mut refused, "POST", &batch_path());
    let step = refused.body(b"\x01\x01\x04name\x06String\x04view");
    assert_eq!(told(step), (400, "bad_block".into()));
    let mut inserting = exchange();
    inserting.state = State::Storing(Storing::Insert { known: false });
    assert_eq!(told(inserting.upstream(&Outcome::TimedOut)), (503, "busy".into()));
    let mut inserting = exchange();
    inserting.state = State::Storing(Storing::Insert { known: false });
    assert_eq!(told(inserting.upstream(&rows(""))), (202, String::new()));
}

#[test]
fn u7_a_batch_is_accepted_only_as_its_shard_says() {
    for (taken, status, body) in [
        (Some("accepted"), 202, format!("{{\"now\":{NOW},\"known\":false}}")),
        (Some("known"), 202, format!("{{\"now\":{NOW},\"known\":true}}")),
        (
            Some("busy"),
            503,
            "{\"code\":\"busy\",\"message\":\"too much waits already; send it again, unchanged\"}"
                .into(),
        ),
        (
            None,
            503,
            "{\"code\":\"busy\",\"message\":\"the batch could not be stored; send it again, unchanged\"}"
                .into(),
        ),
    ] {
        let mut exchange = grouping();
        begin(&mut exchange, "POST", &batch_path());
        exchange.state = State::Storing(Storing::Put);
        let Step::Respond(answer) = exchange.put(taken) else { panic!("{taken:?}") };
        assert_eq!((answer.status, String::from_utf8(answer.body).unwrap()), (status, body));
    }
}

/// What a look-up finds.
const NOTHING: &str = "{\"known\":0,\"remembered\":0}\n";
const REMEMBERED: &str = "{\"known\":1,\"remembered\":1}\n";
const FORGOTTEN: &str = "{\"known\":1,\"remembered\":0}\n";

#[test]
fn d13_an_older_batch_is_inserted_unless_its_table_has_it_and_forgot_its_token() {
    let insert = upstream::Request::new(worker().config().unwrap(), &reader(), &[]);
    let looking = |outcome: &Outcome| {
        let mut exchange = exchange();
        begin(&mut exchange, "POST", &batch_path());
        exchange.state = State::Storing(Storing::LookUp(insert.clone()));
        let step = exchange.upstream(outcome);
        (exchange, step)
    };
    let accepted = |known| (202, format!("{{\"now\":{NOW},\"known\":{known}}}"));
    assert_eq!(body_of(looking(&rows(FORGOTTEN)).1), accepted(true));
    for (found, known) in [(NOTHING, false), (REMEMBERED, true)] {
        let (mut exchange, step) = looking(&rows(found));
        assert_eq!(step, Step::Fetch(insert.clone()));
        assert_eq!(body_of(exchange.upstream(&rows(""))), accepted(known));
    }
    let limit = Reply { status: 500, exception_code: Some("158".into()), ..Reply::default() };
    for nothing_known in [Outcome::TimedOut, Outcome::Failed, Outcome::Answer(limit)] {
        assert_eq!(told(looking(&nothing_known).1), (503, "busy".into()));
    }
}

#[test]
fn d13_a_batch_that_may_be_in_a_group_is_inserted_only_if_its_shard_never_took_it() {
    let worker = Rc::new(Worker::new(&once_grouping_environment(), [1; 4]));
    let path = format!("/v1/events?k=pk_open&id={ID}");
    let asked = || {
        let mut exchange = Exchange::new(Rc::clone(&worker));
        begin(&mut exchange, "POST", &path);
        let Step::Ask(asked) = exchange.body(b"[{\"name\":\"a\"}]") else { panic!() };
        assert_eq!(asked.id.to_text().as_slice(), ID.as_bytes());
        exchange
    };
    let taken = r#"{"now":1795435200000,"taken":1,"refused":[]}"#;
    let mut unknown = asked();
    assert_eq!(token(&unknown.put(Some("unknown"))), ID);
    assert_eq!(body_of(unknown.upstream(&rows(""))), (202, taken.into()));
    assert_eq!(body_of(asked().put(Some("known"))), (202, taken.into()));
    for said in [Some("busy"), Some("accepted"), None] {
        assert_eq!(told(asked().put(said)), (503, "busy".into()), "{said:?}");
    }
}

/// The token of a step that inserts.
fn token(step: &Step) -> String {
    let Step::Fetch(request) = step else { panic!("{step:?}") };
    let (_, after) = request.url.split_once("insert_deduplication_token=").unwrap();
    after[..36].to_owned()
}

#[test]
fn events_are_taken_only_after_the_sink_s_answer() {
    let path = format!("/v1/events?k=pk_open&id={ID}");
    let sent = || {
        let mut exchange = exchange();
        let step = begin(&mut exchange, "POST", &path);
        assert_eq!(step, Step::Read { cap_bytes: 5_000, at_once: false });
        let step = exchange.body(b"[{\"name\":\"a\"},7]");
        assert_eq!(token(&step), ID);
        exchange
    };
    let taken = r#"{"now":1795435200000,"taken":1,"refused":[{"index":1,"code":"bad_event","message":"the event is no JSON object: column 1"}]}"#;
    assert_eq!(body_of(sent().upstream(&rows(""))), (202, taken.into()));
    assert_eq!(told(sent().upstream(&Outcome::Failed)), (503, "busy".into()));
    // Nothing to store, nothing to wait for.
    let mut none = exchange();
    begin(&mut none, "POST", &path);
    let nothing = r#"{"now":1795435200000,"taken":0,"refused":[]}"#;
    assert_eq!(body_of(none.body(b"[]")), (202, nothing.into()));
    let mut large = exchange();
    begin(&mut large, "POST", &path);
    assert_eq!(told(large.too_large()), (413, "too_large".into()));
}

#[test]
fn events_for_a_group_are_taken_only_as_their_shard_says() {
    let path = format!("/v1/events?k=pk_open&id={ID}");
    let sent = || {
        let mut exchange = grouping();
        begin(&mut exchange, "POST", &path);
        let Step::Put(put) = exchange.body(b"[{\"name\":\"a\"}]") else { panic!() };
        assert_eq!(put.id.to_text().as_slice(), ID.as_bytes());
        exchange
    };
    let taken = r#"{"now":1795435200000,"taken":1,"refused":[]}"#;
    assert_eq!(body_of(sent().put(Some("accepted"))), (202, taken.into()));
    assert_eq!(body_of(sent().put(Some("known"))), (202, taken.into()));
    assert_eq!(told(sent().put(Some("busy"))), (503, "busy".into()));
    assert_eq!(told(sent().put(None)), (503, "busy".into()));
}

#[test]
fn older_events_are_inserted_only_once_they_are_not_found() {
    let looking = || {
        let mut exchange = exchange();
        let path = format!("/v1/events?k=pk_open&id={ID}&at={}", NOW + 86_000_000);
        begin(&mut exchange, "POST", &path);
        let Step::Fetch(question) = exchange.body(b"[{\"name\":\"a\"}]") else { panic!() };
        assert!(question.url.contains("param_batch"), "{}", question.url);
        exchange
    };
    let taken = r#"{"now":1795435200000,"taken":1,"refused":[]}"#;
    assert_eq!(body_of(looking().upstream(&rows(FORGOTTEN))), (202, taken.into()));
    let mut unknown = looking();
    assert_eq!(token(&unknown.upstream(&rows(NOTHING))), ID);
    assert_eq!(body_of(unknown.upstream(&rows(""))), (202, taken.into()));
    assert_eq!(told(looking().upstream(&Outcome::TimedOut)), (503, "busy".into()));
}

#[test]
fn without_an_id_each_request_of_a_worker_has_a_token_of_its_own() {
    let worker = worker();
    let token = || {
        let mut exchange = Exchange::new(Rc::clone(&worker));
        begin(&mut exchange, "POST", "/v1/events?k=pk_open");
        token(&exchange.body(b"[{\"name\":\"a\"}]"))
    };
    assert_ne!(token(), token());
}

#[test]
fn changes_are_stored_one_after_the_other_and_the_first_failure_ends_it() {
    let worker = Rc::new(Worker::new(&environment_with_rules(), [1; 4]));
    let begun = || {
        let mut exchange = Exchange::new(Rc::clone(&worker));
        let step = begin(&mut exchange, "POST", "/v1/cdc?k=sk_demo");
        assert_eq!(step, Step::Read { cap_bytes: 5_000, at_once: false });
        exchange
    };
    let change = |lsn: u32| {
        format!(
            r#"{{"op":"c","after":{{"id":1}},"source":{{"name":"s","db":"d","schema":"public","table":"models","lsn":{lsn},"ts_ms":{NOW}}}}}"#
        )
    };
    let two = format!("{}\n{}", change(1), change(2));
    let mut both = begun();
    let first = both.body(two.as_bytes());
    let second = both.upstream(&rows(""));
    assert_ne!(token(&first), token(&second));
    let taken = r#"{"now":1795435200000,"taken":2,"ignored":0,"refused":[]}"#;
    assert_eq!(body_of(both.upstream(&rows(""))), (202, taken.into()));
    let mut broken = begun();
    broken.body(two.as_bytes());
    broken.upstream(&rows(""));
    assert_eq!(told(broken.upstream(&Outcome::TimedOut)), (503, "busy".into()));
    assert_eq!(told(begun().too_large()), (413, "too_large".into()));
}
