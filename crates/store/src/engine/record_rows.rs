//! The statements on sync records: each is for many devices, with one change each, of one kind.

use super::batches::rows;
use super::{Op, Slice};
use crate::dialect::{bytes, id_list, on_tx};
use crate::{Result, SyncId, Tx};

pub(super) async fn step(tx: &mut Tx, sync: SyncId, batch: &[&Op]) -> Result<()> {
    let rows = rows!(batch, Op::Step { device_id, step } => (device_id, step.number()));
    let sql = tx.sql(
        "UPDATE sync_records SET
             step = CASE WHEN it.step = 0 AND sync_records.identifier IS NULL THEN 1 ELSE it.step END,
             attempts = sync_records.attempts + CASE WHEN it.step IN (4, 8) THEN 1 ELSE 0 END
         FROM ROWS($2: device TEXT, step BIGINT) AS it
         WHERE sync_records.sync_id = $1 AND sync_records.device_id = it.device",
    );
    on_tx!(tx, conn => sqlx::query(sql).bind(sync).bind(rows).execute(conn).await.map(|_| ()))?;
    Ok(())
}

pub(super) async fn unsent(tx: &mut Tx, sync: SyncId, batch: &[&Op]) -> Result<()> {
    let rows = rows!(batch, Op::Unsent { device_id, step } => (device_id, step.number()));
    let sql = tx.sql(
        "UPDATE sync_records SET step = it.step, attempts = sync_records.attempts - 1
         FROM ROWS($2: device TEXT, step BIGINT) AS it
         WHERE sync_records.sync_id = $1 AND sync_records.device_id = it.device",
    );
    on_tx!(tx, conn => sqlx::query(sql).bind(sync).bind(rows).execute(conn).await.map(|_| ()))?;
    Ok(())
}

pub(super) async fn found(tx: &mut Tx, sync: SyncId, batch: &[&Op]) -> Result<()> {
    let rows = rows!(batch, Op::Found { device_id, found } => (device_id, found));
    let sql = tx.sql(
        "UPDATE sync_records SET step = 1, found = it.found
         FROM ROWS($2: device TEXT, found TEXT) AS it
         WHERE sync_records.sync_id = $1 AND sync_records.device_id = it.device",
    );
    on_tx!(tx, conn => sqlx::query(sql).bind(sync).bind(rows).execute(conn).await.map(|_| ()))?;
    Ok(())
}

pub(super) async fn plan(tx: &mut Tx, sync: SyncId, batch: &[&Op]) -> Result<()> {
    let rows = rows!(batch, Op::Plan { device_id, step, plan, changes, record_id } =>
        (device_id, step.number(), plan, changes, record_id));
    let sql = tx.sql(
        "UPDATE sync_records SET step = it.step, plan = it.plan, changes = it.changes, record_id = it.record, found = NULL
         FROM ROWS($2: device TEXT, step BIGINT, plan TEXT, changes TEXT, record TEXT) AS it
         WHERE sync_records.sync_id = $1 AND sync_records.device_id = it.device",
    );
    on_tx!(tx, conn => sqlx::query(sql).bind(sync).bind(rows).execute(conn).await.map(|_| ()))?;
    Ok(())
}

pub(super) async fn note(tx: &mut Tx, sync: SyncId, batch: &[&Op]) -> Result<()> {
    let rows = rows!(batch, Op::Note { device_id, reason, message } => (device_id, reason, message));
    let sql = tx.sql(
        "UPDATE sync_records SET reason = it.reason, message = it.message
         FROM ROWS($2: device TEXT, reason TEXT, message TEXT) AS it
         WHERE sync_records.sync_id = $1 AND sync_records.device_id = it.device",
    );
    on_tx!(tx, conn => sqlx::query(sql).bind(sync).bind(rows).execute(conn).await.map(|_| ()))?;
    Ok(())
}

