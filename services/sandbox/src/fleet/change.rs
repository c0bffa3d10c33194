//! A share of the fleet that changes, chosen and changed the same way every time.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::Deserialize;

use super::generated::Generated;
use super::hash::mix;
use super::people::BLOCK_USERS;
use super::pools::BLUEPRINTS;
use super::time::{Form, Micros, push_time};
use crate::json::Object;

const HOUR: i64 = 3_600_000_000;

/// What a change does to a device, by the device's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ChangedKey {
    DeviceName,
    Model,
    OsVersion,
    SupplementalBuildVersion,
    LastCheckIn,
    User,
    AssetTag,
    BlueprintId,
    MdmEnabled,
    AgentInstalled,
    IsMissing,
    AgentVersion,
    LastEnrollment,
    LostModeStatus,
    Tags,
}

impl ChangedKey {
    fn key(self) -> &'static str {
        match self {
            Self::DeviceName => "device_name",
            Self::Model => "model",
            Self::OsVersion => "os_version",
            Self::SupplementalBuildVersion => "supplemental_build_version",
            Self::LastCheckIn => "last_check_in",
            Self::User => "user",
            Self::AssetTag => "asset_tag",
            Self::BlueprintId => "blueprint_id",
            Self::MdmEnabled => "mdm_enabled",
            Self::AgentInstalled => "agent_installed",
            Self::IsMissing => "is_missing",
            Self::AgentVersion => "agent_version",
            Self::LastEnrollment => "last_enrollment",
            Self::LostModeStatus => "lost_mode_status",
            Self::Tags => "tags",
        }
    }
}

/// One change: exactly `chosen` of `of` places are touched, spread by a permutation.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// The how-many-th change of this fleet it is: new values carry it, so that each differs from the last.
    pub(super) ordinal: u32,
    pub(super) keys: Vec<ChangedKey>,
    of: u64,
    chosen: u64,
    factor: u64,
    offset: u64,
}

impl Change {
    pub(super) fn new(ordinal: u32, keys: Vec<ChangedKey>, of: u64, chosen: u64, seed: u64) -> Self {
        let mut factor = mix(seed) % of.max(1);
        while of > 1 && gcd(factor, of) != 1 {
            factor = (factor + 1) % of;
        }
        let offset = mix(!seed) % of.max(1);
        Self { ordinal, keys, of, chosen, factor, offset }
    }

    /// Whether the device at this place is among the chosen.
    pub(crate) fn touches(&self, place: u64) -> bool {
        place < self.of && (place * self.factor + self.offset) % self.of < self.chosen
    }

    /// Changes a generated device.
    pub(crate) fn apply(&self, device: &mut Generated, index: u32) {
        for key in &self.keys {
            match key {
                ChangedKey::DeviceName => device.device_name = self.bumped(&device.device_name),
                ChangedKey::Model => device.model = Cow::Owned(self.bumped(&device.model)),
                ChangedKey::OsVersion => device.os_version = Cow::Owned(self.os_version()),
                ChangedKey::SupplementalBuildVersion => device.build = Cow::Owned(self.build()),
                ChangedKey::LastCheckIn => {
                    if let Some(time) = &mut device.last_check_in {
                        time.0 += HOUR;
                    }
                }
                ChangedKey::User => device.user = Some(next_user(device.user, index)),
                ChangedKey::AssetTag => device.asset_tag = self.bumped(&device.asset_tag),
                ChangedKey::BlueprintId => {
                    device.blueprint = (device.blueprint + 1) % BLUEPRINTS.len();
                }
                ChangedKey::MdmEnabled => device.mdm_enabled = !device.mdm_enabled,
                ChangedKey::AgentInstalled => device.agent_installed = !device.agent_installed,
                ChangedKey::IsMissing => device.is_missing = !device.is_missing,
                ChangedKey::AgentVersion => device.agent_version = Cow::Owned(self.agent_version()),
                ChangedKey::LastEnrollment => device.last_enrollment.0 += HOUR,
                ChangedKey::LostModeStatus => device.lost_mode = !device.lost_mode,
                ChangedKey::Tags => {
                    device.tags.retain(|tag| !tag.starts_with("changed/"));
                    device.tags.push(Cow::Owned(self.bumped("changed")));
                }
            }
        }
    }

