//! One event out of the inbox: the twin of `src/effects/pack.js`.

use alloc::string::String;

use super::inbox::Inbox;
use crate::event::Event;
use crate::time::UnixMs;

/// Reads the row that `numbers` begins with, and returns what follows it; `None` at the end.
///
/// ```text
/// time  value  name  type  id  user  address  count     places in the inbox's strings
/// count × ( 4 × place of the property's name + kind     0 text, 1 whole number, 2 JSON
///           place of its text, or the number itself )
/// ```
pub fn read<'a: 'event, 'event>(
    inbox: &'a Inbox,
    numbers: &'a [f64],
    properties: &'event mut String,
) -> Option<(Event<'event>, &'a [f64])> {
    let (head, rest) = numbers.split_first_chunk::<8>()?;
    let &[time, value, name, entity_type, entity_id, user_id, _address, count] = head;
    let (pairs, rest) = rest.split_at_checked(count as usize * 2)?;
    let string = |place: f64| inbox.string(place as usize);
    properties.clear();
    for pair in pairs.chunks_exact(2) {
        let &[key, content] = pair else { break };
        properties.push(if properties.is_empty() { '{' } else { ',' });
        push_quoted(properties, string((key as u32 >> 2).into()));
        properties.push(':');
        match key as u32 & 3 {
            0 => push_quoted(properties, string(content)),
            1 => push_whole(properties, content as i64),
            _ => properties.push_str(string(content)),
        }
    }
    if !properties.is_empty() {
        properties.push('}');
    }
    let event = Event {
        occurred_at: UnixMs(time as i64),
        name: string(name),
        entity_type: string(entity_type),
        entity_id: string(entity_id),
        value,
        user_id: string(user_id),
        properties,
    };
    Some((event, rest))
}

/// A JSON string (RFC 8259, 7): quotes, backslashes and control characters are escaped.
fn push_quoted(json: &mut String, text: &str) {
    json.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => json.push('\\'),
            '\0'..='\x1f' => {
                json.push_str("\\u00");
                json.push(char::from(b'0' + (character as u8 >> 4)));
                let digit = character as u8 & 15;
                json.push(char::from(if digit < 10 { b'0' + digit } else { b'a' - 10 + digit }));
                continue;
            }
            _ => {}
        }
        json.push(character);
    }
    json.push('"');
}

fn push_whole(json: &mut String, number: i64) {
    if number < 0 {
        json.push('-');
    }
    crate::destination::push_decimal(json, number.unsigned_abs());
}
