//! Changes of the fleet by hand, by schedule or by a fault.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::change::{Change, ChangedKey, shift_time};
use super::generate::FleetSpec;
use super::generated::Generated;
use super::people::Person;
use super::{Fleet, Raw, Slot, Style};
use crate::faults::Place;
use crate::json::Object;

const CHECK_IN: i64 = 15 * 60 * 1_000_000;

/// Why raw devices were refused.
#[derive(Debug, thiserror::Error)]
#[error("the devices are not a JSON array: {0}")]
pub(crate) struct RawError(#[from] serde_json::Error);

/// Why an edit was refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EditError {
    #[error("there is no device {0}")]
    NoDevice(String),
    #[error("the id of a generated device cannot be changed; delete the device and add another")]
    FixedId,
}

/// Flags of a user to set.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct UserPatch {
    pub(crate) active: Option<bool>,
    pub(crate) archived: Option<bool>,
}

impl Fleet {
    /// A fleet of raw devices, served exactly as they are, and the users they name after the given ones.
    pub(crate) fn raw(devices: &str, users: &[Object]) -> Result<Self, RawError> {
        let devices: Vec<Box<RawValue>> = serde_json::from_str(devices)?;
        let mut fleet = Self::new(FleetSpec { devices: 0, ..FleetSpec::default() });
        for user in users {
            fleet.directory.add(user.clone());
        }
        for device in devices {
            fleet.push(Raw::new(device));
        }
        fleet.reindex();
        Ok(fleet)
    }

    /// Puts `patch` over a device; keys in `remove` are taken out.
    pub(crate) fn patch(&mut self, id: &str, patch: &Object, remove: &[String]) -> Result<(), EditError> {
        let slot = self.find(id).ok_or_else(|| EditError::NoDevice(id.to_owned()))?;
        let mut device = self.object(slot, &Style::default());
        device.merge(patch);
        for key in remove {
            device.remove(key);
        }
        let raw = Raw::from_object(&device);
        match slot {
            Slot::Base(_) if raw.device_id != id => return Err(EditError::FixedId),
            Slot::Base(index) => {
                self.edits.insert(index, raw);
            }
            Slot::Added(at) => self.added[at] = raw,
        }
        if let Some(user) = device.object("user") {
            self.directory.note(&user);
        }
        self.reindex();
        Ok(())
    }

    /// Takes a device out of the list.
    pub(crate) fn delete(&mut self, id: &str) -> Result<(), EditError> {
        let slot = self.find(id).ok_or_else(|| EditError::NoDevice(id.to_owned()))?;
        self.delete_slots(&[slot]);
        Ok(())
    }

