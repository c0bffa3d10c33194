//! The 26 fields that Kandji has for a device, in alphabetical order, with the guidance on using each as identifier.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What kind of value a source field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ValueType {
    /// Text.
    Text,
    /// True or false.
    Boolean,
    /// A point in time.
    Time,
    /// A list of texts (tags).
    List,
}

impl ValueType {
    /// The word for it in a message.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Boolean => "a boolean",
            Self::Time => "a time",
            Self::List => "a list",
        }
    }
}

/// How well a source field serves as the unique identifier of a mapping, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fitness {
    /// The best choice.
    Recommended,
    /// Common and good.
    Good,
    /// Allowed, with a warning.
    Acceptable,
    /// Allowed, with a warning that says under which condition.
    WithCare,
    /// Refused.
    No,
}

macro_rules! source_fields {
    ($($variant:ident, $key:literal, $name:literal, $kind:ident, $fitness:ident, $guidance:literal;)*) => {
        /// A field of a Kandji device that can be mapped onto a column.
        ///
        /// Serialised as its key, for example `serial_number`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum SourceField {
            $(
                #[doc = $name]
                #[serde(rename = $key)]
                $variant,
            )*
        }

        impl SourceField {
            /// Every field, ordered by display name.
            pub const ALL: [SourceField; 26] = [$(SourceField::$variant),*];

            /// The name used in mappings and in the API, in snake case.
            pub const fn key(self) -> &'static str {
                match self { $(Self::$variant => $key,)* }
            }

            /// The name Kandji's users know.
            pub const fn display_name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What kind of value it holds.
            pub const fn value_type(self) -> ValueType {
                match self { $(Self::$variant => ValueType::$kind,)* }
            }

            /// Whether it may be the identifier of a mapping.
            pub const fn fitness(self) -> Fitness {
                match self { $(Self::$variant => Fitness::$fitness,)* }
            }

            /// Advice on using it as the identifier.
            pub const fn guidance(self) -> &'static str {
                match self { $(Self::$variant => $guidance,)* }
            }
        }
    };
}

source_fields! {
    AgentInstalled, "agent_installed", "Agent Installed", Boolean, No, "Informational, not unique.";
    AgentVersion, "agent_version", "Agent Version", Text, No, "Informational, not unique.";
    AssetTag, "asset_tag", "Asset Tag", Text, WithCare, "Only if asset tags are standardised and unique.";
    BlueprintId, "blueprint_id", "Blueprint ID", Text, No, "Shared by a group of devices.";
    BlueprintName, "blueprint_name", "Blueprint Name", Text, No, "Not unique.";
    DeviceId, "device_id", "Device ID", Text, Recommended, "Recommended: Kandji's own id of the device.";
    DeviceName, "device_name", "Device Name", Text, WithCare, "Only if device names are standardised and unique.";
    FirstEnrollment, "first_enrollment", "First Enrollment", Time, No, "Informational.";
    IsMissing, "is_missing", "Is Missing", Boolean, No, "Not suitable.";
    IsRemoved, "is_removed", "Is Removed", Boolean, No, "Not suitable.";
    LastCheckIn, "last_check_in", "Last Check In", Time, No, "Informational.";
    LastEnrollment, "last_enrollment", "Last Enrollment", Time, No, "Informational.";
    LostModeStatus, "lost_mode_status", "Lost Mode Status", Text, No, "Informational.";
    MdmEnabled, "mdm_enabled", "MDM Enabled", Boolean, No, "Informational.";
    Model, "model", "Model", Text, No, "Not unique.";
    OsVersion, "os_version", "OS Version", Text, No, "Not unique.";
    Platform, "platform", "Platform", Text, No, "Not unique.";
    SerialNumber, "serial_number", "Serial Number", Text, Good, "Good: common and acceptable.";
    SupplementalBuildVersion, "supplemental_build_version", "Supplemental Build Version", Text, No, "Informational.";
    SupplementalOsVersionExtra, "supplemental_os_version_extra", "Supplemental OS Version Extra", Text, No, "Informational.";
    Tags, "tags", "Tags", List, No, "Not unique.";
    UserActive, "user_active", "User Active", Boolean, No, "Informational.";
    UserEmail, "user_email", "User Email", Text, WithCare, "Only if each user is guaranteed to have one device.";
    UserId, "user_id", "User ID", Text, Acceptable, "Acceptable where the sync is about users.";
    UserIsArchived, "user_is_archived", "User Is Archived", Boolean, No, "Informational.";
    UserName, "user_name", "User Name", Text, WithCare, "Only if user names are consistently formatted and unique.";
}

impl SourceField {
    /// The field with this key.
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.key() == key)
    }

    /// How many Kandji calls the field costs for each device: none, for every field there is. 25 come with the list of
    /// devices, and User Active comes from one crawl of the users for the whole fleet.
    pub const fn calls_per_device(self) -> u32 {
        0
    }
}

impl fmt::Display for SourceField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.display_name())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_field_is_found_by_its_key_and_serialises_as_it() {
        for field in SourceField::ALL {
            assert_eq!(SourceField::from_key(field.key()), Some(field));
            assert_eq!(serde_json::to_value(field).unwrap(), field.key());
        }
        assert_eq!(SourceField::from_key("Serial Number"), None);
    }

    #[test]
    fn names_are_distinct_and_in_order() {
        let names: Vec<&str> = SourceField::ALL.iter().map(|field| field.display_name()).collect();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(names, sorted);
    }

    #[test]
    fn seven_fields_may_be_an_identifier() {
        let allowed: Vec<&str> =
            SourceField::ALL.into_iter().filter(|field| field.fitness() != Fitness::No).map(SourceField::key).collect();
        assert_eq!(
            allowed,
            ["asset_tag", "device_id", "device_name", "serial_number", "user_email", "user_id", "user_name"]
        );
        assert_eq!(SourceField::DeviceId.fitness(), Fitness::Recommended);
        assert_eq!(SourceField::SerialNumber.fitness(), Fitness::Good);
        assert_eq!(SourceField::UserId.fitness(), Fitness::Acceptable);
    }
}
