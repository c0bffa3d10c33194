//! How devices stand, beside their values: listed as removed, left out by the filter, absent (rules 8, 10, 12).

use sqlx::QueryBuilder;
use uuid::Uuid;

use super::{SeenDevice, Slice};
use crate::dialect::on_tx;
use crate::{Micros, Result, Tx};

/// How a device stands, where its link does not say so yet. A link is made if there is none: without a record.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The device and its times.
    pub device: SeenDevice,
    /// All flags of its link, from now on.
    pub flags: i64,
    /// Of its link, from now on.
    pub fingerprint: Vec<u8>,
    /// Set for a device that is newly left out.
    pub left_out: Option<LeftOut>,
}

/// A device that is not imported.
#[derive(Clone, Debug)]
pub struct LeftOut {
    /// Its serial number.
    pub serial_number: Option<String>,
    /// Its identifier.
    pub identifier: Option<String>,
    /// The same, folded.
    pub identifier_key: Option<String>,
    /// Why.
    pub reason: &'static str,
    /// The same for a person.
    pub message: String,
}

/// Three statements at most, however many devices: none of them for a page on which nobody's standing changed.
pub(super) async fn keep(tx: &mut Tx, slice: &Slice, standings: &[Standing]) -> Result<()> {
    let row = &slice.row;
    on_tx!(&mut *tx, conn => {
        let mut sql = QueryBuilder::new(
            "INSERT INTO links (mapping_id, device_id, tenant, link_id, fingerprint, last_enrollment, last_check_in,
                 seen_sync, seen_time, flags) ");
        sql.push_values(standings, |mut values, it| {
            values.push_bind(row.mapping_id)
                .push_bind(&it.device.device_id)
                .push_bind(&row.tenant)
                .push_bind(Uuid::now_v7())
                .push_bind(&it.fingerprint)
                .push_bind(it.device.last_enrollment)
                .push_bind(it.device.last_check_in)
                .push_bind(slice.guard.sync_id)
                .push_bind(row.start_time)
                .push_bind(it.flags);
        });
        sql.push(" ON CONFLICT (mapping_id, device_id) DO UPDATE SET flags = excluded.flags, fingerprint = excluded.fingerprint");
        sql.build().persistent(false).execute(conn).await.map(|_| ())
    })?;
    let left_out: Vec<(&str, &LeftOut)> =
        standings.iter().filter_map(|it| Some((it.device.device_id.as_str(), it.left_out.as_ref()?))).collect();
    if left_out.is_empty() {
        return Ok(());
    }
    // What a link with a record holds stays: only the reason is news.
    on_tx!(&mut *tx, conn => {
        let mut sql = QueryBuilder::new("WITH page (device_id, serial_number, identifier, identifier_key, reason, message) AS (");
        sql.push_values(&left_out, |mut values, (device_id, it)| {
            values.push_bind(*device_id)
                .push_bind(it.serial_number.as_deref())
                .push_bind(it.identifier.as_deref())
                .push_bind(it.identifier_key.as_deref())
                .push_bind(it.reason)
                .push_bind(it.message.as_str());
        });
        sql.push(") INSERT INTO link_values (link_id, tenant, mapping_id, device_id, serial_number, identifier,
                      identifier_key, reason, message)
                  SELECT l.link_id, l.tenant, l.mapping_id, l.device_id, page.serial_number, page.identifier,
                      page.identifier_key, page.reason, page.message
                  FROM page JOIN links l ON l.device_id = page.device_id AND l.mapping_id = ")
            .push_bind(row.mapping_id)
            .push(" WHERE TRUE ON CONFLICT (link_id) DO UPDATE SET reason = excluded.reason, message = excluded.message,
                      rejected_time = NULL");
        sql.build().persistent(false).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

/// After a complete read: whoever it did not bring is absent, since the first such read. Devices without a record that
/// are absent are forgotten, so that neither a list nor a count goes on telling of them.
pub(super) async fn note_absent(tx: &mut Tx, slice: &Slice, now: Micros) -> Result<()> {
    let mapping = slice.row.mapping_id;
    let newly: u64 = on_tx!(&mut *tx, conn => sqlx::query(
        "UPDATE links SET absent_since = $3
         WHERE mapping_id = $1 AND absent_since IS NULL AND (seen_sync IS NULL OR seen_sync <> $2)")
        .bind(mapping).bind(slice.guard.sync_id).bind(now).execute(conn).await.map(|it| it.rows_affected()))?;
    if newly == 0 {
        return Ok(());
    }
    // Flags 1 and 128: it has a record, or the brake holds what becomes of it.
    for sql in [
        "DELETE FROM link_values WHERE mapping_id = $1 AND device_id IN (
             SELECT device_id FROM links WHERE mapping_id = $1 AND absent_since IS NOT NULL AND (flags & 129) = 0)",
        "DELETE FROM links WHERE mapping_id = $1 AND absent_since IS NOT NULL AND (flags & 129) = 0",
    ] {
        on_tx!(&mut *tx, conn => sqlx::query(sql).bind(mapping).execute(conn).await.map(|_| ()))?;
    }
    Ok(())
}
