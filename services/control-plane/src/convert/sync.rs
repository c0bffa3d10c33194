//! Syncs.

use pandaport_api::v1 as proto;
use pandaport_store::Micros;
use pandaport_store::syncs::{Mode, Sync, SyncPhase, SyncState, TriggerKind};

use super::{count, time};

/// A sync without what depends on more than its row: its estimated end, and a wait for a worker.
pub(crate) fn sync(row: Sync) -> proto::Sync {
    let wait = row.wait_reason.map(|reason| proto::SyncWait {
        reason: reason.as_str().to_owned(),
        message: row.wait_message.unwrap_or_default(),
        until: row.wait_until.map(time),
    });
    let error =
        row.error_reason.map(|reason| proto::SyncError { reason, message: row.error_message.unwrap_or_default() });
    proto::Sync {
        sync_id: row.sync_id.to_string(),
        mapping_id: row.mapping_id.to_string(),
        state: sync_state(row.state).into(),
        phase: sync_phase(row.phase, row.start_time).into(),
        mode: match row.mode {
            Mode::Incremental => proto::SyncMode::Incremental,
            Mode::Full => proto::SyncMode::Full,
        }
        .into(),
        dry_run: row.dry_run,
        trigger: match row.trigger_kind {
            TriggerKind::Call => proto::SyncTrigger::Call,
            TriggerKind::Schedule => proto::SyncTrigger::Schedule,
            TriggerKind::First => proto::SyncTrigger::First,
        }
        .into(),
        counts: Some(proto::SyncCounts {
            read: count(row.counts.read),
            created: count(row.counts.created),
            adopted: count(row.counts.adopted),
            updated: count(row.counts.updated),
            unchanged: count(row.counts.unchanged),
            skipped: count(row.counts.skipped),
            rejected: count(row.counts.rejected),
            still_rejected: count(row.counts.still_rejected),
            removed: count(row.counts.removed),
        }),
        calls: Some(proto::ApiCalls { kandji: count(row.calls_kandji), asset_panda: count(row.calls_asset_panda) }),
        estimate: row
            .calls_left
            .filter(|_| !row.state.is_final())
            .map(|calls| proto::SyncEstimate { calls_left: count(calls), finish_time: None }),
        wait: wait.filter(|_| !row.state.is_final()),
        error,
        cancel_request_time: row.cancel_request_time.map(time),
        create_time: Some(time(row.create_time)),
        start_time: row.start_time.map(time),
        end_time: row.end_time.map(time),
        drifted: count(row.counts.drifted),
        plan_of: row.plan_of.map(|it| it.to_string()).unwrap_or_default(),
    }
}

fn sync_phase(phase: SyncPhase, start_time: Option<Micros>) -> proto::SyncPhase {
    if start_time.is_none() {
        return proto::SyncPhase::Unspecified;
    }
    match phase {
        SyncPhase::Schema => proto::SyncPhase::Schema,
        SyncPhase::Read => proto::SyncPhase::Read,
        SyncPhase::Resolve => proto::SyncPhase::Resolve,
        SyncPhase::Decide => proto::SyncPhase::Decide,
        SyncPhase::Apply => proto::SyncPhase::Apply,
        SyncPhase::Remove => proto::SyncPhase::Remove,
    }
}

fn sync_state(state: SyncState) -> proto::SyncState {
    match state {
        SyncState::Queued => proto::SyncState::Queued,
        SyncState::Running => proto::SyncState::Running,
        SyncState::Waiting => proto::SyncState::Waiting,
        SyncState::Succeeded => proto::SyncState::Succeeded,
        SyncState::CompletedWithRejections => proto::SyncState::CompletedWithRejections,
        SyncState::Held => proto::SyncState::Held,
        SyncState::Failed => proto::SyncState::Failed,
        SyncState::Cancelled => proto::SyncState::Cancelled,
    }
}

/// The stored state that a filter names; `None`: UNSPECIFIED, which no sync has.
pub(crate) fn stored_sync_state(state: proto::SyncState) -> Option<SyncState> {
    SyncState::ALL.iter().copied().find(|it| sync_state(*it) == state)
}

/// INCREMENTAL unless the caller says otherwise.
pub(crate) fn stored_sync_mode(mode: Option<proto::SyncMode>) -> Mode {
    match mode {
        Some(proto::SyncMode::Full) => Mode::Full,
        _ => Mode::Incremental,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stored_state_has_one_of_the_contract_and_leads_back() {
        for state in SyncState::ALL {
            assert_eq!(stored_sync_state(sync_state(*state)), Some(*state));
        }
        assert_eq!(stored_sync_state(proto::SyncState::Unspecified), None);
    }
}
