//! Page views: when they begin, when they are told.

use super::{HIDDEN, PUSHED, REPLACED, SEEN, Script, State, Told};
use tallymark::observe::page_view::Begin::{Again, First, Next};
use tallymark::observe::page_view::Navigation::{Load, Restore, Route as Routed};
use tallymark::observe::page_view::Route;
use tallymark::time::TickMs;

/// The page views among what was told.
fn views(script: &mut Script) -> Vec<(u64, Told)> {
    let mut told = script.take();
    told.retain(|(_, told)| matches!(told, Told::Begin(_) | Told::View(..)));
    told
}

#[test]
fn a_page_that_is_seen_at_once_is_told_a_quarter_of_a_second_later_with_the_time_of_its_start() {
    let mut script = Script::new();
    script.at(7).state(SEEN).at(10_000);
    assert_eq!(views(&mut script), [(7, Told::Begin(First)), (257, Told::View(7, Load))]);
    assert_eq!(script.wake, TickMs::NEVER, "a page that nobody touches has no timer");
}

#[test]
fn a_tab_in_the_background_has_no_view_until_it_is_visible() {
    let mut script = Script::new();
    script.at(0).state(HIDDEN).at(60_000);
    assert_eq!(views(&mut script), []);
    script.state(SEEN).at(60_250);
    assert_eq!(
        views(&mut script),
        [(60_000, Told::Begin(First)), (60_250, Told::View(60_000, Load)),]
    );
}

#[test]
fn a_prerendered_page_has_no_view_until_it_is_activated() {
    let mut script = Script::new();
    // A prerendered document says that it is hidden; one that said otherwise would not count either.
    script.at(0).state(State { is_prerendering: true, ..HIDDEN });
    script.at(10).state(State { is_prerendering: true, ..SEEN }).at(5_000);
    assert_eq!(views(&mut script), []);
    script.state(SEEN).at(5_250);
    assert_eq!(
        views(&mut script),
        [(5_000, Told::Begin(First)), (5_250, Told::View(5_000, Load)),]
    );
}

#[test]
fn being_hidden_and_seen_again_is_no_view() {
    let mut script = Script::seen();
    script.at(1_000).state(HIDDEN);
    script.at(2_000).state(SEEN).at(9_000);
    assert_eq!(views(&mut script), []);
}

#[test]
fn a_visit_shorter_than_the_wait_is_told_as_the_page_hides() {
    let mut script = Script::new();
    script.at(0).state(SEEN).at(100).state(HIDDEN);
    assert_eq!(views(&mut script), [(0, Told::Begin(First)), (100, Told::View(0, Load))]);
}

#[test]
fn a_route_is_a_view_with_an_id_of_its_own() {
    let mut script = Script::seen();
    script.at(1_000).route(PUSHED).at(2_000);
    assert_eq!(
        views(&mut script),
        [(1_000, Told::Begin(Next)), (1_250, Told::View(1_000, Routed)),]
    );
}

#[test]
fn an_address_that_stays_the_same_is_no_route() {
    let mut script = Script::seen();
    script.at(1_000).route(Route { is_changed: false, ..REPLACED });
    script.at(1_100).route(Route { is_changed: false, ..PUSHED }).at(9_000);
    assert_eq!(views(&mut script), []);
}

#[test]
fn a_route_before_the_last_one_was_told_tells_that_one_first() {
    let mut script = Script::seen();
    script.at(1_000).route(PUSHED).at(1_100).route(PUSHED).at(2_000);
    assert_eq!(
        views(&mut script),
        [
            (1_000, Told::Begin(Next)),
            (1_100, Told::View(1_000, Routed)),
            (1_100, Told::Begin(Next)),
            (1_350, Told::View(1_100, Routed)),
        ]
    );
}

#[test]
fn a_redirect_within_the_wait_is_the_same_view_at_another_address() {
    let mut script = Script::new();
    script.at(0).state(SEEN).at(100).route(REPLACED).at(2_000);
    assert_eq!(
        views(&mut script),
        [(0, Told::Begin(First)), (100, Told::Begin(Again)), (350, Told::View(0, Load)),]
    );
}

#[test]
fn an_address_that_is_replaced_after_the_wait_is_a_view() {
    let mut script = Script::seen();
    script.at(1_000).route(REPLACED).at(2_000);
    assert_eq!(
        views(&mut script),
        [(1_000, Told::Begin(Next)), (1_250, Told::View(1_000, Routed)),]
    );
}

#[test]
fn a_page_that_works_on_its_route_is_told_once_it_has_done() {
    let mut script = Script::seen();
    script.at(1_000).route(Route { is_moving: true, ..PUSHED });
    script.at(4_000).settled();
    script.at(5_000);
    assert_eq!(
        views(&mut script),
        [(1_000, Told::Begin(Next)), (4_250, Told::View(1_000, Routed)),]
    );
}

#[test]
fn a_page_that_never_gets_done_is_told_after_ten_seconds() {
    let mut script = Script::seen();
    script.at(1_000).route(Route { is_moving: true, ..PUSHED }).at(60_000);
    assert_eq!(
        views(&mut script),
        [(1_000, Told::Begin(Next)), (11_000, Told::View(1_000, Routed)),]
    );
}

#[test]
fn a_route_of_a_hidden_page_is_a_view_once_it_is_seen() {
    let mut script = Script::seen();
    script.at(1_000).state(HIDDEN);
    script.at(2_000).route(PUSHED);
    script.at(3_000).route(REPLACED);
    script.at(4_000).state(SEEN).at(5_000);
    assert_eq!(
        views(&mut script),
        [(4_000, Told::Begin(Next)), (4_250, Told::View(4_000, Routed)),]
    );
}

#[test]
fn a_page_out_of_the_bfcache_is_a_view_that_came_from_where_the_first_one_did() {
    let mut script = Script::seen();
    script.at(1_000).state(HIDDEN);
    // Browsers differ in which of the two they tell first.
    script.at(9_000).state(SEEN).restore();
    script.at(9_500);
    assert_eq!(
        views(&mut script),
        [(9_000, Told::Begin(Again)), (9_250, Told::View(9_000, Restore)),]
    );
    script.at(10_000).state(HIDDEN);
    script.at(20_000).restore();
    script.at(20_003).state(SEEN).at(21_000);
    assert_eq!(
        views(&mut script),
        [(20_003, Told::Begin(Again)), (20_253, Told::View(20_003, Restore)),]
    );
}
