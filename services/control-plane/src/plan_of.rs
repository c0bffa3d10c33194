//! TriggerSync with `plan_of`: whether a dry run's plan can still be applied (rule 14). Whether it fits what is there by
//! then, only the sync itself can tell.

use pandaport_api::v1 as proto;
use pandaport_queue::Behind;
use pandaport_store::mappings;
use pandaport_store::syncs::{self, Creation, Mode, NewSync, Sync, SyncState};
use pandaport_store::{Micros, SyncId, Tx};

use crate::control_plane::{Caller, ControlPlane};
use crate::errors::{CallError, Result};
use crate::requests::Repeatable;
use crate::validate::Violations;
use crate::{convert, reason};

/// What the caller says beside the plan: it may leave it out, but not say otherwise than the plan.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) mode: Option<proto::SyncMode>,
    pub(crate) retry_rejected: bool,
}

impl ControlPlane {
    /// Queues a sync that does what the dry run `plan` showed.
    pub(crate) async fn apply_plan(
        &self,
        caller: &Caller,
        repeatable: &Repeatable,
        plan: SyncId,
        asked: Asked,
        wanted: NewSync,
    ) -> Result<proto::TriggerSyncResponse> {
        let mut tx = self.store.begin_write().await?;
        let plan = self.plan_to_apply(&mut tx, caller, &wanted, plan).await?;
        asked.fits(&plan)?;
        let wanted = NewSync { mode: plan.mode, retry_rejected: plan.retry_rejected, ..wanted };
        let (sync, already_active) = match syncs::create(&mut tx, &caller.tenant, &wanted, Micros::now()).await? {
            Creation::Created(sync) => {
                let sync = syncs::apply_plan(&mut tx, &caller.tenant, sync.sync_id, plan.sync_id).await?;
                self.queue.enqueue(&mut tx, &Behind::from(&sync)).await?;
                (sync, false)
            }
            Creation::AlreadyActive(active) if active.plan_of == Some(plan.sync_id) => (active, true),
            Creation::AlreadyActive(active) => {
                return Err(CallError::Precondition {
                    reason: reason::SYNC_ACTIVE_OTHER_MODE,
                    message: format!(
                        "Sync {} of this mapping is active, and it does not apply this plan: wait for its end, or cancel it.",
                        active.sync_id
                    ),
                });
            }
        };
        let answer = proto::TriggerSyncResponse { sync: Some(convert::sync(sync)), already_active };
        self.finish(tx, caller, repeatable, &answer).await?;
        Ok(answer)
    }

    /// The dry run, if it ended with a plan for the mapping as it is now.
    async fn plan_to_apply(&self, tx: &mut Tx, caller: &Caller, wanted: &NewSync, plan: SyncId) -> Result<Sync> {
        let mapping = mappings::get_in(tx, &caller.tenant, wanted.mapping_id).await?;
        let plan = syncs::get_in(tx, &caller.tenant, plan).await?;
        let mut violations = Violations::default();
        if plan.mapping_id != wanted.mapping_id {
            violations.malformed("plan_of", "This sync is one of another mapping.");
        } else if !plan.dry_run {
            violations.malformed("plan_of", "This sync was no dry run, so it is no plan: it has done what it said.");
        }
        violations.check()?;
        let refused = match plan.state {
            SyncState::Queued | SyncState::Running | SyncState::Waiting => Some("is not at its end yet: wait for it"),
            SyncState::Failed | SyncState::Cancelled => Some("did not get as far as a plan: make a new one"),
            _ if plan.pruned => Some("is past the history's retention: make a new one"),
            _ if plan.revision != mapping.revision => {
                Some("was made for the mapping as it was before it was changed: make a new one")
            }
            SyncState::Succeeded | SyncState::CompletedWithRejections | SyncState::Held => None,
        };
        match refused {
            Some(why) => Err(CallError::Precondition {
                reason: reason::PLAN_MOVED,
                message: format!("The dry run {} {why}.", plan.sync_id),
            }),
            None => Ok(plan),
        }
    }
}

impl Asked {
    fn fits(self, plan: &Sync) -> Result<()> {
        let mut violations = Violations::default();
        let says = !matches!(self.mode, None | Some(proto::SyncMode::Unspecified));
        if says && convert::stored_sync_mode(self.mode) != plan.mode {
            let right = match plan.mode {
                Mode::Full => "FULL",
                Mode::Incremental => "INCREMENTAL",
            };
            violations.malformed("mode", format!("The plan is of a sync of mode {right}: leave the mode out."));
        }
        if self.retry_rejected && !plan.retry_rejected {
            violations.malformed("retry_rejected", "The plan leaves devices alone that were rejected: leave this out.");
        }
        Ok(violations.check()?)
    }
}
