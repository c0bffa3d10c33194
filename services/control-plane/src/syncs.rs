//! Syncs: trigger, look, cancel.

use std::time::Duration;

use pandaport_api::v1 as proto;
use pandaport_queue::Behind;
use pandaport_store::connections::{self, ConnectionState};
use pandaport_store::mappings::{self, Mapping};
use pandaport_store::syncs::{self, Creation, Mode, NewSync, Sync, SyncFilter, SyncState, TriggerKind};
use pandaport_store::{MappingId, Micros, SyncId, Tx, workers};

use crate::control_plane::{Caller, ControlPlane};
use crate::errors::{CallError, Result};
use crate::paging::Page;
use crate::plan_of::Asked;
use crate::requests::Repeatable;
use crate::validate::Violations;
use crate::{convert, reason};

/// A worker that did not say for this long that it is alive is not counted on.
pub(crate) const WORKER_SILENCE: Duration = Duration::from_secs(30);
/// A sync that is queued for this long while workers live waits for a free one.
const ALL_BUSY_AFTER: Duration = Duration::from_secs(5);

impl ControlPlane {
    pub(crate) async fn trigger_sync(
        &self,
        caller: &Caller,
        request: proto::TriggerSyncRequest,
    ) -> Result<proto::TriggerSyncResponse> {
        let mut violations = Violations::default();
        let mapping_id = MappingId(violations.id("mapping_id", &request.mapping_id));
        let mode = violations.choice("mode", request.mode);
        let plan = violations.optional_id("plan_of", &request.plan_of).map(SyncId);
        let asked = Asked { mode, retry_rejected: request.retry_rejected };
        if plan.is_some() && request.dry_run {
            violations.malformed("dry_run", "A plan is either made or applied: leave one of dry_run and plan_of out.");
        }
        let repeatable = self.repeatable(&mut violations, caller, "TriggerSync", &request.request_id, &request);
        violations.check()?;

        let wanted = NewSync {
            mapping_id,
            mode: convert::stored_sync_mode(mode),
            dry_run: request.dry_run,
            retry_rejected: request.retry_rejected,
            trigger_kind: TriggerKind::Call,
            traceparent: caller.traceparent.clone(),
        };
        match plan {
            Some(plan) => repeatable.once(Box::pin(self.apply_plan(caller, &repeatable, plan, asked, wanted))).await,
            None => repeatable.once(Box::pin(self.trigger(caller, &repeatable, wanted))).await,
        }
    }

    async fn trigger(
        &self,
        caller: &Caller,
        repeatable: &Repeatable,
        wanted: NewSync,
    ) -> Result<proto::TriggerSyncResponse> {
        let mapping = mappings::get(&self.store, &caller.tenant, wanted.mapping_id).await?;
        if self.never_ran(caller, wanted.mapping_id).await? {
            self.require_verified(caller, &mapping).await?;
        }
        let mut tx = self.store.begin_write().await?;
        let (sync, already_active) = self.create_sync(&mut tx, caller, &wanted).await?;
        let answer = proto::TriggerSyncResponse { sync: Some(convert::sync(sync)), already_active };
        self.finish(tx, caller, repeatable, &answer).await?;
        Ok(answer)
    }

    /// Makes a sync and puts a job behind it, or gives the active one if that does as much: it is of the same mode, and tries
    /// rejected devices again if that is asked for (rule 6).
    pub(crate) async fn create_sync(&self, tx: &mut Tx, caller: &Caller, wanted: &NewSync) -> Result<(Sync, bool)> {
        match syncs::create(tx, &caller.tenant, wanted, Micros::now()).await? {
            Creation::Created(sync) => {
                self.queue.enqueue(tx, &Behind::from(&sync)).await?;
                Ok((sync, false))
            }
            Creation::AlreadyActive(active)
                if active.mode == wanted.mode && wanted.retry_rejected && !retries(&active) =>
            {
                Err(CallError::Precondition {
                    reason: reason::SYNC_ACTIVE_OTHER_MODE,
                    message: format!(
                        "Sync {} of this mapping is active, and it does not try rejected devices again: wait for its end, or \
                         cancel it; then ask for this again.",
                        active.sync_id
                    ),
                })
            }
            Creation::AlreadyActive(active) if active.mode == wanted.mode => Ok((active, true)),
            Creation::AlreadyActive(active) => Err(CallError::Precondition {
                reason: reason::SYNC_ACTIVE_OTHER_MODE,
                message: format!(
                    "Sync {} of this mapping is active, and it is {}: wait for its end, or cancel it.",
                    active.sync_id,
                    active.mode.as_str()
                ),
            }),
        }
    }

    async fn never_ran(&self, caller: &Caller, mapping_id: MappingId) -> Result<bool> {
        let filter = SyncFilter { mapping_id: Some(mapping_id), ..SyncFilter::default() };
        Ok(syncs::list(&self.store, &caller.tenant, &filter, 1).await?.is_empty())
    }

    async fn require_verified(&self, caller: &Caller, mapping: &Mapping) -> Result<()> {
        let connection = connections::get(&self.store, &caller.tenant, mapping.connection_id).await?;
        verified(connection.state)
    }

    pub(crate) async fn get_sync(
        &self,
        caller: &Caller,
        request: proto::GetSyncRequest,
    ) -> Result<proto::GetSyncResponse> {
        let sync_id = sync_id(&request.sync_id)?;
        let sync = syncs::get(&self.store, &caller.tenant, sync_id).await?;
        Ok(proto::GetSyncResponse { sync: Some(self.describe(sync).await?) })
    }

