//! Mappings: what is imported into which collection, and when.

use std::time::Duration;

use crate::dialect::{on_read, on_tx};
use crate::health::Health;
use crate::syncs::{self, Creation, Mode, NewSync, TriggerKind};
use crate::text::text_enum;
use crate::{Conflict, ConnectionId, MappingId, Micros, Result, Store, StoreError, SyncId, Tenant, Tx};

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
    /// Milliseconds between scheduled syncs; unset: only when asked.
    pub interval_ms: Option<i64>,
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
    /// Time between scheduled syncs; unset: only when asked.
    #[must_use]
    pub fn interval(&self) -> Option<Duration> {
        self.interval_ms.map(millis)
    }

    /// Time between full syncs.
    #[must_use]
    pub fn full_sync_every(&self) -> Duration {
        millis(self.full_sync_every_ms)
    }
}

/// What [`insert`] needs.
#[derive(Clone, Debug)]
pub struct NewMapping {
    /// A fresh id.
    pub mapping_id: MappingId,
    /// The connection it goes over.
    pub connection_id: ConnectionId,
    /// Its name, for people.
    pub display_name: String,
    /// What is imported: `DEVICES`.
    pub external_entity: String,
    /// The collection that is written.
    pub collection_id: String,
    /// Asset Panda host and collection: what only one mapping of the installation may have.
    pub collection_key: String,
    /// The import itself (`pandaport_import::MappingSpec`), JSON: revision 1.
    pub spec: String,
    /// ACTIVE, or PAUSED to begin with.
    pub state: MappingState,
    /// Time between scheduled syncs; unset: only when asked.
    pub interval: Option<Duration>,
    /// Time between full syncs.
    pub full_sync_every: Duration,
    /// When the schedule makes its first sync.
    pub next_sync_time: Option<Micros>,
    /// From when on a scheduled sync is a full one.
    pub next_full_time: Micros,
}

/// A mapping whose time has come.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct DueMapping {
    /// The mapping.
    pub mapping_id: MappingId,
    /// Whose it is.
    pub tenant: Tenant,
}

macro_rules! columns {
    () => {
        "mapping_id, tenant, connection_id, display_name, external_entity, collection_id, revision, state, state_reason, \
         interval_ms, full_sync_every_ms, next_sync_time, next_full_time, fleet_size, last_complete_read_time, last_sync_id, \
         last_success_time, linked_count, rejected_count, health, create_time, update_time, version"
    };
}

/// Saves a new mapping at revision 1.
///
/// # Errors
/// [`StoreError::NotFound`] when the tenant has no such connection; [`Conflict::CollectionAlreadyMapped`];
/// [`Conflict::AlreadyExists`] for an id that is taken.
pub async fn insert(tx: &mut Tx, tenant: &Tenant, new: &NewMapping, now: Micros) -> Result<Mapping> {
    crate::connections::get_in(tx, tenant, new.connection_id).await?;
    let row = on_tx!(tx, conn => sqlx::query_as::<_, Mapping>(concat!(
        "INSERT INTO mappings (mapping_id, tenant, connection_id, display_name, external_entity, collection_id, collection_key, \
         revision, state, interval_ms, full_sync_every_ms, next_sync_time, next_full_time, create_time, update_time) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8, $9, $10, $11, $12, $13, $13) \
         ON CONFLICT DO NOTHING RETURNING ", columns!()))
        .bind(new.mapping_id)
        .bind(tenant)
        .bind(new.connection_id)
        .bind(&new.display_name)
        .bind(&new.external_entity)
        .bind(&new.collection_id)
        .bind(&new.collection_key)
        .bind(new.state)
        .bind(new.interval.map(as_millis))
        .bind(as_millis(new.full_sync_every))
        .bind(new.next_sync_time)
        .bind(new.next_full_time)
        .bind(now)
        .fetch_optional(&mut *conn)
        .await)?;
    let Some(mapping) = row else { return Err(taken(tx, new).await?) };
    on_tx!(tx, conn => sqlx::query(
        "INSERT INTO mapping_revisions (mapping_id, revision, tenant, spec, create_time) VALUES ($1, 1, $2, $3, $4)")
        .bind(new.mapping_id).bind(tenant).bind(&new.spec).bind(now).execute(&mut *conn).await.map(|_| ()))?;
    Ok(mapping)
}

