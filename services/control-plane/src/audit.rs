//! The audit log: one event for each call that changes something, or was meant to.
//!
//! What a call changes and the event that tells of it are written in one transaction ([`ControlPlane::finish`] and
//! [`ControlPlane::commit`]). A call that was refused, or that changed nothing, gets its event at its end. Callers that
//! could not show who they are have no tenant whose log they could stand in, and could fill it without end: they get a line
//! in the process's log alone.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use pandaport_access::Identity;
use pandaport_api::v1 as proto;
use pandaport_store::audit::{self, AuditEvent, AuditFilter, FieldNames};
use pandaport_store::{AuditEventId, ConnectionId, MappingId, Micros, Store, SyncId, Tenant, Tx};
use prost::Message;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::contract::{self, Ids, Said};
use crate::control_plane::{Caller, ControlPlane};
use crate::errors::Result;
use crate::limits::MAX_ACTOR;
use crate::paging::Page;
use crate::requests::Repeatable;
use crate::roles::{RPCS, Rpc};
use crate::validate::Violations;
use crate::{convert, reason};

/// A call that changes something, as the audit log tells of it.
#[derive(Clone)]
pub(crate) struct Audited(Arc<Inner>);

struct Inner {
    who: Identity,
    rpc: &'static Rpc,
    peer: String,
    said: Said,
    /// Once its event is stored for good: what it was about.
    kept: OnceLock<Ids>,
    /// Why nothing changed though the call was answered.
    note: OnceLock<&'static str>,
}

impl Audited {
    /// A call of `rpc`; `request` is its message, encoded, if it came so far.
    pub(crate) fn new(who: Identity, rpc: &'static Rpc, peer: String, request: Option<&[u8]>) -> Self {
        let said = request.map(|it| contract::said(rpc.name, it)).unwrap_or_default();
        Self(Arc::new(Inner { who, rpc, peer, said, kept: OnceLock::new(), note: OnceLock::new() }))
    }

    /// The call is answered, but what it asked for was not done.
    pub(crate) fn note(&self, reason: &'static str) {
        let _ = self.0.note.set(reason);
    }

    fn event(&self, code: Code, reason: String, ids: Ids) -> AuditEvent {
        let now = Micros::now();
        let Inner { who, rpc, peer, said, note, .. } = &*self.0;
        AuditEvent {
            event_id: AuditEventId::new(now),
            tenant: Tenant::new(&*who.tenant),
            create_time: now,
            method: rpc.name.to_owned(),
            actor: who.name.clone(),
            proof: who.proof.as_str().to_owned(),
            role: who.role.as_str().to_owned(),
            peer: peer.clone(),
            code: name_of(code),
            reason: if reason.is_empty() { note.get().copied().unwrap_or_default().to_owned() } else { reason },
            // Longer ones are refused, and need not be kept whole.
            request_id: said.request_id.chars().filter(|it| !it.is_control()).take(64).collect(),
            connection_id: ids.connection_id.map(ConnectionId),
            mapping_id: ids.mapping_id.map(MappingId),
            sync_id: ids.sync_id.map(SyncId),
            fields: FieldNames(said.fields.clone()),
        }
    }

    /// Tells of a call at its end: in the process's log and, unless its event is stored already, in the database.
    pub(crate) async fn ended(&self, store: &Store, refused: Option<&Status>) {
        let code = refused.map_or(Code::Ok, Status::code);
        let reason = refused.and_then(|it| it.get_details_error_info()).map(|it| it.reason).unwrap_or_default();
        let kept = self.0.kept.get();
        if code == Code::Ok && kept.is_none() {
            self.note(reason::NOTHING_CHANGED);
        }
        let event = self.event(code, reason, kept.copied().unwrap_or(self.0.said.ids));
        log(&event);
        if kept.is_some() {
            return;
        }
        // Nobody waits for a database that is just told to be away, or adds to what is too much already.
        if code == Code::Unavailable && event.reason.is_empty() || event.reason == reason::TOO_MANY_CALLS {
            return;
        }
        if let Err(error) = store.in_time(Duration::ZERO, audit::insert(store, &event)).await {
            tracing::error!(%error, event_id = %event.event_id, "an audit event could not be stored; the log has it");
        }
    }
}

