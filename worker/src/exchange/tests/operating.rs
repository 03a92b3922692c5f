//! The operator's ways, and files.

use super::*;
use crate::aside::Action;

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
