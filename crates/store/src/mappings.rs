//! Mappings: what is imported into which collection, and when.

use std::time::Duration;

use crate::dialect::{on_read, on_tx};
use crate::health::Health;
use crate::syncs::{self, Creation, Mode, NewSync, TriggerKind};
use crate::text::text_enum;
use crate::{
    Conflict, ConnectionId, CronSchedule, MappingId, Micros, Result, Schedule, Store, StoreError, SyncId, Tenant, Tx,
};

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
    /// [`StoreError::Corrupt`] for set times that can't be read any more.
    pub fn schedule(&self) -> Result<Schedule> {
        schedule(self.interval_ms, self.cron_expression.as_deref(), self.cron_time_zone.as_deref())
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
    /// The mapped columns as they are now, JSON.
    pub columns: Option<String>,
    /// When it syncs by itself.
    pub schedule: Schedule,
    /// Time between full syncs; the first is due so long after now.
    pub full_sync_every: Duration,
}

/// What [`update`] changes of a mapping.
#[derive(Clone, Debug)]
pub struct MappingChange {
    /// Its name, for people.
    pub display_name: String,
    /// Another schedule, if it changes: the next sync is then its next time.
    pub schedule: Option<Schedule>,
    /// Time between full syncs.
    pub full_sync_every: Duration,
    /// A new revision, if what is imported changes, or the columns that it is held against.
    pub revision: Option<NewRevision>,
    /// Whether the mapping was found to fit the collection: one that was BROKEN is ACTIVE then.
    pub fits: bool,
    /// The removal policy marks otherwise from now on: the marks made so far are nobody's to undo.
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

/// What a mapping says at a revision.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Revision {
    /// The import itself (`pandaport_import::MappingSpec`), JSON.
    pub spec: String,
    /// The mapped columns as they were when it was made, JSON.
    pub columns: Option<String>,
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
        "mapping_id, tenant, connection_id, display_name, external_entity, collection_id, revision, state, state_reason, notes, \
         interval_ms, cron_expression, cron_time_zone, full_sync_every_ms, next_sync_time, next_full_time, fleet_size, last_complete_read_time, last_sync_id, \
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
    let times = ScheduleColumns::of(&new.schedule);
    let row = on_tx!(tx, conn => sqlx::query_as::<_, Mapping>(concat!(
        "INSERT INTO mappings (mapping_id, tenant, connection_id, display_name, external_entity, collection_id, collection_key, \
         revision, state, interval_ms, full_sync_every_ms, next_sync_time, next_full_time, create_time, update_time, \
         cron_expression, cron_time_zone) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8, $9, $10, $11, $12, $13, $13, $14, $15) \
         ON CONFLICT DO NOTHING RETURNING ", columns!()))
        .bind(new.mapping_id)
        .bind(tenant)
        .bind(new.connection_id)
        .bind(&new.display_name)
        .bind(&new.external_entity)
        .bind(&new.collection_id)
        .bind(&new.collection_key)
        .bind(new.state)
        .bind(times.interval_ms)
        .bind(as_millis(new.full_sync_every))
        .bind(new.schedule.next(new.mapping_id, now))
        .bind(now.plus(new.full_sync_every))
        .bind(now)
        .bind(times.expression)
        .bind(times.time_zone)
        .fetch_optional(&mut *conn)
        .await)?;
    let Some(mapping) = row else { return Err(taken(tx, new).await?) };
    insert_revision(tx, tenant, new.mapping_id, 1, &new.spec, new.columns.as_deref(), now).await?;
    Ok(mapping)
}

