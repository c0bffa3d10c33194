//! Mappings that are there: change, pause, set going again.

use pandaport_api::v1 as proto;
use pandaport_import::{Column, MappingSpec, Pair, RemovalAction};
use pandaport_queue::Behind;
use pandaport_store::mappings::{self, Mapping, MappingChange, MappingState, NewRevision, Revision};
use pandaport_store::syncs::{self, Creation, Mode, NewSync, Sync, TriggerKind};
use pandaport_store::{MappingId, Micros, StoreError, Tx};
use pandaport_upstream::import_columns;

use crate::catalogue::columns;
use crate::control_plane::{Caller, ControlPlane};
use crate::errors::Result;
use crate::mapping_input::{self, MappingInput};
use crate::mappings::{checked, columns_json, look_at_records, stored_spec};
use crate::requests::Repeatable;
use crate::update_mask::Mask;
use crate::validate::Violations;
use crate::{convert, etag, policy_input, reason};

/// What a change of the import comes to.
#[derive(Default)]
struct Revised {
    revision: Option<NewRevision>,
    warnings: Vec<proto::Warning>,
    forget_marks: bool,
    /// What is imported into the columns changes: what is known of them is no longer to be trusted.
    full_next: bool,
}

impl ControlPlane {
    pub(crate) async fn update_mapping(
        &self,
        caller: &Caller,
        request: proto::UpdateMappingRequest,
    ) -> Result<proto::UpdateMappingResponse> {
        let mut violations = Violations::default();
        let id = MappingId(violations.id("mapping_id", &request.mapping_id));
        etag::read(&mut violations, &request.etag);
        let mask = Mask::read(&mut violations, request.update_mask.as_ref());
        let repeatable = self.repeatable(&mut violations, caller, "UpdateMapping", &request.request_id, &request);
        let Some(given) = request.mapping else {
            violations.malformed("mapping", "This field is required.");
            return Err(violations.check().err().unwrap_or_default().into());
        };
        violations.check()?;
        repeatable.once(Box::pin(self.update(caller, &repeatable, id, &mask, &given, &request.etag))).await
    }

    async fn update(
        &self,
        caller: &Caller,
        repeatable: &Repeatable,
        id: MappingId,
        mask: &Mask,
        given: &proto::Mapping,
        etag: &str,
    ) -> Result<proto::UpdateMappingResponse> {
        let now = Micros::now();
        let row = mappings::get(&self.store, &caller.tenant, id).await?;
        etag::check("mapping", etag, &row.version.to_string())?;
        let stored = mappings::revision(&self.store, &caller.tenant, id, row.revision).await?;
        let mut violations = Violations::default();
        let changed = mask.apply(convert::mapping(row.clone(), &stored.spec, None)?, given);
        let input = mapping_input::read(&mut violations, changed, now);
        let Some(spec) = input.spec.clone().filter(|_| violations.is_empty()) else {
            return Err(violations.check().err().unwrap_or_default().into());
        };
        let Revised { revision, warnings, forget_marks, full_next } = if mask.is_about_the_import() {
            self.revise(caller, &row, &stored, &input, spec).await?
        } else {
            Revised::default()
        };
        let spec = revision.as_ref().map_or_else(|| stored.spec.clone(), |new| new.spec.clone());
        // What is held is worked out anew for what the mapping says now.
        let held = if revision.is_some() { None } else { self.held(caller, id).await? };
        let last_sync = match row.last_sync_id {
            Some(id) => Some(self.describe(syncs::get(&self.store, &caller.tenant, id).await?).await?),
            None => None,
        };
        let change = MappingChange {
            display_name: input.display_name,
            schedule: mask.names("schedule").then_some(input.schedule),
            full_sync_every: input.full_sync_every,
            full_next,
            revision,
            fits: mask.is_about_the_import(),
            forget_marks,
        };
        let mut tx = self.store.begin_write().await?;
        let updated = mappings::update(&mut tx, &caller.tenant, id, row.version, &change, now).await?;
        let mended = row.state == MappingState::Broken && updated.state == MappingState::Active;
        let mode = if updated.next_full_time <= now { Mode::Full } else { Mode::Incremental };
        let sync = if mended { self.sync_at_once(&mut tx, caller, id, mode, now).await? } else { None };
        let sync = sync.map(convert::sync);
        let answer = proto::UpdateMappingResponse {
            mapping: Some(proto::Mapping { held, ..convert::mapping(updated, &spec, sync.clone().or(last_sync))? }),
            warnings,
            sync,
        };
        self.finish(tx, caller, repeatable, &answer).await?;
        Ok(answer)
    }

