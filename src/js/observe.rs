//! The npm package's module for automatic events: the observers behind plain numbers. It is fetched
//! where the option `auto` names something.
//!
//! Invariant: nothing here is allocated, so the module has no allocator and its memory never moves.

extern crate std;

use core::cell::{Cell, RefCell};

use wasm_bindgen::prelude::wasm_bindgen;

use crate::observe::click::Click;
use crate::observe::page_view::Route;
use crate::observe::{Observer, Output, State};
use crate::time::{Now, TickMs, UnixMs};

std::thread_local! {
    static OBSERVER: RefCell<Observer> = const { RefCell::new(Observer::NEW) };
    /// What `observe_poll` tells.
    static TOLD: Cell<[f64; 2]> = const { Cell::new([0.0; 2]) };
}

/// Does something with the observer; nothing while somebody else does, which never is: a panic
/// would bring its texts along.
#[inline(always)]
fn with<R: Default>(act: impl FnOnce(&mut Observer) -> R) -> R {
    OBSERVER.with(|it| it.try_borrow_mut().map_or_else(|_| R::default(), |mut it| act(&mut it)))
}

/// What happened, by its number in `src/effects/observe/observer.js`:
///
/// ```text
/// 0 state    flags: 1 visible, 2 focused, 4 prerendering
/// 1 input
/// 2 scroll   lower edge of the window, height of the page, both in px
/// 3 route    flags: 1 changed, 2 replaced, 4 moving
/// 4 settled
/// 5 restored
/// 6 add      key                                      gives the element's number, -1 for none
/// 7 ratio    element, ratio, area in px²
/// 8 timeout
/// 9 click    flags: 1 trusted, 2 main or middle, 4 marked, 8 link, 16 to the own host
///                                                     gives flags: 1 marked, 2 outbound
/// ```
#[wasm_bindgen]
#[must_use]
pub fn observe_handle(wall: f64, tick: f64, what: u32, a: f64, b: f64, c: f64) -> i32 {
    let now = Now { wall: UnixMs(wall as i64), tick: TickMs(tick as u64) };
    let flag = |bit: u32| a as u32 & bit != 0;
    with(|observer| {
        match what {
            0 => observer.handle_state(
                now,
                State { is_visible: flag(1), is_focused: flag(2), is_prerendering: flag(4) },
            ),
            1 => observer.handle_input(now),
            2 => observer.handle_scroll(a, b),
            3 => observer.handle_route(
                now,
                Route { is_changed: flag(1), is_replaced: flag(2), is_moving: flag(4) },
            ),
            4 => observer.handle_settled(now),
            5 => observer.handle_restore(now),
            6 => return observer.add(a as u16).map_or(-1, |element| element as i32),
            7 => observer.handle_ratio(now, a as usize, b, c),
            8 => observer.handle_timeout(now),
            _ => {
                let (is_marked, is_outbound) = Click {
                    is_trusted: flag(1),
                    is_main_or_middle: flag(2),
                    is_marked: flag(4),
                    is_link: flag(8),
                    is_own_host: flag(16),
                }
                .counts();
                return i32::from(is_marked) + 2 * i32::from(is_outbound);
            }
        }
        0
    })
}

/// Says what to do next, by its number; belongs behind every other call but input, scroll, add and
/// click, until it says 0. The numbers with it stand where `observe_told` says.
///
/// ```text
/// 0 wake        milliseconds from now, negative for never
/// 1 begin       0 first, 1 next, 2 again
/// 2 view        Unix ms, 0 load, 1 route, 2 restore
/// 3 engagement  ms, percent
/// 4 impression  key
/// 5 dwell       key, ms
/// ```
#[wasm_bindgen]
#[must_use]
pub fn observe_poll(tick: f64) -> u32 {
    with(|observer| {
        let (kind, first, second) = match observer.poll_output() {
            Output::Wake(TickMs::NEVER) => (0, -1, 0),
            Output::Wake(at) => (0, at.since_ms(TickMs(tick as u64)) as i64, 0),
            Output::Begin(begin) => (1, begin as i64, 0),
            Output::View(view) => (2, view.at.0, view.navigation as u64),
            Output::Engagement(engaged) => (3, engaged.ms as i64, engaged.scroll_percent.into()),
            Output::Impression { key } => (4, key as i64, 0),
            Output::Dwell { key, ms } => (5, key as i64, ms),
        };
        TOLD.set([first as f64, second as f64]);
        kind
    })
}

/// Where the two numbers of `observe_poll` stand.
#[wasm_bindgen]
#[must_use]
pub fn observe_told() -> usize {
    TOLD.with(|told| told.as_ptr() as usize)
}
