//! The statements on one sync record.

use super::{Slice, Step};
use crate::dialect::on_tx;
use crate::{Result, SyncId, Tx};

pub(super) struct Done<'a> {
    pub(super) outcome: &'a str,
    pub(super) reason: Option<&'a str>,
    pub(super) message: Option<&'a str>,
    pub(super) record_id: Option<&'a str>,
    pub(super) changes: Option<&'a str>,
}

pub(super) async fn step(tx: &mut Tx, sync: SyncId, device: &str, step: Step) -> Result<()> {
    on_tx!(tx, conn => sqlx::query("UPDATE sync_records SET
             step = CASE WHEN $3 = 0 AND identifier IS NULL THEN 1 ELSE $3 END,
             attempts = attempts + CASE WHEN $3 IN (4, 8) THEN 1 ELSE 0 END
         WHERE sync_id = $1 AND device_id = $2")
        .bind(sync).bind(device).bind(step.number()).execute(conn).await.map(|_| ()))?;
    Ok(())
}

pub(super) async fn unsent(tx: &mut Tx, sync: SyncId, device: &str, step: Step) -> Result<()> {
    on_tx!(tx, conn => sqlx::query(
        "UPDATE sync_records SET step = $3, attempts = attempts - 1 WHERE sync_id = $1 AND device_id = $2")
        .bind(sync).bind(device).bind(step.number()).execute(conn).await.map(|_| ()))?;
    Ok(())
}

pub(super) async fn found(tx: &mut Tx, sync: SyncId, device: &str, found: &str) -> Result<()> {
    on_tx!(tx, conn => sqlx::query("UPDATE sync_records SET step = 1, found = $3 WHERE sync_id = $1 AND device_id = $2")
        .bind(sync).bind(device).bind(found).execute(conn).await.map(|_| ()))?;
    Ok(())
}

pub(super) async fn plan(
    tx: &mut Tx,
    sync: SyncId,
    device: &str,
    step: Step,
    plan: &str,
    changes: &str,
    record_id: Option<&str>,
) -> Result<()> {
    on_tx!(tx, conn => sqlx::query(
        "UPDATE sync_records SET step = $3, plan = $4, changes = $5, record_id = $6, found = NULL
         WHERE sync_id = $1 AND device_id = $2")
        .bind(sync).bind(device).bind(step.number()).bind(plan).bind(changes).bind(record_id).execute(conn).await.map(|_| ()))?;
    Ok(())
}

pub(super) async fn note(tx: &mut Tx, sync: SyncId, device: &str, reason: &str, message: &str) -> Result<()> {
    on_tx!(tx, conn => sqlx::query(
        "UPDATE sync_records SET reason = $3, message = $4 WHERE sync_id = $1 AND device_id = $2")
        .bind(sync).bind(device).bind(reason).bind(message).execute(conn).await.map(|_| ()))?;
    Ok(())
}

/// What a record needed on its way is dropped with its outcome: a first import would keep every value twice.
pub(super) async fn done(tx: &mut Tx, sync: SyncId, device: &str, done: &Done<'_>) -> Result<()> {
    on_tx!(tx, conn => sqlx::query(
        "UPDATE sync_records SET step = 9, outcome = $3, reason = COALESCE($4, reason), message = COALESCE($5, message),
                record_id = COALESCE($6, record_id), changes = COALESCE($7, changes), wanted = NULL, found = NULL, plan = NULL
         WHERE sync_id = $1 AND device_id = $2")
        .bind(sync).bind(device).bind(done.outcome).bind(done.reason).bind(done.message).bind(done.record_id)
        .bind(done.changes).execute(conn).await.map(|_| ()))?;
    Ok(())
}

/// The zero fingerprint goes into the link with the rest of the write, and is no device's.
pub(super) async fn hold_part(
    tx: &mut Tx,
    sync: SyncId,
    device: &str,
    plan: Option<&str>,
    changes: &str,
    message: &str,
) -> Result<()> {
    on_tx!(tx, conn => sqlx::query(
        "UPDATE sync_records SET plan = $3, changes = $4, reason = 'HELD', message = $5, fingerprint = $6
         WHERE sync_id = $1 AND device_id = $2")
        .bind(sync).bind(device).bind(plan).bind(changes).bind(message).bind(vec![0_u8; 16])
        .execute(conn).await.map(|_| ()))?;
    Ok(())
}

pub(super) async fn hold(tx: &mut Tx, sync: SyncId, device: &str, message: &str) -> Result<()> {
    on_tx!(tx, conn => sqlx::query(
        "UPDATE sync_records SET step = 9, outcome = 'PLANNED', reason = 'HELD', message = $3, wanted = NULL,
                found = NULL, plan = NULL
         WHERE sync_id = $1 AND device_id = $2")
        .bind(sync).bind(device).bind(message).execute(conn).await.map(|_| ()))?;
    Ok(())
}

pub(super) async fn reject_unchanged(
    tx: &mut Tx,
    slice: &Slice,
    device: &str,
    reason: &str,
    message: &str,
) -> Result<()> {
    on_tx!(tx, conn => sqlx::query(
        "INSERT INTO sync_records (sync_id, device_id, tenant, mapping_id, identifier, identifier_key, serial_number,
             fingerprint, last_enrollment, last_check_in, step, outcome, reason, message, record_id)
         SELECT $1, l.device_id, l.tenant, l.mapping_id, v.identifier, v.identifier_key, v.serial_number,
             l.fingerprint, l.last_enrollment, l.last_check_in, 9, 'REJECTED', $4, $5, v.record_id
         FROM links l JOIN link_values v ON v.link_id = l.link_id
         WHERE l.mapping_id = $2 AND l.device_id = $3
         ON CONFLICT DO NOTHING")
        .bind(slice.guard.sync_id).bind(slice.row.mapping_id).bind(device).bind(reason).bind(message)
        .execute(conn).await.map(|_| ()))?;
    Ok(())
}

pub(super) async fn drop(tx: &mut Tx, sync: SyncId, device: &str) -> Result<()> {
    on_tx!(tx, conn => sqlx::query("DELETE FROM sync_records WHERE sync_id = $1 AND device_id = $2")
        .bind(sync).bind(device).execute(conn).await.map(|_| ()))?;
    Ok(())
}