    /// Holds what is to be imported against the collection as it is now. Answers with a new revision if anything differs.
    async fn revise(
        &self,
        caller: &Caller,
        row: &Mapping,
        stored: &Revision,
        input: &MappingInput,
        mut spec: MappingSpec,
    ) -> Result<Revised> {
        let before: MappingSpec =
            serde_json::from_str(&stored.spec).map_err(|error| StoreError::corrupt("mapping", error))?;
        let clients = self.upstream.open(&caller.tenant, row.connection_id.0, None).await?;
        let scoped = clients.scoped()?;
        let now: Vec<Column> = import_columns(columns(scoped, &row.collection_id).await?);
        let mut violations = Violations::default();
        let mut warnings = checked(&mut violations, input, &spec, &now);
        violations.check()?;
        policy_input::in_written_form(&mut spec.removal_policy.action, &now);
        if spec.removal_policy.action != before.removal_policy.action {
            let ours = mappings::created_count(&self.store, &caller.tenant, row.mapping_id).await?;
            warnings.extend(look_at_records(scoped, &row.collection_id, &spec, ours).await);
        }
        if spec.pairs != before.pairs || spec.passenger_max_age != before.passenger_max_age {
            warnings.extend(self.look_at_kandji(&clients, &spec).await);
        }
        clients.release().await;
        let forget_marks = marks_otherwise(&before.removal_policy.action, &spec.removal_policy.action);
        if forget_marks {
            let marked = mappings::marked_count(&self.store, &caller.tenant, row.mapping_id).await?;
            warnings.extend((marked > 0).then(|| marks_stay(marked)));
        }
        let columns = columns_json(&spec, &now)?;
        let moved = stored.columns.as_ref().is_some_and(|stored| *stored != columns);
        let revision = (spec != before || moved).then_some(NewRevision { spec: stored_spec(&spec)?, columns });
        Ok(Revised { revision, warnings, forget_marks, full_next: has_news(&before.pairs, &spec.pairs) })
    }

    /// A mapping that was BROKEN has missed syncs: it is not left to wait for its next time.
    async fn sync_at_once(
        &self,
        tx: &mut Tx,
        caller: &Caller,
        id: MappingId,
        mode: Mode,
        now: Micros,
    ) -> Result<Option<Sync>> {
        let new = NewSync {
            mapping_id: id,
            mode,
            dry_run: false,
            retry_rejected: false,
            trigger_kind: TriggerKind::Call,
            traceparent: caller.traceparent.clone(),
        };
        match syncs::create(tx, &caller.tenant, &new, now).await? {
            Creation::Created(sync) => {
                self.queue.enqueue(tx, &Behind::from(&sync)).await?;
                Ok(Some(sync))
            }
            Creation::AlreadyActive(_) => Ok(None),
        }
    }

    pub(crate) async fn pause_mapping(
        &self,
        caller: &Caller,
        request: proto::PauseMappingRequest,
    ) -> Result<proto::PauseMappingResponse> {
        let id = mapping_id(&request.mapping_id)?;
        let mut tx = self.store.begin_write().await?;
        let row = mappings::pause(&mut tx, &caller.tenant, id, Micros::now()).await?;
        self.commit(tx, caller).await?;
        Ok(proto::PauseMappingResponse { mapping: Some(self.describe_mapping(caller, row).await?) })
    }

    pub(crate) async fn resume_mapping(
        &self,
        caller: &Caller,
        request: proto::ResumeMappingRequest,
    ) -> Result<proto::ResumeMappingResponse> {
        let id = mapping_id(&request.mapping_id)?;
        let mut tx = self.store.begin_write().await?;
        let row = mappings::resume(&mut tx, &caller.tenant, id, Micros::now()).await?;
        self.commit(tx, caller).await?;
        Ok(proto::ResumeMappingResponse { mapping: Some(self.describe_mapping(caller, row).await?) })
    }
}

/// Whether a pair is new, or written otherwise than before: in its column may stand what nobody has looked at since a sync
/// last wrote there, if one ever did.
fn has_news(before: &[Pair], after: &[Pair]) -> bool {
    after.iter().any(|pair| !before.contains(pair))
}

/// Whether marks that were made can't be undone any more by the policy there is now.
fn marks_otherwise(before: &RemovalAction, after: &RemovalAction) -> bool {
    match (before, after) {
        (RemovalAction::Mark { column_id: before, .. }, RemovalAction::Mark { column_id: after, .. }) => {
            before != after
        }
        (RemovalAction::Mark { .. }, _) => true,
        _ => false,
    }
}

fn marks_stay(marked: usize) -> proto::Warning {
    proto::Warning {
        field: "mapping.removal_policy".to_owned(),
        reason: reason::MARKS_STAY.to_owned(),
        message: format!(
            "{marked} records bear the mark of the policy before, and keep it: it is not undone when their devices come back. \
             Undo it in Asset Panda where it is not wanted."
        ),
    }
}

fn mapping_id(text: &str) -> Result<MappingId> {
    let mut violations = Violations::default();
    let id = MappingId(violations.id("mapping_id", text));
    violations.check()?;
    Ok(id)
}
