//! Deleting a mapping: gone for every call at once. Its rows, of which there may be millions, go later; see
//! [`deleted`](crate::deleted).

use super::read::get_in;
use crate::dialect::on_tx;
use crate::{Conflict, MappingId, Micros, Result, StoreError, SyncId, Tenant, Tx};

/// What came of a deletion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// The syncs that were active and have been ended: take their jobs off the queue.
    pub ended: Vec<SyncId>,
    /// Devices that were tied to a record.
    pub linked: i64,
    /// Of them, those whose record bears the mark of the removal policy, or may bear it.
    pub marked: i64,
    /// Creates that were sent and of which it is not known whether they were applied.
    pub in_flight: i64,
}

/// Deletes a mapping. From now on it is nobody's, like its syncs: no caller sees them, the schedule passes it over, and its
/// collection is free. Syncs that are active, dry runs too, end if `cancel` is set: their fence moves, so that a worker that is
/// at one writes and sends nothing more.
///
/// # Errors
/// [`StoreError::NotFound`]; [`Conflict::SyncActive`] where a sync is active and `cancel` is not set.
pub async fn delete(tx: &mut Tx, tenant: &Tenant, id: MappingId, cancel: bool, now: Micros) -> Result<Deleted> {
    // Locked: nobody makes another sync of it meanwhile.
    let mapping = get_in(tx, tenant, id).await?;
    let active: Vec<SyncId> = on_tx!(&mut *tx, conn => sqlx::query_scalar(
        "SELECT sync_id FROM syncs WHERE mapping_id = $1 AND tenant = $2 AND state IN ('QUEUED', 'RUNNING', 'WAITING')
         ORDER BY sync_id")
        .bind(id).bind(tenant).fetch_all(conn).await)?;
    if let (Some(first), false) = (active.first(), cancel) {
        let message = format!(
            "Sync {first} of the mapping \"{}\" is active: wait for its end, or set cancel_syncs to have it cancelled.",
            mapping.display_name
        );
        return Err(StoreError::conflict(Conflict::SyncActive, message));
    }
    on_tx!(&mut *tx, conn => sqlx::query(
        "UPDATE syncs SET tenant = $3, fence = fence + 1, end_time = COALESCE(end_time, $4),
                state = CASE WHEN state IN ('QUEUED', 'RUNNING', 'WAITING') THEN 'CANCELLED' ELSE state END
         WHERE mapping_id = $1 AND tenant = $2")
        .bind(id).bind(tenant).bind(Tenant::nobody()).bind(now).execute(conn).await.map(|_| ()))?;
    let in_flight = on_tx!(&mut *tx, conn => sqlx::query_scalar("SELECT COUNT(*) FROM intents WHERE mapping_id = $1")
        .bind(id).fetch_one(conn).await)?;
    // Marked, or perhaps: see `engine::flag`.
    let marked = on_tx!(&mut *tx, conn => sqlx::query_scalar(
        "SELECT COUNT(*) FROM links WHERE mapping_id = $1 AND (flags & 576) <> 0")
        .bind(id).fetch_one(conn).await)?;
    on_tx!(&mut *tx, conn => sqlx::query(
        "UPDATE mappings SET tenant = $3, collection_key = $4, state = 'PAUSED', next_sync_time = NULL, held_digest = NULL,
                update_time = $5, version = version + 1
         WHERE mapping_id = $1 AND tenant = $2")
        .bind(id).bind(tenant).bind(Tenant::nobody()).bind(format!("deleted/{id}")).bind(now)
        .execute(conn).await.map(|_| ()))?;
    Ok(Deleted { ended: active, linked: mapping.linked_count, marked, in_flight })
}
