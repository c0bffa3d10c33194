//! A database that was restored from a backup: what it believes of the collections is behind what was written since.

use crate::dialect::on_tx;
use crate::{Micros, Result, Store};

/// Has every active sync look everything up again that it was about to create: its records may have been made since the
/// backup. (Links and creates in flight need nothing: a device without a link is looked up before it is created, and a create
/// in flight before it is sent again.) How many these are.
///
/// For a database that no process is at work on: a sync that is being worked would get a second job.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn look_again(store: &Store) -> Result<u64> {
    let mut tx = store.begin_write().await?;
    crate::continuity::begin_stretch(&mut tx).await?;
    // Long past: that is what the sweep finds them by.
    let late = on_tx!(&mut tx, conn => sqlx::query(
        "UPDATE syncs SET next_slice_time = $1 WHERE state IN ('QUEUED', 'RUNNING', 'WAITING')")
        .bind(Micros(0)).execute(conn).await.map(|done| done.rows_affected()))?;
    tx.commit().await?;
    Ok(late)
}
