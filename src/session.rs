//! Sessions: activity without a pause of half an hour has one id.

use crate::limits::SESSION_IDLE_MS;
use crate::rng::{Rng, Uuid};
use crate::time::UnixMs;

/// The current session. It ends after [`SESSION_IDLE_MS`] without an event, the definition that
/// Google Analytics has made the field's.
#[derive(Clone, Debug)]
pub struct Session {
    id: Uuid,
    last_event: UnixMs,
}

impl Session {
    /// A session that begins now.
    #[must_use]
    pub fn begin(now: UnixMs, rng: &mut Rng) -> Self {
        Self { id: rng.uuid_v7(now), last_event: now }
    }

    /// The id for an event at `occurred_at`: the current session's, or a new one's after a pause.
    ///
    /// An event that is older than the last one belongs to the current session and does not
    /// shorten it: rows of a burst come with the times of their calls.
    pub fn touch(&mut self, occurred_at: UnixMs, rng: &mut Rng) -> Uuid {
        if occurred_at.since_ms(self.last_event) > SESSION_IDLE_MS {
            *self = Self::begin(occurred_at, rng);
        }
        self.last_event = self.last_event.max(occurred_at);
        self.id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_lasts_through_the_limit_and_ends_one_millisecond_after_it() {
        let mut rng = Rng::new([1, 2, 3, 4]);
        let mut session = Session::begin(UnixMs(0), &mut rng);
        let first = session.touch(UnixMs(SESSION_IDLE_MS), &mut rng);
        assert_eq!(session.touch(UnixMs(2 * SESSION_IDLE_MS), &mut rng), first);
        let second = session.touch(UnixMs(3 * SESSION_IDLE_MS + 1), &mut rng);
        assert_ne!(second, first);
        assert_eq!(second.v7_time(), Some(UnixMs(3 * SESSION_IDLE_MS + 1)));
    }

    #[test]
    fn an_older_event_neither_ends_nor_shortens_the_session() {
        let mut rng = Rng::new([1, 2, 3, 4]);
        let mut session = Session::begin(UnixMs(SESSION_IDLE_MS), &mut rng);
        let id = session.touch(UnixMs(0), &mut rng);
        assert_eq!(session.touch(UnixMs(2 * SESSION_IDLE_MS), &mut rng), id);
    }
}
