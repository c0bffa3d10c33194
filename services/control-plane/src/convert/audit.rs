//! Events of the audit log.

use pandaport_api::v1 as proto;
use pandaport_store::audit::AuditEvent;

use super::time;

pub(crate) fn audit_event(row: AuditEvent) -> proto::AuditEvent {
    let role = match row.role.as_str() {
        "viewer" => proto::CallerRole::Viewer,
        "operator" => proto::CallerRole::Operator,
        "admin" => proto::CallerRole::Admin,
        _ => proto::CallerRole::Unspecified,
    };
    let proof = match row.proof.as_str() {
        "none" => proto::CallerProof::None,
        "jwt" => proto::CallerProof::Jwt,
        "mtls" => proto::CallerProof::Mtls,
        _ => proto::CallerProof::Unspecified,
    };
    let id = |it: Option<String>| it.unwrap_or_default();
    proto::AuditEvent {
        event_id: row.event_id.to_string(),
        create_time: Some(time(row.create_time)),
        method: row.method,
        actor: row.actor,
        proof: proof.into(),
        role: role.into(),
        peer_address: row.peer,
        connection_id: id(row.connection_id.map(|it| it.to_string())),
        mapping_id: id(row.mapping_id.map(|it| it.to_string())),
        sync_id: id(row.sync_id.map(|it| it.to_string())),
        code: row.code,
        reason: row.reason,
        request_id: row.request_id,
        fields: row.fields.0,
    }
}
