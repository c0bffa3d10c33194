//! What the brake weighs: the changes of one sync, by kind, and what becomes of those that it holds (rule 11).
//!
//! An item goes from 0 (to weigh) to 1 (let through) or 2 (to be held). What is held is then taken out of what is sent:
//! 5. A removal that is let through is sent (3) and done (4).

use super::batches::rows;
use super::slice::{CountDeltas, Progress, fenced};
use super::{Guard, Op, Slice};
use crate::dialect::{on_read, on_tx};
use crate::held::HeldKind;
use crate::{MappingId, Result, Store, SyncId, Tx};

/// Where an item stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ItemStep {
    /// It may be sent.
    Free = 1,
    /// It was sent, not confirmed.
    Sent = 3,
    /// Nothing more is to be done for it.
    Done = 4,
    /// It is held, and nothing of it will be sent.
    Held = 5,
}

impl ItemStep {
    fn number(self) -> i64 {
        i64::from(self as u8)
    }
}

/// An item's key beside its sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What would be done.
    pub kind: HeldKind,
    /// To which device.
    pub device_id: String,
    /// For a value: in which column; else empty.
    pub column_id: String,
}

/// Changes that are weighed together: all of a kind, of clears those of one column.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct BrakeGroup {
    /// What would be done.
    pub kind: HeldKind,
    /// For clears: the column.
    pub column_id: String,
    /// How many there are in this sync.
    pub items: i64,
    /// How many of them nobody approved.
    pub unapproved: i64,
}

/// What is to be held of a device, with what is planned for it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct HeldRow {
    /// What is held.
    pub kind: HeldKind,
    /// The device.
    pub device_id: String,
    /// For a value: the column.
    pub column_id: String,
    /// What sending and confirming the write need, JSON; unset in a dry run, and where nothing is planned any more.
    pub plan: Option<String>,
    /// The changes, JSON.
    pub changes: Option<String>,
    /// Where the device's record stands.
    pub step: i64,
    /// What came, or would come, of the device.
    pub outcome: String,
}

/// Devices whose records may be made anew.
macro_rules! free_deleted {
    () => {
        "SELECT b.device_id FROM brake_items b WHERE b.sync_id = $1 AND b.kind = 'DELETED' AND b.step = 1"
    };
}

