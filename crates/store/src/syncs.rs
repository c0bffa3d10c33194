//! Syncs: one run of a mapping each, as callers and the scheduler see them. What a worker does to one is in `engine`.

use std::time::Duration;

use crate::dialect::{id_list, on_read, on_tx};
use crate::text::text_enum;
use crate::{MappingId, Micros, Result, Store, StoreError, SyncId, Tenant, Tx};

/// How long a queued job may take to begin its first slice before the sweep puts another one behind its sync.
pub const JOB_GRACE: Duration = Duration::from_secs(120);

text_enum! {
    /// Where a sync stands.
    pub enum SyncState {
        /// It waits for a worker.
        Queued = "QUEUED",
        /// It is being worked, slice by slice.
        Running = "RUNNING",
        /// It waits for a reason, until a time.
        Waiting = "WAITING",
        /// Everything was done.
        Succeeded = "SUCCEEDED",
        /// Everything was done but for devices that were rejected.
        CompletedWithRejections = "COMPLETED_WITH_REJECTIONS",
        /// Everything was done but what the brake holds.
        Held = "HELD",
        /// It could not be finished.
        Failed = "FAILED",
        /// Somebody cancelled it.
        Cancelled = "CANCELLED",
    }
}

impl SyncState {
    /// Whether it stays in this state for good.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Running | Self::Waiting)
    }
}

text_enum! {
    /// What a running sync is at.
    pub enum SyncPhase {
        /// The collection's columns are read and checked.
        Schema = "SCHEMA",
        /// The devices are read.
        Read = "READ",
        /// Identifiers are looked up.
        Resolve = "RESOLVE",
        /// What to do is decided.
        Decide = "DECIDE",
        /// It is done.
        Apply = "APPLY",
        /// What is gone is removed.
        Remove = "REMOVE",
    }
}

text_enum! {
    /// How thorough a sync is.
    pub enum Mode {
        /// Looks up only devices that have no record yet.
        Incremental = "INCREMENTAL",
        /// Looks everything up, and repairs what was changed in Asset Panda.
        Full = "FULL",
    }
}

text_enum! {
    /// What made a sync.
    pub enum TriggerKind {
        /// A caller.
        Call = "CALL",
        /// The mapping's schedule.
        Schedule = "SCHEDULE",
        /// The making of the mapping.
        First = "FIRST",
    }
}

text_enum! {
    /// What a sync waits for.
    pub enum WaitReason {
        /// Calls that its budget allows.
        Budget = "BUDGET",
        /// An API that is out.
        Outage = "OUTAGE",
        /// The time to look again for a create of which it is unclear whether it was made.
        Settle = "SETTLE",
        /// A worker: none is alive.
        NoWorker = "NO_WORKER",
    }
}

/// A sync as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Sync {
    /// Its id.
    pub sync_id: SyncId,
    /// Whose it is.
    pub tenant: Tenant,
    /// The mapping it runs.
    pub mapping_id: MappingId,
    /// The revision of the mapping it runs.
    pub revision: i64,
    /// How thorough it is.
    pub mode: Mode,
    /// Whether it ends after it decided, without writing.
    pub dry_run: bool,
    /// Whether it sends quarantined devices again.
    pub retry_rejected: bool,
    /// The dry run whose plan it applies.
    pub plan_of: Option<SyncId>,
    /// Past the history's retention: its records are going.
    pub pruned: bool,
    /// What made it.
    pub trigger_kind: TriggerKind,
    /// Where it stands.
    pub state: SyncState,
    /// What it is at.
    pub phase: SyncPhase,
    /// Devices by what came of them.
    #[sqlx(flatten)]
    pub counts: Counts,
    /// Calls made to Kandji.
    pub calls_kandji: i64,
    /// Calls made to Asset Panda.
    pub calls_asset_panda: i64,
    /// Calls still to be made; known once it has decided.
    pub calls_left: Option<i64>,
    /// While WAITING: what for.
    pub wait_reason: Option<WaitReason>,
    /// The same for a person.
    pub wait_message: Option<String>,
    /// While WAITING: until when.
    pub wait_until: Option<Micros>,
    /// Once FAILED: why.
    pub error_reason: Option<String>,
    /// The same for a person.
    pub error_message: Option<String>,
    /// When somebody asked to cancel it.
    pub cancel_request_time: Option<Micros>,
    /// The trace of the call that made it.
    pub traceparent: Option<String>,
    /// When it was made.
    pub create_time: Micros,
    /// When its first slice began.
    pub start_time: Option<Micros>,
    /// When it reached its final state.
    pub end_time: Option<Micros>,
}

