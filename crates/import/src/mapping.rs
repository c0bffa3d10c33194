//! What a mapping says about values: which field goes into which column, and when.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Brake, Filter, OnFiltered, RemovalAction, RemovalPolicy, SourceField};

/// How old the last write of a `PASSENGER` pair may get: a day.
pub const DEFAULT_PASSENGER_MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// What stands between two tags in a text column.
pub const DEFAULT_TAG_SEPARATOR: &str = ", ";

/// When a pair's value is written (DESIGN 4.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum WriteRule {
    /// A difference causes a write.
    #[default]
    Trigger,
    /// Sent only along with another change, or when its last write is older than `passenger_max_age`.
    Passenger,
    /// Written only into an empty column; decided only where the record was read.
    FillOnly,
    /// Written only when we create the record.
    CreateOnly,
}

impl WriteRule {
    /// The rule of a pair that names none. Last Check In changes every quarter of an hour: it is a passenger.
    pub fn default_for(field: SourceField) -> Self {
        match field {
            SourceField::LastCheckIn => Self::Passenger,
            _ => Self::Trigger,
        }
    }

    /// The name, as it is serialised.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trigger => "TRIGGER",
            Self::Passenger => "PASSENGER",
            Self::FillOnly => "FILL_ONLY",
            Self::CreateOnly => "CREATE_ONLY",
        }
    }
}

/// Which field tells devices apart, and the column it goes into.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct IdentifierPair {
    /// The field of the device.
    pub source_field: SourceField,
    /// The unique column.
    pub column_id: String,
}

/// One field, written into one column.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Pair {
    /// The field of the device.
    pub source_field: SourceField,
    /// The column.
    pub column_id: String,
    /// When it is written.
    pub write_rule: WriteRule,
    /// What stands between tags in a text column; unset: [`DEFAULT_TAG_SEPARATOR`]. Only for lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag_separator: Option<String>,
    /// A strftime format that overrides the form of a time. Only for times, which are formatted in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date_format: Option<String>,
}

/// What a mapping says at one revision: which values go where, of which devices, and under which policies. The
/// identifier is not repeated in `pairs`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MappingSpec {
    /// The identifier.
    pub identifier: IdentifierPair,
    /// All other pairs, in the order of the mapping.
    pub pairs: Vec<Pair>,
    /// How old the last write of a passenger may get. Serialised as whole seconds.
    #[serde(with = "seconds", default = "default_passenger_max_age")]
    pub passenger_max_age: Duration,
    /// Which devices are imported.
    #[serde(default, skip_serializing_if = "Filter::is_empty")]
    pub filter: Filter,
    /// What happens to the record of a device that no longer passes the filter.
    #[serde(default)]
    pub on_filtered: OnFiltered,
    /// What happens to the record of a device that is gone.
    #[serde(default)]
    pub removal_policy: RemovalPolicy,
    /// How much may change at once.
    #[serde(default)]
    pub brake: Brake,
}

impl MappingSpec {
    /// All devices, with the policies that a mapping has when it names none.
    pub fn new(identifier: IdentifierPair, pairs: Vec<Pair>) -> Self {
        Self {
            identifier,
            pairs,
            passenger_max_age: DEFAULT_PASSENGER_MAX_AGE,
            filter: Filter::default(),
            on_filtered: OnFiltered::default(),
            removal_policy: RemovalPolicy::default(),
            brake: Brake::default(),
        }
    }

    /// The columns whose values are kept of a device, in the order in which they are kept: the identifier's first.
    pub fn column_order(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.identifier.column_id.as_str()).chain(self.pairs.iter().map(|pair| pair.column_id.as_str()))
    }

    /// All columns that are written: those of the pairs, and the one for the mark of the removal policy.
    pub fn columns_written(&self) -> impl Iterator<Item = &str> {
        let mark = match &self.removal_policy.action {
            RemovalAction::Mark { column_id, .. } => Some(column_id.as_str()),
            RemovalAction::Leave | RemovalAction::Delete => None,
        };
        self.column_order().chain(mark)
    }
}

fn default_passenger_max_age() -> Duration {
    DEFAULT_PASSENGER_MAX_AGE
}

pub(crate) mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(age: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(age.as_secs())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_secs)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn a_spec_survives_json() {
        let pair = Pair {
            source_field: SourceField::Tags,
            column_id: "c1".into(),
            write_rule: WriteRule::FillOnly,
            tag_separator: Some(" | ".into()),
            date_format: None,
        };
        let identifier = IdentifierPair { source_field: SourceField::SerialNumber, column_id: "c0".into() };
        let spec =
            MappingSpec { passenger_max_age: Duration::from_secs(90), ..MappingSpec::new(identifier, vec![pair]) };
        let json = serde_json::to_value(&spec).unwrap();
        assert_eq!(
            json,
            json!({
                "identifier": {"source_field": "serial_number", "column_id": "c0"},
                "pairs": [{"source_field": "tags", "column_id": "c1", "write_rule": "FILL_ONLY", "tag_separator": " | "}],
                "passenger_max_age": 90,
                "on_filtered": "LEAVE",
                "removal_policy": {"action": "LEAVE", "min_absence": 3600},
                "brake": {"max_percent": 10, "min_count": 10}
            })
        );
        assert_eq!(serde_json::from_value::<MappingSpec>(json.clone()).unwrap(), spec);
        // As the first version wrote it, without policies.
        let mut older = json;
        for policy in ["on_filtered", "removal_policy", "brake"] {
            older.as_object_mut().unwrap().remove(policy);
        }
        assert_eq!(serde_json::from_value::<MappingSpec>(older).unwrap(), spec);
    }

    #[test]
    fn only_last_check_in_is_a_passenger_by_default() {
        for field in SourceField::ALL {
            let passenger = WriteRule::default_for(field) == WriteRule::Passenger;
            assert_eq!(passenger, field == SourceField::LastCheckIn);
        }
    }
}
