//! The users of the directory: generated ones with an overlay of flags, and those that raw devices name.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::generate::FleetSpec;
use super::people::{BLOCK_DEVICES, BLOCK_USERS, Person, integration};
use crate::json::Object;

/// Users have a place each: generated ones first, then the others in the order they became known.
#[derive(Debug)]
pub(crate) struct Directory {
    seed: u64,
    generated: u32,
    flags: BTreeMap<u32, Flags>,
    gone: BTreeSet<usize>,
    others: Vec<Object>,
    others_by_id: HashMap<String, usize>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Flags {
    active: Option<bool>,
    archived: Option<bool>,
}

impl Directory {
    pub(super) fn new(spec: &FleetSpec) -> Self {
        Self {
            seed: spec.seed,
            generated: spec.devices.div_ceil(BLOCK_DEVICES) * BLOCK_USERS,
            flags: BTreeMap::new(),
            gone: BTreeSet::new(),
            others: Vec::new(),
            others_by_id: HashMap::new(),
        }
    }

    /// Places of users; some may be empty.
    pub(crate) fn places(&self) -> usize {
        self.generated as usize + self.others.len()
    }

    /// How many users there are.
    pub(crate) fn len(&self) -> usize {
        self.places() - self.gone.len()
    }

    /// A generated user.
    pub(crate) fn person(&self, index: u32) -> Person {
        let mut person = Person::generate(self.seed, index);
        if let Some(flags) = self.flags.get(&index) {
            person.active = flags.active.unwrap_or(person.active);
            person.archived = flags.archived.unwrap_or(person.archived);
        }
        person
    }

    /// The user at a place, as `/users` shows it; `devices_of` counts a generated user's devices.
    pub(crate) fn at(&self, place: usize, devices_of: impl Fn(&Person) -> usize) -> Option<Object> {
        if self.gone.contains(&place) {
            return None;
        }
        if place < self.generated as usize {
            let person = self.person(u32::try_from(place).ok()?);
            let devices = devices_of(&person);
            return Some(person.to_object(self.seed, devices));
        }
        self.others.get(place - self.generated as usize).cloned()
    }

    /// The place of the user with this id.
    pub(crate) fn find(&self, id: &str) -> Option<usize> {
        let place = match self.others_by_id.get(id) {
            Some(at) => self.generated as usize + at,
            None => {
                let index = Person::index_of(id).filter(|index| *index < self.generated)?;
                (Person::generate(self.seed, index).id == id).then_some(index as usize)?
            }
        };
        (!self.gone.contains(&place)).then_some(place)
    }

    /// A user's integer id from before 2025.
    pub(crate) fn old_id(&self, id: &str) -> Option<u64> {
        let place = self.find(id)?;
        if place < self.generated as usize {
            return Some(self.person(u32::try_from(place).ok()?).old_id());
        }
        let other = &self.others[place - self.generated as usize];
        other.text("deprecated_user_id").parse().ok()
    }

    /// Sets flags of a user; false if there is no such user.
    pub(super) fn set_flags(&mut self, id: &str, active: Option<bool>, archived: Option<bool>) -> bool {
        let Some(place) = self.find(id) else {
            return false;
        };
        if let Ok(index) = u32::try_from(place)
            && index < self.generated
        {
            let flags = self.flags.entry(index).or_default();
            flags.active = active.or(flags.active);
            flags.archived = archived.or(flags.archived);
        } else {
            let other = &mut self.others[place - self.generated as usize];
            for (key, value) in [("active", active), ("archived", archived)] {
                if let Some(value) = value {
                    other.set(key, value);
                }
            }
        }
        true
    }

    /// Takes a user out of the directory; its devices stay assigned.
    pub(super) fn remove(&mut self, id: &str) -> bool {
        self.find(id).is_some_and(|place| self.gone.insert(place))
    }

    /// Takes in a user as it is.
    pub(super) fn add(&mut self, user: Object) {
        let id = user.text("id").into_owned();
        self.others_by_id.insert(id, self.others.len());
        self.others.push(user);
    }

    /// Takes in the user that a raw device names, unless it is known; an archived one is not active.
    pub(super) fn note(&mut self, user: &Object) {
        let id = user.text("id").into_owned();
        if id.is_empty() || self.by_any_id(&id) {
            return;
        }
        let archived = user.text("is_archived") == "true";
        let mut entry = Object::default();
        entry.set("active", !archived);
        entry.set("archived", archived);
        entry.set("created_at", "2024-09-06T21:00:04.304248Z");
        entry.set("department", ());
        let old_id = id.parse().unwrap_or(90_000 + self.others.len() as u64);
        entry.set("deprecated_user_id", old_id.to_string());
        entry.set("email", user.get("email"));
        entry.set("id", &id);
        entry.set("integration", integration());
        entry.set("job_title", ());
        entry.set("name", user.get("name"));
        entry.set("device_count", 1);
        entry.set("updated_at", "2026-11-01T21:00:04.304280Z");
        self.add(entry);
    }

    fn by_any_id(&self, id: &str) -> bool {
        self.find(id).is_some()
            || id.parse::<u64>().is_ok() && self.others.iter().any(|user| user.text("deprecated_user_id") == id)
    }
}
