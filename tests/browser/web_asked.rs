//! What the shell for Rust applications asks of posts and users, and the types of the answers.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use tallymark::web::{
    ClickHouse, HourlyViews, Options, QueryError, Summary, TopPost, Tracker, UserMetrics,
};
use wasm_bindgen_futures::spawn_local;
use wasm_bindgen_test::wasm_bindgen_test;

use super::page::Page;
use super::web_verbs::start;

/// What `asking` comes to when the worker says `data`, and the path that was asked.
async fn asked<T>(page: &Rc<Page>, data: &str, asking: impl Future<Output = T>) -> (T, String) {
    let path = Rc::new(RefCell::new(String::new()));
    let (other, seen) = (Rc::clone(page), Rc::clone(&path));
    let answer = format!(r#"{{"data":{data},"columns":[],"cached_at":null}}"#);
    spawn_local(async move {
        let request = other.next().await;
        let prefix = "https://t.example/v1/query/";
        let key = format!("?k={}&", other.key);
        let url = other.url(request);
        *seen.borrow_mut() = url.strip_prefix(prefix).unwrap().replacen(&key, "?", 1);
        assert_eq!(other.init(request), r#"{"credentials":"omit"}"#);
        other.answer(request, 200, &answer);
    });
    let result = asking.await;
    (result, path.take())
}

const SUMMARY: &str = r#""views":5,"likes":4,"unlikes":6,"comments":2,"shares":1,
    "deleted_comments":3,"net_comments":-1,"net_likes":-2"#;

const COUNTS: Summary = Summary {
    views: 5,
    likes: 4,
    unlikes: 6,
    comments: 2,
    shares: 1,
    deleted_comments: 3,
    net_comments: -1,
    net_likes: -2,
};

#[wasm_bindgen_test]
async fn a_summary_is_asked_by_its_id_and_has_every_count() {
    let page = Rc::new(Page::new());
    let tally = start(&page);
    let answer = format!("[{{{SUMMARY}}}]");
    let (summary, path) = asked(&page, &answer, tally.posts().summary("4&2")).await;
    assert_eq!((summary, path.as_str()), (Ok(COUNTS), "summary?id=4%262"));
    let (none, _) = asked(&page, "[]", tally.posts().summary("42")).await;
    assert_eq!(none, Err(QueryError::Unreadable("it has no row".into())));
}

#[wasm_bindgen_test]
async fn hourly_views_are_asked_by_id_and_hours_and_keep_their_order() {
    let page = Rc::new(Page::new());
    let tally = start(&page);
    let answer = r#"[{"hour":"2026-11-23T11:00:00Z","views":1},
        {"hour":"2026-11-23T12:00:00Z","views":9007199254740991}]"#;
    let (hours, path) = asked(&page, answer, tally.posts().hourly_views("42", 24)).await;
    let hour = |hour: &str, views| HourlyViews { hour: hour.into(), views };
    let expected =
        vec![hour("2026-11-23T11:00:00Z", 1), hour("2026-11-23T12:00:00Z", 9_007_199_254_740_991)];
    assert_eq!((hours, path.as_str()), (Ok(expected), "hourly_views?id=42&hours=24"));
}

#[wasm_bindgen_test]
async fn the_most_viewed_posts_are_asked_by_how_many_and_keep_their_order() {
    let page = Rc::new(Page::new());
    let tally = start(&page);
    let answer = r#"[{"entity_id":"b","views":2},{"entity_id":"a","views":0}]"#;
    let (posts, path) = asked(&page, answer, tally.posts().top(10)).await;
    let post = |entity_id: &str, views| TopPost { entity_id: entity_id.into(), views };
    assert_eq!((posts, path.as_str()), (Ok(vec![post("b", 2), post("a", 0)]), "top?limit=10"));
}

#[wasm_bindgen_test]
async fn what_a_query_refuses_reaches_the_caller() {
    let page = Rc::new(Page::new());
    let tally = start(&page);
    let other = Rc::clone(&page);
    spawn_local(async move {
        let refusal = r#"{"code":"bad_param","message":"parameter hours"}"#;
        other.answer(other.next().await, 400, refusal);
    });
    let (code, message) = ("bad_param".into(), "parameter hours".into());
    let refused = QueryError::Refused { status: 400, code, message };
    assert_eq!(tally.posts().hourly_views("42", 0).await, Err(refused));
}

#[wasm_bindgen_test]
async fn bulk_summaries_are_one_query_and_a_map_by_id() {
    let page = Rc::new(Page::new());
    let tally = start(&page);
    let answer = format!(
        r#"[{{"entity_id":"4&\"3","views":1,{}}},{{"entity_id":"42",{SUMMARY}}}]"#,
        &SUMMARY[10..]
    );
    let asking = tally.posts().bulk_summaries(&["42", "4&\"3", "nobody's"]);
    let (summaries, path) = asked(&page, &answer, asking).await;
    let other = Summary { views: 1, ..COUNTS };
    let expected = BTreeMap::from([("42".to_owned(), COUNTS), ("4&\"3".to_owned(), other)]);
    assert_eq!(summaries, Ok(expected));
    assert_eq!(path, "summaries?ids=%5B%2242%22%2C%224%26%5C%223%22%2C%22nobody's%22%5D");
    assert_eq!(page.count().await, 1);
}

#[wasm_bindgen_test]
async fn s0_24_no_ids_are_an_empty_map_and_no_request() {
    let page = Page::new();
    let tally = start(&page);
    assert_eq!(tally.posts().bulk_summaries::<&str>(&[]).await, Ok(BTreeMap::new()));
    assert_eq!(tally.users().metrics::<String>(&[]).await, Ok(BTreeMap::new()));
    assert_eq!(page.count().await, 0);
}

/// One id that makes the address `bytes` long.
fn long_id(page: &Page, bytes: usize) -> String {
    let rest = format!("https://t.example/v1/query/summaries?k={}&ids=%5B%22%22%5D", page.key);
    "i".repeat(bytes - rest.len())
}

#[wasm_bindgen_test]
async fn an_address_of_4000_bytes_is_a_get_and_a_longer_one_a_post_without_a_preflight() {
    let page = Rc::new(Page::new());
    let tally = start(&page);
    let id = long_id(&page, 4_000);
    let ids = [&id];
    let (summaries, path) = asked(&page, "[]", tally.posts().bulk_summaries(&ids)).await;
    assert_eq!(summaries, Ok(BTreeMap::new()));
    assert_eq!(path, format!("summaries?ids=%5B%22{id}%22%5D"));

    let id = long_id(&page, 4_001);
    let other = Rc::clone(&page);
    let (text, entity_id) = (id.clone(), id.clone());
    spawn_local(async move {
        let request = other.next().await;
        assert_eq!(other.url(request), format!("https://t.example/v1/query?k={}", other.key));
        assert_eq!(other.init(request), r#"{"credentials":"omit","method":"POST"}"#);
        let body =
            format!(r#"{{"queries":[{{"name":"summaries","params":{{"ids":["{text}"]}}}}]}}"#);
        assert_eq!(String::from_utf8(other.body(request)).unwrap(), body);
        let data = format!(r#"[{{"data":[{{"entity_id":"{text}",{SUMMARY}}}],"cached_at":null}}]"#);
        other.answer(request, 200, &data);
    });
    let summaries = tally.posts().bulk_summaries(&[&id]).await;
    assert_eq!(summaries, Ok(BTreeMap::from([(entity_id, COUNTS)])));
}

#[wasm_bindgen_test]
async fn a_post_of_ids_says_why_it_has_no_rows() {
    let page = Rc::new(Page::new());
    let tally = start(&page);
    let id = long_id(&page, 5_000);
    let answered = async |status: u16, text: &'static str| {
        let other = Rc::clone(&page);
        spawn_local(async move { other.answer(other.next().await, status, text) });
        tally.posts().bulk_summaries(&[&id]).await.unwrap_err()
    };
    let refused = answered(401, r#"{"code":"bad_key","message":"no"}"#).await;
    let (code, message) = ("bad_key".into(), "no".into());
    assert_eq!(refused, QueryError::Refused { status: 401, code, message });
    for text in ["{}", "[]", "null", r#"[{"data":[{}]}]"#] {
        assert!(matches!(answered(200, text).await, QueryError::Unreadable(_)), "{text}");
    }
    let url = ClickHouse { url: "https://ch.example", database: "d", ..ClickHouse::default() };
    let straight = ClickHouse { user: &page.key, ..url };
    let straight = Tracker::init(Options::clickhouse(straight).journal_bytes(0)).unwrap();
    assert_eq!(straight.posts().bulk_summaries(&["1"]).await, Err(QueryError::NoWorker));
}

#[wasm_bindgen_test]
async fn s3_8_metrics_of_many_users_are_one_query_and_a_map_by_user() {
    let page = Rc::new(Page::new());
    let tally = start(&page);
    let answer = r#"[{"user_id":"7","follower_count":-1,"following_count":2,"upload_count":6,
        "model_count":3,"post_count":2,"image_count":1,"reaction_count":4,"download_count":5.5,
        "generation_count":0,"engagement_score":12.25,"rank":9}]"#;
    let ids = ["7".to_owned(), "8".to_owned()];
    let (metrics, path) = asked(&page, answer, tally.users().metrics(&ids)).await;
    let its = UserMetrics {
        follower_count: -1,
        following_count: 2,
        upload_count: 6,
        model_count: 3,
        post_count: 2,
        image_count: 1,
        reaction_count: 4.0,
        download_count: 5.5,
        generation_count: 0.0,
        engagement_score: 12.25,
        rank: 9,
    };
    assert_eq!(metrics, Ok(BTreeMap::from([("7".to_owned(), its)])));
    assert_eq!(path, "user_metrics?ids=%5B%227%22%2C%228%22%5D");
    assert_eq!(page.count().await, 1);
}

#[wasm_bindgen_test]
async fn s3_9_a_follower_count_is_one_number_below_0_too() {
    let page = Rc::new(Page::new());
    let tally = start(&page);
    let (followers, path) =
        asked(&page, r#"[{"value":-2}]"#, tally.users().follower_count("7")).await;
    assert_eq!((followers, path.as_str()), (Ok(-2), "follower_count?id=7"));
}

#[wasm_bindgen_test]
async fn s3_10_a_rank_is_one_number() {
    let page = Rc::new(Page::new());
    let tally = start(&page);
    let (rank, path) = asked(&page, r#"[{"value":3}]"#, tally.users().rank("7")).await;
    assert_eq!((rank, path.as_str()), (Ok(3), "user_rank?id=7"));
    let (none, _) = asked(&page, "[]", tally.users().rank("7")).await;
    assert_eq!(none, Err(QueryError::Unreadable("it has no row".into())));
}

#[wasm_bindgen_test]
async fn s3_11_an_engagement_score_is_one_number_whole_or_not() {
    let page = Rc::new(Page::new());
    let tally = start(&page);
    for (value, expected) in [("10.2", 10.2), ("3", 3.0)] {
        let answer = format!(r#"[{{"value":{value}}}]"#);
        let (score, path) = asked(&page, &answer, tally.users().engagement_score("7")).await;
        assert_eq!((score, path.as_str()), (Ok(expected), "engagement_score?id=7"));
    }
}
