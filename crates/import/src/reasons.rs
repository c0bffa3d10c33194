//! Why a device was rejected, in the words of the API.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why nothing was written for a device. New reasons may come; none changes its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RejectReason {
    /// The device has no value for the identifier.
    IdentifierEmpty,
    /// Another present device has the same identifier value and wins.
    IdentifierDuplicate,
    /// More than one record has the identifier value.
    IdentifierAmbiguous,
    /// A record or device has a value that is equal but for case, surrounding space or Unicode form.
    IdentifierNearMatch,
    /// The record with the identifier value belongs to another device, or Asset Panda says that the value is taken.
    IdentifierTaken,
    /// Asset Panda refused the row.
    RefusedByAssetPanda,
    /// Kandji's entry for the device could not be read.
    Unreadable,
    /// A value cannot be written into its column.
    ValueUnfit,
    /// It is not what the plan showed that is applied.
    PlanMoved,
}

impl RejectReason {
    const ALL: [Self; 9] = [
        Self::IdentifierEmpty,
        Self::IdentifierDuplicate,
        Self::IdentifierAmbiguous,
        Self::IdentifierNearMatch,
        Self::IdentifierTaken,
        Self::RefusedByAssetPanda,
        Self::Unreadable,
        Self::ValueUnfit,
        Self::PlanMoved,
    ];

    /// The name in the API, in records and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IdentifierEmpty => "IDENTIFIER_EMPTY",
            Self::IdentifierDuplicate => "IDENTIFIER_DUPLICATE",
            Self::IdentifierAmbiguous => "IDENTIFIER_AMBIGUOUS",
            Self::IdentifierNearMatch => "IDENTIFIER_NEAR_MATCH",
            Self::IdentifierTaken => "IDENTIFIER_TAKEN",
            Self::RefusedByAssetPanda => "REFUSED_BY_ASSET_PANDA",
            Self::Unreadable => "UNREADABLE",
            Self::ValueUnfit => "VALUE_UNFIT",
            Self::PlanMoved => "PLAN_MOVED",
        }
    }

    /// The reason with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }

    /// Whether the device is not sent again until its values, the mapping or the columns change (DESIGN 4.5).
    pub fn is_quarantined(self) -> bool {
        matches!(self, Self::RefusedByAssetPanda | Self::ValueUnfit)
    }
}

impl fmt::Display for RejectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_reason_is_found_by_its_name_and_serialises_as_it() {
        for reason in RejectReason::ALL {
            assert_eq!(RejectReason::from_name(reason.as_str()), Some(reason));
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
    }
}
