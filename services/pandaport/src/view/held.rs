//! What the brake holds.

use pandaport_api::v1;
use serde::Serialize;

use super::well_known::time;

/// `pandaport.v1.Held`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldView<'a> {
    removals: u32,
    deleted: u32,
    clears: u32,
    sample: Vec<Change<'a>>,
    digest: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Change<'a> {
    kind: &'a str,
    device_id: &'a str,
    serial_number: &'a str,
    identifier: &'a str,
    record_id: &'a str,
    column_id: &'a str,
}

impl<'a> From<&'a v1::Held> for HeldView<'a> {
    fn from(it: &'a v1::Held) -> Self {
        let change = |it: &'a v1::HeldChange| Change {
            kind: it.kind().as_str_name(),
            device_id: &it.device_id,
            serial_number: &it.serial_number,
            identifier: &it.identifier,
            record_id: &it.record_id,
            column_id: &it.column_id,
        };
        Self {
            removals: it.removals,
            deleted: it.deleted,
            clears: it.clears,
            sample: it.sample.iter().map(change).collect(),
            digest: &it.digest,
            since: time(it.since.as_ref()),
        }
    }
}