/// What a record needed on its way is dropped with its outcome: a first import would keep every value twice.
pub(super) async fn done(tx: &mut Tx, sync: SyncId, batch: &[&Op]) -> Result<()> {
    let rows = rows!(batch, Op::Done { device_id, outcome, reason, message, record_id, changes } =>
        (device_id, outcome, reason, message, record_id, changes));
    let sql = tx.sql(
        "UPDATE sync_records SET step = 9, outcome = it.outcome, reason = COALESCE(it.reason, sync_records.reason),
             message = COALESCE(it.message, sync_records.message), record_id = COALESCE(it.record, sync_records.record_id),
             changes = COALESCE(it.changes, sync_records.changes), wanted = NULL, found = NULL, plan = NULL
         FROM ROWS($2: device TEXT, outcome TEXT, reason TEXT, message TEXT, record TEXT, changes TEXT) AS it
         WHERE sync_records.sync_id = $1 AND sync_records.device_id = it.device",
    );
    on_tx!(tx, conn => sqlx::query(sql).bind(sync).bind(rows).execute(conn).await.map(|_| ()))?;
    Ok(())
}

/// The zero fingerprint goes into the link with the rest of the write, and is no device's.
pub(super) async fn hold_part(tx: &mut Tx, sync: SyncId, batch: &[&Op]) -> Result<()> {
    let none = bytes(&[0; 16]);
    let rows = rows!(batch, Op::HoldPart { device_id, plan, changes, message } =>
        (device_id, plan, changes, message, none.as_str()));
    let sql = tx.sql(
        "UPDATE sync_records SET plan = it.plan, changes = it.changes, reason = 'HELD', message = it.message,
             fingerprint = it.fingerprint
         FROM ROWS($2: device TEXT, plan TEXT, changes TEXT, message TEXT, fingerprint BYTES) AS it
         WHERE sync_records.sync_id = $1 AND sync_records.device_id = it.device",
    );
    on_tx!(tx, conn => sqlx::query(sql).bind(sync).bind(rows).execute(conn).await.map(|_| ()))?;
    Ok(())
}

pub(super) async fn hold(tx: &mut Tx, sync: SyncId, batch: &[&Op]) -> Result<()> {
    let rows = rows!(batch, Op::Hold { device_id, message } => (device_id, message));
    let sql = tx.sql(
        "UPDATE sync_records SET step = 9, outcome = 'PLANNED', reason = 'HELD', message = it.message, wanted = NULL,
             found = NULL, plan = NULL
         FROM ROWS($2: device TEXT, message TEXT) AS it
         WHERE sync_records.sync_id = $1 AND sync_records.device_id = it.device",
    );
    on_tx!(tx, conn => sqlx::query(sql).bind(sync).bind(rows).execute(conn).await.map(|_| ()))?;
    Ok(())
}

pub(super) async fn reject_unchanged(tx: &mut Tx, slice: &Slice, batch: &[&Op]) -> Result<()> {
    let rows = rows!(batch, Op::RejectUnchanged { device_id, reason, message } => (device_id, reason, message));
    let sql = tx.sql(
        "INSERT INTO sync_records (sync_id, device_id, tenant, mapping_id, identifier, identifier_key, serial_number,
             fingerprint, last_enrollment, last_check_in, step, outcome, reason, message, record_id)
         SELECT $1, l.device_id, l.tenant, l.mapping_id, v.identifier, v.identifier_key, v.serial_number,
             l.fingerprint, l.last_enrollment, l.last_check_in, 9, 'REJECTED', it.reason, it.message, v.record_id
         FROM ROWS($3: device TEXT, reason TEXT, message TEXT) AS it
         JOIN links l ON l.mapping_id = $2 AND l.device_id = it.device
         JOIN link_values v ON v.link_id = l.link_id
         WHERE TRUE ON CONFLICT DO NOTHING",
    );
    on_tx!(tx, conn => sqlx::query(sql).bind(slice.guard.sync_id).bind(slice.row.mapping_id).bind(rows)
        .execute(conn).await.map(|_| ()))?;
    Ok(())
}

pub(super) async fn drop(tx: &mut Tx, sync: SyncId, batch: &[&Op]) -> Result<()> {
    let devices: Vec<&str> = super::batches::devices(batch);
    let sql = tx.sql("DELETE FROM sync_records WHERE sync_id = $1 AND device_id IN IDS($2)");
    on_tx!(tx, conn => sqlx::query(sql).bind(sync).bind(id_list(&devices)).execute(conn).await.map(|_| ()))?;
    Ok(())
}
