//! The one kind of job there is.

use pandaport_store::syncs::{ActiveSync, Sync, TriggerKind};
use pandaport_store::{Micros, SyncId};
use serde::{Deserialize, Serialize};

/// The version of [`SyncJob`] that this program writes.
pub(crate) const VERSION: u32 = 1;

/// "Work a slice of this sync."
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncJob {
    /// The version of this message. A newer one is left to a newer worker.
    pub v: u32,
    /// The sync.
    pub sync_id: SyncId,
}

impl riverqueue::JobArgs for SyncJob {
    const KIND: &'static str = "sync";
}

/// Who waits for a sync: when slots are short, the urgent one goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// Somebody asked for it and waits.
    Interactive,
    /// The schedule did.
    Scheduled,
}

impl Urgency {
    /// River's priority: 1 is served first, 4 last.
    pub(crate) const fn priority(self) -> i16 {
        match self {
            Self::Interactive => 1,
            Self::Scheduled => 2,
        }
    }
}

impl From<TriggerKind> for Urgency {
    fn from(trigger: TriggerKind) -> Self {
        match trigger {
            TriggerKind::Schedule => Self::Scheduled,
            TriggerKind::Call | TriggerKind::First => Self::Interactive,
        }
    }
}

/// What a job is put behind, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind {
    /// The sync.
    pub sync_id: SyncId,
    /// Who waits for it.
    pub urgency: Urgency,
    /// The trace that the job's slices link to.
    pub traceparent: Option<String>,
    /// Not before this time; unset: now.
    pub not_before: Option<Micros>,
}

impl From<&Sync> for Behind {
    fn from(sync: &Sync) -> Self {
        Self {
            sync_id: sync.sync_id,
            urgency: sync.trigger_kind.into(),
            traceparent: sync.traceparent.clone(),
            not_before: sync.wait_until,
        }
    }
}

impl From<&ActiveSync> for Behind {
    fn from(sync: &ActiveSync) -> Self {
        Self {
            sync_id: sync.sync_id,
            urgency: sync.trigger_kind.into(),
            traceparent: sync.traceparent.clone(),
            not_before: sync.wait_until,
        }
    }
}
