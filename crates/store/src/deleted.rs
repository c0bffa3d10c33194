//! What was deleted and is not gone yet. A deleted mapping or connection is nobody's at once; its rows go here, in small
//! batches, a short transaction each, so that nobody waits for the writer.

use crate::dialect::{on_read, on_tx, on_write};
use crate::history::drop_rows;
use crate::{MappingId, Micros, Result, Store, SyncId, Tenant, Tx};

/// Syncs taken up in one batch.
const SYNCS_AT_ONCE: i64 = 50;

/// What belongs to a mapping, and how to drop some of it: `$1` is the mapping, `$2` the most rows.
const OF_A_MAPPING: [&str; 4] = [
    "DELETE FROM links WHERE mapping_id = $1 AND device_id IN (
         SELECT device_id FROM links WHERE mapping_id = $1 ORDER BY device_id LIMIT $2)",
    "DELETE FROM link_values WHERE mapping_id = $1 AND link_id IN (
         SELECT link_id FROM link_values WHERE mapping_id = $1 ORDER BY device_id LIMIT $2)",
    "DELETE FROM intents WHERE mapping_id = $1 AND device_id IN (
         SELECT device_id FROM intents WHERE mapping_id = $1 ORDER BY device_id LIMIT $2)",
    "DELETE FROM held_changes WHERE mapping_id = $1 AND (kind, device_id, column_id) IN (
         SELECT kind, device_id, column_id FROM held_changes WHERE mapping_id = $1
         ORDER BY kind, device_id, column_id LIMIT $2)",
];

/// Drops a batch of what belonged to deleted mappings, at most `rows` of it or a little more. The mappings' own rows, by which
/// it is known when a collection was last written to ([`settling_since`]), go if they were deleted before `forgotten`, and
/// then the deleted connections that they belonged to. Repeat it until it answers 0.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn prune(store: &Store, forgotten: Micros, rows: u32) -> Result<u64> {
    let mut tx = store.begin_write().await?;
    // Its revisions go last: while there are any, there may be more. One that is locked is being dropped by another process.
    let sql = tx.sql(
        "SELECT mapping_id, update_time < $2 FROM mappings m WHERE tenant = $1
           AND (update_time < $2 OR EXISTS (SELECT 1 FROM mapping_revisions r WHERE r.mapping_id = m.mapping_id))
         ORDER BY mapping_id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED",
    );
    let found: Option<(MappingId, bool)> = on_tx!(&mut tx, conn => sqlx::query_as(sql)
        .bind(Tenant::nobody()).bind(forgotten).fetch_optional(conn).await)?;
    let Some((mapping, is_forgotten)) = found else {
        drop(tx);
        return prune_connections(store).await;
    };
    let mut left = u64::from(rows);
    let mut dropped = drop_syncs(&mut tx, mapping, &mut left).await?;
    for sql in OF_A_MAPPING {
        if left > 0 {
            let room = i64::try_from(left).unwrap_or(i64::MAX);
            let gone = on_tx!(&mut tx, conn => sqlx::query(sql)
                .bind(mapping).bind(room).execute(conn).await?.rows_affected());
            left = left.saturating_sub(gone);
            dropped += gone;
        }
    }
    if left > 0 {
        dropped += on_tx!(&mut tx, conn => sqlx::query("DELETE FROM mapping_revisions WHERE mapping_id = $1")
            .bind(mapping).execute(conn).await?.rows_affected());
        if is_forgotten {
            dropped += on_tx!(&mut tx, conn => sqlx::query("DELETE FROM mappings WHERE mapping_id = $1")
                .bind(mapping).execute(conn).await?.rows_affected());
        }
    }
    tx.commit().await?;
    Ok(dropped)
}

/// Drops syncs of a deleted mapping, each with its rows. If some are left, `left` is 0.
async fn drop_syncs(tx: &mut Tx, mapping: MappingId, left: &mut u64) -> Result<u64> {
    let mut dropped = 0;
    loop {
        let syncs: Vec<SyncId> = on_tx!(&mut *tx, conn => sqlx::query_scalar(
            "SELECT sync_id FROM syncs WHERE mapping_id = $1 AND tenant = $2 ORDER BY sync_id LIMIT $3")
            .bind(mapping).bind(Tenant::nobody()).bind(SYNCS_AT_ONCE).fetch_all(conn).await)?;
        if syncs.is_empty() {
            return Ok(dropped);
        }
        for sync in syncs {
            let gone = drop_rows(tx, sync, *left).await?;
            dropped += gone;
            *left = left.saturating_sub(gone);
            if *left == 0 {
                return Ok(dropped);
            }
            on_tx!(&mut *tx, conn => sqlx::query("DELETE FROM syncs WHERE sync_id = $1")
                .bind(sync).execute(conn).await.map(|_| ()))?;
            dropped += 1;
            *left -= 1;
            if *left == 0 {
                return Ok(dropped);
            }
        }
    }
}

async fn prune_connections(store: &Store) -> Result<u64> {
    Ok(on_write!(store, pool => sqlx::query(
        "DELETE FROM connections WHERE tenant = $1
           AND NOT EXISTS (SELECT 1 FROM mappings m WHERE m.connection_id = connections.connection_id)")
        .bind(Tenant::nobody()).execute(pool).await?.rows_affected()))
}

/// When a mapping that wrote to the same collection as this one was last deleted; `None`: none was, or so long ago that it is
/// forgotten. What its syncs sent just before may not be found by a search yet.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn settling_since(store: &Store, mapping: MappingId) -> Result<Option<Micros>> {
    Ok(on_read!(store, pool => sqlx::query_scalar(
        "SELECT MAX(d.update_time) FROM mappings m
         JOIN connections c ON c.connection_id = m.connection_id
         JOIN mappings d ON d.tenant = $2 AND d.collection_id = m.collection_id AND d.last_sync_id IS NOT NULL
         JOIN connections e ON e.connection_id = d.connection_id AND e.asset_panda_base_url = c.asset_panda_base_url
         WHERE m.mapping_id = $1")
        .bind(mapping).bind(Tenant::nobody()).fetch_one(pool).await)?)
}
