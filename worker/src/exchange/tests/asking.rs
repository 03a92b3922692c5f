//! Named queries and their caches.

use super::*;

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
    let (mut third, step) = ask_counts(&worker, NOW, "");
    fetched(step);
    assert_eq!(third.behind(), None);
    // Nor now: the exchange has ended.
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
