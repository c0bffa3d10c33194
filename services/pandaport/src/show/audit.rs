//! Who changed what.

use pandaport_api::v1::AuditEvent;

use super::name::words;
use super::table::{Kind, table};
use super::time::moment;

const COLUMNS: [(&str, Kind); 7] = [
    ("TIME", Kind::Id),
    ("CALL", Kind::Id),
    ("BY", Kind::Text),
    ("FROM", Kind::Text),
    ("ABOUT", Kind::Id),
    ("RESULT", Kind::Text),
    ("FIELDS", Kind::Text),
];

/// A line for each event.
#[must_use]
pub fn events(width: Option<u16>, events: &[AuditEvent]) -> String {
    let rows: Vec<_> = events.iter().map(row).collect();
    table(width, &COLUMNS, &rows)
}

fn row(it: &AuditEvent) -> Vec<String> {
    let role = words(it.role().as_str_name(), "CALLER_ROLE_");
    let by = if it.actor.is_empty() { role } else { format!("{} ({role})", it.actor) };
    let about = [("sync", &it.sync_id), ("mapping", &it.mapping_id), ("connection", &it.connection_id)];
    let about = about.iter().find(|(_, id)| !id.is_empty()).map(|(what, id)| format!("{what} {id}"));
    let result = if it.reason.is_empty() { it.code.clone() } else { format!("{} {}", it.code, it.reason) };
    vec![
        moment(it.create_time.as_ref()),
        it.method.clone(),
        by,
        it.peer_address.clone(),
        about.unwrap_or_default(),
        result,
        it.fields.join(", "),
    ]
}

#[cfg(test)]
mod tests {
    use pandaport_api::v1::{CallerProof, CallerRole};

    use super::*;

    #[test]
    fn an_event_says_who_did_what_to_what_and_how_it_ended() {
        let done = AuditEvent {
            create_time: Some(prost_types::Timestamp { seconds: 1_795_166_042, nanos: 0 }),
            method: "TriggerSync".into(),
            actor: "system:serviceaccount:inventory:nightly".into(),
            proof: CallerProof::Jwt.into(),
            role: CallerRole::Operator.into(),
            peer_address: "10.0.0.7:51312".into(),
            mapping_id: "01939a10-77aa".into(),
            sync_id: "01939a2e-5a02".into(),
            code: "OK".into(),
            fields: vec!["mode".into()],
            ..AuditEvent::default()
        };
        let refused = AuditEvent {
            actor: String::new(),
            mapping_id: String::new(),
            sync_id: String::new(),
            code: "PERMISSION_DENIED".into(),
            reason: "ROLE_MISSING".into(),
            fields: Vec::new(),
            ..done.clone()
        };
        insta::assert_snapshot!(events(None, &[done, refused]), @r#"
        TIME                  CALL         BY                                                  FROM            ABOUT               RESULT                          FIELDS
        2026-11-20T09:14:02Z  TriggerSync  system:serviceaccount:inventory:nightly (operator)  10.0.0.7:51312  sync 01939a2e-5a02  OK                              mode
        2026-11-20T09:14:02Z  TriggerSync  operator                                            10.0.0.7:51312                      PERMISSION_DENIED ROLE_MISSING
        "#);
    }
}
