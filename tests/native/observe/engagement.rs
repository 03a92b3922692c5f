//! Engagement: what is told when, over hides, routes and sleep.

use super::{HIDDEN, PUSHED, SEEN, Script, State, Told};
use tallymark::observe::page_view::Begin;

/// The engagement among what was told.
fn engagement(script: &mut Script) -> Vec<(u64, Told)> {
    let mut told = script.take();
    told.retain(|(_, told)| matches!(told, Told::Engagement(..)));
    told
}

#[test]
fn three_seconds_of_reading_are_three_seconds() {
    let mut script = Script::new();
    script.at(0).state(SEEN).at(3_000).state(HIDDEN);
    assert_eq!(engagement(&mut script), [(3_000, Told::Engagement(3_000, 0))]);
}

#[test]
fn a_page_without_the_focus_is_not_read() {
    let unfocused = State { is_focused: false, ..SEEN };
    let mut script = Script::new();
    script.at(0).state(unfocused);
    script.at(1_000).state(SEEN);
    script.at(3_000).state(unfocused);
    script.at(8_000).state(SEEN);
    script.at(8_500).state(HIDDEN);
    assert_eq!(engagement(&mut script), [(8_500, Told::Engagement(2_500, 0))]);
}

#[test]
fn a_page_that_nobody_saw_tells_nothing() {
    let mut script = Script::new();
    script.at(0).state(HIDDEN);
    script.at(9_000).state(HIDDEN);
    script.at(9_001).state(State { is_prerendering: true, ..SEEN });
    script.at(20_000).state(HIDDEN);
    assert_eq!(script.take(), []);
}

#[test]
fn each_hide_tells_what_came_since_the_last() {
    let mut script = Script::new();
    script.at(0).state(SEEN).at(2_000).state(HIDDEN);
    script.at(60_000).state(SEEN).at(61_234).state(HIDDEN);
    // `pagehide` follows `visibilitychange`.
    script.at(61_235).state(HIDDEN);
    assert_eq!(
        engagement(&mut script),
        [(2_000, Told::Engagement(2_000, 0)), (61_234, Told::Engagement(1_234, 0)),]
    );
}

#[test]
fn a_forgotten_tab_counts_half_a_minute_after_its_last_input() {
    let mut script = Script::new();
    script.at(0).state(SEEN).at(5_000).input();
    script.at(12 * 3_600_000).state(HIDDEN);
    assert_eq!(engagement(&mut script), [(43_200_000, Told::Engagement(35_000, 0))]);
}

#[test]
fn a_machine_that_slept_counts_half_a_minute_more_and_goes_on_at_the_next_input() {
    let mut script = Script::new();
    script.at(0).state(SEEN).at(10_000).input();
    // It sleeps for eight hours: no event says so, the tick has moved.
    script.at(8 * 3_600_000).input();
    script.at(8 * 3_600_000 + 4_000).state(HIDDEN);
    assert_eq!(engagement(&mut script), [(28_804_000, Told::Engagement(44_000, 0))]);
}

#[test]
fn a_route_ends_one_page_views_engagement_before_the_next_begins() {
    let mut script = Script::seen();
    script.observer.handle_scroll(800.0, 1_000.0);
    script.at(4_000).route(PUSHED);
    script.at(5_500).state(HIDDEN);
    let mut told = script.take();
    told.retain(|(_, told)| !matches!(told, Told::View(..)));
    assert_eq!(
        told,
        [
            (4_000, Told::Engagement(4_000, 80)),
            (4_000, Told::Begin(Begin::Next)),
            (5_500, Told::Engagement(1_500, 0)),
        ]
    );
}

#[test]
fn a_redirect_ends_nothing() {
    let mut script = Script::new();
    script.at(0).state(SEEN).at(100).route(super::REPLACED).at(3_000).state(HIDDEN);
    assert_eq!(engagement(&mut script), [(3_000, Told::Engagement(3_000, 0))]);
}
