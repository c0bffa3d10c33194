//! Whose records the removal policy is due for (rule 10), and what becomes of them.

use super::batches::{devices, rows};
use super::slice::{CountDeltas, Progress, fenced};
use super::{Guard, Op, Slice};
use crate::dialect::{id_list, on_read, on_tx};
use crate::{MappingId, Micros, Result, Store, Tx};

/// When the policy is due.
#[derive(Clone, Copy, Debug)]
pub struct Due {
    /// Flags of a device that is there, and to be treated as gone at once.
    pub at_once: i64,
    /// Flags of those that the policy has done with.
    pub settled: i64,
    /// Absent devices are due if an earlier complete read, over then or before, missed them.
    pub absent_by: Micros,
    /// Records that refused their removal are tried again if they did so then or before.
    pub refused_by: Micros,
    /// Only of records that we created; the others are left, and listed once.
    pub created_only: bool,
}

/// A removal that is let through, with what is known of the device.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct RemovalRow {
    /// The device.
    pub device_id: String,
    /// The record.
    pub record_id: String,
    /// Its link's flags.
    pub flags: i64,
    /// Whether this sync has read the device.
    pub present: bool,
    /// What this sync had to do with it before, if anything.
    pub outcome: Option<String>,
    /// What it changed, JSON.
    pub changes: Option<String>,
    /// How often it was sent.
    pub attempts: i64,
}

/// What a sync says in the end of a device whose record was up for removal.
#[derive(Clone, Debug)]
pub struct Conclusion {
    /// The device.
    pub device_id: String,
    /// `REMOVED` or `REJECTED`.
    pub outcome: &'static str,
    /// Why, for a rejection.
    pub reason: Option<&'static str>,
    /// The same for a person.
    pub message: Option<String>,
    /// All that was changed, JSON.
    pub changes: Option<String>,
}

/// `$1` sync, `$2` mapping. A dry run notes the devices it has seen, how they stand, and the links it would move, elsewhere.
macro_rules! links_of_sync {
    () => {
        "links l JOIN link_values v ON v.link_id = l.link_id
         LEFT JOIN dry_run_seen d ON d.sync_id = $1 AND d.device_id = l.device_id"
    };
}

macro_rules! present {
    () => {
        "(COALESCE(l.seen_sync = $1, FALSE) OR d.device_id IS NOT NULL)"
    };
}

/// `$3` to `$6`: start of the sync, then `at_once`, `settled`, `absent_by` of [`Due`].
macro_rules! due {
    () => {
        concat!(
            "l.mapping_id = $2 AND (l.flags & 1) <> 0 AND (l.flags & $5) = 0 AND v.record_id IS NOT NULL
             AND CASE WHEN ",
            present!(),
            " THEN ((CASE WHEN d.device_id IS NULL THEN l.flags ELSE d.flags END) & $4) <> 0
              ELSE l.absent_since < $3 AND l.absent_since <= $6 END
             AND NOT EXISTS (SELECT 1 FROM dry_run_moves m WHERE m.sync_id = $1 AND m.device_id = l.device_id)"
        )
    };
}

/// `$7`: `refused_by`.
macro_rules! refused_lately {
    () => {
        "((l.flags & 4) <> 0 AND v.reason = 'REMOVAL_REFUSED' AND v.rejected_time > $7)"
    };
}

