//! Impressions and dwell times of marked elements.

use super::{HIDDEN, PUSHED, SEEN, Script, Told};
use tallymark::limits::OBSERVED_ELEMENTS;

const SMALL_PX: f64 = 242_499.0;
const LARGE_PX: f64 = 242_500.0;

/// A document that is seen from tick 0 on, its first view told, with elements for these keys.
fn with(keys: &[u16]) -> Script {
    let mut script = Script::seen();
    for (number, &key) in keys.iter().enumerate() {
        assert_eq!(script.observer.add(key), Some(number));
    }
    script
}

fn impressions(script: &mut Script) -> Vec<(u64, Told)> {
    let mut told = script.take();
    told.retain(|(_, told)| matches!(told, Told::Impression(_)));
    told
}

fn dwell(script: &mut Script) -> Vec<(u64, Told)> {
    let mut told = script.take();
    told.retain(|(_, told)| matches!(told, Told::Dwell(..)));
    told
}

#[test]
fn half_of_an_element_for_a_second_is_an_impression() {
    let mut script = with(&[0]);
    script.at(1_000).ratio(0, 0.5, SMALL_PX);
    script.at(1_999);
    assert_eq!(impressions(&mut script), []);
    script.at(2_000);
    assert_eq!(impressions(&mut script), [(2_000, Told::Impression(0))]);
}

#[test]
fn less_than_half_is_none_but_30_percent_of_a_large_element_are_enough() {
    let mut script = with(&[0, 1, 2]);
    script.at(1_000).ratio(0, 0.49, SMALL_PX).ratio(1, 0.3, LARGE_PX).ratio(2, 0.29, LARGE_PX);
    script.at(60_000);
    assert_eq!(impressions(&mut script), [(2_000, Told::Impression(1))]);
}

#[test]
fn an_element_without_an_area_is_not_seen() {
    let mut script = with(&[0, 1]);
    script.at(1_000).ratio(0, 1.0, 0.0).ratio(1, f64::NAN, SMALL_PX).at(60_000);
    assert_eq!(impressions(&mut script), []);
}

#[test]
fn the_second_has_no_break() {
    let mut script = with(&[0]);
    script.at(1_000).ratio(0, 1.0, SMALL_PX);
    script.at(1_999).ratio(0, 0.0, SMALL_PX);
    script.at(2_100).ratio(0, 1.0, SMALL_PX);
    script.at(3_000).state(HIDDEN);
    script.at(9_000).state(SEEN);
    assert_eq!(impressions(&mut script), []);
    script.at(20_000);
    assert_eq!(impressions(&mut script), [(10_000, Told::Impression(0))]);
}

#[test]
fn a_second_that_is_over_counts_although_its_timer_is_late() {
    let mut script = with(&[0, 1]);
    script.at(1_000).ratio(0, 1.0, SMALL_PX).ratio(1, 1.0, SMALL_PX);
    // The page was busy, and both have gone before the timer came.
    script.tick = 2_500;
    script.ratio(0, 0.0, SMALL_PX).state(HIDDEN);
    assert_eq!(
        impressions(&mut script),
        [(2_500, Told::Impression(0)), (2_500, Told::Impression(1)),]
    );
}

#[test]
fn a_key_has_one_impression_a_page_view_whichever_of_its_elements_is_seen() {
    let mut script = with(&[0, 0]);
    script.at(1_000).ratio(0, 1.0, SMALL_PX);
    script.at(3_000).ratio(0, 0.0, SMALL_PX).ratio(1, 1.0, SMALL_PX);
    script.at(9_000).ratio(1, 0.0, SMALL_PX).ratio(0, 1.0, SMALL_PX);
    script.at(20_000);
    assert_eq!(impressions(&mut script), [(2_000, Told::Impression(0))]);
    script.route(PUSHED);
    assert_eq!(script.observer.add(0), Some(0));
    script.ratio(0, 1.0, SMALL_PX).at(30_000);
    assert_eq!(impressions(&mut script), [(21_000, Told::Impression(0))]);
}

#[test]
fn an_element_that_hands_over_to_its_twin_without_a_break_goes_on() {
    let mut script = with(&[0, 0]);
    script.at(1_000).ratio(0, 1.0, SMALL_PX);
    script.at(1_500).ratio(1, 1.0, SMALL_PX).ratio(0, 0.0, SMALL_PX);
    script.at(9_000);
    assert_eq!(impressions(&mut script), [(2_000, Told::Impression(0))]);
}

#[test]
fn dwell_time_is_what_was_in_the_window_of_what_was_seen() {
    let mut script = with(&[0, 1]);
    script.at(1_000).ratio(0, 1.0, SMALL_PX).ratio(1, 1.0, SMALL_PX);
    // Too short for an impression.
    script.at(1_600).ratio(1, 0.0, SMALL_PX);
    script.at(4_000).ratio(0, 0.0, SMALL_PX);
    script.at(5_000).ratio(0, 0.7, SMALL_PX);
    script.at(5_500).state(HIDDEN);
    assert_eq!(dwell(&mut script), [(5_500, Told::Dwell(0, 3_500))]);
    script.at(9_000).state(SEEN);
    script.at(9_100).state(HIDDEN);
    assert_eq!(dwell(&mut script), [(9_100, Told::Dwell(0, 100))]);
}

#[test]
fn dwell_time_of_a_forgotten_tab_ends_half_a_minute_after_the_last_input() {
    let mut script = with(&[0]);
    script.at(1_000).ratio(0, 1.0, SMALL_PX).at(2_000).input();
    script.at(12 * 3_600_000).state(HIDDEN);
    assert_eq!(dwell(&mut script), [(43_200_000, Told::Dwell(0, 31_000))]);
}

#[test]
fn a_route_tells_the_dwell_time_and_forgets_the_elements() {
    let mut script = with(&[0]);
    script.at(1_000).ratio(0, 1.0, SMALL_PX).at(4_000).route(PUSHED);
    assert_eq!(dwell(&mut script), [(4_000, Told::Dwell(0, 3_000))]);
    // A report of the browser's that was on its way.
    script.ratio(0, 0.0, SMALL_PX).at(9_000).state(HIDDEN);
    assert_eq!(dwell(&mut script), []);
}

#[test]
fn elements_over_the_bound_are_not_watched() {
    let mut script = Script::seen();
    for number in 0..OBSERVED_ELEMENTS {
        assert_eq!(script.observer.add(number as u16), Some(number));
    }
    assert_eq!(script.observer.add(0), None);
}