/// The structured line, under a target of its own: what collects logs can keep it apart.
fn log(event: &AuditEvent) {
    let id = |it: Option<String>| it.unwrap_or_default();
    tracing::info!(
        target: "audit",
        method = event.method,
        actor = event.actor,
        proof = event.proof,
        role = event.role,
        tenant = event.tenant.as_str(),
        peer = event.peer,
        code = event.code,
        reason = event.reason,
        request_id = event.request_id,
        connection_id = id(event.connection_id.map(|it| it.to_string())),
        mapping_id = id(event.mapping_id.map(|it| it.to_string())),
        sync_id = id(event.sync_id.map(|it| it.to_string())),
        fields = event.fields.0.join(","),
        "a call that changes something"
    );
}

/// A code as the contract writes it: `PERMISSION_DENIED`.
fn name_of(code: Code) -> String {
    if code == Code::Ok {
        return "OK".to_owned();
    }
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

impl ControlPlane {
    /// Makes what a call did last, together with its audit event and its answer under its `request_id`.
    pub(crate) async fn finish(
        &self,
        mut tx: Tx,
        caller: &Caller,
        repeatable: &Repeatable,
        answer: &impl Message,
    ) -> Result<()> {
        let made = caller.audited.as_ref().map(|it| contract::ids_in_answer(it.0.rpc.name, &answer.encode_to_vec()));
        let ids = write_event(&mut tx, caller, made.unwrap_or_default()).await?;
        // Last of all: rows are locked in one order.
        repeatable.keep(&mut tx, answer).await?;
        make_last(tx, caller, ids).await
    }

    /// The same for a call whose answer is not kept.
    pub(crate) async fn commit(&self, mut tx: Tx, caller: &Caller) -> Result<()> {
        let ids = write_event(&mut tx, caller, Ids::default()).await?;
        make_last(tx, caller, ids).await
    }

    pub(crate) async fn list_audit_events(
        &self,
        caller: &Caller,
        request: proto::ListAuditEventsRequest,
    ) -> Result<proto::ListAuditEventsResponse> {
        let mut violations = Violations::default();
        let bare = proto::ListAuditEventsRequest { page_size: 0, page_token: String::new(), ..request.clone() };
        let page = Page::read(&mut violations, "ListAuditEvents", &bare, request.page_size, &request.page_token);
        let resource_id = violations.optional_id("resource_id", &request.resource_id);
        violations.text("actor", &request.actor, MAX_ACTOR);
        if !request.method.is_empty() && !RPCS.iter().any(|rpc| rpc.changes && rpc.name == request.method) {
            violations.malformed("method", "This is no call that changes something: write a name such as TriggerSync.");
        }
        let created_from = violations.time("created_from", request.created_from.as_ref());
        let created_before = violations.time("created_before", request.created_before.as_ref());
        if let (Some(from), Some(before)) = (created_from, created_before)
            && from > before
        {
            violations.malformed("created_from", "It is later than created_before: no event lies between them.");
        }
        violations.check()?;

        let filter = AuditFilter {
            created_from: created_from.map(Micros::from),
            created_before: created_before.map(Micros::from),
            method: Some(request.method).filter(|it| !it.is_empty()),
            actor: Some(request.actor).filter(|it| !it.is_empty()),
            resource_id,
            before: page.after_id().map(AuditEventId),
        };
        let mut rows = audit::list(&self.store, &caller.tenant, &filter, page.rows_to_read()).await?;
        let next_page_token = page.cut(&mut rows, |row| row.event_id.to_string());
        let events = rows.into_iter().map(convert::audit_event).collect();
        Ok(proto::ListAuditEventsResponse { events, next_page_token })
    }
}

/// Gives what the call was about.
async fn write_event(tx: &mut Tx, caller: &Caller, made: Ids) -> Result<Ids> {
    let Some(audited) = &caller.audited else { return Ok(made) };
    let ids = audited.0.said.ids.or(made);
    audit::insert_in(tx, &audited.event(Code::Ok, String::new(), ids)).await?;
    Ok(ids)
}

async fn make_last(tx: Tx, caller: &Caller, ids: Ids) -> Result<()> {
    tx.commit().await?;
    if let Some(audited) = &caller.audited {
        let _ = audited.0.kept.set(ids);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_written_as_in_the_contract() {
        assert_eq!(name_of(Code::Ok), "OK");
        assert_eq!(name_of(Code::PermissionDenied), "PERMISSION_DENIED");
        assert_eq!(name_of(Code::Internal), "INTERNAL");
    }
}
