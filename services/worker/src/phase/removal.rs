//! Which removals are due (rule 10): listed once a sync, when all else is decided, for the brake to weigh.

use std::time::Duration;

use pandaport_import::{Mode, OnFiltered, RemovalAction};
use pandaport_store::engine::{CountDeltas, Due, flag};

use super::read::RETRY_QUARANTINED;
use crate::halt::Halt;
use crate::run::Run;

/// When the mapping's policy is due; `None`: never, or nobody can say who is gone.
pub(super) fn due(run: &Run) -> Option<Due> {
    let settled = match run.spec.removal_policy.action {
        RemovalAction::Leave => return None,
        RemovalAction::Mark { .. } => flag::MARKED,
        RemovalAction::Delete => flag::LEFT,
    };
    if !run.knows_who_is_absent() {
        return None;
    }
    let start = run.slice.row.start_time;
    let retry = run.mode == Mode::Full || run.slice.row.retry_rejected;
    let filtered = if run.spec.on_filtered == OnFiltered::AsRemoved { flag::FILTERED } else { 0 };
    Some(Due {
        at_once: flag::REMOVED | filtered,
        settled,
        absent_by: start.minus(run.spec.removal_policy.min_absence),
        refused_by: start.minus(if retry { Duration::ZERO } else { RETRY_QUARANTINED }),
        created_only: run.spec.removal_policy.action == RemovalAction::Delete,
    })
}

/// Whether the device of a link with these flags counts as gone though it is there.
pub(super) fn is_gone_though_there(run: &Run, flags: i64) -> bool {
    flags & flag::REMOVED != 0 || (flags & flag::FILTERED != 0 && run.spec.on_filtered == OnFiltered::AsRemoved)
}

/// Whether the mark that a record bears is to be taken away.
pub(super) fn is_marked_and_back(run: &Run, flags: i64) -> bool {
    let marks = matches!(run.spec.removal_policy.action, RemovalAction::Mark { .. });
    marks && flags & (flag::MARKED | flag::MARKING) != 0 && !is_gone_though_there(run, flags)
}

/// Told with the rejection of a device that is back and whose mark would have been taken away along with its values.
pub(super) const STILL_MARKED: &str =
    "; its record bears the mark of the removal policy until this is put right, though the device is back";

pub(super) async fn list(run: &mut Run) -> Result<(), Halt> {
    if std::mem::replace(&mut run.checkpoint.removals_listed, true) {
        return Ok(());
    }
    let Some(due) = due(run) else { return Ok(()) };
    let progress = run.progress(CountDeltas::default());
    if run.store.list_removals(&run.slice, &due, &progress).await? { Err(Halt::Cancelled) } else { Ok(()) }
}
