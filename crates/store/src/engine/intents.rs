//! Creates in flight: they belong to the mapping and outlive the sync, whatever ends it (rule 3).

use super::batches::{devices, rows};
use super::{Guard, Op, Slice};
use crate::dialect::{id_list, on_read, on_tx};
use crate::{MappingId, Micros, Result, Store, SyncId, Tx};

/// A create whose outcome is not known.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct IntentRow {
    /// The device.
    pub device_id: String,
    /// The identifier that was sent.
    pub identifier: String,
    /// The same, folded.
    pub identifier_key: String,
    /// The serial number.
    pub serial_number: Option<String>,
    /// The sync that sent it.
    pub sync_id: SyncId,
    /// It is known to have been written; only its record id is not.
    pub applied: bool,
    /// When it was sent.
    pub sent_time: Micros,
    /// When to look for it next.
    pub next_look_time: Micros,
    /// Looks made.
    pub looks: i64,
    /// What confirming it needs, JSON.
    pub payload: String,
    /// Where this sync's record of the device stands; unset if this sync has none.
    pub step: Option<i64>,
}

impl Store {
    /// Intents of a mapping that may be looked up now. Those of a slice that is still sending are not: only the slice
    /// that holds the fence asks, and it asks when nothing of its own is in flight.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn due_intents(
        &self,
        guard: Guard,
        mapping: MappingId,
        now: Micros,
        limit: i64,
    ) -> Result<Vec<IntentRow>> {
        Ok(on_read!(self, pool => sqlx::query_as(
            "SELECT i.device_id, i.identifier, i.identifier_key, i.serial_number, i.sync_id, i.applied, i.sent_time,
                    i.next_look_time, i.looks, i.payload, r.step
             FROM intents i
             LEFT JOIN sync_records r ON r.sync_id = $1 AND r.device_id = i.device_id
             WHERE i.mapping_id = $2 AND i.next_look_time <= $3
             ORDER BY i.next_look_time LIMIT $4")
            .bind(guard.sync_id).bind(mapping).bind(now).bind(limit).fetch_all(pool).await)?)
    }

    /// Intents that were sent later than it is now: the clock was set back. They count as sent now, or nobody would look for
    /// them until the clock is there again.
    ///
    /// # Errors
    /// [`crate::StoreError::FenceLost`], [`crate::StoreError::Unavailable`].
    pub async fn restamp_intents(&self, slice: &Slice, now: Micros, next_look_time: Micros) -> Result<()> {
        let from_later: Option<(String,)> = on_read!(self, pool => sqlx::query_as(
            "SELECT device_id FROM intents WHERE mapping_id = $1 AND sent_time > $2 LIMIT 1")
            .bind(slice.row.mapping_id).bind(now).fetch_optional(pool).await)?;
        if from_later.is_none() {
            return Ok(());
        }
        let mut tx = self.begin_write().await?;
        super::slice::fenced(&mut tx, slice.guard, &super::Progress::default()).await?;
        on_tx!(&mut tx, conn => sqlx::query(
            "UPDATE intents SET sent_time = $2, looks = 0, next_look_time = $3 WHERE mapping_id = $1 AND sent_time > $2")
            .bind(slice.row.mapping_id).bind(now).bind(next_look_time).execute(conn).await.map(|_| ()))?;
        tx.commit().await
    }

    /// When the next intent that a record of this sync waits for may be looked up; `None` if no record waits.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn next_look(&self, guard: Guard, mapping: MappingId) -> Result<Option<Micros>> {
        let row: (Option<Micros>,) = on_read!(self, pool => sqlx::query_as(
            "SELECT MIN(i.next_look_time) FROM sync_records r
             JOIN intents i ON i.mapping_id = $2
                  AND (i.device_id = r.device_id OR i.identifier_key = r.identifier_key)
             WHERE r.sync_id = $1 AND r.step = 5")
            .bind(guard.sync_id).bind(mapping).fetch_one(pool).await)?;
        Ok(row.0)
    }

    /// Records whose device or identifier has an open intent wait for it, whoever's create it was; those whose intent is
    /// settled by now are looked up anew.
    ///
    /// # Errors
    /// [`crate::StoreError::FenceLost`], [`crate::StoreError::Unavailable`].
    pub async fn align_with_intents(&self, slice: &Slice) -> Result<()> {
        let mut tx = self.begin_write().await?;
        super::slice::fenced(&mut tx, slice.guard, &super::Progress::default()).await?;
        on_tx!(&mut tx, conn => sqlx::query(
            "UPDATE sync_records SET step = CASE WHEN identifier IS NULL THEN 1 ELSE 0 END
             WHERE sync_id = $1 AND step = 5 AND NOT EXISTS (
                 SELECT 1 FROM intents i WHERE i.mapping_id = $2 AND i.device_id = sync_records.device_id)
               AND NOT EXISTS (
                 SELECT 1 FROM intents i WHERE i.mapping_id = $2 AND i.identifier_key = sync_records.identifier_key)")
            .bind(slice.guard.sync_id).bind(slice.row.mapping_id).execute(conn).await.map(|_| ()))?;
        let open: Option<(String,)> = on_tx!(&mut tx, conn => sqlx::query_as(
            "SELECT device_id FROM intents WHERE mapping_id = $1 LIMIT 1")
            .bind(slice.row.mapping_id).fetch_optional(conn).await)?;
        if open.is_some() {
            on_tx!(&mut tx, conn => sqlx::query(
                "UPDATE sync_records SET step = 5
                 WHERE sync_id = $1 AND step IN (0, 1) AND outcome = 'PLANNED'
                   AND (device_id IN (SELECT i.device_id FROM intents i WHERE i.mapping_id = $2)
                        OR identifier_key IN (SELECT i.identifier_key FROM intents i WHERE i.mapping_id = $2))")
                .bind(slice.guard.sync_id).bind(slice.row.mapping_id).execute(conn).await.map(|_| ()))?;
        }
        tx.commit().await
    }
}

pub(super) async fn put(tx: &mut Tx, slice: &Slice, batch: &[&Op]) -> Result<()> {
    let rows = rows!(batch, Op::PutIntent(it) => (&it.device_id, &it.identifier, &it.identifier_key, &it.serial_number,
        it.sent_time, it.next_look_time, &it.payload));
    let sql = tx.sql(
        "INSERT INTO intents (mapping_id, device_id, tenant, identifier, identifier_key, serial_number, sync_id, fence,
             sent_time, next_look_time, payload)
         SELECT $1, it.device, $2, it.identifier, it.identifier_key, it.serial, $3, $4, it.sent, it.next_look, it.payload
         FROM ROWS($5: device TEXT, identifier TEXT, identifier_key TEXT, serial TEXT, sent BIGINT, next_look BIGINT,
                   payload TEXT) AS it
         WHERE TRUE ON CONFLICT (mapping_id, device_id) DO UPDATE SET
             identifier = excluded.identifier, identifier_key = excluded.identifier_key,
             serial_number = excluded.serial_number, sync_id = excluded.sync_id, fence = excluded.fence,
             applied = FALSE, looks = 0, sent_time = excluded.sent_time, next_look_time = excluded.next_look_time,
             payload = excluded.payload",
    );
    on_tx!(tx, conn => sqlx::query(sql).bind(slice.row.mapping_id).bind(&slice.row.tenant).bind(slice.guard.sync_id)
        .bind(slice.guard.fence).bind(rows).execute(conn).await.map(|_| ()))?;
    Ok(())
}

pub(super) async fn drop(tx: &mut Tx, mapping: MappingId, batch: &[&Op]) -> Result<()> {
    let sql = tx.sql("DELETE FROM intents WHERE mapping_id = $1 AND device_id IN IDS($2)");
    on_tx!(tx, conn => sqlx::query(sql).bind(mapping).bind(id_list(&devices(batch))).execute(conn).await.map(|_| ()))?;
    Ok(())
}

pub(super) async fn look_again(tx: &mut Tx, mapping: MappingId, batch: &[&Op]) -> Result<()> {
    let rows = rows!(batch, Op::LookAgain { device_id, looks, next_look_time, applied } =>
        (device_id, looks, next_look_time, applied));
    let sql = tx.sql(
        "UPDATE intents SET looks = it.looks, next_look_time = it.next_look, applied = (intents.applied OR it.applied)
         FROM ROWS($2: device TEXT, looks BIGINT, next_look BIGINT, applied BOOLEAN) AS it
         WHERE intents.mapping_id = $1 AND intents.device_id = it.device",
    );
    on_tx!(tx, conn => sqlx::query(sql).bind(mapping).bind(rows).execute(conn).await.map(|_| ()))?;
    Ok(())
}