/// Why a mapping could not be inserted. The other one may be another tenant's: it is not named.
async fn taken(tx: &mut Tx, new: &NewMapping) -> Result<StoreError> {
    let mapped: i64 = on_tx!(tx, conn => sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM mappings WHERE collection_key = $1")
        .bind(&new.collection_key).fetch_one(&mut *conn).await)?;
    Ok(if mapped > 0 {
        StoreError::conflict(
            Conflict::CollectionAlreadyMapped,
            format!(
                "collection {} is the target of another mapping already; choose another collection",
                new.collection_id
            ),
        )
    } else {
        StoreError::conflict(Conflict::AlreadyExists, "a mapping with this id is there already")
    })
}

/// One mapping.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn get(store: &Store, tenant: &Tenant, id: MappingId) -> Result<Mapping> {
    on_read!(store, pool => sqlx::query_as::<_, Mapping>(concat!(
        "SELECT ", columns!(), " FROM mappings WHERE mapping_id = $1 AND tenant = $2"))
        .bind(id).bind(tenant).fetch_optional(pool).await)?
    .ok_or_else(|| StoreError::not_found("mapping", id))
}

/// One mapping, as the transaction sees it.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn get_in(tx: &mut Tx, tenant: &Tenant, id: MappingId) -> Result<Mapping> {
    on_tx!(tx, conn => sqlx::query_as::<_, Mapping>(concat!(
        "SELECT ", columns!(), " FROM mappings WHERE mapping_id = $1 AND tenant = $2"))
        .bind(id).bind(tenant).fetch_optional(&mut *conn).await)?
    .ok_or_else(|| StoreError::not_found("mapping", id))
}

/// A tenant's mappings (of one connection, if given) in the order of their ids, those behind `after`.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn list(
    store: &Store,
    tenant: &Tenant,
    connection_id: Option<ConnectionId>,
    after: Option<MappingId>,
    limit: u32,
) -> Result<Vec<Mapping>> {
    Ok(on_read!(store, pool => sqlx::query_as::<_, Mapping>(concat!(
        "SELECT ", columns!(), " FROM mappings WHERE tenant = $1 AND mapping_id > $2 AND connection_id = COALESCE($3, connection_id) \
         ORDER BY mapping_id LIMIT $4"))
        .bind(tenant)
        .bind(after.map_or(uuid::Uuid::nil(), |id| id.0))
        .bind(connection_id)
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await)?)
}

/// What a mapping said at a revision (`pandaport_import::MappingSpec`), JSON.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn spec(store: &Store, tenant: &Tenant, id: MappingId, revision: i64) -> Result<String> {
    on_read!(store, pool => sqlx::query_scalar::<_, String>(
        "SELECT spec FROM mapping_revisions WHERE mapping_id = $1 AND revision = $2 AND tenant = $3")
        .bind(id).bind(revision).bind(tenant).fetch_optional(pool).await)?
    .ok_or_else(|| StoreError::not_found("mapping", id))
}

/// Mappings of all tenants whose scheduled time has come, those longest overdue first. Paused ones are left out; broken
/// ones are not: the collection may have been put right, and a sync looks before it writes.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn due(store: &Store, now: Micros, limit: u32) -> Result<Vec<DueMapping>> {
    Ok(on_read!(store, pool => sqlx::query_as::<_, DueMapping>(
        "SELECT mapping_id, tenant FROM mappings WHERE next_sync_time <= $1 AND state <> 'PAUSED' ORDER BY next_sync_time LIMIT $2")
        .bind(now).bind(i64::from(limit)).fetch_all(pool).await)?)
}