impl Store {
    /// Lists the removals that are due, for the brake to weigh. Records that refused theirs lately count as still rejected.
    ///
    /// # Errors
    /// [`crate::StoreError::FenceLost`], [`crate::StoreError::Unavailable`].
    pub async fn list_removals(&self, slice: &Slice, due: &Due, progress: &Progress) -> Result<bool> {
        let (guard, row) = (slice.guard, &slice.row);
        let mut tx = self.begin_write().await?;
        fenced(&mut tx, guard, progress).await?;
        on_tx!(&mut tx, conn => sqlx::query(concat!(
            "INSERT INTO brake_items (sync_id, kind, device_id, column_id, tenant, record_id, step)
             SELECT $1, 'REMOVAL', l.device_id, '', l.tenant, v.record_id, 0 FROM ", links_of_sync!(),
            " WHERE ", due!(), " AND NOT ", refused_lately!(), " AND (v.created_by_us OR NOT $8)
             ON CONFLICT DO NOTHING"))
            .bind(guard.sync_id).bind(row.mapping_id).bind(row.start_time).bind(due.at_once).bind(due.settled)
            .bind(due.absent_by).bind(due.refused_by).bind(due.created_only).execute(conn).await.map(|_| ()))?;
        // Those that were read are counted where they were read.
        let (refused,): (i64,) = on_tx!(&mut tx, conn => sqlx::query_as(concat!(
            "SELECT COUNT(*) FROM ", links_of_sync!(), " WHERE ", due!(), " AND ", refused_lately!(), " AND NOT ", present!()))
            .bind(guard.sync_id).bind(row.mapping_id).bind(row.start_time).bind(due.at_once).bind(due.settled)
            .bind(due.absent_by).bind(due.refused_by).fetch_one(conn).await)?;
        let counts = CountDeltas { still_rejected: refused, ..CountDeltas::default() };
        let cancel = fenced(&mut tx, guard, &Progress { counts, ..Progress::default() }).await?;
        tx.commit().await?;
        Ok(cancel)
    }

    /// Records that are due and were not created by us are left, and listed once.
    ///
    /// # Errors
    /// [`crate::StoreError::FenceLost`], [`crate::StoreError::Unavailable`].
    pub async fn leave_adopted(&self, slice: &Slice, due: &Due, message: &str, progress: &Progress) -> Result<bool> {
        let (guard, row) = (slice.guard, &slice.row);
        let mut tx = self.begin_write().await?;
        let cancel = fenced(&mut tx, guard, progress).await?;
        on_tx!(&mut tx, conn => sqlx::query(concat!(
            "INSERT INTO sync_records (sync_id, device_id, tenant, mapping_id, identifier, identifier_key, serial_number,
                 fingerprint, last_enrollment, last_check_in, step, outcome, reason, message, record_id)
             SELECT $1, l.device_id, l.tenant, l.mapping_id, v.identifier, v.identifier_key, v.serial_number,
                 l.fingerprint, l.last_enrollment, l.last_check_in, 9, 'SKIPPED', 'NOT_CREATED_BY_US', $7, v.record_id
             FROM ", links_of_sync!(), " WHERE ", due!(), " AND NOT v.created_by_us
             ON CONFLICT (sync_id, device_id) DO UPDATE SET reason = excluded.reason, message = excluded.message
             WHERE sync_records.outcome <> 'REJECTED'"))
            .bind(guard.sync_id).bind(row.mapping_id).bind(row.start_time).bind(due.at_once).bind(due.settled)
            .bind(due.absent_by).bind(message).execute(conn).await.map(|_| ()))?;
        if !guard.dry_run {
            on_tx!(&mut tx, conn => sqlx::query(concat!(
                "UPDATE links SET flags = (flags | 256) WHERE mapping_id = $2 AND device_id IN (SELECT l.device_id FROM ",
                links_of_sync!(), " WHERE ", due!(), " AND NOT v.created_by_us)"))
                .bind(guard.sync_id).bind(row.mapping_id).bind(row.start_time).bind(due.at_once).bind(due.settled)
                .bind(due.absent_by).execute(conn).await.map(|_| ()))?;
        }
        tx.commit().await?;
        Ok(cancel)
    }

    /// Removals that the brake holds are kept as planned, with the changes (JSON) that each would be.
    ///
    /// # Errors
    /// [`crate::StoreError::FenceLost`], [`crate::StoreError::Unavailable`].
    pub async fn hold_removals(
        &self,
        guard: Guard,
        mapping: MappingId,
        message: &str,
        changes: Option<&str>,
        progress: &Progress,
    ) -> Result<bool> {
        let mut tx = self.begin_write().await?;
        let cancel = fenced(&mut tx, guard, progress).await?;
        on_tx!(&mut tx, conn => sqlx::query(
            "INSERT INTO sync_records (sync_id, device_id, tenant, mapping_id, identifier, identifier_key, serial_number,
                 fingerprint, last_enrollment, last_check_in, step, outcome, reason, message, record_id, changes)
             SELECT $1, l.device_id, l.tenant, l.mapping_id, v.identifier, v.identifier_key, v.serial_number,
                 l.fingerprint, l.last_enrollment, l.last_check_in, 9, 'PLANNED', 'HELD', $3, v.record_id, $4
             FROM brake_items b
             JOIN links l ON l.mapping_id = $2 AND l.device_id = b.device_id
             JOIN link_values v ON v.link_id = l.link_id
             WHERE b.sync_id = $1 AND b.kind = 'REMOVAL' AND b.step = 2
             ON CONFLICT (sync_id, device_id) DO UPDATE SET reason = 'HELD', message = excluded.message
             WHERE sync_records.outcome <> 'REJECTED'")
            .bind(guard.sync_id).bind(mapping).bind(message).bind(changes).execute(conn).await.map(|_| ()))?;
        on_tx!(&mut tx, conn => sqlx::query(
            "UPDATE brake_items SET step = 5 WHERE sync_id = $1 AND kind = 'REMOVAL' AND step = 2")
            .bind(guard.sync_id).execute(conn).await.map(|_| ()))?;
        tx.commit().await?;
        Ok(cancel)
    }

    /// The next removals to send: those let through whose record is still the same device's.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn next_removals(&self, slice: &Slice, limit: usize) -> Result<Vec<RemovalRow>> {
        Ok(on_read!(self, pool => sqlx::query_as(concat!(
            "SELECT b.device_id, v.record_id, CAST(l.flags AS BIGINT) AS flags, b.attempts, ", present!(), " AS present,
                    r.outcome, r.changes
             FROM brake_items b
             JOIN links l ON l.mapping_id = $2 AND l.device_id = b.device_id
             JOIN link_values v ON v.link_id = l.link_id AND v.record_id = b.record_id
             LEFT JOIN dry_run_seen d ON d.sync_id = $1 AND d.device_id = b.device_id
             LEFT JOIN sync_records r ON r.sync_id = $1 AND r.device_id = b.device_id
             WHERE b.sync_id = $1 AND b.kind = 'REMOVAL' AND b.step = 1 ORDER BY b.device_id LIMIT $3"))
            .bind(slice.guard.sync_id).bind(slice.row.mapping_id).bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(pool).await)?)
    }

    /// How many removals are let through and not yet done.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn removals_left(&self, guard: Guard) -> Result<i64> {
        let (left,): (i64,) = on_read!(self, pool => sqlx::query_as(
            "SELECT COUNT(*) FROM brake_items WHERE sync_id = $1 AND kind = 'REMOVAL' AND step IN (1, 3)")
            .bind(guard.sync_id).fetch_one(pool).await)?;
        Ok(left)
    }
}

/// Records of devices that this sync may have had nothing to do with before. One whose values were rejected stays rejected,
/// with the removal among its changes.
pub(super) async fn conclude(tx: &mut Tx, slice: &Slice, batch: &[&Op]) -> Result<()> {
    let rows = rows!(batch, Op::Conclude(it) => (&it.device_id, it.outcome, it.reason, &it.message, &it.changes));
    let sql = tx.sql(
        "INSERT INTO sync_records (sync_id, device_id, tenant, mapping_id, identifier, identifier_key, serial_number,
             fingerprint, last_enrollment, last_check_in, step, outcome, reason, message, record_id, changes)
         SELECT $1, l.device_id, l.tenant, l.mapping_id, v.identifier, v.identifier_key, v.serial_number,
             l.fingerprint, l.last_enrollment, l.last_check_in, 9, it.outcome, it.reason, it.message, v.record_id, it.changes
         FROM ROWS($3: device TEXT, outcome TEXT, reason TEXT, message TEXT, changes TEXT) AS it
         JOIN links l ON l.mapping_id = $2 AND l.device_id = it.device
         JOIN link_values v ON v.link_id = l.link_id
         WHERE TRUE ON CONFLICT (sync_id, device_id) DO UPDATE SET
             outcome = CASE sync_records.outcome WHEN 'REJECTED' THEN sync_records.outcome ELSE excluded.outcome END,
             reason = CASE sync_records.outcome WHEN 'REJECTED' THEN sync_records.reason ELSE excluded.reason END,
             message = CASE sync_records.outcome WHEN 'REJECTED' THEN sync_records.message ELSE excluded.message END,
             changes = COALESCE(excluded.changes, sync_records.changes)",
    );
    on_tx!(tx, conn => sqlx::query(sql).bind(slice.guard.sync_id).bind(slice.row.mapping_id).bind(rows)
        .execute(conn).await.map(|_| ()))?;
    Ok(())
}

/// Their removal was refused: the links say so, and it is not tried again at once (rule 5). What is known of the devices stays.
pub(super) async fn refuse(tx: &mut Tx, mapping: MappingId, batch: &[&Op]) -> Result<()> {
    let sql = tx.sql("UPDATE links SET flags = (flags | 4) WHERE mapping_id = $1 AND device_id IN IDS($2)");
    on_tx!(&mut *tx, conn => sqlx::query(sql).bind(mapping).bind(id_list(&devices(batch))).execute(conn).await.map(|_| ()))?;
    let rows =
        rows!(batch, Op::RefuseRemoval { device_id, reason, message, time } => (device_id, reason, message, time));
    let sql = tx.sql(
        "UPDATE link_values SET reason = it.reason, message = it.message, rejected_time = it.refused
         FROM ROWS($2: device TEXT, reason TEXT, message TEXT, refused BIGINT) AS it
         WHERE link_values.mapping_id = $1 AND link_values.device_id = it.device",
    );
    on_tx!(tx, conn => sqlx::query(sql).bind(mapping).bind(rows).execute(conn).await.map(|_| ()))?;
    Ok(())
}
