//! From the bytes of a page to its entries.

use serde::Deserialize;
use serde_json::value::RawValue;
use xxhash_rust::xxh3::xxh3_128;

use crate::wire::{Field, Kind, WireDevice, WireUser};
use crate::{Device, PageEntry, Presence, Unreadable, User};

/// The entries of a page. An error means that the page as a whole is no JSON array.
pub(crate) fn entries(body: &[u8]) -> Result<Vec<PageEntry>, serde_json::Error> {
    match serde_json::from_slice::<Vec<WireDevice>>(body) {
        Ok(devices) => {
            let mut raw: Option<Vec<&RawValue>> = None;
            let mut entries = Vec::with_capacity(devices.len());
            for (index, wire) in devices.into_iter().enumerate() {
                entries.push(match device(wire) {
                    Ok(device) => PageEntry::Device(Box::new(device)),
                    Err(unreadable) if !unreadable.identity.is_empty() => PageEntry::Unreadable(unreadable),
                    Err(unreadable) => {
                        // Only now is the text of the entry needed.
                        let raw = match &mut raw {
                            Some(raw) => raw,
                            none => none.insert(serde_json::from_slice(body)?),
                        };
                        PageEntry::Unreadable(identified(unreadable, raw[index].get()))
                    }
                });
            }
            Ok(entries)
        }
        // Something in it is not even an object, or names a key twice: entry by entry, then.
        Err(_) => Ok(serde_json::from_slice::<Vec<&RawValue>>(body)?.into_iter().map(entry).collect()),
    }
}

fn entry(raw: &RawValue) -> PageEntry {
    let unreadable = match serde_json::from_str::<WireDevice>(raw.get()).map(device) {
        Ok(Ok(device)) => return PageEntry::Device(Box::new(device)),
        Ok(Err(unreadable)) => unreadable,
        Err(error) => {
            let reason = match raw.get().starts_with('{') {
                true => format!("the entry cannot be read: {error}"),
                false => "the entry is not a device object".to_owned(),
            };
            let Named { device_id, serial_number } = Named::of(raw.get());
            unreadable(device_id, serial_number, reason)
        }
    };
    PageEntry::Unreadable(identified(unreadable, raw.get()))
}

/// Whose entry it is, of one that can't be read as a whole.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Named {
    device_id: Option<String>,
    serial_number: Option<String>,
}

impl Named {
    fn of(raw: &str) -> Self {
        let named = match serde_json::from_str::<serde_json::Value>(raw) {
            Ok(loose) => {
                let text = |key: &str| loose[key].as_str().map(str::to_owned);
                Self { device_id: text("device_id"), serial_number: text("serial_number") }
            }
            // A text that is broken, or is nested too deeply, can be passed over where it is of no interest.
            Err(_) => serde_json::from_str(raw).unwrap_or_default(),
        };
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        Self { device_id: filled(named.device_id), serial_number: filled(named.serial_number) }
    }
}

fn unreadable(device_id: Option<String>, serial_number: Option<String>, reason: String) -> Unreadable {
    let identity = match (&device_id, &serial_number) {
        (Some(id), _) => id.clone(),
        // Steadier than a hash of the whole, which changes with each check-in.
        (None, Some(serial)) => format!("serial:{serial}"),
        (None, None) => String::new(),
    };
    Unreadable { device_id, serial_number, reason, identity }
}

fn identified(mut unreadable: Unreadable, raw: &str) -> Unreadable {
    if unreadable.identity.is_empty() {
        unreadable.identity = format!("hash:{:032x}", xxh3_128(raw.as_bytes()));
    }
    unreadable
}

/// The device, or everything that is wrong with it.
fn device(wire: WireDevice) -> Result<Device, Unreadable> {
    let mut faults = Faults(Vec::new());
    let mut device = Device {
        device_id: String::new(),
        device_name: faults.take("device_name", wire.device_name),
        model: faults.take("model", wire.model),
        serial_number: faults.take("serial_number", wire.serial_number),
        platform: faults.take("platform", wire.platform),
        os_version: faults.take("os_version", wire.os_version),
        supplemental_build_version: faults.take("supplemental_build_version", wire.supplemental_build_version),
        supplemental_os_version_extra: faults.take("supplemental_os_version_extra", wire.supplemental_os_version_extra),
        last_check_in: faults.take("last_check_in", wire.last_check_in),
        first_enrollment: faults.take("first_enrollment", wire.first_enrollment),
        last_enrollment: faults.take("last_enrollment", wire.last_enrollment),
        user: match faults.take("user", wire.user) {
            Presence::Absent => Presence::Absent,
            Presence::Empty => Presence::Empty,
            Presence::Value(wire) => Presence::Value(user(wire, &mut faults)),
        },
        asset_tag: faults.take("asset_tag", wire.asset_tag),
        blueprint_id: faults.take("blueprint_id", wire.blueprint_id),
        blueprint_name: faults.take("blueprint_name", wire.blueprint_name),
        agent_version: faults.take("agent_version", wire.agent_version),
        lost_mode_status: faults.take("lost_mode_status", wire.lost_mode_status),
        mdm_enabled: faults.take("mdm_enabled", wire.mdm_enabled),
        agent_installed: faults.take("agent_installed", wire.agent_installed),
        is_missing: faults.take("is_missing", wire.is_missing),
        is_removed: faults.take("is_removed", wire.is_removed),
        tags: faults.take("tags", wire.tags),
    };
    let device_id = match faults.take("device_id", wire.device_id) {
        Presence::Value(id) => Some(id),
        Presence::Absent | Presence::Empty => {
            faults.0.push("device_id: there is none".to_owned());
            None
        }
    };
    match device_id {
        Some(id) if faults.0.is_empty() => {
            device.device_id = id;
            Ok(device)
        }
        id => Err(unreadable(id, device.serial_number.value().cloned(), faults.0.join("; "))),
    }
}

fn user(wire: WireUser, faults: &mut Faults) -> User {
    User {
        id: faults.take("user.id", wire.id),
        email: faults.take("user.email", wire.email),
        name: faults.take("user.name", wire.name),
        is_archived: faults.take("user.is_archived", wire.is_archived),
        active: faults.take("user.active", wire.active),
    }
}

/// What is wrong with an entry, field by field.
struct Faults(Vec<String>);

impl Faults {
    fn take<K: Kind>(&mut self, name: &str, field: Field<K>) -> Presence<K::Value> {
        match field {
            Field::Good(value) => value,
            Field::Bad(reason) => {
                self.0.push(format!("{name}: {reason}"));
                Presence::Absent
            }
        }
    }
}

#[cfg(test)]
mod tests;
