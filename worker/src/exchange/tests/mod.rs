//! One request from begin to end, each step told by hand.

mod asking;
mod operating;
mod storing;

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

fn grouping() -> Exchange {
    let worker = Rc::new(Worker::new(&grouping_environment(), [1; 4]));
    Exchange::new(worker)
}

fn body_of(step: Step) -> (u16, String) {
    let Step::Respond(answer) = step else { panic!("{step:?}") };
    (answer.status, String::from_utf8(answer.body).unwrap())
}

#[test]
fn an_over_long_url_is_a_bad_request() {
    let path = format!("/v1/query/summary?k=pk_open&id={}", "x".repeat(limits::URL_BYTES));
    assert_eq!(told(begin(&mut exchange(), "GET", &path)), (400, "bad_request".into()));
}

#[test]
fn an_exchange_with_nothing_left_to_do_is_as_new() {
    let mut exchange = exchange();
    begin(&mut exchange, "POST", &format!("/v1/events?k=pk_open&id={ID}"));
    assert!(matches!(exchange.body(b"[{\"name\":\"a\"}]"), Step::Fetch(_)));
    assert_eq!(exchange.behind(), None);
    begin(&mut exchange, "POST", &batch_path());
    exchange.state = State::Storing(Storing::Insert { known: false });
    let accepted = format!("{{\"now\":{NOW},\"known\":false}}");
    assert_eq!(body_of(exchange.upstream(&rows(""))), (202, accepted));
}
