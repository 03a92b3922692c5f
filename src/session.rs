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
    /// Nothing has happened in it yet.
    is_empty: bool,
}

impl Session {
    /// A session that begins now.
    #[must_use]
    pub fn begin(now: UnixMs, rng: &mut Rng) -> Self {
        Self { id: rng.uuid_v7(now), last_event: now, is_empty: true }
    }

    /// Goes on with another page's session, whose last event was at `last_event`, unless this one
    /// has a later event.
    ///
    /// Whether it has ended meanwhile is decided at the next event, as for one's own.
    pub fn join(&mut self, id: Uuid, last_event: UnixMs) {
        if self.is_empty || last_event > self.last_event {
            *self = Self { id, last_event, is_empty: false };
        }
    }

    /// The current session's id.
    #[must_use]
    pub const fn id(&self) -> Uuid {
        self.id
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
        self.is_empty = false;
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
    fn a_page_goes_on_with_the_session_that_has_the_later_event() {
        let mut rng = Rng::new([1, 2, 3, 4]);
        let mut session = Session::begin(UnixMs(10), &mut rng);
        let (before, elsewhere) = (Uuid([1; 16]), Uuid([2; 16]));
        session.join(before, UnixMs(5));
        assert_eq!(session.touch(UnixMs(20), &mut rng), before, "the page had none of its own");
        session.join(elsewhere, UnixMs(20));
        assert_eq!(session.id(), before);
        session.join(elsewhere, UnixMs(21));
        assert_eq!(session.touch(UnixMs(22), &mut rng), elsewhere);
    }

    #[test]
    fn a_session_of_another_page_that_has_ended_is_not_gone_on_with() {
        let mut rng = Rng::new([1, 2, 3, 4]);
        let ended = Uuid([1; 16]);
        let mut session = Session::begin(UnixMs(SESSION_IDLE_MS + 1), &mut rng);
        session.join(ended, UnixMs(0));
        let id = session.touch(UnixMs(SESSION_IDLE_MS + 1), &mut rng);
        assert_eq!(id.v7_time(), Some(UnixMs(SESSION_IDLE_MS + 1)));
    }

    #[test]
    fn an_older_event_neither_ends_nor_shortens_the_session() {
        let mut rng = Rng::new([1, 2, 3, 4]);
        let mut session = Session::begin(UnixMs(SESSION_IDLE_MS), &mut rng);
        let id = session.touch(UnixMs(0), &mut rng);
        assert_eq!(session.touch(UnixMs(2 * SESSION_IDLE_MS), &mut rng), id);
    }
}
