//! What a mapping says about which devices are imported, what becomes of the records of those that are gone, and how
//! much may change at once (DESIGN 4.10, 4.11).

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Source, SourceField, SourceValue};

/// The least time between the two complete reads that a device must be absent from: an hour.
pub const DEFAULT_MIN_ABSENCE: Duration = Duration::from_secs(60 * 60);

/// Which devices are imported: those that meet every condition that is set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Filter {
    /// One of these platforms; empty: any.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub platforms: BTreeSet<String>,
    /// One of these blueprints; empty: any.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub blueprint_ids: BTreeSet<String>,
    /// At least one of these tags; empty: any.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub tags_any: BTreeSet<String>,
    /// Leave out devices that are listed with `is_removed`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub exclude_removed: bool,
}

/// The condition that a device does not meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeftOut {
    /// Its platform, which is not one of the filter's.
    Platform(String),
    /// Its blueprint, likewise.
    Blueprint(String),
    /// It has none of the tags.
    Tags,
    /// It is listed as removed.
    Removed,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Platform(platform) => write!(f, "filtered by platform: it is {platform:?}"),
            Self::Blueprint(blueprint) => write!(f, "filtered by blueprint: its blueprint is {blueprint:?}"),
            Self::Tags => f.write_str("filtered by tags: it has none of those asked for"),
            Self::Removed => f.write_str("filtered by exclude_removed: Kandji lists it as removed"),
        }
    }
}

impl Filter {
    /// Whether every device passes.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The first condition that the device does not meet; `None`: it is imported. What Kandji did not tell
    /// ([`SourceValue::Unknown`]) leaves nobody out: a missing key must not empty a collection (rule 8).
    pub fn leaves_out<S: Source + ?Sized>(&self, device: &S) -> Option<LeftOut> {
        if let Some(platform) = not_among(&self.platforms, &device.value(SourceField::Platform)) {
            return Some(LeftOut::Platform(platform));
        }
        if let Some(blueprint) = not_among(&self.blueprint_ids, &device.value(SourceField::BlueprintId)) {
            return Some(LeftOut::Blueprint(blueprint));
        }
        if !self.tags_any.is_empty() {
            let has_one = match device.value(SourceField::Tags) {
                SourceValue::List(tags) => tags.iter().any(|tag| self.tags_any.contains(tag.as_ref())),
                SourceValue::Unknown => true,
                _ => false,
            };
            if !has_one {
                return Some(LeftOut::Tags);
            }
        }
        (self.exclude_removed && is_removed(device)).then_some(LeftOut::Removed)
    }
}

/// The value, if it is known and not one of these. No condition at all is met by any.
fn not_among(allowed: &BTreeSet<String>, value: &SourceValue<'_>) -> Option<String> {
    if allowed.is_empty() {
        return None;
    }
    match value {
        SourceValue::Text(text) if allowed.contains(text.as_ref()) => None,
        SourceValue::Text(text) => Some(text.clone().into_owned()),
        SourceValue::Unknown => None,
        _ => Some(String::new()),
    }
}

/// Whether Kandji lists the device as removed.
pub fn is_removed<S: Source + ?Sized>(device: &S) -> bool {
    device.value(SourceField::IsRemoved) == SourceValue::Bool(true)
}

/// What happens to the record of a device that no longer passes the filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OnFiltered {
    /// It is left as it is, and no longer kept current.
    #[default]
    Leave,
    /// The removal policy applies, as if the device were gone.
    AsRemoved,
}

/// What happens to the record of a device that is gone.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RemovalAction {
    /// Nothing.
    #[default]
    Leave,
    /// A value is written into a column that is not mapped.
    Mark {
        /// The column.
        column_id: String,
        /// What is written.
        value: Value,
        /// What is written when the device comes back; unset: the column is cleared.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unmark_value: Option<Value>,
    },
    /// The record is deleted, if we created it.
    Delete,
}

/// The removal policy of a mapping (DESIGN 4.10).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RemovalPolicy {
    /// What happens.
    pub action: RemovalAction,
    /// The least time between the two complete reads. Serialised as whole seconds.
    #[serde(with = "crate::mapping::seconds")]
    pub min_absence: Duration,
}

impl Default for RemovalPolicy {
    fn default() -> Self {
        Self { action: RemovalAction::default(), min_absence: DEFAULT_MIN_ABSENCE }
    }
}