    pub(crate) async fn list_syncs(
        &self,
        caller: &Caller,
        request: proto::ListSyncsRequest,
    ) -> Result<proto::ListSyncsResponse> {
        let mut violations = Violations::default();
        let bare = proto::ListSyncsRequest { page_size: 0, page_token: String::new(), ..request.clone() };
        let page = Page::read(&mut violations, "ListSyncs", &bare, request.page_size, &request.page_token);
        let mapping_id = violations.optional_id("mapping_id", &request.mapping_id).map(MappingId);
        let states = violations.filter("states", &request.states, convert::stored_sync_state);
        let created_from = violations.time("created_from", request.created_from.as_ref());
        let created_before = violations.time("created_before", request.created_before.as_ref());
        if let (Some(from), Some(before)) = (created_from, created_before)
            && from > before
        {
            violations.malformed("created_from", "It is later than created_before: no sync lies between them.");
        }
        violations.check()?;

        if let Some(mapping_id) = mapping_id {
            mappings::get(&self.store, &caller.tenant, mapping_id).await?;
        }
        let filter = SyncFilter {
            mapping_id,
            states,
            created_from: created_from.map(Micros::from),
            created_before: created_before.map(Micros::from),
            before: page.after_id().map(SyncId),
        };
        let mut rows = syncs::list(&self.store, &caller.tenant, &filter, page.rows_to_read()).await?;
        let next_page_token = page.cut(&mut rows, |row| row.sync_id.to_string());
        let syncs = self.describe_all(rows).await?;
        Ok(proto::ListSyncsResponse { syncs, next_page_token })
    }

    pub(crate) async fn cancel_sync(
        &self,
        caller: &Caller,
        request: proto::CancelSyncRequest,
    ) -> Result<proto::CancelSyncResponse> {
        let sync_id = sync_id(&request.sync_id)?;
        let mut tx = self.store.begin_write().await?;
        let sync = syncs::cancel(&mut tx, &caller.tenant, sync_id, Micros::now()).await?;
        if sync.state.is_final() {
            self.queue.cancel(&mut tx, sync_id).await?;
        }
        self.commit(tx, caller).await?;
        Ok(proto::CancelSyncResponse { sync: Some(self.describe(sync).await?) })
    }

    /// A sync with what depends on more than its row.
    pub(crate) async fn describe(&self, row: Sync) -> Result<proto::Sync> {
        let mut described = self.describe_all(vec![row]).await?;
        described.pop().ok_or_else(|| CallError::Internal("a sync was lost on its way out".to_owned()))
    }

    async fn describe_all(&self, rows: Vec<Sync>) -> Result<Vec<proto::Sync>> {
        let now = Micros::now();
        let workers = if rows.iter().any(|row| row.state == SyncState::Queued) {
            Some(workers::alive(&self.store, now.minus(WORKER_SILENCE)).await?.len())
        } else {
            None
        };
        Ok(rows
            .into_iter()
            .map(|row| {
                let wait = workers.and_then(|workers| wait_for_worker(&row, workers, now));
                let end = self.estimated_end(&row, now);
                let mut sync = convert::sync(row);
                sync.wait = sync.wait.or(wait);
                if let Some(estimate) = &mut sync.estimate {
                    estimate.finish_time = end.map(convert::time);
                }
                sync
            })
            .collect())
    }

    /// When the calls that are left are made, if this sync has the whole budget for itself: whatever fits into the window
    /// at hand goes at the pace of the answers, the rest waits for the windows that follow.
    fn estimated_end(&self, row: &Sync, now: Micros) -> Option<Micros> {
        let left = u32::try_from(row.calls_left?).ok()?;
        let made = u32::try_from(row.calls_asset_panda).ok()?;
        let limits = &self.upstream.budgets().asset_panda;
        let windows = limits.iter().map(|limit| {
            let calls = limit.calls.max(1);
            let last = made.saturating_add(left).saturating_sub(1);
            limit.window * (last / calls).saturating_sub(made / calls)
        });
        let time = windows.max().unwrap_or_default() + PACE * left;
        Some(row.wait_until.unwrap_or(now).max(now).plus(time))
    }
}

/// How long a call takes where many are under way at once.
const PACE: std::time::Duration = std::time::Duration::from_millis(20);

/// Whether a sync sends what was rejected again: a FULL one always does.
fn retries(sync: &Sync) -> bool {
    sync.retry_rejected || sync.mode == Mode::Full
}

/// The state that a first sync needs.
pub(crate) fn verified(state: ConnectionState) -> Result<()> {
    if state == ConnectionState::Verified {
        return Ok(());
    }
    Err(CallError::Precondition {
        reason: reason::CONNECTION_NOT_VERIFIED,
        message: format!("The connection is {}: it must pass TestConnection first.", state.as_str()),
    })
}

pub(crate) fn sync_id(text: &str) -> Result<SyncId> {
    let mut violations = Violations::default();
    let id = SyncId(violations.id("sync_id", text));
    violations.check()?;
    Ok(id)
}

fn wait_for_worker(row: &Sync, workers: usize, now: Micros) -> Option<proto::SyncWait> {
    if row.state != SyncState::Queued {
        return None;
    }
    let message = match workers {
        0 => "No worker is running: start pandaport-worker, or `pandaport up`.",
        _ if now.since(row.create_time) >= ALL_BUSY_AFTER => "All workers are busy.",
        _ => return None,
    };
    Some(proto::SyncWait { reason: reason::NO_WORKER.to_owned(), message: message.to_owned(), until: None })
}
