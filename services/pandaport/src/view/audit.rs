//! Events of the audit log.

use pandaport_api::v1;
use serde::Serialize;

use super::well_known::time;

/// `pandaport.v1.AuditEvent`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEventView<'a> {
    event_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    create_time: Option<String>,
    method: &'a str,
    actor: &'a str,
    proof: &'static str,
    role: &'static str,
    peer_address: &'a str,
    connection_id: &'a str,
    mapping_id: &'a str,
    sync_id: &'a str,
    code: &'a str,
    reason: &'a str,
    request_id: &'a str,
    fields: &'a [String],
}

impl<'a> From<&'a v1::AuditEvent> for AuditEventView<'a> {
    fn from(it: &'a v1::AuditEvent) -> Self {
        Self {
            event_id: &it.event_id,
            create_time: time(it.create_time.as_ref()),
            method: &it.method,
            actor: &it.actor,
            proof: it.proof().as_str_name(),
            role: it.role().as_str_name(),
            peer_address: &it.peer_address,
            connection_id: &it.connection_id,
            mapping_id: &it.mapping_id,
            sync_id: &it.sync_id,
            code: &it.code,
            reason: &it.reason,
            request_id: &it.request_id,
            fields: &it.fields,
        }
    }
}
