//! What the shell for Rust applications has beside `track`: its events. What it asks is in
//! `web_asked`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde::Serialize;
use tallymark::block;
use tallymark::web::{Actor, EntityMetric, Fields, Options, Tracker};
use wasm_bindgen_futures::spawn_local;
use wasm_bindgen_test::wasm_bindgen_test;

use super::page::{Page, Request};

fn options(page: &Page) -> Options {
    Options::worker("https://t.example", &page.key).journal_bytes(0)
}

pub fn start(page: &Page) -> Tracker {
    Tracker::init(options(page)).unwrap()
}

/// Name, entity type, entity id, user id and value of an event.
type Row = (String, String, String, String, f64);

fn row(name: &str, entity_type: &str, entity_id: &str, user_id: &str, value: f64) -> Row {
    (name.into(), entity_type.into(), entity_id.into(), user_id.into(), value)
}

/// The rows of a request; a column that it leaves out has its default.
fn rows(page: &Page, request: Request) -> Vec<Row> {
    let names = page.texts(request, "name");
    let texts = |column| {
        let mut texts = page.texts(request, column);
        texts.resize(names.len(), String::new());
        texts.into_iter()
    };
    let body = page.body(request);
    let block = block::walk(&body).unwrap();
    let values = block.column("value").map(|column| column.values::<f64>().unwrap().collect());
    let values: Vec<f64> = values.unwrap_or_else(|| vec![1.0; names.len()]);
    let types_and_ids = texts("entity_type").zip(texts("entity_id"));
    let users_and_values = texts("user_id").zip(values);
    let fields = types_and_ids.zip(users_and_values);
    names.iter().cloned().zip(fields).map(|(name, ((a, b), (c, d)))| (name, a, b, c, d)).collect()
}

/// The rows of everything that waits.
async fn sent(page: &Page, tally: &Tracker) -> Vec<Row> {
    drop(tally.flush());
    rows(page, page.next().await)
}

#[wasm_bindgen_test]
async fn s0_4_s0_5_s0_6_s0_7_s0_8_s0_9_s0_10_a_function_of_posts_tracks_its_event_of_that_post() {
    let page = Page::new();
    let tally = start(&page);
    let (posts, actor) = (tally.posts(), Actor::user("7"));
    posts.track_view("1", &actor);
    posts.track_like("2", &actor);
    posts.track_unlike("3", &actor);
    posts.track_comment("4", &actor);
    posts.track_share("5", &actor);
    posts.track_post("6", &actor);
    posts.track_delete_post("7", &actor);
    posts.track_view("8", &Actor::anonymous());
    assert_eq!((page.count().await, tally.queue_length()), (0, 8), "nothing is sent by itself");
    let expected = [
        row("view", "post", "1", "7", 1.0),
        row("like", "post", "2", "7", 1.0),
        row("unlike", "post", "3", "7", 1.0),
        row("comment", "post", "4", "7", 1.0),
        row("share", "post", "5", "7", 1.0),
        row("post", "post", "6", "7", 1.0),
        row("delete_post", "post", "7", "7", 1.0),
        row("view", "post", "8", "", 1.0),
    ];
    assert_eq!(sent(&page, &tally).await, expected);
}

#[wasm_bindgen_test]
async fn s0_11_a_deleted_post_is_one_event_whatever_was_under_it() {
    let page = Page::new();
    let tally = start(&page);
    tally.posts().track_comment("1", &Actor::user("7"));
    tally.posts().track_delete_post("1", &Actor::user("8"));
    let expected =
        [row("comment", "post", "1", "7", 1.0), row("delete_post", "post", "1", "8", 1.0)];
    assert_eq!(sent(&page, &tally).await, expected);
}

#[wasm_bindgen_test]
async fn s0_12_a_deleted_comment_is_tracked_on_the_post_that_it_was_on() {
    let page = Page::new();
    let tally = start(&page);
    tally.posts().track_delete_comment("parent", &Actor::user("7"));
    assert_eq!(sent(&page, &tally).await, [row("delete_comment", "post", "parent", "7", 1.0)]);
}

#[wasm_bindgen_test]
async fn s3_5_a_follow_is_1_of_the_user_by_the_follower_and_its_end_minus_1() {
    let page = Page::new();
    let tally = start(&page);
    tally.users().record_follow("7", "8", true);
    tally.users().record_follow("7", "8", false);
    let expected = [row("Follow", "User", "8", "7", 1.0), row("Follow", "User", "8", "7", -1.0)];
    assert_eq!(sent(&page, &tally).await, expected);
}

#[wasm_bindgen_test]
async fn s3_6_d3_an_upload_is_of_its_content_by_the_user() {
    let page = Page::new();
    let tally = start(&page);
    for (content_type, id) in [("Model", "1"), ("Post", "2"), ("Image", "3")] {
        tally.users().record_upload("7", content_type, id);
    }
    let expected = [
        row("Upload", "Model", "1", "7", 1.0),
        row("Upload", "Post", "2", "7", 1.0),
        row("Upload", "Image", "3", "7", 1.0),
    ];
    assert_eq!(sent(&page, &tally).await, expected);
}

