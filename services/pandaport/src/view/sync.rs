//! Syncs, their records, and devices.

use pandaport_api::v1;
use serde::Serialize;

use super::well_known::{time, value};

/// `pandaport.v1.Sync`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncView<'a> {
    sync_id: &'a str,
    mapping_id: &'a str,
    state: &'a str,
    phase: &'a str,
    mode: &'a str,
    dry_run: bool,
    trigger: &'a str,
    counts: Counts,
    calls: Calls,
    #[serde(skip_serializing_if = "Option::is_none")]
    estimate: Option<Estimate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wait: Option<Wait<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Failure<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cancel_request_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    create_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_time: Option<String>,
    drifted: u32,
    #[serde(skip_serializing_if = "str::is_empty")]
    plan_of: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Counts {
    read: u32,
    created: u32,
    adopted: u32,
    updated: u32,
    unchanged: u32,
    skipped: u32,
    rejected: u32,
    still_rejected: u32,
    removed: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Calls {
    kandji: u32,
    asset_panda: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Estimate {
    calls_left: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    finish_time: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Wait<'a> {
    reason: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure<'a> {
    reason: &'a str,
    message: &'a str,
}

impl<'a> From<&'a v1::Sync> for SyncView<'a> {
    fn from(it: &'a v1::Sync) -> Self {
        let counts = it.counts.unwrap_or_default();
        let calls = it.calls.unwrap_or_default();
        Self {
            sync_id: &it.sync_id,
            mapping_id: &it.mapping_id,
            state: it.state().as_str_name(),
            phase: it.phase().as_str_name(),
            mode: it.mode().as_str_name(),
            dry_run: it.dry_run,
            trigger: it.trigger().as_str_name(),
            counts: Counts {
                read: counts.read,
                created: counts.created,
                adopted: counts.adopted,
                updated: counts.updated,
                unchanged: counts.unchanged,
                skipped: counts.skipped,
                rejected: counts.rejected,
                still_rejected: counts.still_rejected,
                removed: counts.removed,
            },
            calls: Calls { kandji: calls.kandji, asset_panda: calls.asset_panda },
            estimate: it
                .estimate
                .as_ref()
                .map(|it| Estimate { calls_left: it.calls_left, finish_time: time(it.finish_time.as_ref()) }),
            wait: it.wait.as_ref().map(|it| Wait {
                reason: &it.reason,
                message: &it.message,
                until: time(it.until.as_ref()),
            }),
            error: it.error.as_ref().map(|it| Failure { reason: &it.reason, message: &it.message }),
            cancel_request_time: time(it.cancel_request_time.as_ref()),
            create_time: time(it.create_time.as_ref()),
            start_time: time(it.start_time.as_ref()),
            end_time: time(it.end_time.as_ref()),
            drifted: it.drifted,
            plan_of: &it.plan_of,
        }
    }
}

/// `pandaport.v1.TriggerSyncResponse`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TriggeredView<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    sync: Option<SyncView<'a>>,
    already_active: bool,
}

impl<'a> From<&'a v1::TriggerSyncResponse> for TriggeredView<'a> {
    fn from(it: &'a v1::TriggerSyncResponse) -> Self {
        Self { sync: it.sync.as_ref().map(Into::into), already_active: it.already_active }
    }
}

/// `pandaport.v1.SyncRecord`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordView<'a> {
    identifier: &'a str,
    device_id: &'a str,
    serial_number: &'a str,
    record_id: &'a str,
    outcome: &'a str,
    reason: &'a str,
    message: &'a str,
    changes: Vec<Change<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Change<'a> {
    column_id: &'a str,
    source_field: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    old_value: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_value: Option<serde_json::Value>,
}

impl<'a> From<&'a v1::SyncRecord> for RecordView<'a> {
    fn from(it: &'a v1::SyncRecord) -> Self {
        Self {
            identifier: &it.identifier,
            device_id: &it.device_id,
            serial_number: &it.serial_number,
            record_id: &it.record_id,
            outcome: it.outcome().as_str_name(),
            reason: &it.reason,
            message: &it.message,
            changes: it.changes.iter().map(Into::into).collect(),
        }
    }
}

impl<'a> From<&'a v1::FieldChange> for Change<'a> {
    fn from(it: &'a v1::FieldChange) -> Self {
        Self {
            column_id: &it.column_id,
            source_field: &it.source_field,
            old_value: it.old_value.as_ref().map(value),
            new_value: it.new_value.as_ref().map(value),
        }
    }
}

/// `pandaport.v1.Device`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceView<'a> {
    device_id: &'a str,
    identifier: &'a str,
    serial_number: &'a str,
    record_id: &'a str,
    state: &'a str,
    reason: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_confirmed_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    absent_since: Option<String>,
}

impl<'a> From<&'a v1::Device> for DeviceView<'a> {
    fn from(it: &'a v1::Device) -> Self {
        Self {
            device_id: &it.device_id,
            identifier: &it.identifier,
            serial_number: &it.serial_number,
            record_id: &it.record_id,
            state: it.state().as_str_name(),
            reason: &it.reason,
            message: &it.message,
            last_seen_time: time(it.last_seen_time.as_ref()),
            last_confirmed_time: time(it.last_confirmed_time.as_ref()),
            absent_since: time(it.absent_since.as_ref()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{json, json_line};
    use super::*;

    #[test]
    fn a_sync_as_protobuf_json() {
        insta::assert_snapshot!(json(&SyncView::from(&crate::show::sync::tests::first())), @r#"
        {
          "syncId": "0199aaaa-0000-7000-8000-000000000003",
          "mappingId": "0199aaaa-0000-7000-8000-000000000002",
          "state": "SYNC_STATE_SUCCEEDED",
          "phase": "SYNC_PHASE_REMOVE",
          "mode": "SYNC_MODE_INCREMENTAL",
          "dryRun": false,
          "trigger": "SYNC_TRIGGER_FIRST",
          "counts": {
            "read": 1250,
            "created": 1250,
            "adopted": 0,
            "updated": 0,
            "unchanged": 0,
            "skipped": 0,
            "rejected": 0,
            "stillRejected": 0,
            "removed": 0
          },
          "calls": {
            "kandji": 6,
            "assetPanda": 276
          },
          "createTime": "2026-11-20T09:14:02Z",
          "startTime": "2026-11-20T09:14:03Z",
          "endTime": "2026-11-20T09:15:08Z",
          "drifted": 0
        }
        "#);
    }

    #[test]
    fn a_change_tells_empty_from_unknown() {
        let record = v1::SyncRecord {
            changes: vec![v1::FieldChange {
                column_id: "c1".into(),
                source_field: "asset_tag".into(),
                old_value: None,
                new_value: Some(prost_types::Value { kind: Some(prost_types::value::Kind::NullValue(0)) }),
            }],
            ..v1::SyncRecord::default()
        };
        insta::assert_snapshot!(json_line(&RecordView::from(&record)), @r#"
        {"identifier":"","deviceId":"","serialNumber":"","recordId":"","outcome":"RECORD_OUTCOME_UNSPECIFIED","reason":"","message":"","changes":[{"columnId":"c1","sourceField":"asset_tag","newValue":null}]}
        "#);
    }
}