/// Devices of a sync by what came of them. Each device read is in exactly one but the first and last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Counts {
    /// Read from Kandji.
    #[sqlx(rename = "count_read")]
    pub read: i64,
    /// Written as a new record.
    #[sqlx(rename = "count_created")]
    pub created: i64,
    /// Joined to a record that was there.
    #[sqlx(rename = "count_adopted")]
    pub adopted: i64,
    /// Written to its record.
    #[sqlx(rename = "count_updated")]
    pub updated: i64,
    /// As it was.
    #[sqlx(rename = "count_unchanged")]
    pub unchanged: i64,
    /// Left out by the filter.
    #[sqlx(rename = "count_skipped")]
    pub skipped: i64,
    /// Rejected in this sync.
    #[sqlx(rename = "count_rejected")]
    pub rejected: i64,
    /// Rejected earlier and not tried again.
    #[sqlx(rename = "count_still_rejected")]
    pub still_rejected: i64,
    /// Removed by the policy.
    #[sqlx(rename = "count_removed")]
    pub removed: i64,
    /// Records that were edited or deleted in Asset Panda, and repaired: counted among the above as well.
    #[sqlx(rename = "count_drifted")]
    pub drifted: i64,
}

/// What [`create`] needs.
#[derive(Clone, Debug)]
pub struct NewSync {
    /// The mapping to run, at its present revision.
    pub mapping_id: MappingId,
    /// How thorough.
    pub mode: Mode,
    /// Without writing.
    pub dry_run: bool,
    /// Send quarantined devices again.
    pub retry_rejected: bool,
    /// What makes it.
    pub trigger_kind: TriggerKind,
    /// The trace of the call that makes it.
    pub traceparent: Option<String>,
}

/// What became of a wish for a sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Creation {
    /// A sync was made: put a job behind it in the same transaction.
    Created(Sync),
    /// The mapping has an active one already (rule 6). It has its job.
    AlreadyActive(Sync),
}

/// Which syncs [`list`] returns.
#[derive(Clone, Debug, Default)]
pub struct SyncFilter {
    /// Only of this mapping.
    pub mapping_id: Option<MappingId>,
    /// Only in one of these states; empty: in any.
    pub states: Vec<SyncState>,
    /// Only made at this time or later.
    pub created_from: Option<Micros>,
    /// Only made before this time.
    pub created_before: Option<Micros>,
    /// Only older than this one: where the page before ended.
    pub before: Option<SyncId>,
}

/// An active sync and what a job behind it needs.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct ActiveSync {
    /// The sync.
    pub sync_id: SyncId,
    /// Whose it is.
    pub tenant: Tenant,
    /// What made it.
    pub trigger_kind: TriggerKind,
    /// While WAITING: until when.
    pub wait_until: Option<Micros>,
    /// The trace of the call that made it.
    pub traceparent: Option<String>,
}

macro_rules! columns {
    () => {
        "sync_id, tenant, mapping_id, revision, mode, dry_run, retry_rejected, plan_of, pruned, trigger_kind, state, phase, count_read, \
         count_created, count_adopted, count_updated, count_unchanged, count_skipped, count_rejected, count_still_rejected, \
         count_removed, count_drifted, calls_kandji, calls_asset_panda, calls_left, wait_reason, wait_message, wait_until, error_reason, \
         error_message, cancel_request_time, traceparent, create_time, start_time, end_time"
    };
}

/// Makes a sync of a mapping, unless the mapping has an active one (a dry run neither holds that lock nor minds it).
///
/// # Errors
/// [`StoreError::NotFound`] when there is no such mapping.
pub async fn create(tx: &mut Tx, tenant: &Tenant, new: &NewSync, now: Micros) -> Result<Creation> {
    let sql = tx.sql("SELECT revision FROM mappings WHERE mapping_id = $1 AND tenant = $2 FOR NO KEY UPDATE");
    let revision = on_tx!(tx, conn => sqlx::query_scalar::<_, i64>(sql)
        .bind(new.mapping_id).bind(tenant).fetch_optional(&mut *conn).await)?
    .ok_or_else(|| StoreError::not_found("mapping", new.mapping_id))?;
    // Looked for before an insert is tried: on PostgreSQL that would wait for whatever its worker writes at the moment. Nobody
    // else makes one meanwhile, as the mapping is locked; one that ends just now has been seen, or its place is free.
    if !new.dry_run
        && let Some(active) = active(tx, new.mapping_id).await?
    {
        return Ok(Creation::AlreadyActive(active));
    }
    let Some(sync) = try_insert(tx, tenant, new, revision, now).await? else {
        return Err(StoreError::Unavailable {
            message: "another sync of this mapping was made at the same time".into(),
            disk_full: false,
        });
    };
    on_tx!(tx, conn => sqlx::query("UPDATE mappings SET last_sync_id = $2 WHERE mapping_id = $1 AND NOT $3")
        .bind(new.mapping_id).bind(sync.sync_id).bind(new.dry_run).execute(&mut *conn).await.map(|_| ()))?;
    Ok(Creation::Created(sync))
}

