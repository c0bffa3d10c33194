//! The JSON of a list entry, read so that one odd field spoils only itself.
//!
//! Each field is read as whatever it is and judged by its own rule. So a whole page is read in one typed pass, without a
//! tree of values in between, and a wrong type in one device is known by field name and leaves its neighbours alone.

use std::fmt;
use std::marker::PhantomData;

use jiff::Timestamp;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::{Presence, time};

/// A list entry as it came. Unknown keys are ignored (contract 3.4).
#[derive(serde::Deserialize)]
#[serde(default)]
#[derive(Default)]
pub(crate) struct WireDevice {
    pub(crate) device_id: Field<Text>,
    pub(crate) device_name: Field<Text>,
    pub(crate) model: Field<Text>,
    pub(crate) serial_number: Field<Text>,
    pub(crate) platform: Field<Text>,
    pub(crate) os_version: Field<Text>,
    pub(crate) supplemental_build_version: Field<Text>,
    pub(crate) supplemental_os_version_extra: Field<Text>,
    pub(crate) last_check_in: Field<Time>,
    pub(crate) first_enrollment: Field<Time>,
    pub(crate) last_enrollment: Field<Time>,
    pub(crate) user: Field<WireUser>,
    pub(crate) asset_tag: Field<Text>,
    pub(crate) blueprint_id: Field<Text>,
    pub(crate) blueprint_name: Field<Text>,
    pub(crate) agent_version: Field<Text>,
    pub(crate) lost_mode_status: Field<Text>,
    pub(crate) mdm_enabled: Field<Flag>,
    pub(crate) agent_installed: Field<Flag>,
    pub(crate) is_missing: Field<Flag>,
    pub(crate) is_removed: Field<Flag>,
    pub(crate) tags: Field<Names>,
}

/// The `user` object of a list entry.
#[derive(serde::Deserialize, Default)]
#[serde(default)]
pub(crate) struct WireUser {
    pub(crate) id: Field<Id>,
    pub(crate) email: Field<Text>,
    pub(crate) name: Field<Text>,
    pub(crate) is_archived: Field<Flag>,
    pub(crate) active: Field<Flag>,
}

/// A field: there in the right shape, there in a wrong one (and what that was), empty, or absent.
pub(crate) enum Field<K: Kind> {
    Good(Presence<K::Value>),
    Bad(String),
}

impl<K: Kind> Default for Field<K> {
    fn default() -> Self {
        Self::Good(Presence::Absent)
    }
}

/// What a field should be. Each shape it may have is taken by the method of that shape; the others refuse.
pub(crate) trait Kind: Sized {
    type Value;
    const WANTED: &'static str;

    fn text(_: &str) -> Option<Self::Value> {
        None
    }
    fn flag(_: bool) -> Option<Self::Value> {
        None
    }
    fn whole_number(_: i128) -> Option<Self::Value> {
        None
    }
    fn list<'de, A: SeqAccess<'de>>(mut items: A) -> Result<Field<Self>, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Field::Bad(format!("a list is not {}", Self::WANTED)))
    }
    fn object<'de, A: MapAccess<'de>>(mut fields: A) -> Result<Field<Self>, A::Error> {
        while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Field::Bad(format!("an object is not {}", Self::WANTED)))
    }
}

pub(crate) struct Text;
impl Kind for Text {
    type Value = String;
    const WANTED: &'static str = "text";
    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }
}

/// Text, or an integer from before user ids became UUIDs.
pub(crate) struct Id;
impl Kind for Id {
    type Value = String;
    const WANTED: &'static str = "an id";
    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }
    fn whole_number(number: i128) -> Option<String> {
        Some(number.to_string())
    }
}

/// A boolean, or the text of one, as the details have it (contract 7).
pub(crate) struct Flag;
impl Kind for Flag {
    type Value = bool;
    const WANTED: &'static str = "true or false";
    fn flag(flag: bool) -> Option<bool> {
        Some(flag)
    }
    fn text(text: &str) -> Option<bool> {
        match text {
            "True" | "true" => Some(true),
            "False" | "false" => Some(false),
            _ => None,
        }
    }
}

pub(crate) struct Time;
impl Kind for Time {
    type Value = Timestamp;
    const WANTED: &'static str = "a time";
    fn text(text: &str) -> Option<Timestamp> {
        time::parse(text)
    }
}

/// A list of names.
pub(crate) struct Names;
impl Kind for Names {
    type Value = Vec<String>;
    const WANTED: &'static str = "a list of names";
    fn list<'de, A: SeqAccess<'de>>(mut items: A) -> Result<Field<Self>, A::Error> {
        let (mut names, mut bad) = (Vec::new(), None);
        while let Some(item) = items.next_element::<Field<Text>>()? {
            match item {
                Field::Good(Presence::Value(name)) => names.push(name),
                Field::Good(_) => {}
                Field::Bad(reason) => bad = Some(reason),
            }
        }
        Ok(match bad {
            Some(reason) => Field::Bad(reason),
            None if names.is_empty() => Field::Good(Presence::Empty),
            None => Field::Good(Presence::Value(names)),
        })
    }
}

impl Kind for WireUser {
    type Value = Self;
    const WANTED: &'static str = "a user";
    fn object<'de, A: MapAccess<'de>>(fields: A) -> Result<Field<Self>, A::Error> {
        let user = Self::deserialize(MapAccessDeserializer::new(fields))?;
        Ok(Field::Good(Presence::Value(user)))
    }
}

impl<'de, K: Kind> Deserialize<'de> for Field<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor(PhantomData))
    }
}

struct FieldVisitor<K>(PhantomData<K>);

impl<K: Kind> FieldVisitor<K> {
    fn judge(value: Option<K::Value>, shown: impl FnOnce() -> String) -> Field<K> {
        match value {
            Some(value) => Field::Good(Presence::Value(value)),
            None => Field::Bad(format!("{} is not {}", shown(), K::WANTED)),
        }
    }
}

impl<'de, K: Kind> Visitor<'de> for FieldVisitor<K> {
    type Value = Field<K>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(K::WANTED)
    }

    fn visit_str<E>(self, text: &str) -> Result<Field<K>, E> {
        if text.is_empty() {
            return Ok(Field::Good(Presence::Empty));
        }
        Ok(Self::judge(K::text(text), || format!("`{}`", text.chars().take(40).collect::<String>())))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Field<K>, E> {
        Ok(Self::judge(K::flag(flag), || flag.to_string()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Field<K>, E> {
        Ok(Self::judge(K::whole_number(number.into()), || format!("the number {number}")))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Field<K>, E> {
        Ok(Self::judge(K::whole_number(number.into()), || format!("the number {number}")))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Field<K>, E> {
        Ok(Self::judge(None, || format!("the number {number}")))
    }

    fn visit_unit<E>(self) -> Result<Field<K>, E> {
        Ok(Field::Good(Presence::Empty))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Field<K>, A::Error> {
        K::list(items)
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Field<K>, A::Error> {
        K::object(fields)
    }
}
