//! Whose time has come, and when the next one comes.

use std::time::Duration;

use super::times::schedule;
use super::{Mapping, MappingState};
use crate::dialect::{on_read, on_tx};
use crate::syncs::{self, Creation, Mode, NewSync, TriggerKind};
use crate::{MappingId, Micros, Result, Store, Tenant, Tx};

/// A mapping whose time has come.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct DueMapping {
    /// The mapping.
    pub mapping_id: MappingId,
    /// Whose it is.
    pub tenant: Tenant,
}

/// Mappings of all tenants whose scheduled time has come, those longest overdue first. Paused ones are left out; broken
/// ones are not: the collection may have been put right, and a sync looks before it writes.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
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
/// [`crate::StoreError::Unavailable`].
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

/// Comes before every mapping.
pub const FIRST: MappingId = MappingId(uuid::Uuid::nil());

/// What a transaction of [`bring_forward`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Brought {
    /// Next syncs that were brought forward.
    pub moved: u64,
    /// There may be more after this mapping.
    pub goes_on_after: Option<MappingId>,
}

/// Brings forward what a clock that was ahead, and went back, has put off: no next sync is later than its schedule says a
/// minute from now, and no next full one than its time. Looks at most at `limit` mappings that come `after` another; begin with
/// [`FIRST`].
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn bring_forward(tx: &mut Tx, after: MappingId, limit: u32, now: Micros) -> Result<Brought> {
    if after == FIRST {
        on_tx!(&mut *tx, conn => sqlx::query(
            "UPDATE mappings SET next_full_time = $1 + full_sync_every_ms * 1000 \
             WHERE next_full_time > $2 + full_sync_every_ms * 1000")
            .bind(now).bind(now.plus(CLOCKS_DIFFER)).execute(&mut *conn).await.map(|_| ()))?;
    }
    // An interval's next sync is never further off than the interval, so of those the database finds the few. What an
    // expression says is worked out here.
    let waiting = on_tx!(&mut *tx, conn => sqlx::query_as::<_, NextSync>(
        "SELECT mapping_id, interval_ms, cron_expression, cron_time_zone, next_sync_time FROM mappings \
         WHERE next_sync_time > $1 AND state <> 'PAUSED' \
           AND (cron_expression IS NOT NULL OR next_sync_time > $2 + interval_ms * 1000) \
           AND mapping_id > $3 ORDER BY mapping_id LIMIT $4")
        .bind(now).bind(now.plus(CLOCKS_DIFFER)).bind(after).bind(i64::from(limit)).fetch_all(&mut *conn).await)?;
    let goes_on_after = waiting.last().map(|it| it.mapping_id).filter(|_| waiting.len() >= limit as usize);
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
    Ok(Brought { moved, goes_on_after })
}
