//! What a sync kept on its way is of no use once it has ended.
//!
//! It goes in batches. A sync may end with a million rows of it, and where one is cancelled somebody waits for the answer: what
//! does not go with its end is noted in the sync's row, and goes later ([`drop_leftovers`]).

use crate::dialect::on_tx;
use crate::{Result, Store, SyncId, Tx};

/// Rows of each kind that go with the end of a sync.
const AT_ITS_END: u32 = 5_000;

const DROPPED: [&str; 7] = [
    "UPDATE sync_records SET wanted = NULL, found = NULL, plan = NULL WHERE sync_id = $1 AND device_id IN (
         SELECT device_id FROM sync_records
         WHERE sync_id = $1 AND step <> 9 AND (wanted IS NOT NULL OR found IS NOT NULL OR plan IS NOT NULL)
         ORDER BY device_id LIMIT $2)",
    "DELETE FROM kept_records WHERE sync_id = $1 AND device_id IN (
         SELECT device_id FROM kept_records WHERE sync_id = $1 ORDER BY device_id LIMIT $2)",
    "DELETE FROM dry_run_seen WHERE sync_id = $1 AND device_id IN (
         SELECT device_id FROM dry_run_seen WHERE sync_id = $1 ORDER BY device_id LIMIT $2)",
    "DELETE FROM dry_run_moves WHERE sync_id = $1 AND device_id IN (
         SELECT device_id FROM dry_run_moves WHERE sync_id = $1 ORDER BY device_id LIMIT $2)",
    "DELETE FROM sync_users WHERE sync_id = $1 AND user_id IN (
         SELECT user_id FROM sync_users WHERE sync_id = $1 ORDER BY user_id LIMIT $2)",
    "DELETE FROM brake_items WHERE sync_id = $1 AND (kind, device_id, column_id) IN (
         SELECT kind, device_id, column_id FROM brake_items WHERE sync_id = $1 ORDER BY kind, device_id, column_id LIMIT $2)",
    "DELETE FROM approved_changes WHERE sync_id = $1 AND (kind, device_id, column_id) IN (
         SELECT kind, device_id, column_id FROM approved_changes WHERE sync_id = $1
         ORDER BY kind, device_id, column_id LIMIT $2)",
];
/// What a rehearsal says that it would do was not done.
const ONLY_PLANNED: &str = "
    UPDATE sync_records SET outcome = 'PLANNED' WHERE sync_id = $1 AND device_id IN (
        SELECT device_id FROM sync_records
        WHERE sync_id = $1 AND outcome IN ('CREATED', 'ADOPTED', 'UPDATED', 'REMOVED')
          AND EXISTS (SELECT 1 FROM syncs WHERE sync_id = $1 AND rehearsing)
        ORDER BY device_id LIMIT $2)";

/// With the end of a sync.
pub(crate) async fn end(tx: &mut Tx, sync_id: SyncId) -> Result<()> {
    let rest = drop_some(tx, sync_id, AT_ITS_END).await?;
    on_tx!(&mut *tx, conn => sqlx::query("UPDATE syncs SET leftovers = $2 WHERE sync_id = $1 AND leftovers <> $2")
        .bind(sync_id).bind(rest).execute(conn).await.map(|_| ()))?;
    Ok(())
}

/// Drops at most `rows` of each kind of what some sync left that ended. Repeat it until there is none that did.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn drop_leftovers(store: &Store, rows: u32) -> Result<Option<SyncId>> {
    let mut tx = store.begin_write().await?;
    let sql =
        tx.sql("SELECT sync_id FROM syncs WHERE leftovers ORDER BY end_time LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED");
    let of: Option<SyncId> = on_tx!(&mut tx, conn => sqlx::query_scalar(sql).fetch_optional(conn).await)?;
    let Some(sync_id) = of else { return Ok(None) };
    if !drop_some(&mut tx, sync_id, rows).await? {
        on_tx!(&mut tx, conn => sqlx::query("UPDATE syncs SET leftovers = FALSE WHERE sync_id = $1")
            .bind(sync_id).execute(conn).await.map(|_| ()))?;
    }
    tx.commit().await?;
    Ok(Some(sync_id))
}

/// Answers whether there may be more.
async fn drop_some(tx: &mut Tx, sync_id: SyncId, rows: u32) -> Result<bool> {
    let mut more = false;
    for sql in DROPPED.into_iter().chain([ONLY_PLANNED]) {
        let dropped = on_tx!(&mut *tx, conn => sqlx::query(sql)
            .bind(sync_id).bind(i64::from(rows)).execute(conn).await?.rows_affected());
        more |= dropped >= u64::from(rows);
    }
    // Until then, what it would have done is shown as planned (`records.rs`).
    if !more {
        on_tx!(&mut *tx, conn => sqlx::query("UPDATE syncs SET rehearsing = FALSE WHERE sync_id = $1 AND rehearsing")
            .bind(sync_id).execute(conn).await.map(|_| ()))?;
    }
    Ok(more)
}
