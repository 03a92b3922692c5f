//! One event out of the inbox: the twin of `src/effects/pack.js`.

use super::inbox::Inbox;
use crate::event::Event;
use crate::time::UnixMs;

/// Reads the row that `numbers` begins with, and returns what follows it; `None` at the end.
///
/// ```text
/// time  value  name  type  id  user  properties     places in the inbox's strings
/// ```
pub fn read<'a>(inbox: &'a Inbox, numbers: &'a [f64]) -> Option<(Event<'a>, &'a [f64])> {
    let (&[time, value, name, entity_type, entity_id, user_id, properties], rest) =
        numbers.split_first_chunk()?;
    let string = |place: f64| inbox.string(place as usize);
    let event = Event {
        occurred_at: UnixMs(time as i64),
        name: string(name),
        entity_type: string(entity_type),
        entity_id: string(entity_id),
        value,
        user_id: string(user_id),
        properties: string(properties),
    };
    Some((event, rest))
}
