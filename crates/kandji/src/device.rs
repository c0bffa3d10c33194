//! A device as the list gives it (contract 3.4): 25 of the 26 source fields.

use jiff::Timestamp;

use crate::Presence;

/// A device of the list. Keys beyond these are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Device {
    /// The stable key. Never empty.
    pub device_id: String,
    /// Name of the device.
    pub device_name: Presence<String>,
    /// Marketing name of the model.
    pub model: Presence<String>,
    /// Serial number; not unique over time.
    pub serial_number: Presence<String>,
    /// Mac, iPad, iPhone, AppleTV, Vision, Windows, Android, or whatever comes.
    pub platform: Presence<String>,
    /// Version of the operating system.
    pub os_version: Presence<String>,
    /// Build of the operating system.
    pub supplemental_build_version: Presence<String>,
    /// Suffix of a rapid security response, such as `(a)`.
    pub supplemental_os_version_extra: Presence<String>,
    /// Last check-in of the agent.
    pub last_check_in: Presence<Timestamp>,
    /// First enrolment.
    pub first_enrollment: Presence<Timestamp>,
    /// Last enrolment.
    pub last_enrollment: Presence<Timestamp>,
    /// The assigned user; empty when nobody is assigned.
    pub user: Presence<User>,
    /// Asset tag.
    pub asset_tag: Presence<String>,
    /// Id of the blueprint.
    pub blueprint_id: Presence<String>,
    /// Name of the blueprint.
    pub blueprint_name: Presence<String>,
    /// Version of the agent.
    pub agent_version: Presence<String>,
    /// Status of lost mode.
    pub lost_mode_status: Presence<String>,
    /// Whether MDM is on.
    pub mdm_enabled: Presence<bool>,
    /// Whether the agent is installed.
    pub agent_installed: Presence<bool>,
    /// Whether the device has not been heard of for long.
    pub is_missing: Presence<bool>,
    /// Whether the MDM profile was removed and the record kept.
    pub is_removed: Presence<bool>,
    /// Names of the tags, in no given order. An empty list is [`Presence::Empty`].
    pub tags: Presence<Vec<String>>,
}

/// The user a device is assigned to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct User {
    /// Id: a UUID, or the text of an integer from before 2025.
    pub id: Presence<String>,
    /// Mail address.
    pub email: Presence<String>,
    /// Name.
    pub name: Presence<String>,
    /// Whether the user is archived in the directory.
    pub is_archived: Presence<bool>,
    /// Whether the user is active. No known answer has this key here: see [`crate::DirectoryUser`].
    pub active: Presence<bool>,
}
