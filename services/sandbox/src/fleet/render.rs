//! Devices as JSON text, in the documented order of keys.

use crate::faults::KandjiFaults;
use crate::json::{Object, push_string};

use super::generated::Generated;
use super::people::Person;
use super::pools::BLUEPRINTS;
use super::time::{Form, push_time};

/// What the tenant, or a fault switch, does to every device.
#[derive(Clone, Debug, Default)]
pub(crate) struct Style {
    pub(crate) mixed_keys: bool,
    pub(crate) plus_offset: bool,
    pub(crate) integer_user_ids: bool,
    pub(crate) null_keys: Vec<String>,
    pub(crate) omit_keys: Vec<String>,
}

impl Style {
    pub(crate) fn of(faults: &KandjiFaults) -> Self {
        Self {
            mixed_keys: faults.mixed_tenant_keys,
            plus_offset: faults.plus_offset_timestamps,
            integer_user_ids: faults.integer_user_ids,
            null_keys: faults.null_keys.clone(),
            omit_keys: faults.omit_keys.clone(),
        }
    }

    /// Whether a device kept as JSON is served exactly as it is.
    pub(crate) fn leaves_raw_alone(&self) -> bool {
        !self.plus_offset && !self.integer_user_ids && self.null_keys.is_empty() && self.omit_keys.is_empty()
    }

    /// Does to a device kept as JSON what the switches ask; `old_id` knows users' integer ids.
    pub(crate) fn restyle(&self, device: &mut Object, old_id: impl Fn(&str) -> Option<u64>) {
        let time = device.text("last_check_in").into_owned();
        if let Some(stem) = time.strip_suffix('Z').filter(|_| self.plus_offset) {
            device.set("last_check_in", format!("{stem}+00:00"));
        }
        if self.integer_user_ids {
            device.edit("user", |user| {
                if let Some(id) = old_id(&user.text("id")) {
                    user.set("id", id);
                }
            });
        }
        for key in &self.null_keys {
            if device.get(key).is_some() {
                device.set(key, ());
            }
        }
        for key in &self.omit_keys {
            device.remove(key);
        }
    }
}

/// Writes the keys of one device, minding which are null or left out.
struct Writer<'a> {
    out: &'a mut Vec<u8>,
    style: &'a Style,
    begun: bool,
}

impl Writer<'_> {
    /// Writes the key; true if its value is to follow.
    fn key(&mut self, key: &str) -> bool {
        if self.style.omit_keys.iter().any(|omitted| omitted == key) {
            return false;
        }
        self.out.push(if self.begun { b',' } else { b'{' });
        self.begun = true;
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
        let null = self.style.null_keys.iter().any(|nulled| nulled == key);
        if null {
            self.out.extend_from_slice(b"null");
        }
        !null
    }

    fn text(&mut self, key: &str, value: &str) {
        if self.key(key) {
            push_string(self.out, value);
        }
    }

    fn bool(&mut self, key: &str, value: bool) {
        if self.key(key) {
            self.out.extend_from_slice(if value { b"true" } else { b"false" });
        }
    }
}

impl Generated {
    /// Appends the device as a JSON object; `person` is who it is assigned to.
    pub(crate) fn write(&self, person: Option<&Person>, style: &Style, out: &mut Vec<u8>) {
        let mut time = String::with_capacity(40);
        let mut writer = Writer { out, style, begun: false };
        writer.text("device_id", &self.device_id);
        writer.text("device_name", &self.device_name);
        writer.text("model", &self.model);
        writer.text("serial_number", &self.serial_number);
        writer.text("platform", self.platform);
        writer.text("os_version", &self.os_version);
        writer.text("supplemental_build_version", &self.build);
        writer.text("supplemental_os_version_extra", self.os_extra);
        if style.mixed_keys {
            writer.text("api_level", "");
            writer.text("security_patch_level", self.security_patch_level);
        }
        if let Some(at) = self.last_check_in {
            push_time(&mut time, at, if style.plus_offset { Form::PlusOffset } else { Form::Z });
        }
        writer.text("last_check_in", &time);
        if writer.key("user") {
            write_user(person, style, writer.out);
        }
        writer.text("asset_tag", &self.asset_tag);
        writer.text("blueprint_id", BLUEPRINTS[self.blueprint].0);
        writer.bool("mdm_enabled", self.mdm_enabled);
        writer.bool("agent_installed", self.agent_installed);
        writer.bool("is_missing", self.is_missing);
        writer.bool("is_removed", self.is_removed);
        writer.text("agent_version", &self.agent_version);
        for (key, at) in [("first_enrollment", self.first_enrollment), ("last_enrollment", self.last_enrollment)] {
            time.clear();
            push_time(&mut time, at, Form::Space);
            writer.text(key, &time);
        }
        writer.text("blueprint_name", BLUEPRINTS[self.blueprint].1);
        writer.text("lost_mode_status", if self.lost_mode { "ENABLED" } else { "" });
        if style.mixed_keys {
            writer.text("full_software_version", self.full_software_version);
        }
        if writer.key("tags") {
            writer.out.push(b'[');
            for (index, tag) in self.tags.iter().enumerate() {
                if index > 0 {
                    writer.out.push(b',');
                }
                push_string(writer.out, tag);
            }
            writer.out.push(b']');
        }
        let end: &[u8] = if writer.begun { b"}" } else { b"{}" };
        out.extend_from_slice(end);
    }
}

fn write_user(person: Option<&Person>, style: &Style, out: &mut Vec<u8>) {
    let Some(person) = person else {
        out.extend_from_slice(b"\"\"");
        return;
    };
    out.extend_from_slice(b"{\"email\":");
    push_string(out, &person.email);
    out.extend_from_slice(b",\"name\":");
    push_string(out, &format!("{} {}", person.given, person.family));
    out.extend_from_slice(b",\"id\":");
    if style.integer_user_ids {
        out.extend_from_slice(person.old_id().to_string().as_bytes());
    } else {
        push_string(out, &person.id);
    }
    out.extend_from_slice(b",\"is_archived\":");
    out.extend_from_slice(if person.archived { b"true}" } else { b"false}" });
}