/// How much may change at once before it is held (DESIGN 4.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Brake {
    /// More than this share of the linked devices, in percent.
    pub max_percent: u32,
    /// And at least this many of them.
    pub min_count: u32,
}

impl Default for Brake {
    fn default() -> Self {
        Self { max_percent: 10, min_count: 10 }
    }
}

impl Brake {
    /// Whether a change of so many of the linked devices at once is held.
    pub fn holds(self, affected: u64, linked: u64) -> bool {
        affected > 0
            && affected >= u64::from(self.min_count)
            && affected.saturating_mul(100) > linked.saturating_mul(u64::from(self.max_percent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::Device;

    fn set(items: &[&str]) -> BTreeSet<String> {
        items.iter().map(|&it| it.to_owned()).collect()
    }

    #[test]
    fn rule_11_the_brake_holds_more_than_the_share_and_at_least_the_count() {
        let brake = Brake::default();
        assert!(!brake.holds(9, 20), "fewer than ten");
        assert!(!brake.holds(10, 100), "just ten percent");
        assert!(brake.holds(10, 99));
        assert!(brake.holds(101, 1_000));
        assert!(!brake.holds(0, 0));
        let strict = Brake { max_percent: 0, min_count: 0 };
        assert!(strict.holds(1, 1_000_000) && !strict.holds(0, 10));
        let never = Brake { max_percent: 100, min_count: 1 };
        assert!(!never.holds(50, 50));
    }

    #[test]
    fn a_device_must_meet_every_condition_that_is_set() {
        let mac = Device::default()
            .with(SourceField::Platform, SourceValue::text("Mac"))
            .with(SourceField::BlueprintId, SourceValue::text("b1"))
            .with(SourceField::Tags, SourceValue::List(vec!["loaner".into(), "east".into()]))
            .with(SourceField::IsRemoved, SourceValue::Bool(true));
        assert_eq!(Filter::default().leaves_out(&mac), None);
        let fits = Filter { platforms: set(&["Mac", "iPad"]), tags_any: set(&["east"]), ..Filter::default() };
        assert_eq!(fits.leaves_out(&mac), None);
        let phones = Filter { platforms: set(&["iPhone"]), ..Filter::default() };
        assert_eq!(phones.leaves_out(&mac), Some(LeftOut::Platform("Mac".into())));
        let other = Filter { blueprint_ids: set(&["b2"]), ..fits.clone() };
        assert_eq!(other.leaves_out(&mac), Some(LeftOut::Blueprint("b1".into())));
        let tagged = Filter { tags_any: set(&["East"]), ..Filter::default() };
        assert_eq!(tagged.leaves_out(&mac), Some(LeftOut::Tags), "case matters");
        let present = Filter { exclude_removed: true, ..fits };
        assert_eq!(present.leaves_out(&mac), Some(LeftOut::Removed));
    }

    #[test]
    fn rule_8_what_kandji_did_not_tell_leaves_nobody_out() {
        let silent = Device::default();
        let all = Filter {
            platforms: set(&["Mac"]),
            blueprint_ids: set(&["b1"]),
            tags_any: set(&["t"]),
            exclude_removed: true,
        };
        assert_eq!(all.leaves_out(&silent), None);
        let empty = Device::default().with(SourceField::Platform, SourceValue::Empty);
        assert!(all.leaves_out(&empty).is_some(), "an empty platform is none of those asked for");
    }

    #[test]
    fn policies_survive_json_and_are_what_they_were_before_they_were_there() {
        let policy = RemovalPolicy {
            action: RemovalAction::Mark { column_id: "c9".into(), value: "Retired".into(), unmark_value: None },
            min_absence: Duration::from_secs(7_200),
        };
        let json = serde_json::to_string(&policy).expect("a policy has a JSON form");
        assert_eq!(serde_json::from_str::<RemovalPolicy>(&json).expect("it is read back"), policy);
        assert_eq!(serde_json::from_str::<RemovalPolicy>("{}").expect("defaults"), RemovalPolicy::default());
        assert_eq!(serde_json::from_str::<Filter>("{}").expect("defaults"), Filter::default());
        assert_eq!(serde_json::from_str::<Brake>("{}").expect("defaults"), Brake::default());
    }
}
