//! What came of a deletion.

use pandaport_api::v1;
use serde::Serialize;

/// `pandaport.v1.DeleteMappingResponse`, and `DeleteConnectionResponse`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeletedView<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_mapping_ids: Option<&'a [String]>,
    cancelled_sync_ids: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    left_behind: Option<LeftBehind>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LeftBehind {
    records: u32,
    marked: u32,
    in_flight: u32,
}

impl From<v1::LeftBehind> for LeftBehind {
    fn from(it: v1::LeftBehind) -> Self {
        Self { records: it.records, marked: it.marked, in_flight: it.in_flight }
    }
}

impl<'a> From<&'a v1::DeleteMappingResponse> for DeletedView<'a> {
    fn from(it: &'a v1::DeleteMappingResponse) -> Self {
        Self {
            deleted_mapping_ids: None,
            cancelled_sync_ids: &it.cancelled_sync_ids,
            left_behind: it.left_behind.map(Into::into),
        }
    }
}

impl<'a> From<&'a v1::DeleteConnectionResponse> for DeletedView<'a> {
    fn from(it: &'a v1::DeleteConnectionResponse) -> Self {
        Self {
            deleted_mapping_ids: Some(&it.deleted_mapping_ids),
            cancelled_sync_ids: &it.cancelled_sync_ids,
            left_behind: it.left_behind.map(Into::into),
        }
    }
}
