//! One request from begin to end, each step told by hand.

use super::*;
use crate::config::Environment;
use crate::testing::{
    NOW, environment_with_rules, grouping_environment, once_grouping_environment, reader, worker,
};
use crate::upstream::Reply;

const ID: &str = "01a2084a-5500-7000-8000-000000000001";

fn begin(exchange: &mut Exchange, method: &str, path: &str) -> Step {
    let url = format!("https://edge.test{path}");
    exchange.begin(&Request { method, url: &url, now: UnixMs(NOW), ..Request::default() })
}

fn exchange() -> Exchange {
    Exchange::new(worker())
}

fn batch_path() -> String {
    format!("/v1/batch?v=1&k=pk_open&t=events&id={ID}&at={NOW}")
}

/// Status and code of a step that answers.
fn told(step: Step) -> (u16, String) {
    let Step::Respond(answer) = step else { panic!("{step:?}") };
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    (answer.status, body["code"].as_str().unwrap_or_default().to_owned())
}

fn rows(text: &str) -> Outcome {
    let body = text.into();
    Outcome::Answer(Reply { status: 200, has_query_id: true, body, ..Reply::default() })
}

#[test]
fn a_batch_is_read_under_the_configured_cap() {
    let mut exchange = exchange();
    let step = begin(&mut exchange, "POST", &batch_path());
    assert_eq!(step, Step::Read { cap_bytes: 5_000, at_once: false });
    assert_eq!(told(exchange.too_large()), (413, "too_large".into()));
}

fn limited(variables: &str) -> Exchange {
    let environment = crate::testing::environment_with(variables);
    Exchange::new(Rc::new(Worker::new(&environment, [1; 4])))
}

