//! A sync that applies a shown plan decides twice (rule 14). First it rehearses: it decides like the dry run did, with
//! nothing but its own records written, and what comes out is compared with what was shown. If nothing has moved, its
//! records go back to where they stood, and the same is decided in earnest.

use super::slice::{Guard, Progress, fenced};
use crate::dialect::{id_list, on_read, on_tx};
use crate::records::RecordOutcome;
use crate::{Result, Store, SyncId};

/// What a sync says it does, or would do, with one device.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Shown {
    /// The device.
    pub device_id: String,
    /// The value that says which record is its.
    pub identifier: Option<String>,
    /// What comes of it.
    pub outcome: RecordOutcome,
    /// Why.
    pub reason: Option<String>,
    /// Its record.
    pub record_id: Option<String>,
    /// The changes, JSON.
    pub changes: Option<String>,
}

/// A device with which two syncs may not do the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Differing {
    /// The device.
    pub device_id: String,
    /// What was shown; `None`: nothing was to be done.
    pub shown: Option<Shown>,
    /// What would be done now.
    pub now: Option<Shown>,
}

#[derive(sqlx::FromRow)]
struct DifferingRow {
    device_id: String,
    identifier: Option<String>,
    shown_outcome: Option<RecordOutcome>,
    shown_reason: Option<String>,
    shown_record_id: Option<String>,
    shown_changes: Option<String>,
    now_outcome: Option<RecordOutcome>,
    now_reason: Option<String>,
    now_record_id: Option<String>,
    now_changes: Option<String>,
}

macro_rules! columns {
    () => {
        "sync_id, device_id, tenant, mapping_id, identifier, identifier_key, serial_number, fingerprint, last_enrollment, \
         last_check_in, wanted, found, step, attempts, outcome, reason, message, record_id, changes, plan"
    };
}

