//! One page of one tab: the real tracker, driven as a shell would drive it.

use tallymark::destination::Destination;
use tallymark::drops::PageDrops;
use tallymark::time::{Now, TickMs, UnixMs};
use tallymark::tracker::{Config, OnFailure, Tracker};

use crate::browser::PageId;
use crate::dice::Dice;
use crate::edge::{self, ORIGIN};
use crate::receiver::Reply;

/// Two minutes before a month ends: 2026-11-30T23:58:00Z.
pub const EPOCH: i64 = 1_796_083_200_000 - 120_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Visible,
    /// Timers come once a second.
    Hidden,
    /// Nothing runs.
    Frozen,
    /// Nothing runs, and `pagehide` has been.
    Cached,
    Gone,
}

/// What waits while nothing runs.
#[derive(Debug)]
pub enum Callback {
    Answer(tallymark::outbox::SendId, Reply),
    Stored(tallymark::journal::StoreId, u32),
}

#[derive(Debug)]
pub struct Page {
    pub id: PageId,
    pub tracker: Tracker,
    pub destination: usize,
    pub state: State,
    pub config: Config,
    /// Its clock against the true one.
    pub skew_ms: i64,
    pub has_storage: bool,
    pub wake: u64,
    pub callbacks: Vec<Callback>,
    /// Since when the tracker has said without a break that what waits is safe.
    pub storing_since: Option<u64>,
    /// The last transaction that failed.
    pub failed_at: Option<u64>,
    /// The longest that a transaction took.
    pub slowest_ms: u64,
    /// When `pagehide` came, and whether storage was well then.
    pub hidden_over: Option<(u64, bool)>,
    pub frozen_at: Option<u64>,
    /// When it was last frozen, and when that ended.
    pub thawed: Option<(u64, u64)>,
    /// Batches that went together with their record, not after it.
    pub sent_at_leave: Vec<tallymark::rng::Uuid>,
    /// Batches that it still had when it gave up the journal with their records on the way.
    pub given_up: Vec<tallymark::rng::Uuid>,
    /// Journals in which it has found nothing for itself this time.
    pub passed: Vec<tallymark::rng::Uuid>,
    /// How many page views it has had before this one.
    pub view: u32,
    /// What was dropped on this page view, and the batch that tells it.
    pub drops: PageDrops,
    pub told_in: Option<tallymark::rng::Uuid>,
}

/// What all pages of a run have in common.
#[derive(Clone, Debug)]
pub struct Site {
    pub max_rows: u32,
    pub max_bytes: u32,
    pub max_time_ms: u32,
    pub max_waiting_rows: u32,
    pub journal_bytes: u32,
    pub on_failure: OnFailure,
    /// The browser's clock against the true one.
    pub skew_ms: i64,
}

impl Site {
    pub fn draw(dice: &mut Dice) -> Self {
        let is_tight = dice.chance(40);
        let max_rows = dice.between(5, if is_tight { 15 } else { 60 }) as u32;
        let modes = [OnFailure::Persist, OnFailure::Requeue, OnFailure::Discard];
        Self {
            max_rows,
            max_bytes: dice.pick(&[3_000, 8_000, 56_000]),
            max_time_ms: dice.between(500, 10_000) as u32,
            max_waiting_rows: if is_tight { dice.between(20, 60) as u32 } else { 20_000 },
            journal_bytes: if dice.chance(25) {
                dice.between(1_500, 6_000) as u32
            } else {
                524_288
            },
            on_failure: if dice.chance(90) { modes[0] } else { dice.pick(&modes) },
            skew_ms: if dice.chance(20) { dice.pick(&[-20, 20]) * 3_600_000 } else { 0 },
        }
    }

    pub fn config(&self, destination: usize) -> Config {
        let endpoint = ORIGIN.into();
        let key = edge::key(destination).into();
        Config {
            max_rows: self.max_rows,
            max_bytes: self.max_bytes,
            max_time_ms: self.max_time_ms,
            max_waiting_rows: self.max_waiting_rows,
            journal_bytes: self.journal_bytes,
            on_failure: self.on_failure,
            ..Config::new(Destination::Worker { endpoint, key }.target("events"))
        }
    }
}

impl Page {
    pub fn now(&self, tick: u64, slept_ms: i64) -> Now {
        now(tick, slept_ms, self.skew_ms)
    }

    pub fn runs(&self) -> bool {
        matches!(self.state, State::Visible | State::Hidden)
    }

    /// Whether the site still tracks on it.
    pub fn takes_events(&self) -> bool {
        self.runs() && self.hidden_over.is_none()
    }

    pub fn is_alive(&self) -> bool {
        self.state != State::Gone
    }
}

pub fn now(tick: u64, slept_ms: i64, skew_ms: i64) -> Now {
    Now { wall: UnixMs(EPOCH + tick as i64 + slept_ms + skew_ms), tick: TickMs(tick) }
}
