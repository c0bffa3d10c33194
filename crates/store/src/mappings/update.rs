//! Changing a mapping: by a caller, and by what a sync finds.

use std::time::Duration;

use super::Mapping;
use super::create::insert_revision;
use super::read::get_in;
use super::times::{ScheduleColumns, as_millis};
use crate::dialect::on_tx;
use crate::{Conflict, MappingId, Micros, Result, Schedule, StoreError, Tenant, Tx};

/// What [`update`] changes of a mapping.
#[derive(Clone, Debug)]
pub struct MappingChange {
    /// Its name, for people.
    pub display_name: String,
    /// Another schedule, if it changes: the next sync is then its next time.
    pub schedule: Option<Schedule>,
    /// Time between full syncs.
    pub full_sync_every: Duration,
    /// The next sync by schedule is a FULL one: what was confirmed in the columns before says nothing of what the mapping
    /// says from now on.
    pub full_next: bool,
    /// A new revision, if what is imported changes, or the columns that it is held against.
    pub revision: Option<NewRevision>,
    /// Whether the mapping was found to fit the collection: one that was BROKEN is ACTIVE then.
    pub fits: bool,
    /// The removal policy marks otherwise from now on: the marks made so far are nobody's to undo. Refused while a sync is
    /// active, which would go on making such marks.
    pub forget_marks: bool,
}

/// What a mapping says from now on.
#[derive(Clone, Debug)]
pub struct NewRevision {
    /// The import itself (`pandaport_import::MappingSpec`), JSON.
    pub spec: String,
    /// The mapped columns as they are now, JSON.
    pub columns: String,
}

/// Changes a mapping that is still at `version`. A sync that is under way goes on at the revision it was made with.
///
/// # Errors
/// [`StoreError::NotFound`]; [`Conflict::VersionMoved`]; [`Conflict::SyncActive`].
pub async fn update(
    tx: &mut Tx,
    tenant: &Tenant,
    id: MappingId,
    version: i64,
    change: &MappingChange,
    now: Micros,
) -> Result<Mapping> {
    let before = get_in(tx, tenant, id).await?;
    let schedule = change.schedule.clone().map_or_else(|| before.schedule(), Ok)?;
    let times = ScheduleColumns::of(&schedule);
    let next_sync_time = if change.schedule.is_some() { schedule.next(id, now) } else { before.next_sync_time };
    let full_in = if change.full_next { Duration::ZERO } else { change.full_sync_every };
    let next_full_time = before.next_full_time.min(now.plus(full_in));
    let revision = before.revision + i64::from(change.revision.is_some());
    let row = on_tx!(tx, conn => sqlx::query_as::<_, Mapping>(concat!(
        "UPDATE mappings SET display_name = $4, interval_ms = $5, cron_expression = $6, cron_time_zone = $7, \
         next_sync_time = $8, full_sync_every_ms = $9, next_full_time = $10, revision = $11, \
         state = CASE WHEN $12 AND state = 'BROKEN' THEN 'ACTIVE' ELSE state END, \
         state_reason = CASE WHEN $12 THEN '' ELSE state_reason END, \
         notes = CASE WHEN $12 THEN '[]' ELSE notes END, \
         held_digest = CASE WHEN $11 <> revision THEN NULL ELSE held_digest END, update_time = $13, version = version + 1 \
         WHERE mapping_id = $1 AND tenant = $2 AND version = $3 RETURNING ", columns!()))
        .bind(id)
        .bind(tenant)
        .bind(version)
        .bind(&change.display_name)
        .bind(times.interval_ms)
        .bind(times.expression)
        .bind(times.time_zone)
        .bind(next_sync_time)
        .bind(as_millis(change.full_sync_every))
        .bind(next_full_time)
        .bind(revision)
        .bind(change.fits)
        .bind(now)
        .fetch_optional(&mut *conn)
        .await)?;
    let Some(mapping) = row else {
        let message = "the mapping was changed since it was read: read it again";
        return Err(StoreError::conflict(Conflict::VersionMoved, message));
    };
    if let Some(new) = &change.revision {
        insert_revision(tx, tenant, id, revision, &new.spec, Some(&new.columns), now).await?;
    }
    if change.forget_marks {
        if let Some(active) = crate::syncs::active(tx, id).await? {
            let message = format!(
                "Sync {} of this mapping is active and marks records by the policy as it was: wait for its end, or cancel it; \
                 then change the policy.",
                active.sync_id
            );
            return Err(StoreError::conflict(Conflict::SyncActive, message));
        }
        // Marked, or perhaps: see `engine::flag`.
        on_tx!(&mut *tx, conn => sqlx::query(
            "UPDATE links SET flags = (flags & ~576) WHERE mapping_id = $1 AND tenant = $2 AND (flags & 576) <> 0")
            .bind(id).bind(tenant).execute(&mut *conn).await.map(|_| ()))?;
    }
    Ok(mapping)
}

/// Pauses a mapping; one that is paused stays as it is. What is known of its fit to the collection is kept.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn pause(tx: &mut Tx, tenant: &Tenant, id: MappingId, now: Micros) -> Result<Mapping> {
    change_state(
        tx,
        tenant,
        id,
        now,
        "UPDATE mappings SET state = 'PAUSED', update_time = $3, version = version + 1 \
         WHERE mapping_id = $1 AND tenant = $2 AND state <> 'PAUSED'",
    )
    .await
}

/// Sets a paused mapping going again; any other stays as it is. If a sync was missed meanwhile, its time is past and the
/// schedule makes it at once: one, however many were missed.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn resume(tx: &mut Tx, tenant: &Tenant, id: MappingId, now: Micros) -> Result<Mapping> {
    change_state(
        tx,
        tenant,
        id,
        now,
        "UPDATE mappings SET state = CASE WHEN state_reason = '' THEN 'ACTIVE' ELSE 'BROKEN' END, \
         update_time = $3, version = version + 1 WHERE mapping_id = $1 AND tenant = $2 AND state = 'PAUSED'",
    )
    .await
}

async fn change_state(tx: &mut Tx, tenant: &Tenant, id: MappingId, now: Micros, sql: &'static str) -> Result<Mapping> {
    on_tx!(&mut *tx, conn => sqlx::query(sql).bind(id).bind(tenant).bind(now).execute(&mut *conn).await.map(|_| ()))?;
    get_in(tx, tenant, id).await
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