/// The active sync of a mapping, if there is one; dry runs are left out.
pub(crate) async fn active(tx: &mut Tx, mapping_id: MappingId) -> Result<Option<Sync>> {
    Ok(on_tx!(tx, conn => sqlx::query_as::<_, Sync>(concat!("SELECT ", columns!(), " FROM syncs \
         WHERE mapping_id = $1 AND state IN ('QUEUED', 'RUNNING', 'WAITING') AND NOT dry_run"))
        .bind(mapping_id).fetch_optional(&mut *conn).await)?)
}

async fn try_insert(tx: &mut Tx, tenant: &Tenant, new: &NewSync, revision: i64, now: Micros) -> Result<Option<Sync>> {
    Ok(on_tx!(tx, conn => sqlx::query_as::<_, Sync>(concat!(
        "INSERT INTO syncs (sync_id, tenant, mapping_id, revision, mode, dry_run, retry_rejected, trigger_kind, state, phase, \
         next_slice_time, traceparent, create_time) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'QUEUED', 'SCHEMA', $9, $10, $11) \
         ON CONFLICT DO NOTHING RETURNING ", columns!()))
        .bind(SyncId::new(now))
        .bind(tenant)
        .bind(new.mapping_id)
        .bind(revision)
        .bind(new.mode)
        .bind(new.dry_run)
        .bind(new.retry_rejected)
        .bind(new.trigger_kind)
        .bind(now.plus(JOB_GRACE))
        .bind(&new.traceparent)
        .bind(now)
        .fetch_optional(&mut *conn)
        .await)?)
}

/// One sync.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn get(store: &Store, tenant: &Tenant, id: SyncId) -> Result<Sync> {
    on_read!(store, pool => sqlx::query_as::<_, Sync>(concat!(
        "SELECT ", columns!(), " FROM syncs WHERE sync_id = $1 AND tenant = $2"))
        .bind(id).bind(tenant).fetch_optional(pool).await)?
    .ok_or_else(|| StoreError::not_found("sync", id))
}

/// One sync, which nobody else changes until the transaction ends.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn get_in(tx: &mut Tx, tenant: &Tenant, id: SyncId) -> Result<Sync> {
    let sql =
        tx.sql(concat!("SELECT ", columns!(), " FROM syncs WHERE sync_id = $1 AND tenant = $2 FOR NO KEY UPDATE"));
    on_tx!(tx, conn => sqlx::query_as::<_, Sync>(sql)
        .bind(id).bind(tenant).fetch_optional(&mut *conn).await)?
    .ok_or_else(|| StoreError::not_found("sync", id))
}

/// A tenant's syncs that fit `filter`, the latest first.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn list(store: &Store, tenant: &Tenant, filter: &SyncFilter, limit: u32) -> Result<Vec<Sync>> {
    // Two texts, not one with a condition that is always true: each walks its own index, so that a page costs a page.
    let sql = match filter.mapping_id {
        Some(_) => concat!(
            "SELECT ",
            columns!(),
            " FROM syncs WHERE tenant = $1 AND sync_id < $2 AND create_time >= $3 \
             AND create_time < $4 AND state IN IDS($5) AND mapping_id = $7 ORDER BY sync_id DESC LIMIT $6"
        ),
        None => concat!(
            "SELECT ",
            columns!(),
            " FROM syncs WHERE tenant = $1 AND sync_id < $2 AND create_time >= $3 \
             AND create_time < $4 AND state IN IDS($5) ORDER BY sync_id DESC LIMIT $6"
        ),
    };
    let states = if filter.states.is_empty() { SyncState::ALL } else { &filter.states };
    let states: Vec<&str> = states.iter().map(|state| state.as_str()).collect();
    let sql = store.sql(sql);
    Ok(on_read!(store, pool => {
        let query = sqlx::query_as::<_, Sync>(sql)
            .bind(tenant)
            .bind(filter.before.map_or(uuid::Uuid::max(), |id| id.0))
            .bind(filter.created_from.unwrap_or(Micros(i64::MIN)))
            .bind(filter.created_before.unwrap_or(Micros(i64::MAX)))
            .bind(id_list(&states))
            .bind(i64::from(limit));
        match filter.mapping_id {
            Some(mapping_id) => query.bind(mapping_id).fetch_all(pool).await,
            None => query.fetch_all(pool).await,
        }
    })?)
}

