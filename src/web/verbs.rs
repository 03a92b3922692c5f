//! The events of the product analytics client: what each function says, as a name and fields.
//!
//! Invariant: each of them is one event and nothing more. Nobody is remembered from one call to
//! the next; consent and a visitor's id are not here either.

use alloc::format;
use alloc::string::String;

use js_sys::{Array, Object};
use serde::Serialize;
use wasm_bindgen::JsValue;

use super::fetch::message;
use super::fields::Fields;
use super::json::{self, NotAnObject};
use super::tracker::Tracker;

/// `$group_<index>` are columns of the client's own table: five.
const GROUPS: u8 = 5;

type Properties = Result<String, NotAnObject>;

impl Tracker {
    /// `event` of the user `distinct_id`. Groups, each a type and a key, become the property
    /// `$groups`, and `$group_<index>` where their type has an index from 0 to 4 by
    /// [`Options::group_type_index`](super::Options::group_type_index).
    ///
    /// ```no_run
    /// # use tallymark::web::Tracker;
    /// #[derive(serde::Serialize)]
    /// struct Invoice {
    ///     amount: u32,
    /// }
    ///
    /// # fn example(tally: &Tracker) {
    /// tally.capture("7", "invoice paid", &Invoice { amount: 12 }, &[("company", "acme")]);
    /// tally.capture("7", "signed out", &(), &[]);
    /// # }
    /// ```
    pub fn capture<P: Serialize + ?Sized>(
        &self,
        distinct_id: &str,
        event: &str,
        properties: &P,
        groups: &[(&str, &str)],
    ) {
        let indexes = self.shell.group_type_indexes();
        let properties = json::object_text(properties);
        self.say(event, distinct_id, properties.and_then(|all| with_groups(all, groups, indexes)));
    }

    /// `$identify`: the properties of the user `distinct_id`, and all of them as `$set`, also where
    /// one of them has that name. Later events do not become this user's: name it in each.
    ///
    /// ```no_run
    /// # use tallymark::web::Tracker;
    /// #[derive(serde::Serialize)]
    /// struct Account<'a> {
    ///     plan: &'a str,
    /// }
    ///
    /// # fn example(tally: &Tracker) {
    /// tally.identify_event("7", &Account { plan: "pro" });
    /// # }
    /// ```
    pub fn identify_event<P: Serialize + ?Sized>(&self, distinct_id: &str, properties: &P) {
        let properties = json::object_text(properties);
        self.say("$identify", distinct_id, properties.and_then(|all| with_set(&all)));
    }

    /// `$groupidentify` of the group `key`, whose properties are `$group_set`.
    ///
    /// ```no_run
    /// # use tallymark::web::Tracker;
    /// #[derive(serde::Serialize)]
    /// struct Company {
    ///     size: u32,
    /// }
    ///
    /// # fn example(tally: &Tracker) {
    /// tally.group_identify("company", "acme", &Company { size: 3 });
    /// # }
    /// ```
    pub fn group_identify<P: Serialize + ?Sized>(
        &self,
        group_type: &str,
        key: &str,
        properties: &P,
    ) {
        let properties = json::object_text(properties);
        let properties = properties.and_then(|all| group_properties(group_type, key, &all));
        self.say("$groupidentify", key, properties);
    }

    /// `$create_alias`: `alias` and `distinct_id` are two ids of one user.
    ///
    /// ```no_run
    /// # use tallymark::web::Tracker;
    /// # fn example(tally: &Tracker) {
    /// tally.alias("7", "visitor-1");
    /// # }
    /// ```
    pub fn alias(&self, distinct_id: &str, alias: &str) {
        let members = [("alias", alias.into()), ("distinct_id", distinct_id.into())];
        self.say("$create_alias", distinct_id, json::with_members("", &members));
    }

    fn say(&self, name: &str, user_id: &str, properties: Properties) {
        self.track(name, Fields { properties, ..Fields::none().user(user_id) });
    }
}

/// The whole map of groups, and each one that has an index by that too.
fn with_groups(all: String, groups: &[(&str, &str)], indexes: &[(String, u8)]) -> Properties {
    if groups.is_empty() {
        return Ok(all);
    }
    let pair = |&(name, key): &(&str, &str)| Array::of2(&name.into(), &key.into());
    // Not member by member: `__proto__` is a name like any other here.
    let map = Object::from_entries(&groups.iter().map(pair).collect::<Array>());
    let map = map.map_err(|thrown| NotAnObject(message(&thrown)))?;
    let mut members = alloc::vec![(String::from("$groups"), JsValue::from(map))];
    for &(name, key) in groups {
        // The last word on a type counts.
        let index = indexes.iter().rev().find(|(known, _)| known == name).map(|&(_, index)| index);
        if let Some(index) = index.filter(|index| *index < GROUPS) {
            members.push((format!("$group_{index}"), key.into()));
        }
    }
    json::with_members(&all, &members)
}

/// A property that is itself named `$set` does not hide what is set.
fn with_set(all: &str) -> Properties {
    json::with_members(all, &[("$set", json::object(all)?)])
}

fn group_properties(group_type: &str, key: &str, all: &str) -> Properties {
    let members = [
        ("$group_type", group_type.into()),
        ("$group_key", key.into()),
        ("$group_set", json::object(all)?),
    ];
    json::with_members("", &members)
}
