//! Finding things in replies whose exact form is not certain.

use std::fmt;

use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value};

use crate::assumptions;

/// Why a reply that is valid JSON is not what was asked for. Names keys, never values.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ShapeError(String);

impl ShapeError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What can be read out of a reply.
pub(crate) trait FromReply: Sized {
    fn from_reply(reply: Value) -> Result<Self, ShapeError>;
}

/// A reply read as `T`. Being [`Deserialize`], a wrong shape is classified where bad JSON is: in `outbound`.
pub(crate) struct Reply<T>(pub(crate) T);

impl<'de, T: FromReply> Deserialize<'de> for Reply<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let reply = Value::deserialize(deserializer)?;
        T::from_reply(reply).map(Reply).map_err(de::Error::custom)
    }
}

/// The value at `path`, an empty path being the value itself.
pub(crate) fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |inner, key| inner.get(key))
}

fn take(value: &mut Value, path: &[&str]) -> Option<Value> {
    let inner = path.iter().try_fold(value, |inner, key| inner.get_mut(*key))?;
    Some(inner.take())
}

/// Takes the list at the first of `places` that holds one.
pub(crate) fn list(mut reply: Value, places: &[&[&str]]) -> Result<Vec<Value>, ShapeError> {
    let place = places.iter().find(|path| at(&reply, path).is_some_and(Value::is_array));
    match place.and_then(|path| take(&mut reply, path)) {
        Some(Value::Array(items)) => Ok(items),
        _ => Err(ShapeError::new(format!("no list at {}", described(places)))),
    }
}

/// Takes the object at the first of `places` that holds one with one of `keys`.
pub(crate) fn object(mut reply: Value, places: &[&[&str]], keys: &[&str]) -> Result<Map<String, Value>, ShapeError> {
    let place = places.iter().find(|path| {
        at(&reply, path).and_then(Value::as_object).is_some_and(|object| text_of_any(object, keys).is_some())
    });
    match place.and_then(|path| take(&mut reply, path)) {
        Some(Value::Object(object)) => Ok(object),
        _ => Err(ShapeError::new(format!("no object with {} at {}", keys.join(" or "), described(places)))),
    }
}

/// Reads each entry, leaving out those that `read` cannot make sense of.
///
/// One odd entry must not hide the others, but a list of which nothing can be read is a changed API.
pub(crate) fn readable<T>(
    what: &str,
    entries: Vec<Value>,
    read: impl Fn(&Map<String, Value>) -> Option<T>,
) -> Result<Vec<T>, ShapeError> {
    let sent = entries.len();
    let items: Vec<T> = entries.iter().filter_map(|entry| entry.as_object().and_then(&read)).collect();
    if items.is_empty() && sent > 0 {
        return Err(ShapeError::new(format!("none of the {sent} {what} has {}", assumptions::ID_KEYS.join(" or "))));
    }
    if items.len() < sent {
        tracing::warn!(what, left_out = sent - items.len(), "entries without an id");
    }
    Ok(items)
}

/// The first of `keys` that has a text that is not empty; numbers count as text.
pub(crate) fn text_of_any(object: &Map<String, Value>, keys: &[&str]) -> Option<String> {
    keys.iter().filter_map(|key| object.get(*key)).filter_map(plain_text).find(|text| !text.is_empty())
}

/// The first of `keys` that is a boolean.
pub(crate) fn flag_of_any(object: &Map<String, Value>, keys: &[&str]) -> Option<bool> {
    keys.iter().find_map(|key| object.get(*key).and_then(Value::as_bool))
}

/// Whether one of the flags for "deleted" is set.
pub(crate) fn is_deleted(object: &Map<String, Value>) -> bool {
    assumptions::DELETED_FLAGS.iter().any(|flag| object.get(*flag).and_then(Value::as_bool) == Some(true))
}

/// A text as it is, a number or boolean in its written form.
pub(crate) fn plain_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn described(places: &[&[&str]]) -> String {
    let named: Vec<String> = places
        .iter()
        .map(|path| match path {
            [] => "the top".to_owned(),
            keys => format!("`{}`", keys.join(".")),
        })
        .collect();
    named.join(" or ")
}
