//! The two clocks: wall time says when something happened, ticks say when something is due.
//!
//! They are two types because a laptop's wall clock jumps and its tick counter does not: a
//! deadline kept in wall time would stall for an hour when the user corrects the clock by one.

/// A point in wall time, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixMs(pub i64);

impl UnixMs {
    /// This point plus `ms` milliseconds, saturating.
    #[must_use]
    pub const fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this point; negative when `earlier` is in fact later.
    #[must_use]
    pub const fn since_ms(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// A point on a monotonic clock, in milliseconds since an origin that only its owner knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TickMs(pub u64);

impl TickMs {
    /// Later than everything that happens.
    pub const NEVER: Self = Self(u64::MAX);

    /// This point plus `ms` milliseconds; [`TickMs::NEVER`] is no point to add to.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self(self.0 + ms)
    }

    /// Milliseconds from `earlier` to this point, 0 when `earlier` is later.
    #[must_use]
    pub const fn since_ms(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Both clocks, read at once by the shell and passed to every `handle_*`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// What the wall clock says: `Date.now()` in a page.
    pub wall: UnixMs,
    /// What the monotonic clock says: `performance.now()` in a page, rounded down.
    pub tick: TickMs,
}
