//! Mappings: what is imported into which collection, and when.

use std::time::Duration;

use crate::alerts::Health;
use crate::text::text_enum;
use crate::{ConnectionId, MappingId, Micros, Result, Schedule, SyncId, Tenant};

text_enum! {
    /// Whether a mapping is run.
    pub enum MappingState {
        /// On its schedule and when asked.
        Active = "ACTIVE",
        /// Only when asked.
        Paused = "PAUSED",
        /// The collection does not fit it any more; its schedule goes on trying, without writing.
        Broken = "BROKEN",
    }
}

/// A mapping as it is stored, without its spec.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Mapping {
    /// Its id.
    pub mapping_id: MappingId,
    /// Whose it is.
    pub tenant: Tenant,
    /// The connection it goes over.
    pub connection_id: ConnectionId,
    /// Its name, for people.
    pub display_name: String,
    /// What is imported: `DEVICES`.
    pub external_entity: String,
    /// The collection that is written.
    pub collection_id: String,
    /// Counts the changes of its spec.
    pub revision: i64,
    /// Whether it is run.
    pub state: MappingState,
    /// Why it is BROKEN; else empty.
    pub state_reason: String,
    /// What moved in the collection and can be lived with, JSON.
    pub notes: String,
    /// Milliseconds between scheduled syncs.
    pub interval_ms: Option<i64>,
    /// Set times instead; with neither, only when asked.
    pub cron_expression: Option<String>,
    /// The time zone of the set times.
    pub cron_time_zone: Option<String>,
    /// Milliseconds between full syncs.
    pub full_sync_every_ms: i64,
    /// When the schedule makes the next sync.
    pub next_sync_time: Option<Micros>,
    /// From when on the next scheduled sync is a full one.
    pub next_full_time: Micros,
    /// Devices in the last complete read.
    pub fleet_size: Option<i64>,
    /// When the sync of the last complete read began.
    pub last_complete_read_time: Option<Micros>,
    /// Its latest sync that is not a dry run.
    pub last_sync_id: Option<SyncId>,
    /// When a sync of it last did everything there was to do.
    pub last_success_time: Option<Micros>,
    /// Devices with a record.
    pub linked_count: i64,
    /// Devices rejected at present.
    pub rejected_count: i64,
    /// How it stands, as its syncs show it.
    pub health: Health,
    /// When it was made.
    pub create_time: Micros,
    /// When it was last changed by a caller.
    pub update_time: Micros,
    /// Counts the changes by callers: the etag.
    pub version: i64,
}

impl Mapping {
    /// When it syncs by itself.
    ///
    /// # Errors
    /// [`crate::StoreError::Corrupt`] for set times that can't be read any more.
    pub fn schedule(&self) -> Result<Schedule> {
        times::schedule(self.interval_ms, self.cron_expression.as_deref(), self.cron_time_zone.as_deref())
    }

    /// Time between full syncs.
    #[must_use]
    pub fn full_sync_every(&self) -> Duration {
        times::millis(self.full_sync_every_ms)
    }
}

/// What a mapping says at a revision.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Revision {
    /// The import itself (`pandaport_import::MappingSpec`), JSON.
    pub spec: String,
    /// The mapped columns as they were when it was made, JSON.
    pub columns: Option<String>,
}

/// What a [`Mapping`] is read from. Before the modules, so that all of them have it.
macro_rules! columns {
    () => {
        "mapping_id, tenant, connection_id, display_name, external_entity, collection_id, revision, state, state_reason, notes, \
         interval_ms, cron_expression, cron_time_zone, full_sync_every_ms, next_sync_time, next_full_time, fleet_size, last_complete_read_time, last_sync_id, \
         last_success_time, linked_count, rejected_count, health, create_time, update_time, version"
    };
}

mod create;
mod delete;
mod due;
mod read;
mod times;
mod update;

pub use create::{NewMapping, insert};
pub use delete::{Deleted, delete};
pub use due::{Brought, DueMapping, FIRST, bring_forward, claim_due, due};
pub use read::{MappingFilter, count, created_count, get, get_in, ids_in, list, marked_count, revision, spec};
pub use update::{MappingChange, NewRevision, pause, resume, set_broken, update};