/// Makes the sync that is due, and moves the schedule on; runs that were missed become one. Answers `None` when it is not due
/// (another process was first, or it was paused), [`Creation::AlreadyActive`] when the mapping is being worked anyway.
/// The sync is FULL when the time of a full one has come; that time moves on when such a sync completes.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn claim_due(tx: &mut Tx, due: &DueMapping, now: Micros) -> Result<Option<Creation>> {
    let mapping = get_in(tx, &due.tenant, due.mapping_id).await?;
    let Some(time) = mapping.next_sync_time.filter(|time| *time <= now) else { return Ok(None) };
    if mapping.state == MappingState::Paused {
        return Ok(None);
    }
    let next = mapping.interval().map(|interval| next_run(time, interval, now));
    let claimed = on_tx!(tx, conn => sqlx::query("UPDATE mappings SET next_sync_time = $3 WHERE mapping_id = $1 AND next_sync_time = $2")
        .bind(due.mapping_id).bind(time).bind(next).execute(&mut *conn).await?.rows_affected());
    if claimed == 0 {
        return Ok(None);
    }
    let new = NewSync {
        mapping_id: due.mapping_id,
        mode: if mapping.next_full_time <= now { Mode::Full } else { Mode::Incremental },
        dry_run: false,
        retry_rejected: false,
        trigger_kind: TriggerKind::Schedule,
        traceparent: None,
    };
    syncs::create(tx, &due.tenant, &new, now).await.map(Some)
}

/// The first time after `now` on the schedule's grid.
fn next_run(time: Micros, interval: Duration, now: Micros) -> Micros {
    let step = i64::try_from(interval.as_micros()).unwrap_or(i64::MAX).max(1);
    let missed = (now.0.saturating_sub(time.0)) / step;
    Micros(time.0.saturating_add(step.saturating_mul(missed.saturating_add(1))))
}

/// Pauses a mapping, or sets it going again. Answers with the mapping as it is then.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn set_state(
    tx: &mut Tx,
    tenant: &Tenant,
    id: MappingId,
    state: MappingState,
    now: Micros,
) -> Result<Mapping> {
    on_tx!(tx, conn => sqlx::query_as::<_, Mapping>(concat!(
        "UPDATE mappings SET state = $3, state_reason = '', update_time = $4, version = version + 1 \
         WHERE mapping_id = $1 AND tenant = $2 RETURNING ", columns!()))
        .bind(id).bind(tenant).bind(state).bind(now).fetch_optional(&mut *conn).await)?
    .ok_or_else(|| StoreError::not_found("mapping", id))
}

/// The collection does not fit the mapping any more (rule 15). A paused mapping stays paused.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn set_broken(tx: &mut Tx, tenant: &Tenant, id: MappingId, reason: &str) -> Result<()> {
    let changed = on_tx!(tx, conn => sqlx::query(
        "UPDATE mappings SET state = CASE state WHEN 'PAUSED' THEN state ELSE 'BROKEN' END, state_reason = $3 \
         WHERE mapping_id = $1 AND tenant = $2")
        .bind(id).bind(tenant).bind(reason).execute(&mut *conn).await?.rows_affected());
    if changed == 0 { Err(StoreError::not_found("mapping", id)) } else { Ok(()) }
}

fn as_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn millis(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missed_runs_become_one_and_the_grid_stays() {
        let hour = Duration::from_secs(3600);
        let at = |hours: i64, minutes: i64| Micros((hours * 60 + minutes) * 60_000_000);
        assert_eq!(next_run(at(1, 0), hour, at(1, 0)), at(2, 0));
        assert_eq!(next_run(at(1, 0), hour, at(1, 59)), at(2, 0));
        assert_eq!(next_run(at(1, 0), hour, at(9, 30)), at(10, 0));
        assert_eq!(next_run(at(1, 0), Duration::ZERO, at(1, 1)), Micros(at(1, 1).0 + 1));
    }
}
