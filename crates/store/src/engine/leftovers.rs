//! What a sync kept on its way is of no use once it has ended.
//!
//! It goes in batches. A sync may end with a million rows of it, and where one is cancelled somebody waits for the answer: what
//! does not go with its end is noted, and goes later ([`drop_leftovers`]).

use crate::dialect::on_tx;
use crate::{Result, Store, SyncId, Tx};

/// Rows of each kind that go with the end of a sync.
const AT_ITS_END: u32 = 5_000;

/// What a sync keeps beside its records. `$1`: the sync; `$2`: the most rows.
pub(crate) const LISTS: [&str; 6] = [
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
/// `$2` and `$3`: after and up to which device.
const RECORDS: &str = "
    UPDATE sync_records SET wanted = NULL, found = NULL, plan = NULL
    WHERE sync_id = $1 AND device_id > $2 AND device_id <= $3
      AND step <> 9 AND (wanted IS NOT NULL OR found IS NOT NULL OR plan IS NOT NULL)";
/// What a rehearsal says that it would do was not done.
const ONLY_PLANNED: &str = "
    UPDATE sync_records SET outcome = 'PLANNED'
    WHERE sync_id = $1 AND device_id > $2 AND device_id <= $3 AND outcome IN ('CREATED', 'ADOPTED', 'UPDATED', 'REMOVED')";
/// After every device id.
const LAST: &str = "\u{10ffff}";

/// How far it came.
enum Place {
    /// Nothing is left.
    Done,
    /// There may be more, of the records after this device.
    After(String),
}

/// With the end of a sync.
pub(crate) async fn end(tx: &mut Tx, sync_id: SyncId) -> Result<()> {
    if let Place::After(device) = drop_some(tx, sync_id, String::new(), AT_ITS_END).await? {
        on_tx!(&mut *tx, conn => sqlx::query("INSERT INTO leftovers (sync_id, after_device) VALUES ($1, $2)")
            .bind(sync_id).bind(device).execute(conn).await.map(|_| ()))?;
    }
    Ok(())
}

/// Drops at most `rows` of what some sync left that ended, and answers which. Repeat it until there is none that did.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn drop_leftovers(store: &Store, rows: u32) -> Result<Option<SyncId>> {
    let mut tx = store.begin_write().await?;
    let sql =
        tx.sql("SELECT sync_id, after_device FROM leftovers ORDER BY sync_id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED");
    let found: Option<(SyncId, String)> = on_tx!(&mut tx, conn => sqlx::query_as(sql).fetch_optional(conn).await)?;
    let Some((sync_id, after)) = found else { return Ok(None) };
    match drop_some(&mut tx, sync_id, after, rows).await? {
        Place::After(device) => {
            on_tx!(&mut tx, conn => sqlx::query("UPDATE leftovers SET after_device = $2 WHERE sync_id = $1")
                .bind(sync_id).bind(device).execute(conn).await.map(|_| ()))?;
        }
        Place::Done => {
            on_tx!(&mut tx, conn => sqlx::query("DELETE FROM leftovers WHERE sync_id = $1")
                .bind(sync_id).execute(conn).await.map(|_| ()))?;
        }
    }
    tx.commit().await?;
    Ok(Some(sync_id))
}

/// Each call costs what `rows` cost, however many there are: what was looked at is not looked at again.
async fn drop_some(tx: &mut Tx, sync_id: SyncId, after: String, rows: u32) -> Result<Place> {
    for sql in LISTS {
        let dropped = on_tx!(&mut *tx, conn => sqlx::query(sql)
            .bind(sync_id).bind(i64::from(rows)).execute(conn).await?.rows_affected());
        if dropped >= u64::from(rows) {
            return Ok(Place::After(after));
        }
    }
    let rehearsing: Option<bool> = on_tx!(&mut *tx, conn => sqlx::query_scalar("SELECT rehearsing FROM syncs WHERE sync_id = $1")
        .bind(sync_id).fetch_optional(conn).await)?;
    let rehearsing = rehearsing.unwrap_or_default();
    let is_open: bool = on_tx!(&mut *tx, conn => sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM sync_records WHERE sync_id = $1 AND step < 9) \
             OR EXISTS (SELECT 1 FROM sync_records WHERE sync_id = $1 AND step > 9)")
        .bind(sync_id).fetch_one(conn).await)?;
    if !rehearsing && !is_open {
        return Ok(Place::Done);
    }
    let last: Option<String> = on_tx!(&mut *tx, conn => sqlx::query_scalar(
        "SELECT device_id FROM sync_records WHERE sync_id = $1 AND device_id > $2 ORDER BY device_id LIMIT 1 OFFSET $3")
        .bind(sync_id).bind(&after).bind(i64::from(rows.max(1)) - 1).fetch_optional(conn).await)?;
    for sql in [RECORDS, ONLY_PLANNED].into_iter().take(if rehearsing { 2 } else { 1 }) {
        on_tx!(&mut *tx, conn => sqlx::query(sql)
            .bind(sync_id).bind(&after).bind(last.as_deref().unwrap_or(LAST)).execute(conn).await.map(|_| ()))?;
    }
    if let Some(last) = last {
        return Ok(Place::After(last));
    }
    // Until then, what it would have done is shown as planned (`records.rs`).
    if rehearsing {
        on_tx!(&mut *tx, conn => sqlx::query("UPDATE syncs SET rehearsing = FALSE WHERE sync_id = $1")
            .bind(sync_id).execute(conn).await.map(|_| ()))?;
    }
    Ok(Place::Done)
}