#[test]
fn requests_of_a_key_from_one_address_are_counted_by_the_isolate() {
    let worker = Rc::clone(&limited(r#""RATE_LIMIT_PER_MINUTE": 2"#).worker);
    let ask = |path: &str, client_ip| {
        let url = format!("https://edge.test{path}");
        let mut exchange = Exchange::new(Rc::clone(&worker));
        let now = UnixMs(NOW);
        let request = Request { method: "POST", url: &url, client_ip, now, ..Request::default() };
        match exchange.begin(&request) {
            Step::Respond(answer) => answer.status,
            _ => 0,
        }
    };
    let path = batch_path();
    for (path, ip, status) in [
        (&*path, Some("203.0.113.1"), 0),
        (&*path, Some("203.0.113.1"), 0),
        (&*path, Some("203.0.113.1"), 429),
        (&*path, Some("203.0.113.2"), 0),
        ("/v1/query?k=pk_open", Some("203.0.113.1"), 429),
        ("/v1/query?k=other", Some("203.0.113.1"), 401),
        ("/v1/sql", Some("203.0.113.1"), 401),
    ] {
        assert_eq!(ask(path, ip), status, "{path} {ip:?}");
    }
}

#[test]
fn a_header_that_the_route_does_not_read_begins_no_count_of_its_own() {
    let worker = Rc::clone(&limited(r#""RATE_LIMIT_PER_MINUTE": 1"#).worker);
    let url = format!("https://edge.test{}", batch_path());
    let status = |authorization, api_key| {
        let mut exchange = Exchange::new(Rc::clone(&worker));
        let step = exchange.begin(&Request {
            method: "POST",
            url: &url,
            authorization,
            api_key,
            now: UnixMs(NOW),
            ..Request::default()
        });
        if let Step::Respond(answer) = step { answer.status } else { 0 }
    };
    assert_eq!(status(None, None), 0);
    assert_eq!(status(Some("Bearer 1"), None), 429);
    assert_eq!(status(None, Some("2")), 429);
}

#[test]
fn the_platform_s_limiter_is_asked_and_believed() {
    let mut exchange = limited(r#""RATE_LIMITER": {}, "RATE_LIMIT_PER_MINUTE": 1"#);
    let url = format!("https://edge.test{}", batch_path());
    let request = |is_within_limit| Request {
        method: "POST",
        url: &url,
        is_within_limit,
        now: UnixMs(NOW),
        ..Request::default()
    };
    assert_eq!(exchange.worker.limit_name(&request(None)).as_deref(), Some("pk_open "));
    let health = Request { method: "GET", url: "https://edge.test/v1/health", ..request(None) };
    assert_eq!(exchange.worker.limit_name(&health), None);
    assert_eq!(told(exchange.begin(&request(Some(false)))), (429, "rate_limited".into()));
    for _ in 0..2 {
        assert!(matches!(exchange.begin(&request(Some(true))), Step::Read { .. }));
    }
    assert_eq!(limited("\"BODY_BYTES\": 5000").worker.limit_name(&request(None)), None);
}

#[test]
fn a_parameter_that_is_there_twice_is_refused_before_a_key_is_looked_at() {
    for (method, path, code) in [
        ("POST", "/v1/batch?k=pk_open&k=pk_demo", "bad_request"),
        ("POST", "/v1/events?k=pk_open&k=pk_open", "bad_request"),
        ("POST", "/ingest-events?id=1&%69d=2", "bad_request"),
        ("POST", "/v1/cdc?k=a&k=b", "bad_request"),
        ("GET", "/v1/query/summary?id=1&id=2", "bad_param"),
        ("POST", "/v1/query?refresh=1&refresh=0", "bad_param"),
        ("POST", "/v1/sql?param_a=1&param_a=2", "bad_param"),
        ("POST", "/v1/admin/migrate?dry_run=1&dry_run=1", "bad_param"),
    ] {
        assert_eq!(told(begin(&mut exchange(), method, path)), (400, code.into()), "{path}");
    }
    let asset = begin(&mut exchange(), "GET", "/tallymark/index.js?v=1&v=2");
    assert_eq!(asset, Step::Asset);
}

#[test]
fn a_body_is_read_at_once_counted_or_never_by_what_it_says_itself() {
    let url = format!("https://edge.test{}", batch_path());
    let request = |bytes| Request {
        method: "POST",
        url: &url,
        content_length: Some(bytes),
        now: UnixMs(NOW),
        ..Request::default()
    };
    let at_once = |at_once| Step::Read { cap_bytes: 5_000, at_once };
    assert_eq!(exchange().begin(&request(5_000)), at_once(true));
    // Twice the cap is what the entry reads before it gives up.
    assert_eq!(exchange().begin(&request(5_001)), at_once(false));
    assert_eq!(exchange().begin(&request(10_000)), at_once(false));
    assert_eq!(told(exchange().begin(&request(10_001))), (413, "too_large".into()));
    // A length beside a transfer encoding may be any lie.
    let chunked = Request { transfer_encoding: true, ..request(5) };
    assert_eq!(exchange().begin(&chunked), at_once(false));
}

#[test]
fn a_length_beyond_every_number_is_the_largest() {
    assert_eq!(declared_bytes("0"), Some(0));
    assert_eq!(declared_bytes("5000"), Some(5_000));
    assert_eq!(declared_bytes(&"9".repeat(30)), Some(usize::MAX));
    for text in ["", "-5", "+5", "5, 6", "five"] {
        assert_eq!(declared_bytes(text), None, "{text}");
    }
}

#[test]
fn a_body_over_the_cap_is_refused_whoever_let_it_through() {
    for (path, cap_bytes) in
        [(batch_path(), 5_000), ("/v1/query?k=pk_open".into(), limits::QUERY_BODY_BYTES)]
    {
        let mut exchange = exchange();
        begin(&mut exchange, "POST", &path);
        let body = vec![b' '; cap_bytes + 1];
        assert_eq!(told(exchange.body(&body)), (413, "too_large".into()), "{path}");
    }
}

#[test]
fn u7_a_batch_is_accepted_only_after_the_sink_s_answer() {
    // One column of one row is no whole event; `block` shows the accepted ones.
    let mut refused = exchange();
    begin(&mut refused, "POST", &batch_path());
    let step = refused.body(b"\x01\x01\x04name\x06String\x04view");
    assert_eq!(told(step), (400, "bad_block".into()));
    let mut inserting = exchange();
    inserting.state = State::Insert { known: false };
    assert_eq!(told(inserting.upstream(&Outcome::TimedOut)), (503, "busy".into()));
    let mut inserting = exchange();
    inserting.state = State::Insert { known: false };
    assert_eq!(told(inserting.upstream(&rows(""))), (202, String::new()));
}

fn grouping() -> Exchange {
    let worker = Rc::new(Worker::new(&grouping_environment(), [1; 4]));
    Exchange::new(worker)
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
        exchange.state = State::Put;
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
        exchange.state = State::LookUp(insert.clone());
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

#[test]
fn health_asks_every_shard_whatever_the_sink_is_now() {
    for environment in [grouping_environment(), once_grouping_environment()] {
        let mut exchange = Exchange::new(Rc::new(Worker::new(&environment, [1; 4])));
        begin(&mut exchange, "GET", "/v1/health");
        assert_eq!(exchange.upstream(&rows("{\"one\":1}\n")), Step::Shards { count: 4 });
    }
}

#[test]
fn health_asks_every_shard_where_there_are_some() {
    let mut exchange = grouping();
    begin(&mut exchange, "GET", "/v1/health");
    assert_eq!(exchange.upstream(&rows("{\"one\":1}\n")), Step::Shards { count: 4 });
    let Step::Respond(answer) = exchange.shards(&["not now".into()]) else { panic!() };
    assert_eq!(answer.status, 503);
}

/// The admin's call of this path, below a group.
fn ask_for_group<'a>(exchange: &mut Exchange, url: &'a str, bearer: &'a str) -> Step {
    exchange.begin(&Request {
        method: "POST",
        url,
        authorization: Some(bearer),
        now: UnixMs(NOW),
        ..Request::default()
    })
}

#[test]
fn a_group_is_opened_by_the_admin_key_alone() {
    let path = format!("/v1/admin/groups/3/{ID}/discard");
    assert_eq!(told(begin(&mut grouping(), "POST", &path)), (401, "bad_key".into()));
    let url = format!("https://edge.test{path}");
    let bearer = format!("Bearer {}", crate::testing::ADMIN_KEY);
    let mut exchange = grouping();
    let group = tallymark::rng::Uuid::parse(ID.as_bytes()).unwrap();
    let step = ask_for_group(&mut exchange, &url, &bearer);
    assert_eq!(step, Step::Admin(Target { shard: 3, group, action: Action::Discard }));
    assert_eq!(told(exchange.admin(None)), (404, "not_found".into()));
}

#[test]
fn a_group_is_replayed_once_its_table_has_none_of_it() {
    let bearer = format!("Bearer {}", crate::testing::ADMIN_KEY);
    let group = tallymark::rng::Uuid::parse(ID.as_bytes()).unwrap();
    let target = |action| Step::Admin(Target { shard: 3, group, action });
    let url = format!("https://edge.test/v1/admin/groups/3/{ID}/replay");
    let mut exchange = grouping();
    assert_eq!(ask_for_group(&mut exchange, &url, &bearer), target(Action::List));
    let listed = format!(r#"{{"table":"events","batches":["{ID}"]}}"#);
    assert!(matches!(exchange.admin(Some(listed.into())), Step::Fetch(_)));
    let step = exchange.upstream(&rows(r#"{"known":0,"remembered":0}"#));
    assert_eq!(step, target(Action::Replay));
    let Step::Respond(answer) = exchange.admin(Some(Vec::new())) else { panic!() };
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"{\"ok\":true}"[..]));

    // One that is not there, and one that the admin has looked at.
    assert_eq!(ask_for_group(&mut exchange, &url, &bearer), target(Action::List));
    assert_eq!(told(exchange.admin(None)), (404, "not_found".into()));
    let forced = format!("{url}?force=1");
    assert_eq!(ask_for_group(&mut exchange, &forced, &bearer), target(Action::Replay));
}

/// The token of a step that inserts.
fn token(step: &Step) -> String {
    let Step::Fetch(request) = step else { panic!("{step:?}") };
    let (_, after) = request.url.split_once("insert_deduplication_token=").unwrap();
    after[..36].to_owned()
}

fn body_of(step: Step) -> (u16, String) {
    let Step::Respond(answer) = step else { panic!("{step:?}") };
    (answer.status, String::from_utf8(answer.body).unwrap())
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

#[test]
fn u8_a_query_s_rows_come_back_as_one_object() {
    let mut exchange = exchange();
    let step = begin(&mut exchange, "GET", "/v1/query/top?k=pk_open&limit=2");
    let Step::Fetch(request) = step else { panic!("{step:?}") };
    assert_eq!(request.url, "http://ch.test:8123/?database=tallymark&wait_end_of_query=1");
    let form = String::from_utf8(request.body).unwrap();
    let field = |name: &str, value: &str| {
        format!(
            "content-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n--tallymark-query"
        )
    };
    for (name, value) in [
        ("param_site", "open"),
        ("param_now", "1795435200.000"),
        ("param_limit", "2"),
        ("param_min_views", "0"),
    ] {
        assert!(form.contains(&field(name, value)), "{name}");
    }
    let step = exchange
        .upstream(&rows("{\"entity_id\":\"a\",\"views\":2}\n{\"entity_id\":\"b\",\"views\":1}\n"));
    let Step::Respond(answer) = step else { panic!("{step:?}") };
    assert_eq!(
        String::from_utf8(answer.body).unwrap(),
        r#"{"data":[{"entity_id":"a","views":2},{"entity_id":"b","views":1}],"columns":[{"name":"entity_id","type":"String"},{"name":"views","type":"UInt64"}],"cached_at":null}"#
    );
}

#[test]
fn several_queries_go_one_after_the_other_and_come_back_as_a_list() {
    let mut exchange = exchange();
    begin(&mut exchange, "POST", "/v1/query?k=pk_open");
    let asks = br#"{"queries":[{"name":"top"},{"name":"summary","params":{"id":"a"}}]}"#;
    assert!(matches!(exchange.body(asks), Step::Fetch(_)));
    assert!(matches!(exchange.upstream(&rows("")), Step::Fetch(_)));
    let Step::Respond(answer) = exchange.upstream(&rows("{}\n")) else { panic!() };
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(body[0]["data"], serde_json::json!([]));
    assert_eq!(body[1]["data"], serde_json::json!([{}]));
    assert_eq!(body.as_array().unwrap().len(), 2);
}

#[test]
fn no_queries_are_answered_without_the_database() {
    let mut exchange = exchange();
    begin(&mut exchange, "POST", "/v1/query?k=pk_open");
    let Step::Respond(answer) = exchange.body(b"{\"queries\":[]}") else { panic!() };
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"[]"[..]));
}

#[test]
fn wrong_questions_are_refused_before_the_database() {
    for (path, code) in [
        ("/v1/query/nothing?k=pk_open", "unknown_query"),
        ("/v1/query/summary?k=pk_open", "bad_param"),
        ("/v1/query/summary?k=pk_open&id=a&other=1", "bad_param"),
        ("/v1/query/top?k=pk_open&limit=0", "bad_param"),
        ("/v1/query/hourly_views?k=pk_open&id=a&hours=0", "bad_param"),
        ("/v1/query/hourly_views?k=pk_open&id=a&hours=8785", "bad_param"),
        ("/v1/query/top?k=pk_other", "bad_key"),
        ("/v1/query/top", "bad_key"),
        ("/v1/query/top?k=pk_demo", "bad_origin"),
    ] {
        assert_eq!(told(begin(&mut exchange(), "GET", path)).1, code, "{path}");
    }
    let many = format!(r#"{{"queries":[{}]}}"#, vec![r#"{"name":"top"}"#; 17].join(","));
    for body in ["", "[]", r#"{"queries":[{"name":"top","sql":"SELECT 1"}]}"#, &many] {
        let mut exchange = exchange();
        begin(&mut exchange, "POST", "/v1/query?k=pk_open");
        assert_eq!(told(exchange.body(body.as_bytes())), (400, "bad_param".into()), "{body}");
    }
}

#[test]
fn a_query_without_an_answer_is_upstream() {
    for outcome in [Outcome::TimedOut, Outcome::Failed] {
        let mut exchange = exchange();
        begin(&mut exchange, "GET", "/v1/query/top?k=pk_open");
        assert_eq!(told(exchange.upstream(&outcome)), (502, "upstream".into()));
    }
}

#[test]
fn an_over_long_url_is_a_bad_request() {
    let path = format!("/v1/query/summary?k=pk_open&id={}", "x".repeat(limits::URL_BYTES));
    assert_eq!(told(begin(&mut exchange(), "GET", &path)), (400, "bad_request".into()));
}

#[test]
fn a_worker_without_configuration_is_busy_and_says_so_under_health() {
    let worker = Rc::new(Worker::new(&Environment::default(), [1; 4]));
    let mut batch = Exchange::new(Rc::clone(&worker));
    assert_eq!(told(begin(&mut batch, "POST", &batch_path())), (503, "busy".into()));
    let Step::Respond(health) = begin(&mut Exchange::new(worker), "GET", "/v1/health") else {
        panic!()
    };
    assert_eq!(health.status, 503);
    assert!(String::from_utf8(health.body).unwrap().contains("CLICKHOUSE_URL"));
}

const COUNTS: &str = "/v1/query/entity_counts?k=pk_open&entity_type=Model";

/// Asks for counts at `now_ms`, until something else than the shared cache is asked.
fn ask_counts(worker: &Rc<Worker>, now_ms: i64, more: &str) -> (Exchange, Step) {
    let mut exchange = Exchange::new(Rc::clone(worker));
    let url = format!("https://edge.test{COUNTS}{more}");
    let now = UnixMs(now_ms);
    let request = Request { method: "GET", url: &url, now, ..Request::default() };
    let step = match exchange.begin(&request) {
        Step::Look(_) => exchange.found(None),
        step => step,
    };
    (exchange, step)
}

fn fetched(step: Step) -> upstream::Request {
    let Step::Fetch(request) = step else { panic!("{step:?}") };
    request
}

/// The answer's `cached_at`, and its rows.
fn cached(step: Step) -> (serde_json::Value, serde_json::Value) {
    let Step::Respond(answer) = step else { panic!("{step:?}") };
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    (body["cached_at"].clone(), body["data"].clone())
}

#[test]
fn s3_15_an_answer_is_served_again_while_it_is_fresh() {
    let worker = worker();
    let (mut first, step) = ask_counts(&worker, NOW, "");
    fetched(step);
    assert_eq!(cached(first.upstream(&rows("{\"n\":1}"))).0, serde_json::Value::Null);
    let (_, step) = ask_counts(&worker, NOW + 59_999, "");
    assert_eq!(cached(step), (NOW.into(), serde_json::json!([{"n": 1}])));
    let (_, step) = ask_counts(&worker, NOW + 120_000, "");
    fetched(step);
}

#[test]
fn s3_15_a_stale_answer_is_served_while_one_request_fetches_a_new_one() {
    let worker = worker();
    let (mut first, _) = ask_counts(&worker, NOW, "");
    first.upstream(&rows("{\"n\":1}"));
    let (mut stale, step) = ask_counts(&worker, NOW + 60_000, "");
    assert_eq!(cached(step).0, NOW);
    let request = stale.behind().unwrap();
    assert!(request.flight.is_some());
    // The other one sees that it is being fetched.
    let (mut other, step) = ask_counts(&worker, NOW + 60_001, "");
    assert_eq!((cached(step).0, other.behind()), (NOW.into(), None));
    stale.upstream_behind(&rows("{\"n\":2}"));
    assert_eq!(stale.to_store().unwrap().at, UnixMs(NOW + 60_000));
    assert_eq!(stale.behind(), None);
    let (_, step) = ask_counts(&worker, NOW + 60_002, "");
    assert_eq!(cached(step), ((NOW + 60_000).into(), serde_json::json!([{"n": 2}])));
}

#[test]
fn s3_15_a_failure_behind_a_stale_answer_leaves_it_to_the_next() {
    let worker = worker();
    let (mut first, _) = ask_counts(&worker, NOW, "");
    first.upstream(&rows(""));
    let (mut stale, _) = ask_counts(&worker, NOW + 60_000, "");
    stale.behind().unwrap();
    stale.upstream_behind(&Outcome::Failed);
    let (mut next, step) = ask_counts(&worker, NOW + 60_001, "");
    assert_eq!(cached(step).0, NOW);
    assert!(next.behind().is_some());
}

#[test]
fn s3_15_refresh_asks_anew_and_keeps_the_answer() {
    let worker = worker();
    let (mut first, _) = ask_counts(&worker, NOW, "");
    first.upstream(&rows("{\"n\":1}"));
    let (mut refresh, step) = ask_counts(&worker, NOW + 1, "&refresh=1");
    fetched(step);
    refresh.upstream(&rows("{\"n\":2}"));
    let (_, step) = ask_counts(&worker, NOW + 2, "");
    assert_eq!(cached(step), ((NOW + 1).into(), serde_json::json!([{"n": 2}])));
}

#[test]
fn s3_15_those_that_ask_at_once_wait_for_the_first() {
    let worker = worker();
    let (mut first, step) = ask_counts(&worker, NOW, "");
    let flight = fetched(step).flight.unwrap();
    let (mut second, step) = ask_counts(&worker, NOW + 1, "");
    assert_eq!(step, Step::Join { name: flight, timeout_ms: 10_000 });
    let (mut third, _) = ask_counts(&worker, NOW + 1, "");
    first.upstream(&rows("{\"n\":1}"));
    assert_eq!(cached(second.joined()).0, NOW);
    drop(first);
    assert_eq!(cached(third.joined()).0, NOW);
}

#[test]
fn s3_15_whoever_waited_for_a_fetch_that_failed_or_went_away_fetches_itself() {
    let worker = worker();
    let (mut first, _) = ask_counts(&worker, NOW, "");
    let (mut second, step) = ask_counts(&worker, NOW, "");
    assert!(matches!(step, Step::Join { .. }));
    assert_eq!(told(first.upstream(&Outcome::Failed)).0, 502);
    let step = second.joined();
    fetched(if let Step::Look(_) = step { second.found(None) } else { step });
    drop(second);
    // Nobody is fetching now.
    fetched(ask_counts(&worker, NOW, "").1);
}

#[test]
fn s3_15_an_answer_of_the_shared_cache_is_served_with_its_time() {
    let worker = worker();
    let mut exchange = Exchange::new(Rc::clone(&worker));
    let Step::Look(name) = begin(&mut exchange, "GET", COUNTS) else { panic!() };
    assert_eq!(name.len(), 64);
    let found = exchange.found(Some((UnixMs(NOW - 5), b"{\"n\":3}")));
    assert_eq!(cached(found), ((NOW - 5).into(), serde_json::json!([{"n": 3}])));
    // One too old to be served is as good as none.
    let mut exchange = Exchange::new(self::worker());
    begin(&mut exchange, "GET", COUNTS);
    fetched(exchange.found(Some((UnixMs(NOW - 120_000), b""))));
}

#[test]
fn the_admin_s_ways_want_its_key_before_the_body() {
    for path in ["/v1/sql", "/v1/admin/migrate"] {
        assert_eq!(told(begin(&mut exchange(), "POST", path)), (401, "bad_key".into()));
        let bearer = format!("Bearer {}", crate::testing::ADMIN_KEY);
        let url = format!("https://edge.test{path}");
        let request = Request {
            method: "POST",
            url: &url,
            authorization: Some(&bearer),
            ..Request::default()
        };
        let mut exchange = exchange();
        assert!(matches!(exchange.begin(&request), Step::Read { .. }));
        assert!(matches!(exchange.body(b""), Step::Fetch(_)));
    }
}

#[test]
fn files_are_relayed_and_missing_ones_are_not_found() {
    let mut there = exchange();
    assert_eq!(begin(&mut there, "GET", "/tallymark/tracker.js"), Step::Asset);
    assert!(matches!(there.asset(200), Step::Relay(_)));
    let mut missing = exchange();
    begin(&mut missing, "GET", "/tallymark/tracker.js");
    assert_eq!(told(missing.asset(0)), (404, "not_found".into()));
    assert_eq!(told(begin(&mut exchange(), "GET", "/tallymark/.dev.vars")).0, 404);
}
