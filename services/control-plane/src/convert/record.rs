//! What a sync has to do with a device.

use pandaport_api::v1 as proto;
use pandaport_store::StoreError;
use pandaport_store::records::{RecordOutcome, SyncRecord};
use serde::Deserialize;

use super::value;
use crate::errors::Result;

pub(crate) fn record(row: SyncRecord) -> Result<proto::SyncRecord> {
    let changes = match &row.changes {
        Some(json) => serde_json::from_str::<Vec<StoredChange>>(json)
            .map_err(|error| StoreError::corrupt("list of changes", error))?,
        None => Vec::new(),
    };
    Ok(proto::SyncRecord {
        identifier: row.identifier.unwrap_or_default(),
        device_id: row.device_id,
        serial_number: row.serial_number.unwrap_or_default(),
        record_id: row.record_id.unwrap_or_default(),
        outcome: record_outcome(row.outcome).into(),
        reason: row.reason.unwrap_or_default(),
        message: row.message.unwrap_or_default(),
        changes: changes.into_iter().map(field_change).collect(),
    })
}

/// One column of a record's `changes`, as the worker keeps it. What else may stand there is the worker's own.
#[derive(Deserialize)]
struct StoredChange {
    column_id: String,
    #[serde(default)]
    source_field: String,
    /// Absent: not known.
    #[serde(default, deserialize_with = "present")]
    old_value: Option<serde_json::Value>,
    /// Absent: the column is left as it is.
    #[serde(default, deserialize_with = "present")]
    new_value: Option<serde_json::Value>,
}

/// A null that stands there is a value; serde would take it for an absent one.
fn present<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<serde_json::Value>, D::Error> {
    serde_json::Value::deserialize(value).map(Some)
}

fn field_change(change: StoredChange) -> proto::FieldChange {
    proto::FieldChange {
        column_id: change.column_id,
        source_field: change.source_field,
        old_value: change.old_value.map(cell),
        new_value: change.new_value.map(cell),
    }
}

/// A column's value. Empty text is how Asset Panda's text columns are cleared: to callers it is empty like any other.
pub(crate) fn cell(json: serde_json::Value) -> prost_types::Value {
    match json {
        serde_json::Value::String(text) if text.is_empty() => value(serde_json::Value::Null),
        json => value(json),
    }
}

fn record_outcome(outcome: RecordOutcome) -> proto::RecordOutcome {
    match outcome {
        RecordOutcome::Planned => proto::RecordOutcome::Planned,
        RecordOutcome::Created => proto::RecordOutcome::Created,
        RecordOutcome::Adopted => proto::RecordOutcome::Adopted,
        RecordOutcome::Updated => proto::RecordOutcome::Updated,
        RecordOutcome::Skipped => proto::RecordOutcome::Skipped,
        RecordOutcome::Rejected => proto::RecordOutcome::Rejected,
        RecordOutcome::Removed => proto::RecordOutcome::Removed,
    }
}

/// The stored outcome that a filter names; `None`: UNSPECIFIED, which no record has.
pub(crate) fn stored_record_outcome(outcome: proto::RecordOutcome) -> Option<RecordOutcome> {
    RecordOutcome::ALL.iter().copied().find(|it| record_outcome(*it) == outcome)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn every_stored_outcome_has_one_of_the_contract_and_leads_back() {
        for outcome in RecordOutcome::ALL {
            assert_eq!(stored_record_outcome(record_outcome(*outcome)), Some(*outcome));
        }
    }

    #[test]
    fn changes_are_read_whatever_else_the_worker_keeps_with_them() {
        let row = SyncRecord {
            device_id: "d".into(),
            identifier: None,
            serial_number: None,
            record_id: None,
            outcome: RecordOutcome::Updated,
            reason: None,
            message: None,
            changes: Some(
                json!([{"column_id": "c", "source_field": "model", "old_value": "Mac", "new_value": "", "cell": 3},
                       {"column_id": "e", "source_field": "mdm_enabled", "new_value": true},
                       {"column_id": "f", "source_field": "asset_tag", "old_value": null}])
                .to_string(),
            ),
        };
        let changes = record(row).unwrap().changes;
        let null = Some(value(json!(null)));
        assert_eq!(changes[0].source_field, "model");
        assert_eq!((&changes[0].old_value, &changes[0].new_value), (&Some(value(json!("Mac"))), &null));
        assert_eq!((&changes[1].old_value, &changes[1].new_value), (&None, &Some(value(json!(true)))));
        assert_eq!((&changes[2].old_value, &changes[2].new_value), (&null, &None));
    }
}
