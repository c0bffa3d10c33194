//! What is known of one device.

use pandaport_api::v1;
use serde::Serialize;

use super::sync::{Change, DeviceView, RecordView};
use super::well_known::{time, value};

/// `pandaport.v1.ExplainDeviceResponse`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedView<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<DeviceView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kandji: Option<InKandji<'a>>,
    written: Vec<Written<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_record: Option<Last<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Next<'a>>,
    other_device_ids: &'a [String],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct InKandji<'a> {
    presence: &'a str,
    message: &'a str,
    fields: Vec<Field<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ask_time: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Field<'a> {
    source_field: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<serde_json::Value>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    column_id: &'a str,
    source_field: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<serde_json::Value>,
    written_by_import: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Last<'a> {
    sync_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<RecordView<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Next<'a> {
    action: &'a str,
    reason: &'a str,
    message: &'a str,
    changes: Vec<Change<'a>>,
}

impl<'a> From<&'a v1::ExplainDeviceResponse> for ExplainedView<'a> {
    fn from(it: &'a v1::ExplainDeviceResponse) -> Self {
        Self {
            device: it.device.as_ref().map(Into::into),
            kandji: it.kandji.as_ref().map(|it| InKandji {
                presence: it.presence().as_str_name(),
                message: &it.message,
                fields: it
                    .fields
                    .iter()
                    .map(|it| Field { source_field: &it.source_field, value: it.value.as_ref().map(value) })
                    .collect(),
                ask_time: time(it.ask_time.as_ref()),
            }),
            written: it
                .written
                .iter()
                .map(|it| Written {
                    column_id: &it.column_id,
                    source_field: &it.source_field,
                    value: it.value.as_ref().map(value),
                    written_by_import: it.written_by_import,
                })
                .collect(),
            last_record: it.last_record.as_ref().map(|it| Last {
                sync_id: &it.sync_id,
                time: time(it.time.as_ref()),
                record: it.record.as_ref().map(Into::into),
            }),
            next: it.next.as_ref().map(|it| Next {
                action: it.action().as_str_name(),
                reason: &it.reason,
                message: &it.message,
                changes: it.changes.iter().map(Into::into).collect(),
            }),
            other_device_ids: &it.other_device_ids,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::json_line;
    use super::*;

    #[test]
    fn an_explained_device_as_protobuf_json() {
        let explained = crate::show::explain::tests::updated();
        insta::assert_snapshot!(json_line(&ExplainedView::from(&explained)), @r#"
        {"device":{"deviceId":"d-1","identifier":"C02ABC","serialNumber":"C02ABC","recordId":"01JREC0001","state":"DEVICE_STATE_CURRENT","reason":"","message":"","lastSeenTime":"2026-11-20T09:14:02Z","lastConfirmedTime":"2026-11-20T09:14:02Z"},"kandji":{"presence":"KANDJI_PRESENCE_LISTED","message":"","fields":[{"sourceField":"os_version","value":"26.1"},{"sourceField":"asset_tag","value":null}],"askTime":"2026-11-20T10:14:02Z"},"written":[{"columnId":"c1","sourceField":"os_version","value":"26.0","writtenByImport":true}],"lastRecord":{"syncId":"0199aaaa","time":"2026-11-20T09:14:10Z","record":{"identifier":"","deviceId":"","serialNumber":"","recordId":"","outcome":"RECORD_OUTCOME_CREATED","reason":"","message":"","changes":[]}},"next":{"action":"NEXT_ACTION_UPDATE","reason":"","message":"1 column is written","changes":[{"columnId":"c1","sourceField":"os_version","oldValue":"26.0","newValue":"26.1"}]},"otherDeviceIds":["d-0"]}
        "#);
    }
}