#[wasm_bindgen_test]
async fn s3_7_an_engagement_is_a_score_of_the_user() {
    let page = Page::new();
    let tally = start(&page);
    tally.users().record_engagement("7", 12.5);
    assert_eq!(sent(&page, &tally).await, [row("Engagement", "User", "7", "7", 12.5)]);
}

/// Name, user and properties of everything that waits.
async fn said(page: &Page, tally: &Tracker) -> Vec<[String; 3]> {
    drop(tally.flush());
    let request = page.next().await;
    let names = page.texts(request, "name").into_iter();
    let users = page.texts(request, "user_id").into_iter();
    let properties = page.texts(request, "properties");
    names.zip(users).zip(properties).map(|((name, user), all)| [name, user, all]).collect()
}

fn words(name: &str, user: &str, properties: &str) -> [String; 3] {
    [name.into(), user.into(), properties.into()]
}

#[derive(Serialize)]
struct Bought {
    price: u32,
}

#[wasm_bindgen_test]
async fn s4_2_a_capture_is_the_users_event_with_its_properties_and_sends_nothing_by_itself() {
    let page = Page::new();
    let tally = start(&page);
    tally.capture("u1", "bought", &Bought { price: 5 }, &[]);
    tally.capture("u1", "left", &(), &[]);
    assert_eq!((page.count().await, tally.queue_length()), (0, 2));
    let expected = [words("bought", "u1", r#"{"price":5}"#), words("left", "u1", "{}")];
    assert_eq!(said(&page, &tally).await, expected);
}

#[wasm_bindgen_test]
async fn s4_3_groups_become_a_property_and_without_them_nothing_changes() {
    let page = Page::new();
    let tally = start(&page);
    let groups = [("company", "acme"), ("__proto__", "p")];
    tally.capture("u1", "bought", &Bought { price: 5 }, &groups);
    tally.capture("u1", "left", &(), &groups[..1]);
    tally.capture("u1", "came", &BTreeMap::from([("$groups", "mine")]), &[]);
    tally.capture("u1", "went", &BTreeMap::from([("$groups", "mine")]), &groups[..1]);
    let expected = [
        words("bought", "u1", r#"{"price":5,"$groups":{"company":"acme","__proto__":"p"}}"#),
        words("left", "u1", r#"{"$groups":{"company":"acme"}}"#),
        words("came", "u1", r#"{"$groups":"mine"}"#),
        words("went", "u1", r#"{"$groups":{"company":"acme"}}"#),
    ];
    assert_eq!(said(&page, &tally).await, expected);
}

#[wasm_bindgen_test]
async fn s4_4_a_group_whose_type_has_an_index_from_0_to_4_is_a_property_by_that_too() {
    let page = Page::new();
    let options = options(&page)
        .group_type_index("first", 0)
        .group_type_index("last", 4)
        .group_type_index("beyond", 5)
        .group_type_index("moved", 1)
        .group_type_index("moved", 2);
    let tally = Tracker::init(options).unwrap();
    let groups = [("last", "d"), ("beyond", "e"), ("none", "f"), ("moved", "c"), ("first", "a")];
    tally.capture("u1", "bought", &(), &groups);
    let properties = concat!(
        r#"{"$groups":{"last":"d","beyond":"e","none":"f","moved":"c","first":"a"},"#,
        r#""$group_4":"d","$group_2":"c","$group_0":"a"}"#
    );
    assert_eq!(said(&page, &tally).await, [words("bought", "u1", properties)]);
}

#[wasm_bindgen_test]
async fn s4_5_identify_tells_the_properties_twice_and_remembers_nobody() {
    let page = Page::new();
    let tally = start(&page);
    tally.identify_event("u1", &Bought { price: 5 });
    tally.identify_event("u2", &());
    tally.track("view", Fields::none());
    let expected = [
        words("$identify", "u1", r#"{"price":5,"$set":{"price":5}}"#),
        words("$identify", "u2", r#"{"$set":{}}"#),
        words("view", "", "{}"),
    ];
    assert_eq!(said(&page, &tally).await, expected);
}

#[wasm_bindgen_test]
async fn d14_a_property_named_set_does_not_hide_what_is_set() {
    let page = Page::new();
    let tally = start(&page);
    tally.identify_event("u1", &BTreeMap::from([("$set", "mine"), ("of", "verbs")]));
    let properties = r#"{"$set":{"$set":"mine","of":"verbs"},"of":"verbs"}"#;
    assert_eq!(said(&page, &tally).await, [words("$identify", "u1", properties)]);
}

#[wasm_bindgen_test]
async fn s4_6_a_group_is_identified_under_its_own_key() {
    let page = Page::new();
    let tally = start(&page);
    tally.group_identify("company", "acme", &BTreeMap::from([("size", u64::MAX)]));
    tally.group_identify("company", "none", &());
    let size = concat!(
        r#"{"$group_type":"company","$group_key":"acme","#,
        r#""$group_set":{"size":"18446744073709551615"}}"#
    );
    let none = r#"{"$group_type":"company","$group_key":"none","$group_set":{}}"#;
    let expected = [words("$groupidentify", "acme", size), words("$groupidentify", "none", none)];
    assert_eq!(said(&page, &tally).await, expected);
}

#[wasm_bindgen_test]
async fn s4_7_an_alias_is_told_by_the_user_with_both_ids() {
    let page = Page::new();
    let tally = start(&page);
    tally.alias("u1", "a \"visitor\"");
    let properties = r#"{"alias":"a \"visitor\"","distinct_id":"u1"}"#;
    assert_eq!(said(&page, &tally).await, [words("$create_alias", "u1", properties)]);
}

#[wasm_bindgen_test]
async fn what_is_no_object_drops_a_verbs_event_and_is_counted() {
    let page = Page::new();
    let tally = start(&page);
    tally.capture("u1", "bought", "text", &[("company", "acme")]);
    tally.identify_event("u1", &[1, 2]);
    tally.group_identify("company", "acme", &7);
    let dropped = tally.stats().counts.dropped().to_vec();
    assert_eq!(dropped, [(tallymark::web::DropReason::INVALID, 3)]);
    assert_eq!(tally.queue_length(), 0);
}

#[wasm_bindgen_test]
async fn s2_3_an_entity_metric_leaves_at_once_and_says_when_it_is_stored() {
    let page = Page::new();
    let tally = start(&page);
    tally.track("view", Fields::none());
    let stored = tally.entity_metric(EntityMetric::new("Model", "42", "Download"));
    let request = page.next().await;
    let expected = [row("view", "", "", "", 1.0), row("Download", "Model", "42", "", 1.0)];
    assert_eq!(rows(&page, request), expected);
    page.accept(request);
    let result = stored.await;
    assert_eq!((result.ok, result.delivered, result.dropped), (true, 2, 0));
}

#[wasm_bindgen_test]
async fn s2_3_a_metric_has_its_value_and_user_and_goes_though_nobody_waits() {
    let page = Page::new();
    let tally = start(&page);
    drop(tally.entity_metric(EntityMetric::new("Model", "42", "Like").value(3.5).user("7")));
    assert_eq!(rows(&page, page.next().await), [row("Like", "Model", "42", "7", 3.5)]);
}

/// More than the flushes that the core keeps waiting: they are one.
#[wasm_bindgen_test]
async fn s2_3_a_hundred_metrics_of_one_task_go_in_one_request_and_all_hear_of_it() {
    let page = Page::new();
    let tally = start(&page);
    let heard = Rc::new(RefCell::new(Vec::new()));
    for id in 0..100 {
        let stored = tally.entity_metric(EntityMetric::new("Model", &id.to_string(), "View"));
        let heard = Rc::clone(&heard);
        spawn_local(async move {
            let result = stored.await;
            heard.borrow_mut().push((result.ok, result.delivered, result.dropped));
        });
    }
    let request = page.next().await;
    assert_eq!(rows(&page, request).len(), 100);
    page.accept(request);
    assert_eq!(page.count().await, 1);
    assert_eq!(*heard.borrow(), vec![(true, 100, 0); 100]);

    let next = tally.entity_metric(EntityMetric::new("Model", "42", "View"));
    let request = page.next().await;
    assert_eq!(rows(&page, request), [row("View", "Model", "42", "", 1.0)]);
    page.accept(request);
    assert_eq!(next.await.delivered, 1);
}

#[wasm_bindgen_test]
async fn s2_3_metrics_of_tasks_that_are_ready_together_go_in_one_request() {
    let page = Page::new();
    let tally = start(&page);
    for id in ["1", "2", "3"] {
        let tally = tally.clone();
        spawn_local(async move {
            tally.entity_metric(EntityMetric::new("Model", id, "View")).await;
        });
    }
    assert_eq!(page.texts(page.next().await, "entity_id"), ["1", "2", "3"]);
    assert_eq!(page.count().await, 1);
}

#[wasm_bindgen_test]
async fn s2_3_a_metric_that_was_left_out_is_not_ok_whatever_leaves_with_the_flush() {
    let page = Page::new();
    let tally = start(&page);
    let good = tally.entity_metric(EntityMetric::new("Model", "42", "View"));
    let bad = tally.entity_metric(EntityMetric::new("Model", "42", "View").value(f64::NAN));
    let after = tally.entity_metric(EntityMetric::new("Model", "43", "View"));
    let request = page.next().await;
    assert_eq!(page.texts(request, "entity_id"), ["42", "43"]);
    page.accept(request);
    let result = bad.await;
    assert_eq!((result.ok, result.delivered, result.dropped), (false, 0, 1));
    assert!(good.await.ok && after.await.ok);
}
