//! An event's fields, put together before it is tracked.

use alloc::string::String;

use serde::Serialize;

use super::json::{self, NotAnObject};
use crate::time::UnixMs;

/// What an event says beyond its name; each field has a default.
///
/// ```no_run
/// use tallymark::web::Fields;
///
/// #[derive(serde::Serialize)]
/// struct Shelf {
///     aisle: u8,
///     promoted: Option<bool>,
/// }
///
/// let shelf = Shelf { aisle: 3, promoted: None };
/// let fields = Fields::entity("product", "sku-9").value(19.5).user("7").properties(&shelf);
/// ```
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    pub(super) entity_type: &'a str,
    pub(super) entity_id: &'a str,
    pub(super) value: f64,
    pub(super) user_id: &'a str,
    pub(super) occurred_at: Option<UnixMs>,
    /// JSON text, empty for none.
    pub(super) properties: Result<String, NotAnObject>,
}

impl<'a> Fields<'a> {
    /// No entity, value 1, nobody, now, no properties.
    #[must_use]
    pub const fn none() -> Self {
        Self::entity("", "")
    }

    /// The entity that it happened to: its type, at most
    /// [`EVENT_NAME_BYTES`](crate::limits::EVENT_NAME_BYTES), and its id, at most
    /// [`ID_BYTES`](crate::limits::ID_BYTES).
    #[must_use]
    pub const fn entity(entity_type: &'a str, entity_id: &'a str) -> Self {
        Self {
            entity_type,
            entity_id,
            value: 1.0,
            user_id: "",
            occurred_at: None,
            properties: Ok(String::new()),
        }
    }

    /// How much; 1 unless said, finite.
    #[must_use]
    pub const fn value(mut self, value: f64) -> Self {
        self.value = value;
        self
    }

    /// Who did it; nobody unless said. At most [`ID_BYTES`](crate::limits::ID_BYTES).
    #[must_use]
    pub const fn user(mut self, user_id: &'a str) -> Self {
        self.user_id = user_id;
        self
    }

    /// When it happened, by the clock of the device; the time of the call unless said.
    #[must_use]
    pub const fn occurred_at(mut self, at: UnixMs) -> Self {
        self.occurred_at = Some(at);
        self
    }

    /// Everything else: a type that serialises to an object, such as a struct or a map with text
    /// keys; `()` and `None` are none. At most [`STRING_BYTES`](crate::limits::STRING_BYTES) as
    /// JSON.
    ///
    /// | in Rust | in the column |
    /// |---|---|
    /// | `None`, a unit | `null` |
    /// | `NaN`, an infinite float | `null` |
    /// | an integer beyond ±(2⁵³ − 1) | its digits as a string: a JSON number would lose some |
    /// | bytes | an array of numbers |
    ///
    /// What cannot be an object (a list, a number, a map with other keys, an error of the type's
    /// own `Serialize`) drops the event as invalid when it is tracked.
    #[must_use]
    pub fn properties<P: Serialize + ?Sized>(mut self, properties: &P) -> Self {
        self.properties = json::object_text(properties);
        self
    }
}

impl Default for Fields<'_> {
    fn default() -> Self {
        Self::none()
    }
}
