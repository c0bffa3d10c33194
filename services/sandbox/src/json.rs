//! JSON objects that keep the order of their keys, and writing JSON text by hand.
//!
//! Kandji devices have a documented key order, and raw devices are served exactly as they were given;
//! `serde_json::Value` would sort the keys.

use std::borrow::Cow;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

/// An object whose keys stay in the order they came in; values are kept as their text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Object(Vec<(String, Box<RawValue>)>);

impl Object {
    /// The text of a key's value.
    pub(crate) fn get(&self, key: &str) -> Option<&RawValue> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| &**value)
    }

    /// A key's value as plain text: strings without quotes, null and absent keys as nothing.
    pub(crate) fn text(&self, key: &str) -> Cow<'_, str> {
        match self.get(key) {
            None => Cow::Borrowed(""),
            Some(raw) => plain_text(raw.get()),
        }
    }

    /// A key's value as an object, if it is one.
    pub(crate) fn object(&self, key: &str) -> Option<Object> {
        serde_json::from_str(self.get(key)?.get()).ok()
    }

    /// Sets a key where it stands, or at the end if it is new.
    pub(crate) fn set(&mut self, key: &str, value: impl Serialize) {
        let raw = to_raw_value(&value).expect("plain values always serialise");
        match self.0.iter_mut().find(|(name, _)| name == key) {
            Some(entry) => entry.1 = raw,
            None => self.0.push((key.to_owned(), raw)),
        }
    }

    /// Changes a nested object in place; does nothing if the key holds none.
    pub(crate) fn edit(&mut self, key: &str, change: impl FnOnce(&mut Object)) {
        if let Some(mut inner) = self.object(key) {
            change(&mut inner);
            self.set(key, &inner);
        }
    }

    /// Takes a key out.
    pub(crate) fn remove(&mut self, key: &str) {
        self.0.retain(|(name, _)| name != key);
    }

    /// All keys and values, in order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), &**value))
    }

    /// Puts the keys of `patch` over this object's. Objects merge one level deep; null stays null.
    pub(crate) fn merge(&mut self, patch: &Object) {
        for (key, value) in patch.entries() {
            match (self.object(key), serde_json::from_str::<Object>(value.get())) {
                (Some(mut own), Ok(inner)) => {
                    own.merge(&inner);
                    self.set(key, &own);
                }
                _ => self.set(key, value),
            }
        }
    }

    /// The object as compact JSON text.
    pub(crate) fn to_raw(&self) -> Box<RawValue> {
        to_raw_value(self).expect("an object of raw values always serialises")
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Ordered;
        impl<'de> Visitor<'de> for Ordered {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut entries = Vec::with_capacity(map.size_hint().unwrap_or(28));
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Object(entries))
            }
        }
        deserializer.deserialize_map(Ordered)
    }
}

/// JSON text as plain text: strings unquoted, null as nothing, anything else as it is written.
pub(crate) fn plain_text(raw: &str) -> Cow<'_, str> {
    if raw == "null" {
        return Cow::Borrowed("");
    }
    if raw.starts_with('"') {
        return match serde_json::from_str::<Cow<'_, str>>(raw) {
            Ok(text) => Cow::Owned(text.into_owned()),
            Err(_) => Cow::Borrowed(raw),
        };
    }
    Cow::Borrowed(raw)
}

/// Appends `text` as a JSON string, raw UTF-8 like the real API.
pub(crate) fn push_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut clean = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[clean..at]);
        clean = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            _ => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
        }
    }
    out.extend_from_slice(&bytes[clean..]);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn objects_keep_the_order_of_keys_and_the_text_of_values() {
        let text = r#"{"z":1.50,"a":{"y":1,"b":2},"n":null}"#;
        let mut object: Object = serde_json::from_str(text).unwrap();
        assert_eq!(object.to_raw().get(), text);
        object.merge(&serde_json::from_str(r#"{"a":{"b":null,"c":3},"n":"x"}"#).unwrap());
        assert_eq!(object.to_raw().get(), r#"{"z":1.50,"a":{"y":1,"b":null,"c":3},"n":"x"}"#);
        object.remove("z");
        assert_eq!(object.text("n"), "x");
        assert_eq!(object.text("z"), "");
    }

    #[test]
    fn strings_written_by_hand_read_back_the_same() {
        for text in ["", "plain", "a \"b\" \\ c\n\t\u{1}", "愛子の🎨 “x”"] {
            let mut out = Vec::new();
            push_string(&mut out, text);
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }
}