/// How many of a tenant's syncs are active.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn count_active(store: &Store, tenant: &Tenant) -> Result<i64> {
    Ok(on_read!(store, pool => sqlx::query_scalar(
        "SELECT COUNT(*) FROM syncs WHERE tenant = $1 AND state IN ('QUEUED', 'RUNNING', 'WAITING')")
        .bind(tenant).fetch_one(pool).await)?)
}

/// Has a sync that was just made apply the plan of a dry run, and nothing else.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn apply_plan(tx: &mut Tx, tenant: &Tenant, id: SyncId, plan: SyncId) -> Result<Sync> {
    on_tx!(&mut *tx, conn => sqlx::query("UPDATE syncs SET plan_of = $3 WHERE sync_id = $1 AND tenant = $2")
        .bind(id).bind(tenant).bind(plan).execute(&mut *conn).await.map(|_| ()))?;
    get_in(tx, tenant, id).await
}

/// Cancels a sync: one that no worker is at, at once; a running one by a mark that its worker sees within a batch.
/// A final one stays as it is. Answers with the sync as it is then.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn cancel(tx: &mut Tx, tenant: &Tenant, id: SyncId, now: Micros) -> Result<Sync> {
    // Locked first, so that a worker that takes it just now is either before both statements or behind them.
    get_in(tx, tenant, id).await?;
    // The fence moves with it: a worker that took the sync just before is not let write any more.
    let ended = on_tx!(&mut *tx, conn => sqlx::query(
        "UPDATE syncs SET state = 'CANCELLED', fence = fence + 1, end_time = $3, cancel_request_time = COALESCE(cancel_request_time, $3), \
         wait_reason = NULL, wait_message = NULL, wait_until = NULL \
         WHERE sync_id = $1 AND tenant = $2 AND state IN ('QUEUED', 'WAITING')")
        .bind(id).bind(tenant).bind(now).execute(&mut *conn).await?.rows_affected());
    if ended > 0 {
        crate::tenant_slots::leave(tx, tenant, id).await?;
        crate::engine::leftovers::end(tx, id).await?;
    }
    on_tx!(tx, conn => sqlx::query(
        "UPDATE syncs SET cancel_request_time = COALESCE(cancel_request_time, $3) \
         WHERE sync_id = $1 AND tenant = $2 AND state = 'RUNNING'")
        .bind(id).bind(tenant).bind(now).execute(&mut *conn).await.map(|_| ()))?;
    get_in(tx, tenant, id).await
}

/// How far ahead the next slice of an active sync may lie. One that lies further ahead was put down by a clock that has gone
/// back since: its job waits for that clock. At least [`JOB_GRACE`].
#[derive(Clone, Copy, Debug)]
pub struct Horizon {
    /// Of a sync that waits for its budget.
    pub budget: Duration,
    /// Of any other.
    pub other: Duration,
}

/// `$1`: now; `$4` and `$5`: now and the horizons.
macro_rules! lost {
    () => {
        "(next_slice_time < $1 OR next_slice_time > CASE WHEN wait_reason = 'BUDGET' THEN $4 ELSE $5 END)"
    };
}

/// The sweep: active syncs whose `next_slice_time` is past, so that no job is behind them any more, or beyond the horizon. Each
/// is re-armed in the same breath, and waits no longer; put a fresh job behind each in this transaction.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn lost_syncs(tx: &mut Tx, now: Micros, horizon: Horizon, limit: u32) -> Result<Vec<ActiveSync>> {
    // One that is locked is being worked, or swept by another process.
    let sql = tx.sql(concat!(
        "UPDATE syncs SET next_slice_time = $2, wait_until = CASE WHEN wait_until > $1 THEN $1 ELSE wait_until END \
         WHERE ",
        lost!(),
        " AND sync_id IN ( \
           SELECT sync_id FROM syncs WHERE state IN ('QUEUED', 'RUNNING', 'WAITING') AND ",
        lost!(),
        " \
           ORDER BY next_slice_time LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED) \
         RETURNING sync_id, tenant, trigger_kind, wait_until, traceparent"
    ));
    Ok(on_tx!(tx, conn => sqlx::query_as::<_, ActiveSync>(sql)
        .bind(now).bind(now.plus(JOB_GRACE)).bind(i64::from(limit))
        .bind(now.plus(horizon.budget)).bind(now.plus(horizon.other)).fetch_all(&mut *conn).await)?)
}

/// Every active sync, oldest first: what a program that starts alone on its database queues afresh.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn all_active(tx: &mut Tx) -> Result<Vec<ActiveSync>> {
    Ok(on_tx!(tx, conn => sqlx::query_as::<_, ActiveSync>(
        "SELECT sync_id, tenant, trigger_kind, wait_until, traceparent FROM syncs \
         WHERE state IN ('QUEUED', 'RUNNING', 'WAITING') ORDER BY sync_id")
        .fetch_all(&mut *conn).await)?)
}
