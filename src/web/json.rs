//! A type of the application's as the JSON text of one object.
//!
//! serde-wasm-bindgen and the browser's own `JSON.stringify`: an application in the browser has
//! the latter for nothing, where a writer of its own would be downloaded.

use alloc::string::String;

use js_sys::{BigInt, JSON, Number, Object, Reflect};
use serde::Serialize;
use serde_wasm_bindgen::Serializer;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::{Closure, JsValue};

use super::fetch::message;

/// The properties are no JSON object; the browser's or the type's own words say why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAnObject(pub String);

/// `value` as the text of an object; empty for `()` and `None`.
pub fn object_text<T: Serialize + ?Sized>(value: &T) -> Result<String, NotAnObject> {
    let text = plain(value).or_else(|_| with_large_numbers(value));
    let text = text.map_err(|error| NotAnObject(message(&error)))?;
    match text.as_bytes() {
        [b'{', ..] => Ok(text),
        b"null" => Ok(String::new()),
        _ => Err(NotAnObject(String::from("they are not an object"))),
    }
}

/// The object that a text of [`object_text`] stands for.
pub fn object(text: &str) -> Result<JsValue, NotAnObject> {
    if text.is_empty() {
        return Ok(Object::new().into());
    }
    JSON::parse(text).map_err(|thrown| NotAnObject(message(&thrown)))
}

/// A text of [`object_text`] with members put in: each takes the place of one of its name.
pub fn with_members<N: AsRef<str>>(
    text: &str,
    members: &[(N, JsValue)],
) -> Result<String, NotAnObject> {
    let put_in = || -> Result<String, JsValue> {
        let object = object(text).map_err(|NotAnObject(why)| JsValue::from(why))?;
        for (name, value) in members {
            Reflect::set(&object, &name.as_ref().into(), value)?;
        }
        JSON::stringify(&object).map(String::from)
    };
    put_in().map_err(|thrown| NotAnObject(message(&thrown)))
}

/// The usual case: every integer is a JavaScript number.
fn plain<T: Serialize + ?Sized>(value: &T) -> Result<String, JsValue> {
    let value = value.serialize(&Serializer::json_compatible())?;
    JSON::stringify(&value).map(String::from)
}

/// 64-bit integers come as BigInt, which `JSON.stringify` refuses by itself. The call into Rust
/// for each value makes this far slower than [`plain`], so it comes second.
fn with_large_numbers<T: Serialize + ?Sized>(value: &T) -> Result<String, JsValue> {
    let serializer = Serializer::json_compatible().serialize_large_number_types_as_bigints(true);
    let value = value.serialize(&serializer)?;
    let replacer = Closure::<dyn Fn(JsValue, JsValue) -> JsValue>::new(|_key, value: JsValue| {
        value.dyn_into::<BigInt>().map_or_else(|value| value, |number| number_or_text(&number))
    });
    JSON::stringify_with_replacer(&value, replacer.as_ref()).map(String::from)
}

/// The integer as a JavaScript number if that loses nothing, else its digits.
fn number_or_text(integer: &BigInt) -> JsValue {
    let Ok(digits) = integer.to_string(10) else { return JsValue::NULL };
    match JSON::parse(&String::from(&digits)) {
        Ok(number) if Number::is_safe_integer(&number) => number,
        _ => digits.into(),
    }
}