impl Store {
    /// Whether anything is to be weighed, or was weighed and not yet acted on. (Here and below in the order of an index, or
    /// PostgreSQL hopes to come upon one soon, and walks all that all syncs weigh.)
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn is_to_be_weighed(&self, guard: Guard) -> Result<bool> {
        let (is_to_be,): (bool,) = on_read!(self, pool => sqlx::query_as(
            "SELECT EXISTS (SELECT 1 FROM (
                 SELECT 1 FROM brake_items
                 WHERE sync_id = $1 AND (step IN (0, 2) OR (kind = 'DELETED' AND step = 1)) ORDER BY kind, step LIMIT 1) it)")
            .bind(guard.sync_id).fetch_one(pool).await)?;
        Ok(is_to_be)
    }

    /// The changes that are to be weighed, with all of their kind that this sync has come upon.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn brake_groups(&self, guard: Guard) -> Result<Vec<BrakeGroup>> {
        Ok(on_read!(self, pool => sqlx::query_as(
            "SELECT b.kind, b.column_id, COUNT(*) AS items,
                    CAST(SUM(CASE WHEN a.device_id IS NULL THEN 1 ELSE 0 END) AS BIGINT) AS unapproved
             FROM brake_items b
             LEFT JOIN approved_changes a ON a.sync_id = b.sync_id AND a.kind = b.kind AND a.device_id = b.device_id
                  AND a.column_id = b.column_id
             WHERE b.sync_id = $1
             GROUP BY b.kind, b.column_id
             HAVING SUM(CASE WHEN b.step = 0 THEN 1 ELSE 0 END) > 0
             ORDER BY b.kind, b.column_id")
            .bind(guard.sync_id).fetch_all(pool).await)?)
    }

    /// Devices of the mapping that have a record.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn linked(&self, mapping: MappingId) -> Result<i64> {
        let (linked,): (i64,) = on_read!(self, pool => sqlx::query_as(
            "SELECT COUNT(*) FROM links WHERE mapping_id = $1 AND (flags & 1) <> 0")
            .bind(mapping).fetch_one(pool).await)?;
        Ok(linked)
    }

    /// The verdict on a group.
    ///
    /// # Errors
    /// [`crate::StoreError::FenceLost`], [`crate::StoreError::Unavailable`].
    pub async fn weighed(&self, guard: Guard, group: &BrakeGroup, holds: bool, progress: &Progress) -> Result<bool> {
        let mut tx = self.begin_write().await?;
        let cancel = fenced(&mut tx, guard, progress).await?;
        on_tx!(&mut tx, conn => sqlx::query(
            "UPDATE brake_items SET step = $4 WHERE sync_id = $1 AND kind = $2 AND column_id = $3 AND step = 0")
            .bind(guard.sync_id).bind(group.kind).bind(&group.column_id).bind(if holds { 2_i64 } else { 1 })
            .execute(conn).await.map(|_| ()))?;
        tx.commit().await?;
        Ok(cancel)
    }

    /// What is to be held and still stands in what is planned, by device. (Removals are planned nowhere else.)
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn next_held(&self, guard: Guard, limit: i64) -> Result<Vec<HeldRow>> {
        Ok(on_read!(self, pool => sqlx::query_as(
            "SELECT b.kind, b.device_id, b.column_id, r.plan, r.changes, CAST(r.step AS BIGINT) AS step, r.outcome
             FROM brake_items b JOIN sync_records r ON r.sync_id = b.sync_id AND r.device_id = b.device_id
             WHERE b.sync_id = $1 AND b.kind IN ('CLEAR', 'DELETED') AND b.step = 2
             ORDER BY b.device_id, b.column_id LIMIT $2")
            .bind(guard.sync_id).bind(limit).fetch_all(pool).await)?)
    }

    /// Devices whose records are known to be deleted, and that the brake holds: they stay planned. They count as unchanged.
    ///
    /// # Errors
    /// [`crate::StoreError::FenceLost`], [`crate::StoreError::Unavailable`].
    pub async fn hold_deleted(&self, guard: Guard, message: &str, progress: &Progress) -> Result<bool> {
        let mut tx = self.begin_write().await?;
        fenced(&mut tx, guard, progress).await?;
        let held = on_tx!(&mut tx, conn => sqlx::query(
            "UPDATE sync_records SET step = 9, outcome = 'PLANNED', reason = 'HELD', message = $2, changes = NULL,
                    wanted = NULL, found = NULL, plan = NULL
             WHERE sync_id = $1 AND step = 10 AND device_id IN (
                 SELECT b.device_id FROM brake_items b WHERE b.sync_id = $1 AND b.kind = 'DELETED' AND b.step = 2)")
            .bind(guard.sync_id).bind(message).execute(conn).await?.rows_affected());
        on_tx!(&mut tx, conn => sqlx::query(
            "UPDATE brake_items SET step = 5 WHERE sync_id = $1 AND kind = 'DELETED' AND step = 2")
            .bind(guard.sync_id).execute(conn).await.map(|_| ()))?;
        let counts = CountDeltas { unchanged: i64::try_from(held).unwrap_or(i64::MAX), ..CountDeltas::default() };
        let cancel = fenced(&mut tx, guard, &Progress { counts, ..Progress::default() }).await?;
        tx.commit().await?;
        Ok(cancel)
    }

    /// Devices whose records are known to be deleted, and that the brake lets through: their links forget the record, and
    /// they are decided on like devices without one.
    ///
    /// # Errors
    /// [`crate::StoreError::FenceLost`], [`crate::StoreError::Unavailable`].
    pub async fn free_deleted(&self, slice: &Slice, progress: &Progress) -> Result<bool> {
        let mut tx = self.begin_write().await?;
        let cancel = fenced(&mut tx, slice.guard, progress).await?;
        for sql in [
            concat!(
                "UPDATE links SET flags = (flags & 1072) WHERE mapping_id = $2 AND device_id IN (",
                free_deleted!(),
                ")"
            ),
            concat!(
                "UPDATE link_values SET record_id = NULL, cells = '[]', forms = '{}', created_by_us = FALSE
                 WHERE mapping_id = $2 AND device_id IN (",
                free_deleted!(),
                ")"
            ),
            // What was looked up before is not looked up again.
            concat!(
                "UPDATE sync_records SET step = CASE WHEN found IS NULL AND identifier IS NOT NULL THEN 0 ELSE 1 END
                 WHERE sync_id = $1 AND mapping_id = $2 AND step = 10 AND device_id IN (",
                free_deleted!(),
                ")"
            ),
        ] {
            on_tx!(&mut tx, conn => sqlx::query(sql)
                .bind(slice.guard.sync_id).bind(slice.row.mapping_id).execute(conn).await.map(|_| ()))?;
        }
        on_tx!(&mut tx, conn => sqlx::query(
            "UPDATE brake_items SET step = 4 WHERE sync_id = $1 AND kind = 'DELETED' AND step = 1")
            .bind(slice.guard.sync_id).execute(conn).await.map(|_| ()))?;
        tx.commit().await?;
        Ok(cancel)
    }

    /// Whether the brake holds anything: of this sync and, where it could not read the fleet to its end and so knows nothing
    /// of removals, those that are held since before.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn holds(&self, guard: Guard, read_complete: bool) -> Result<bool> {
        let (holds,): (bool,) = on_read!(self, pool => sqlx::query_as(
            "SELECT EXISTS (SELECT 1 FROM (
                     SELECT 1 FROM brake_items WHERE sync_id = $1 AND step IN (2, 5) ORDER BY kind, step LIMIT 1) it)
                 OR (NOT $2 AND EXISTS (SELECT 1 FROM held_changes h JOIN syncs s ON s.mapping_id = h.mapping_id
                                        WHERE s.sync_id = $1 AND h.kind = 'REMOVAL'))")
            .bind(guard.sync_id).bind(read_complete).fetch_one(pool).await)?;
        Ok(holds)
    }
}

/// What is decided anew is weighed anew.
pub(super) async fn weigh(tx: &mut Tx, slice: &Slice, batch: &[&Op]) -> Result<()> {
    let rows = rows!(batch, Op::Weigh { item, record_id } => (item.kind.as_str(), &item.device_id, &item.column_id, record_id));
    let sql = tx.sql(
        "INSERT INTO brake_items (sync_id, kind, device_id, column_id, tenant, record_id, step)
         SELECT $1, it.kind, it.device, it.of_column, $2, it.record, 0
         FROM ROWS($3: kind TEXT, device TEXT, of_column TEXT, record TEXT) AS it
         WHERE TRUE ON CONFLICT (sync_id, kind, device_id, column_id) DO UPDATE SET step = 0, record_id = excluded.record_id",
    );
    on_tx!(tx, conn => sqlx::query(sql).bind(slice.guard.sync_id).bind(&slice.row.tenant).bind(rows)
        .execute(conn).await.map(|_| ()))?;
    Ok(())
}

pub(super) async fn step(tx: &mut Tx, sync: SyncId, batch: &[&Op]) -> Result<()> {
    let rows = rows!(batch, Op::Weighed { item, step, attempts } =>
        (item.kind.as_str(), &item.device_id, &item.column_id, step.number(), attempts));
    let sql = tx.sql(
        "UPDATE brake_items SET step = it.step, attempts = brake_items.attempts + it.attempts
         FROM ROWS($2: kind TEXT, device TEXT, of_column TEXT, step BIGINT, attempts BIGINT) AS it
         WHERE brake_items.sync_id = $1 AND brake_items.kind = it.kind AND brake_items.device_id = it.device
           AND brake_items.column_id = it.of_column",
    );
    on_tx!(tx, conn => sqlx::query(sql).bind(sync).bind(rows).execute(conn).await.map(|_| ()))?;
    Ok(())
}
