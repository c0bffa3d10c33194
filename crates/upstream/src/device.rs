//! A Kandji device in the words of the import: the other place where two crates meet.

use std::borrow::Cow;
use std::collections::HashMap;

use jiff::Timestamp;
use pandaport_import::{Source, SourceField, SourceValue};
use pandaport_kandji::{Device, Presence, User};

/// A device, with what `/users` says of its user.
pub struct KandjiDevice<'a> {
    /// As the list gives it.
    pub device: &'a Device,
    /// Whether users are active, by user id. Empty where User Active is not mapped or not permitted.
    pub active_users: &'a HashMap<String, bool>,
}

impl Source for KandjiDevice<'_> {
    fn device_id(&self) -> &str {
        &self.device.device_id
    }

    fn value(&self, field: SourceField) -> SourceValue<'_> {
        let device = self.device;
        match field {
            SourceField::AgentInstalled => boolean(&device.agent_installed),
            SourceField::AgentVersion => text(&device.agent_version),
            SourceField::AssetTag => text(&device.asset_tag),
            SourceField::BlueprintId => text(&device.blueprint_id),
            SourceField::BlueprintName => text(&device.blueprint_name),
            SourceField::DeviceId => SourceValue::Text(Cow::Borrowed(&device.device_id)),
            SourceField::DeviceName => text(&device.device_name),
            SourceField::FirstEnrollment => time(&device.first_enrollment),
            SourceField::IsMissing => boolean(&device.is_missing),
            SourceField::IsRemoved => boolean(&device.is_removed),
            SourceField::LastCheckIn => time(&device.last_check_in),
            SourceField::LastEnrollment => time(&device.last_enrollment),
            SourceField::LostModeStatus => text(&device.lost_mode_status),
            SourceField::MdmEnabled => boolean(&device.mdm_enabled),
            SourceField::Model => text(&device.model),
            SourceField::OsVersion => text(&device.os_version),
            SourceField::Platform => text(&device.platform),
            SourceField::SerialNumber => text(&device.serial_number),
            SourceField::SupplementalBuildVersion => text(&device.supplemental_build_version),
            SourceField::SupplementalOsVersionExtra => text(&device.supplemental_os_version_extra),
            SourceField::Tags => tags(&device.tags),
            SourceField::UserActive => self.user(|user| self.active(user)),
            SourceField::UserEmail => self.user(|user| text(&user.email)),
            SourceField::UserId => self.user(|user| text(&user.id)),
            SourceField::UserIsArchived => self.user(|user| boolean(&user.is_archived)),
            SourceField::UserName => self.user(|user| text(&user.name)),
        }
    }
}

impl<'a> KandjiDevice<'a> {
    /// Rule 8: a user of `""` or null makes all its fields empty; an absent one leaves them unknown.
    fn user(&self, of: impl FnOnce(&'a User) -> SourceValue<'a>) -> SourceValue<'a> {
        match &self.device.user {
            Presence::Absent => SourceValue::Unknown,
            Presence::Empty => SourceValue::Empty,
            Presence::Value(user) => of(user),
        }
    }

    /// From the device itself if the key ever appears there, else from `/users`.
    fn active(&self, user: &'a User) -> SourceValue<'a> {
        match (&user.active, &user.id) {
            (Presence::Value(active), _) => SourceValue::Bool(*active),
            (_, Presence::Value(id)) => {
                self.active_users.get(id).map_or(SourceValue::Unknown, |it| SourceValue::Bool(*it))
            }
            _ => SourceValue::Unknown,
        }
    }
}

/// The id of the user a device is assigned to.
#[must_use]
pub fn user_id(device: &Device) -> Option<&str> {
    match &device.user {
        Presence::Value(User { id: Presence::Value(id), .. }) => Some(id),
        _ => None,
    }
}

fn text(presence: &Presence<String>) -> SourceValue<'_> {
    known(presence, |it| SourceValue::Text(Cow::Borrowed(it)))
}

fn boolean(presence: &Presence<bool>) -> SourceValue<'_> {
    known(presence, |it| SourceValue::Bool(*it))
}

fn time(presence: &Presence<Timestamp>) -> SourceValue<'_> {
    known(presence, |it| SourceValue::Time(*it))
}

fn tags(presence: &Presence<Vec<String>>) -> SourceValue<'_> {
    known(presence, |it| {
        if it.is_empty() {
            SourceValue::Empty
        } else {
            SourceValue::List(it.iter().map(|tag| Cow::Borrowed(tag.as_str())).collect())
        }
    })
}

fn known<'a, T>(presence: &'a Presence<T>, of: impl FnOnce(&'a T) -> SourceValue<'a>) -> SourceValue<'a> {
    match presence {
        Presence::Absent => SourceValue::Unknown,
        Presence::Empty => SourceValue::Empty,
        Presence::Value(value) => of(value),
    }
}