async fn insert_revision(
    tx: &mut Tx,
    tenant: &Tenant,
    id: MappingId,
    revision: i64,
    spec: &str,
    columns: Option<&str>,
    now: Micros,
) -> Result<()> {
    Ok(on_tx!(tx, conn => sqlx::query(
        "INSERT INTO mapping_revisions (mapping_id, revision, tenant, spec, columns, create_time) VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(id).bind(revision).bind(tenant).bind(spec).bind(columns).bind(now).execute(&mut *conn).await.map(|_| ()))?)
}

/// Changes a mapping that is still at `version`. A sync that is under way goes on at the revision it was made with.
///
/// # Errors
/// [`StoreError::NotFound`]; [`Conflict::VersionMoved`].
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
    let next_full_time = before.next_full_time.min(now.plus(change.full_sync_every));
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
        syncs::lock_active(tx, id).await?;
        // Marked, or perhaps: see `engine::flag`.
        on_tx!(&mut *tx, conn => sqlx::query(
            "UPDATE links SET flags = (flags & ~576) WHERE mapping_id = $1 AND tenant = $2 AND (flags & 576) <> 0")
            .bind(id).bind(tenant).execute(&mut *conn).await.map(|_| ()))?;
    }
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

/// One mapping, which nobody else changes, and of which nobody else makes a sync, until the transaction ends.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn get_in(tx: &mut Tx, tenant: &Tenant, id: MappingId) -> Result<Mapping> {
    let sql = tx.sql(concat!(
        "SELECT ",
        columns!(),
        " FROM mappings WHERE mapping_id = $1 AND tenant = $2 FOR NO KEY UPDATE"
    ));
    on_tx!(tx, conn => sqlx::query_as::<_, Mapping>(sql)
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

/// What a mapping said at a revision, and the columns that it was held against then.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn revision(store: &Store, tenant: &Tenant, id: MappingId, revision: i64) -> Result<Revision> {
    on_read!(store, pool => sqlx::query_as::<_, Revision>(
        "SELECT spec, columns FROM mapping_revisions WHERE mapping_id = $1 AND revision = $2 AND tenant = $3")
        .bind(id).bind(revision).bind(tenant).fetch_optional(pool).await)?
    .ok_or_else(|| StoreError::not_found("mapping", id))
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

/// How many records bear the mark of the removal policy.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn marked_count(store: &Store, tenant: &Tenant, id: MappingId) -> Result<usize> {
    let count: i64 = on_read!(store, pool => sqlx::query_scalar::<_, i64>(
        "SELECT COUNT(*) FROM links WHERE mapping_id = $1 AND tenant = $2 AND (flags & 576) <> 0")
        .bind(id).bind(tenant).fetch_one(pool).await)?;
    Ok(usize::try_from(count).unwrap_or_default())
}

/// How many of the records that it is tied to a mapping has created itself.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn created_count(store: &Store, tenant: &Tenant, id: MappingId) -> Result<usize> {
    let count: i64 = on_read!(store, pool => sqlx::query_scalar::<_, i64>(
        "SELECT COUNT(*) FROM link_values WHERE mapping_id = $1 AND tenant = $2 AND created_by_us AND record_id IS NOT NULL")
        .bind(id).bind(tenant).fetch_one(pool).await)?;
    Ok(usize::try_from(count).unwrap_or_default())
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
    // One that another process is at is not waited for: that one claims it, or its turn comes with the next look.
    let sql = tx.sql(concat!(
        "SELECT ",
        columns!(),
        " FROM mappings WHERE mapping_id = $1 AND tenant = $2 FOR NO KEY UPDATE SKIP LOCKED"
    ));
    let free = on_tx!(&mut *tx, conn => sqlx::query_as::<_, Mapping>(sql)
        .bind(due.mapping_id).bind(&due.tenant).fetch_optional(conn).await)?;
    let Some(mapping) = free else { return Ok(None) };
    let Some(time) = mapping.next_sync_time.filter(|time| *time <= now) else { return Ok(None) };
    if mapping.state == MappingState::Paused {
        return Ok(None);
    }
    let next = mapping.schedule()?.next(mapping.mapping_id, now);
    if !move_next(tx, mapping.mapping_id, time, next).await? {
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

/// Moves the next sync, unless another process has done so.
async fn move_next(tx: &mut Tx, id: MappingId, from: Micros, to: Option<Micros>) -> Result<bool> {
    let moved = on_tx!(tx, conn => sqlx::query("UPDATE mappings SET next_sync_time = $3 WHERE mapping_id = $1 AND next_sync_time = $2")
        .bind(id).bind(from).bind(to).execute(&mut *conn).await?.rows_affected());
    Ok(moved > 0)
}

#[derive(sqlx::FromRow)]
struct NextSync {
    mapping_id: MappingId,
    interval_ms: Option<i64>,
    cron_expression: Option<String>,
    cron_time_zone: Option<String>,
    next_sync_time: Micros,
}

/// How far the clocks of two processes may differ: what one of them has just done is not put off.
const CLOCKS_DIFFER: Duration = Duration::from_secs(60);

/// Brings forward what a clock that was ahead, and went back, has put off: no next sync is later than its schedule says a
/// minute from now, and no next full one than its time. Answers how many syncs were.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn bring_forward(tx: &mut Tx, now: Micros) -> Result<u64> {
    on_tx!(&mut *tx, conn => sqlx::query(
        "UPDATE mappings SET next_full_time = $1 + full_sync_every_ms * 1000 \
         WHERE next_full_time > $2 + full_sync_every_ms * 1000")
        .bind(now).bind(now.plus(CLOCKS_DIFFER)).execute(&mut *conn).await.map(|_| ()))?;
    let waiting = on_tx!(&mut *tx, conn => sqlx::query_as::<_, NextSync>(
        "SELECT mapping_id, interval_ms, cron_expression, cron_time_zone, next_sync_time FROM mappings \
         WHERE next_sync_time > $1 AND state <> 'PAUSED'")
        .bind(now).fetch_all(&mut *conn).await)?;
    let mut moved = 0;
    for it in waiting {
        // One that can't be read is told of when it is due, and must not hold up the others.
        let Ok(schedule) = schedule(it.interval_ms, it.cron_expression.as_deref(), it.cron_time_zone.as_deref()) else {
            continue;
        };
        let next = schedule.next(it.mapping_id, now.plus(CLOCKS_DIFFER));
        if let Some(next) = next.filter(|next| *next < it.next_sync_time) {
            moved += u64::from(move_next(tx, it.mapping_id, it.next_sync_time, Some(next)).await?);
        }
    }
    Ok(moved)
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

/// A schedule as its columns have it.
struct ScheduleColumns<'a> {
    interval_ms: Option<i64>,
    expression: Option<&'a str>,
    time_zone: Option<&'a str>,
}

impl<'a> ScheduleColumns<'a> {
    fn of(schedule: &'a Schedule) -> Self {
        match schedule {
            Schedule::Interval(interval) => {
                Self { interval_ms: Some(as_millis(*interval)), expression: None, time_zone: None }
            }
            Schedule::Cron(cron) => {
                Self { interval_ms: None, expression: Some(cron.expression()), time_zone: Some(cron.time_zone()) }
            }
            Schedule::Manual => Self { interval_ms: None, expression: None, time_zone: None },
        }
    }
}

fn schedule(interval_ms: Option<i64>, expression: Option<&str>, time_zone: Option<&str>) -> Result<Schedule> {
    match (expression, interval_ms) {
        (Some(expression), _) => CronSchedule::parse(expression, time_zone.unwrap_or_default())
            .map(|cron| Schedule::Cron(Box::new(cron)))
            .map_err(|errors| StoreError::corrupt("schedule", format!("{errors:?}"))),
        (None, Some(interval)) => Ok(Schedule::Interval(millis(interval))),
        (None, None) => Ok(Schedule::Manual),
    }
}

fn as_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn millis(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}
