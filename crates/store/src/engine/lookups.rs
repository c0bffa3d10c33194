//! RESOLVE: which identifiers are to be looked up.

use super::Slice;
use super::slice::{Progress, fenced};
use crate::dialect::{on_read, on_tx};
use crate::{Result, Store};

/// An identifier to look up.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct LookupRow {
    /// The device that claims it.
    pub device_id: String,
    /// The identifier.
    pub identifier: String,
}

impl Store {
    /// In an INCREMENTAL sync, a device whose link has a record under the same identifier needs no look-up (rule 13),
    /// unless it was rejected last time: then the identifier may be the reason.
    ///
    /// # Errors
    /// [`crate::StoreError::FenceLost`], [`crate::StoreError::Unavailable`].
    pub async fn skip_known(&self, slice: &Slice) -> Result<()> {
        let mut tx = self.begin_write().await?;
        fenced(&mut tx, slice.guard, &Progress::default()).await?;
        on_tx!(&mut tx, conn => sqlx::query(
            "UPDATE sync_records SET step = 1 WHERE sync_id = $1 AND step = 0 AND EXISTS (
                 SELECT 1 FROM link_values v
                 WHERE v.mapping_id = sync_records.mapping_id AND v.device_id = sync_records.device_id
                   AND v.record_id IS NOT NULL AND v.identifier = sync_records.identifier)
               AND NOT EXISTS (
                 SELECT 1 FROM links l WHERE l.mapping_id = sync_records.mapping_id
                   AND l.device_id = sync_records.device_id AND (l.flags & 8) <> 0)")
            .bind(slice.guard.sync_id).execute(conn).await.map(|_| ()))?;
        tx.commit().await
    }

    /// The next identifiers to look up.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn next_lookups(&self, slice: &Slice, limit: i64) -> Result<Vec<LookupRow>> {
        Ok(on_read!(self, pool => sqlx::query_as(
            "SELECT device_id, identifier FROM sync_records
             WHERE sync_id = $1 AND step = 0 AND identifier IS NOT NULL ORDER BY device_id LIMIT $2")
            .bind(slice.guard.sync_id).bind(limit).fetch_all(pool).await)?)
    }
}
