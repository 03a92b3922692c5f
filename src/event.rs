//! What a shell hands over: one event, and the page on which it happened.

use crate::error::DropReason;
use crate::limits::{EVENT_NAME_BYTES, ID_BYTES, STRING_BYTES};
use crate::time::UnixMs;

/// One thing that happened, borrowed from the shell for the length of one call.
///
/// The core adds what the shell does not know: session, page id and sequence number.
///
/// ```
/// use tallymark::{event::Event, time::UnixMs};
///
/// let event = Event { name: "view", entity_type: "post", entity_id: "42", ..Event::at(UnixMs(1)) };
/// assert_eq!(event.check(), Ok(()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Event<'a> {
    /// When it happened, by the clock of the device: the time of the call, not of the flush.
    pub occurred_at: UnixMs,
    /// What happened: `view`, `like`, … At most [`EVENT_NAME_BYTES`], never empty.
    pub name: &'a str,
    /// What kind of thing it happened to: `post`. At most [`EVENT_NAME_BYTES`].
    pub entity_type: &'a str,
    /// Which one. At most [`ID_BYTES`].
    pub entity_id: &'a str,
    /// How much; 1 for an event that is merely counted. Finite.
    pub value: f64,
    /// Who did it, empty when nobody is known. At most [`ID_BYTES`].
    pub user_id: &'a str,
    /// Everything else as the text of one JSON object, empty for none. At most [`STRING_BYTES`].
    pub properties: &'a str,
}

impl Event<'_> {
    /// An event of value 1 at `occurred_at`, to be completed by struct update.
    #[must_use]
    pub const fn at(occurred_at: UnixMs) -> Self {
        Self {
            occurred_at,
            name: "",
            entity_type: "",
            entity_id: "",
            value: 1.0,
            user_id: "",
            properties: "",
        }
    }

    /// Whether every field keeps its bound.
    ///
    /// # Errors
    ///
    /// [`DropReason::INVALID`] for an empty name, a value that is not finite, a time before 1970,
    /// or a field over its limit.
    pub fn check(&self) -> Result<(), DropReason> {
        let fits = !self.name.is_empty()
            && self.name.len() <= EVENT_NAME_BYTES
            && self.entity_type.len() <= EVENT_NAME_BYTES
            && self.entity_id.len() <= ID_BYTES
            && self.user_id.len() <= ID_BYTES
            && self.properties.len() <= STRING_BYTES
            && self.value.is_finite()
            && self.occurred_at.0 >= 0;
        if fits { Ok(()) } else { Err(DropReason::INVALID) }
    }
}

/// The page on which events happen: where it is, and where its visitor came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Page<'a> {
    /// `location.hostname`.
    pub hostname: &'a str,
    /// `location.pathname`.
    pub pathname: &'a str,
    /// `document.referrer`.
    pub referrer: &'a str,
    /// The address's `utm_source`.
    pub utm_source: &'a str,
    /// The address's `utm_medium`.
    pub utm_medium: &'a str,
    /// The address's `utm_campaign`.
    pub utm_campaign: &'a str,
    /// Who visits, empty unless the site asked for it and the visitor allows it. At most
    /// [`ID_BYTES`].
    pub visitor_id: &'a str,
}

impl<'a> Page<'a> {
    /// A page by its texts, in the order of the fields.
    #[must_use]
    pub const fn of(texts: [&'a str; 7]) -> Self {
        let [hostname, pathname, referrer, utm_source, utm_medium, utm_campaign, visitor_id] =
            texts;
        Self { hostname, pathname, referrer, utm_source, utm_medium, utm_campaign, visitor_id }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    fn good() -> Event<'static> {
        Event { name: "view", entity_type: "post", entity_id: "42", ..Event::at(UnixMs(1)) }
    }

    #[test]
    fn s1_5_an_event_needs_a_name_and_may_leave_out_the_rest() {
        assert_eq!(Event { name: "view", ..Event::at(UnixMs(1)) }.check(), Ok(()));
        assert_eq!(Event { name: "", ..good() }.check(), Err(DropReason::INVALID));
    }

    #[test]
    fn a_value_that_is_not_finite_is_invalid() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(Event { value, ..good() }.check(), Err(DropReason::INVALID));
        }
    }

    #[test]
    fn a_time_before_1970_is_invalid() {
        let event = Event { occurred_at: UnixMs(-1), ..good() };
        assert_eq!(event.check(), Err(DropReason::INVALID));
    }

    #[test]
    fn each_field_is_taken_at_its_limit_and_refused_one_byte_over_it() {
        type Put = for<'a> fn(Event<'a>, &'a str) -> Event<'a>;
        let fields: [(usize, Put); 5] = [
            (EVENT_NAME_BYTES, |e, name| Event { name, ..e }),
            (EVENT_NAME_BYTES, |e, entity_type| Event { entity_type, ..e }),
            (ID_BYTES, |e, entity_id| Event { entity_id, ..e }),
            (ID_BYTES, |e, user_id| Event { user_id, ..e }),
            (STRING_BYTES, |e, properties| Event { properties, ..e }),
        ];
        for (limit, put) in fields {
            let text = String::from_utf8(alloc::vec![b'x'; limit + 1]).unwrap();
            assert_eq!(put(good(), &text[..limit]).check(), Ok(()), "{limit}");
            assert_eq!(put(good(), &text).check(), Err(DropReason::INVALID), "{limit}");
        }
    }
}
