//! Devices of which nothing is written, because the mapping says so (DESIGN 4.10).

use std::fmt;

use xxhash_rust::xxh3::xxh3_128;

use crate::{Fingerprint, LeftOut, MappingSpec, RemovalAction, Source, is_removed};

/// Why a device is not imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotImported {
    /// The filter leaves it out.
    Filtered(LeftOut),
    /// Kandji lists it as removed, it has no record, and the policy would delete the one that were made for it.
    RemovedInKandji,
}

impl NotImported {
    /// The name in the API, in records and in the store.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Filtered(_) => "FILTERED",
            Self::RemovedInKandji => "REMOVED_IN_KANDJI",
        }
    }

    /// Stands in the place of the fingerprint of the device's values: it tells whether this has been told already.
    pub fn fingerprint(&self) -> Fingerprint {
        xxh3_128(self.to_string().as_bytes()).to_be_bytes()
    }
}

impl fmt::Display for NotImported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Filtered(left_out) => left_out.fmt(f),
            Self::RemovedInKandji => f.write_str(
                "Kandji lists it as removed: the mapping deletes records of such devices, so none is made for it",
            ),
        }
    }
}

impl MappingSpec {
    /// Why the device is not imported; `None`: it is.
    pub fn not_imported<S: Source + ?Sized>(&self, device: &S, has_record: bool) -> Option<NotImported> {
        if !self.filter.is_empty()
            && let Some(left_out) = self.filter.leaves_out(device)
        {
            return Some(NotImported::Filtered(left_out));
        }
        let would_be_deleted = !has_record && self.removal_policy.action == RemovalAction::Delete && is_removed(device);
        would_be_deleted.then_some(NotImported::RemovedInKandji)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::Device;
    use crate::{IdentifierPair, SourceField, SourceValue};

    #[test]
    fn rule_10_what_the_policy_would_delete_at_once_is_not_made() {
        let pair = IdentifierPair { source_field: SourceField::SerialNumber, column_id: "c".into() };
        let mut spec = MappingSpec::new(pair, Vec::new());
        let removed = Device::default().with(SourceField::IsRemoved, SourceValue::Bool(true));
        assert_eq!(spec.not_imported(&removed, false), None, "imported like any other");
        spec.removal_policy.action = RemovalAction::Delete;
        assert_eq!(spec.not_imported(&removed, false), Some(NotImported::RemovedInKandji));
        assert_eq!(spec.not_imported(&removed, true), None, "it has a record: the policy deletes that");
        assert_eq!(spec.not_imported(&Device::default(), false), None);
        spec.filter.exclude_removed = true;
        let left_out = spec.not_imported(&removed, true).map(|it| it.reason());
        assert_eq!(left_out, Some("FILTERED"), "the filter comes first");
    }

    #[test]
    fn another_reason_is_told_again() {
        let platform = |name: &str| NotImported::Filtered(LeftOut::Platform(name.into())).fingerprint();
        assert_eq!(platform("Mac"), platform("Mac"));
        assert_ne!(platform("Mac"), platform("iPad"));
        assert_ne!(platform("Mac"), NotImported::RemovedInKandji.fingerprint());
    }
}
