//! The observers under scripted timelines: every input at its tick, every output with its own.

mod engagement;
mod impression;
mod page_view;

use tallymark::observe::engagement::Engaged;
use tallymark::observe::page_view::{Begin, Navigation, Route, View};
use tallymark::observe::{Observer, Output, State};
use tallymark::time::{Now, TickMs, UnixMs};

/// What the wall clock says at tick 0.
const WALL_MS: i64 = 1_800_000_000_000;

const SEEN: State = State { is_visible: true, is_focused: true, is_prerendering: false };
const HIDDEN: State = State { is_visible: false, is_focused: false, is_prerendering: false };
const PUSHED: Route = Route { is_changed: true, is_replaced: false, is_moving: false };
const REPLACED: Route = Route { is_replaced: true, ..PUSHED };

/// One document and its shell, which comes back exactly when it was asked to.
struct Script {
    observer: Box<Observer>,
    tick: u64,
    wake: TickMs,
    /// What was told since it was last taken, with the tick at which it was.
    told: Vec<(u64, Told)>,
}

/// An output, times relative to tick 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Begin(Begin),
    View(i64, Navigation),
    Engagement(u64, u8),
    Impression(usize),
    Dwell(usize, u64),
}

impl Script {
    fn new() -> Self {
        let observer = Box::new(Observer::NEW);
        Self { observer, tick: 0, wake: TickMs::NEVER, told: Vec::new() }
    }

    /// A document that is seen from tick 0 on and has told so.
    fn seen() -> Self {
        let mut script = Self::new();
        script.at(0).state(SEEN);
        script.at(250);
        script.take();
        script
    }

    /// Lets time go by up to `tick`.
    fn at(&mut self, tick: u64) -> &mut Self {
        while self.wake <= TickMs(tick) {
            self.tick = self.wake.0;
            self.observer.handle_timeout(self.now());
            self.poll();
        }
        self.tick = tick;
        self
    }

    fn state(&mut self, state: State) -> &mut Self {
        self.observer.handle_state(self.now(), state);
        self.poll()
    }

    fn input(&mut self) {
        self.observer.handle_input(self.now());
    }

    fn route(&mut self, route: Route) -> &mut Self {
        self.observer.handle_route(self.now(), route);
        self.poll()
    }

    fn settled(&mut self) {
        self.observer.handle_settled(self.now());
        self.poll();
    }

    fn restore(&mut self) {
        self.observer.handle_restore(self.now());
        self.poll();
    }

    fn ratio(&mut self, element: usize, ratio: f64, area_px: f64) -> &mut Self {
        self.observer.handle_ratio(self.now(), element, ratio, area_px);
        self.poll()
    }

    /// Everything told since the last time.
    fn take(&mut self) -> Vec<(u64, Told)> {
        std::mem::take(&mut self.told)
    }

    fn now(&self) -> Now {
        Now { wall: UnixMs(WALL_MS + self.tick as i64), tick: TickMs(self.tick) }
    }

    fn poll(&mut self) -> &mut Self {
        loop {
            let told = match self.observer.poll_output() {
                Output::Wake(at) => {
                    self.wake = at;
                    return self;
                }
                Output::Begin(begin) => Told::Begin(begin),
                Output::View(View { at, navigation }) => Told::View(at.0 - WALL_MS, navigation),
                Output::Engagement(Engaged { ms, scroll_percent }) => {
                    Told::Engagement(ms, scroll_percent)
                }
                Output::Impression { key } => Told::Impression(key),
                Output::Dwell { key, ms } => Told::Dwell(key, ms),
            };
            self.told.push((self.tick, told));
        }
    }
}
