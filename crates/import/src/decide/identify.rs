//! Which of the records that came back have the identifier, and which nearly have it (DESIGN 4.12).

use serde_json::Value;

use super::{Case, Decision, FoundRecord, reject};
use crate::compare::text;
use crate::projection::shown;
use crate::{Cell, RejectReason, identifier_key, same};

/// The records other than the device's own that matter to its identifier. Unrelated rows are left out: search may match
/// more loosely than asked.
pub(super) struct Matches<'a> {
    /// Those with the same value.
    pub(super) exact: Vec<&'a FoundRecord>,
    /// Those whose value is equal but for case, surrounding space or Unicode form.
    pub(super) near: Vec<&'a FoundRecord>,
}

impl<'a> Matches<'a> {
    /// Sorts out what was found. `own` is the record the device's link holds.
    pub(super) fn new(case: &Case<'a>, own: Option<&str>) -> Self {
        let mut matches = Self { exact: Vec::new(), near: Vec::new() };
        let Cell::Value(wanted) = &case.wanted.cells[0] else {
            return matches;
        };
        let key = identifier_key(&text(wanted));
        for (index, record) in case.found.iter().enumerate() {
            // Pages of a search may overlap.
            let seen = case.found[..index].iter().any(|earlier| earlier.record_id == record.record_id);
            if seen || own == Some(record.record_id.as_str()) {
                continue;
            }
            let Some(present) = identifier_of(record) else { continue };
            if same(&case.cells[0].column_type, wanted, present) {
                matches.exact.push(record);
            } else if identifier_key(&text(present)) == key {
                matches.near.push(record);
            }
        }
        matches
    }
}

fn identifier_of(record: &FoundRecord) -> Option<&Value> {
    record.values.first()?.as_ref()
}

fn label(case: &Case<'_>) -> String {
    let value = case.wanted.identifier.as_str().unwrap_or_default();
    format!("{} \"{}\"", case.cells[0].source_field, shown(value))
}

pub(super) fn ambiguous(case: &Case<'_>, record_ids: &[&str]) -> Decision {
    let message = format!(
        "{} records have {}: {}; delete or correct all but one in Asset Panda",
        record_ids.len(),
        label(case),
        record_ids.join(", ")
    );
    reject(RejectReason::IdentifierAmbiguous, message)
}

pub(super) fn taken(case: &Case<'_>, record: &FoundRecord) -> Decision {
    let message = match &record.held_by {
        Some(device_id) => format!(
            "{} is in record {}, which belongs to device {device_id}; the record is left alone until that device is known to be gone from Kandji",
            label(case),
            record.record_id,
        ),
        None => format!(
            "{} is already in record {}, which is not this device's; delete or correct that record in Asset Panda",
            label(case),
            record.record_id,
        ),
    };
    reject(RejectReason::IdentifierTaken, message)
}

pub(super) fn near_match(case: &Case<'_>, near: &[&FoundRecord]) -> Decision {
    let others: Vec<String> = near
        .iter()
        .map(|record| {
            let present = identifier_of(record).map(text).unwrap_or_default();
            format!("\"{}\" in record {}", shown(&present), record.record_id)
        })
        .collect();
    let message = format!(
        "{} differs only in case, surrounding space or Unicode form from {}; make them equal in Kandji or in Asset Panda",
        label(case),
        others.join(", ")
    );
    reject(RejectReason::IdentifierNearMatch, message)
}