    /// Changes a device that is kept as JSON.
    pub(super) fn apply_to_json(&self, device: &mut Object) {
        for changed in &self.keys {
            let key = changed.key();
            match changed {
                ChangedKey::OsVersion => device.set(key, self.os_version()),
                ChangedKey::SupplementalBuildVersion => device.set(key, self.build()),
                ChangedKey::AgentVersion => device.set(key, self.agent_version()),
                ChangedKey::LastCheckIn | ChangedKey::LastEnrollment => shift_time(device, key, HOUR),
                ChangedKey::MdmEnabled | ChangedKey::AgentInstalled | ChangedKey::IsMissing => {
                    let now = device.text(key) == "true";
                    device.set(key, !now);
                }
                ChangedKey::LostModeStatus => {
                    let lost = device.text(key) == "ENABLED";
                    device.set(key, if lost { "" } else { "ENABLED" });
                }
                ChangedKey::BlueprintId => {
                    let at = BLUEPRINTS.iter().position(|(id, _)| *id == device.text(key));
                    let (id, name) = BLUEPRINTS[at.map_or(0, |at| (at + 1) % BLUEPRINTS.len())];
                    device.set(key, id);
                    device.set("blueprint_name", name);
                }
                ChangedKey::User => {
                    let bump = |user: &mut Object| user.set("name", self.bumped(&user.text("name")));
                    device.edit(key, bump);
                }
                ChangedKey::Tags => {
                    let raw = device.get(key).map_or("[]", |raw| raw.get());
                    let mut tags: Vec<String> = serde_json::from_str(raw).unwrap_or_default();
                    tags.retain(|tag| !tag.starts_with("changed/"));
                    tags.push(self.bumped("changed"));
                    device.set(key, tags);
                }
                ChangedKey::DeviceName | ChangedKey::Model | ChangedKey::AssetTag => {
                    let bumped = self.bumped(&device.text(key));
                    device.set(key, bumped);
                }
            }
        }
    }

    /// The text with this change's number behind it, instead of an earlier one's.
    fn bumped(&self, text: &str) -> String {
        let stem =
            text.rsplit_once('/').filter(|(_, number)| number.parse::<u32>().is_ok()).map_or(text, |(stem, _)| stem);
        format!("{stem}/{}", self.ordinal)
    }

    fn os_version(&self) -> String {
        format!("27.{}", self.ordinal)
    }

    fn build(&self) -> String {
        format!("26A{}", self.ordinal)
    }

    fn agent_version(&self) -> String {
        format!("6.{}.0 (8000)", self.ordinal)
    }
}

/// Moves a time that is kept as text, in the form it has; leaves alone what is no time.
pub(super) fn shift_time(device: &mut Object, key: &str, by: i64) {
    let text = device.text(key).into_owned();
    let Ok(time) = text.parse::<Timestamp>() else {
        return;
    };
    let form = if text.ends_with('Z') {
        Form::Z
    } else if text.contains('T') {
        Form::PlusOffset
    } else {
        Form::Space
    };
    let mut out = String::new();
    push_time(&mut out, Micros(time.as_microsecond() + by), form);
    device.set(key, out);
}

/// The next user of the device's block.
fn next_user(user: Option<u32>, index: u32) -> u32 {
    let block = index / super::people::BLOCK_DEVICES * BLOCK_USERS;
    user.map_or(block, |user| block + (user - block + 1) % BLOCK_USERS)
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_the_asked_share_is_touched() {
        for (of, chosen) in [(1, 1), (2, 1), (100, 7), (997, 100), (5_000, 50)] {
            let change = Change::new(1, Vec::new(), of, chosen, 42);
            let touched = (0..of).filter(|place| change.touches(*place)).count() as u64;
            assert_eq!(touched, chosen, "{chosen} of {of}");
        }
    }
}