impl Store {
    /// Keeps a copy of at most `limit` records of the sync past `after`; from the start, afresh. Answers up to where it
    /// came (`None`: all are kept), and whether the sync is to be cancelled.
    ///
    /// # Errors
    /// [`crate::StoreError::FenceLost`], [`crate::StoreError::Unavailable`].
    pub async fn keep_records(
        &self,
        guard: Guard,
        after: &str,
        limit: i64,
        progress: &Progress,
    ) -> Result<(Option<String>, bool)> {
        let mut tx = self.begin_write().await?;
        let cancel = fenced(&mut tx, guard, progress).await?;
        on_tx!(&mut tx, conn => sqlx::query("UPDATE syncs SET rehearsing = TRUE WHERE sync_id = $1")
            .bind(guard.sync_id).execute(conn).await.map(|_| ()))?;
        if after.is_empty() {
            on_tx!(&mut tx, conn => sqlx::query("DELETE FROM kept_records WHERE sync_id = $1")
                .bind(guard.sync_id).execute(conn).await.map(|_| ()))?;
        }
        let (last,): (Option<String>,) = on_tx!(&mut tx, conn => sqlx::query_as(
            "SELECT MAX(device_id) FROM (
                 SELECT device_id FROM sync_records WHERE sync_id = $1 AND device_id > $2 ORDER BY device_id LIMIT $3) AS page")
            .bind(guard.sync_id).bind(after).bind(limit).fetch_one(conn).await)?;
        if let Some(last) = &last {
            on_tx!(&mut tx, conn => sqlx::query(concat!(
                "INSERT INTO kept_records (", columns!(), ") SELECT ", columns!(), " FROM sync_records
                 WHERE sync_id = $1 AND device_id > $2 AND device_id <= $3 ON CONFLICT DO NOTHING"))
                .bind(guard.sync_id).bind(after).bind(last).execute(conn).await.map(|_| ()))?;
        }
        tx.commit().await?;
        Ok((last, cancel))
    }

    /// Drops what the rehearsal decided: the records come back from their copies.
    ///
    /// # Errors
    /// [`crate::StoreError::FenceLost`], [`crate::StoreError::Unavailable`].
    pub async fn forget_rehearsal(&self, guard: Guard, progress: &Progress) -> Result<bool> {
        let mut tx = self.begin_write().await?;
        let cancel = fenced(&mut tx, guard, progress).await?;
        for sql in [
            "DELETE FROM sync_records WHERE sync_id = $1",
            "DELETE FROM brake_items WHERE sync_id = $1",
            "DELETE FROM dry_run_moves WHERE sync_id = $1",
            "UPDATE syncs SET rehearsing = FALSE WHERE sync_id = $1",
        ] {
            on_tx!(&mut tx, conn => sqlx::query(sql).bind(guard.sync_id).execute(conn).await.map(|_| ()))?;
        }
        tx.commit().await?;
        Ok(cancel)
    }

    /// Puts at most `limit` records back. Answers whether there may be more, and whether the sync is to be cancelled.
    ///
    /// # Errors
    /// [`crate::StoreError::FenceLost`], [`crate::StoreError::Unavailable`].
    pub async fn restore_records(&self, guard: Guard, limit: i64, progress: &Progress) -> Result<(bool, bool)> {
        let mut tx = self.begin_write().await?;
        let cancel = fenced(&mut tx, guard, progress).await?;
        let restored = on_tx!(&mut tx, conn => sqlx::query(concat!(
            "INSERT INTO sync_records (", columns!(), ") SELECT ", columns!(), " FROM kept_records
             WHERE sync_id = $1 AND device_id IN (
                 SELECT device_id FROM kept_records WHERE sync_id = $1 ORDER BY device_id LIMIT $2)
             ON CONFLICT DO NOTHING"))
            .bind(guard.sync_id).bind(limit).execute(conn).await?.rows_affected());
        on_tx!(&mut tx, conn => sqlx::query(
            "DELETE FROM kept_records WHERE sync_id = $1 AND device_id IN (
                 SELECT device_id FROM kept_records WHERE sync_id = $1 ORDER BY device_id LIMIT $2)")
            .bind(guard.sync_id).bind(limit).execute(conn).await.map(|_| ()))?;
        tx.commit().await?;
        Ok((restored > 0, cancel))
    }

    /// Devices past `after` whose records in `plan` and in this sync are not the same to the letter, in the order of their
    /// ids. Those that a filter leaves out count as ones with which nothing is done.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn differing(&self, guard: Guard, plan: SyncId, after: &str, limit: i64) -> Result<Vec<Differing>> {
        let rows: Vec<DifferingRow> = on_read!(self, pool => sqlx::query_as(
            "SELECT s.device_id AS device_id, COALESCE(n.identifier, s.identifier) AS identifier,
                    s.outcome AS shown_outcome, s.reason AS shown_reason, s.record_id AS shown_record_id,
                    s.changes AS shown_changes, n.outcome AS now_outcome, n.reason AS now_reason,
                    n.record_id AS now_record_id, n.changes AS now_changes
             FROM sync_records s
             LEFT JOIN sync_records n ON n.sync_id = $2 AND n.device_id = s.device_id AND n.outcome <> 'SKIPPED'
             WHERE s.sync_id = $1 AND s.device_id > $3 AND s.outcome <> 'SKIPPED'
               AND (n.device_id IS NULL OR n.outcome <> s.outcome OR COALESCE(n.reason, '') <> COALESCE(s.reason, '')
                    OR COALESCE(n.record_id, '') <> COALESCE(s.record_id, '')
                    OR COALESCE(n.changes, '') <> COALESCE(s.changes, ''))
             UNION ALL
             SELECT n.device_id, n.identifier, NULL, NULL, NULL, NULL, n.outcome, n.reason, n.record_id, n.changes
             FROM sync_records n
             WHERE n.sync_id = $2 AND n.device_id > $3 AND n.outcome <> 'SKIPPED'
               AND NOT EXISTS (SELECT 1 FROM sync_records s
                               WHERE s.sync_id = $1 AND s.device_id = n.device_id AND s.outcome <> 'SKIPPED')
             ORDER BY device_id LIMIT $4")
            .bind(plan).bind(guard.sync_id).bind(after).bind(limit).fetch_all(pool).await)?;
        Ok(rows.into_iter().map(Differing::from).collect())
    }

    /// What a sync says of these devices.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn shown(&self, plan: SyncId, devices: &[&str]) -> Result<Vec<Shown>> {
        Ok(on_read!(self, pool => sqlx::query_as(self.sql(
            "SELECT device_id, identifier, outcome, reason, record_id, changes FROM sync_records
             WHERE sync_id = $1 AND outcome <> 'SKIPPED' AND device_id IN IDS($2)"))
            .bind(plan).bind(id_list(devices)).fetch_all(pool).await)?)
    }

    /// Whether all records of a sync are still there.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn is_remembered(&self, sync: SyncId) -> Result<bool> {
        let row: Option<(bool,)> = on_read!(self, pool => sqlx::query_as("SELECT pruned FROM syncs WHERE sync_id = $1")
            .bind(sync).fetch_optional(pool).await)?;
        Ok(row == Some((false,)))
    }
}

impl From<DifferingRow> for Differing {
    fn from(row: DifferingRow) -> Self {
        let (device_id, identifier) = (row.device_id, row.identifier);
        let shown = |outcome, reason, record_id, changes| Shown {
            device_id: device_id.clone(),
            identifier: identifier.clone(),
            outcome,
            reason,
            record_id,
            changes,
        };
        Self {
            shown: row.shown_outcome.map(|it| shown(it, row.shown_reason, row.shown_record_id, row.shown_changes)),
            now: row.now_outcome.map(|it| shown(it, row.now_reason, row.now_record_id, row.now_changes)),
            device_id,
        }
    }
}