    /// Adds devices like the generated ones, and gives their ids.
    pub(crate) fn add_generated(&mut self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.make(Place::After, None)).collect()
    }

    /// Adds a device that has all keys, with those of `given` as given.
    pub(crate) fn add_over_generated(&mut self, given: &Object) -> String {
        let (mut device, _) = self.template(Place::After, None);
        device.merge(given);
        let raw = Raw::from_object(&device);
        let id = raw.device_id.clone();
        self.push(raw);
        self.reindex();
        id
    }

    /// Adds a device exactly as it is.
    pub(crate) fn add_raw(&mut self, text: Box<RawValue>) -> String {
        let raw = Raw::new(text);
        let id = raw.device_id.clone();
        self.push(raw);
        self.reindex();
        id
    }

    /// Changes exactly this share of the devices; gives how many that were.
    pub(crate) fn change(&mut self, percent: f64, seed: u64, keys: Vec<ChangedKey>) -> usize {
        let places = u64::from(self.spec.devices) + self.added.len() as u64;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let chosen = (places as f64 * percent.clamp(0.0, 100.0) / 100.0).round() as u64;
        self.change_count += 1;
        let change = Change::new(self.change_count, keys, places, chosen, seed);
        let gone = self.deleted.iter().filter(|index| change.touches(u64::from(**index))).count();
        for (index, raw) in &mut self.edits {
            if change.touches((*index).into()) {
                edit_raw(raw, |device| change.apply_to_json(device));
            }
        }
        for (at, raw) in self.added.iter_mut().enumerate() {
            if change.touches(u64::from(self.spec.devices) + at as u64) {
                edit_raw(raw, |device| change.apply_to_json(device));
            }
        }
        self.changes.push(change);
        self.version += 1;
        usize::try_from(chosen).unwrap_or(usize::MAX).saturating_sub(gone)
    }

    /// Every device that ever checked in does so again, a quarter of an hour later.
    pub(crate) fn check_in(&mut self) {
        self.check_ins += 1;
        for raw in self.edits.values_mut().chain(&mut self.added) {
            edit_raw(raw, |device| shift_time(device, "last_check_in", CHECK_IN));
        }
        self.version += 1;
    }

    /// Sets flags of a user; false if there is no such user.
    pub(crate) fn patch_user(&mut self, id: &str, patch: UserPatch) -> bool {
        self.version += 1;
        self.directory.set_flags(id, patch.active, patch.archived)
    }

    /// Takes a user out of the directory; false if there is no such user.
    pub(crate) fn delete_user(&mut self, id: &str) -> bool {
        self.directory.remove(id)
    }

    /// Devices vanish, as a fault asks for it between two pages.
    pub(crate) fn vanish(&mut self, at: Place, count: usize, last_served: Option<Slot>) {
        let by_id = super::Query::parse([("ordering", "device_id")].into_iter());
        let len = self.len();
        let slots: Vec<Slot> = match at {
            Place::Before => (0..count.min(len)).map(|p| self.slot_at(&by_id, p)).collect(),
            Place::After => (len.saturating_sub(count)..len).map(|p| self.slot_at(&by_id, p)).collect(),
            Place::PageEnd => last_served.into_iter().collect(),
        };
        self.delete_slots(&slots);
    }

    /// Devices appear, as a fault asks for it between two pages.
    pub(crate) fn appear(&mut self, at: Place, count: usize, last_served: Option<Slot>) {
        for _ in 0..count {
            self.make(at, last_served);
        }
    }

    fn make(&mut self, at: Place, last_served: Option<Slot>) -> String {
        let (device, id) = self.template(at, last_served);
        self.push(Raw::from_object(&device));
        self.reindex();
        id
    }

    /// A new device that has all keys, with an id that puts it where it is wanted by device id.
    fn template(&mut self, at: Place, last_served: Option<Slot>) -> (Object, String) {
        self.made += 1;
        let index = self.spec.devices + self.made - 1;
        let drawn = Generated::draw(&self.spec, index, &[], self.check_ins);
        let person = drawn.user.map(|user| Person::generate(self.spec.seed, user));
        let mut out = Vec::new();
        drawn.write(person.as_ref(), &Style::default(), &mut out);
        let mut device: Object = serde_json::from_slice(&out).unwrap_or_default();
        let tail = drawn.device_id.get(8..).unwrap_or_default();
        let id = match (at, last_served) {
            (Place::Before, _) => format!("{:08x}{tail}", 2_047 - self.made % 2_047),
            (Place::PageEnd, Some(last)) => {
                let last = self.view(last).text("device_id").into_owned();
                let head = last.get(..8).unwrap_or_default();
                format!("{head}-ffff-4fff-bfff-{:012x}", self.made)
            }
            _ if self.spec.devices == 0 => format!("ffff{:04x}{tail}", self.made & 0xffff),
            _ => drawn.device_id.clone(),
        };
        device.set("device_id", &id);
        (device, id)
    }

    fn push(&mut self, raw: Raw) {
        if let Some(user) = raw.object().object("user") {
            self.directory.note(&user);
        }
        self.added.push(raw);
    }

    fn delete_slots(&mut self, slots: &[Slot]) {
        let mut added = Vec::new();
        for slot in slots {
            match slot {
                Slot::Base(index) => {
                    if let Err(at) = self.deleted.binary_search(index) {
                        self.deleted.insert(at, *index);
                    }
                    self.edits.remove(index);
                }
                Slot::Added(at) => added.push(*at),
            }
        }
        added.sort_unstable();
        added.dedup();
        for at in added.into_iter().rev() {
            self.added.remove(at);
        }
        self.reindex();
    }

    /// How the fleet stands, for the control endpoint.
    pub(crate) fn describe(&self) -> serde_json::Value {
        let by_platform: BTreeMap<String, u64> = self.platforms();
        serde_json::json!({
            "devices": self.len(),
            "users": self.directory.len(),
            "platforms": by_platform,
            "generated": self.spec,
            "deleted": self.deleted.len(),
            "edited": self.edits.len(),
            "added": self.added.len(),
            "changes": self.changes.len(),
            "check_ins": self.check_ins,
        })
    }
}

/// Changes a device that is kept as JSON; what is no object stays as it is.
fn edit_raw(raw: &mut Raw, change: impl FnOnce(&mut Object)) {
    if raw.text.get().starts_with('{') {
        let mut device = raw.object();
        change(&mut device);
        *raw = Raw::from_object(&device);
    }
}
