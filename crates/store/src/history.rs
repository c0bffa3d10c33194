//! How long what syncs did is remembered. It goes in small batches, a short transaction each, so that nobody waits for
//! the writer.

use crate::dialect::{on_tx, on_write};
use crate::engine::leftovers::LISTS;
use crate::{Micros, Result, Store, SyncId, Tx};

/// Syncs taken up in one batch.
const SYNCS_AT_ONCE: i64 = 50;

/// What a batch of [`prune`] dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Rows that belonged to syncs.
    pub rows: u64,
    /// Syncs themselves.
    pub syncs: u64,
}

impl Pruned {
    /// Whether there was nothing to drop.
    #[must_use]
    pub const fn is_nothing(self) -> bool {
        self.rows == 0 && self.syncs == 0
    }
}

/// Drops a batch of what syncs that ended before `before` left: at most `rows` of their records, then the syncs
/// themselves. Never a mapping's last sync, an active one, or a dry run whose plan a sync that is still known applied.
/// Repeat it until it drops nothing.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn prune(store: &Store, before: Micros, rows: u32) -> Result<Pruned> {
    let mut tx = store.begin_write().await?;
    // One that is locked is being dropped by another process, or just now taken as a plan.
    let old = tx.sql(
        "SELECT s.sync_id FROM syncs s
         WHERE s.end_time < $1 AND s.state NOT IN ('QUEUED', 'RUNNING', 'WAITING')
           AND NOT EXISTS (SELECT 1 FROM leftovers l WHERE l.sync_id = s.sync_id)
           AND NOT EXISTS (SELECT 1 FROM mappings m WHERE m.mapping_id = s.mapping_id AND m.last_sync_id = s.sync_id)
           AND NOT EXISTS (SELECT 1 FROM syncs p WHERE p.plan_of = s.sync_id)
         ORDER BY s.end_time LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED",
    );
    let old: Vec<(SyncId,)> = on_tx!(&mut tx, conn => sqlx::query_as(old)
        .bind(before).bind(SYNCS_AT_ONCE).fetch_all(conn).await)?;
    let mut pruned = Pruned::default();
    let mut left = u64::from(rows);
    for (sync,) in old {
        // From here on nobody can count on its records. Asked once more whether it is a plan: it may have become one before
        // it was locked.
        let taken = on_tx!(&mut tx, conn => sqlx::query(
            "UPDATE syncs SET pruned = TRUE WHERE sync_id = $1 AND NOT EXISTS (SELECT 1 FROM syncs p WHERE p.plan_of = $1)")
            .bind(sync).execute(conn).await?.rows_affected());
        if taken == 0 {
            continue;
        }
        let dropped = drop_rows(&mut tx, sync, left).await?;
        pruned.rows += dropped;
        left -= dropped.min(left);
        if left == 0 {
            break;
        }
        on_tx!(&mut tx, conn => sqlx::query("DELETE FROM syncs WHERE sync_id = $1")
            .bind(sync).execute(conn).await.map(|_| ()))?;
        pruned.syncs += 1;
    }
    tx.commit().await?;
    Ok(pruned)
}

/// Drops at most `most` rows that belong to a sync. Fewer than `most`: none is left.
pub(crate) async fn drop_rows(tx: &mut Tx, sync: SyncId, most: u64) -> Result<u64> {
    const RECORDS: &str = "DELETE FROM sync_records WHERE sync_id = $1 AND device_id IN (
         SELECT device_id FROM sync_records WHERE sync_id = $1 ORDER BY device_id LIMIT $2)";
    let mut dropped = 0;
    // The lists go with a sync's end; one that was cut off, or whose mapping was deleted, may have left some.
    for sql in std::iter::once(RECORDS).chain(LISTS) {
        let room = i64::try_from(most.saturating_sub(dropped)).unwrap_or(i64::MAX);
        dropped +=
            on_tx!(&mut *tx, conn => sqlx::query(sql).bind(sync).bind(room).execute(conn).await?.rows_affected());
    }
    Ok(dropped)
}

/// Drops at most `rows` alerts that were delivered, or given up, before `before`. Returns how many.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn prune_alerts(store: &Store, before: Micros, rows: u32) -> Result<u64> {
    Ok(on_write!(store, pool => sqlx::query(
        "DELETE FROM alerts WHERE alert_id IN (
             SELECT alert_id FROM alerts
             WHERE create_time < $1 AND COALESCE(delivered_time, gave_up_time) < $1 ORDER BY create_time LIMIT $2)")
        .bind(before).bind(i64::from(rows)).execute(pool).await?.rows_affected()))
}
