//! The statements on one link: its narrow row in `links`, its wide row in `link_values`.
//!
//! Of its flags, 16, 32 and 1024 (`flag::OF_READ`) are READ's, and kept as they are. What the removal policy did (64 marked,
//! 256 left) stays while the device counts as gone though it is there; else the write undoes it (rule 10).

use uuid::Uuid;

use super::{LinkPut, Rejection, Slice};
use crate::dialect::on_tx;
use crate::{MappingId, Micros, Result, Tx};

/// The link's id, if the device has one.
async fn link_id(tx: &mut Tx, mapping: MappingId, device: &str) -> Result<Option<Uuid>> {
    let row: Option<(Uuid,)> = on_tx!(tx, conn => sqlx::query_as(
        "SELECT link_id FROM links WHERE mapping_id = $1 AND device_id = $2")
        .bind(mapping).bind(device).fetch_optional(conn).await)?;
    Ok(row.map(|it| it.0))
}

pub(super) async fn put(tx: &mut Tx, slice: &Slice, link: &LinkPut) -> Result<()> {
    let mapping = slice.row.mapping_id;
    let known = link_id(tx, mapping, &link.device_id).await?;
    let id = known.unwrap_or_else(Uuid::now_v7);
    let flags = super::flag::LINKED | if link.dirty { super::flag::DIRTY } else { 0 };
    let (seen_sync, seen_time) = link.seen.then_some((slice.guard.sync_id, slice.row.start_time)).unzip();
    on_tx!(&mut *tx, conn => sqlx::query(
        "INSERT INTO links (mapping_id, device_id, tenant, link_id, fingerprint, last_enrollment, last_check_in,
             seen_sync, seen_time, passenger_time, flags)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         ON CONFLICT (mapping_id, device_id) DO UPDATE SET
             fingerprint = excluded.fingerprint, last_enrollment = excluded.last_enrollment,
             last_check_in = excluded.last_check_in, seen_sync = COALESCE(excluded.seen_sync, links.seen_sync),
             seen_time = COALESCE(excluded.seen_time, links.seen_time),
             passenger_time = COALESCE(excluded.passenger_time, links.passenger_time),
             flags = ((links.flags & 1072) | CASE WHEN (links.flags & 1072) <> 0 THEN links.flags & 320 ELSE 0 END
                      | excluded.flags)")
        .bind(mapping).bind(&link.device_id).bind(&slice.row.tenant).bind(id).bind(&link.fingerprint)
        .bind(link.last_enrollment).bind(link.last_check_in).bind(seen_sync).bind(seen_time)
        .bind(link.passenger_time).bind(flags).execute(conn).await.map(|_| ()))?;
    on_tx!(tx, conn => sqlx::query(
        "INSERT INTO link_values (link_id, tenant, mapping_id, device_id, serial_number, identifier, identifier_key,
             record_id, cells, forms, created_by_us, confirmed_time, revision)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, COALESCE($11, FALSE), $12, $13)
         ON CONFLICT (link_id) DO UPDATE SET
             device_id = excluded.device_id, serial_number = excluded.serial_number, identifier = excluded.identifier,
             identifier_key = excluded.identifier_key, record_id = excluded.record_id, cells = excluded.cells,
             revision = excluded.revision, forms = excluded.forms, created_by_us = COALESCE($11, link_values.created_by_us),
             confirmed_time = COALESCE($12, link_values.confirmed_time),
             reason = NULL, message = NULL, rejected_time = NULL")
        .bind(id).bind(&slice.row.tenant).bind(mapping).bind(&link.device_id).bind(&link.serial_number)
        .bind(&link.identifier).bind(&link.identifier_key).bind(&link.record_id).bind(&link.cells).bind(&link.forms)
        .bind(link.created_by_us).bind(link.confirmed_time).bind(slice.row.revision).execute(conn).await.map(|_| ()))?;
    Ok(())
}

pub(super) struct Keep<'a> {
    pub(super) fingerprint: &'a [u8],
    pub(super) cells: Option<&'a str>,
    pub(super) forms: Option<&'a str>,
    pub(super) passenger_time: Option<Micros>,
}

pub(super) async fn keep(tx: &mut Tx, slice: &Slice, device: &str, it: &Keep<'_>) -> Result<()> {
    let mapping = slice.row.mapping_id;
    let Some(id) = link_id(tx, mapping, device).await? else { return Ok(()) };
    on_tx!(&mut *tx, conn => sqlx::query(
        "UPDATE links SET fingerprint = $3, passenger_time = COALESCE($4, passenger_time),
                flags = ((flags & 1073) | CASE WHEN (flags & 1072) <> 0 THEN flags & 320 ELSE 0 END)
         WHERE mapping_id = $1 AND device_id = $2")
        .bind(mapping).bind(device).bind(it.fingerprint.to_vec()).bind(it.passenger_time)
        .execute(conn).await.map(|_| ()))?;
    on_tx!(tx, conn => sqlx::query(
        "UPDATE link_values SET cells = COALESCE($2, cells), forms = COALESCE($3, forms),
                revision = CASE WHEN $2 IS NULL THEN revision ELSE $4 END, reason = NULL, message = NULL, rejected_time = NULL
         WHERE link_id = $1 AND ($2 IS NOT NULL OR $3 IS NOT NULL OR reason IS NOT NULL)")
        .bind(id).bind(it.cells).bind(it.forms).bind(slice.row.revision).execute(conn).await.map(|_| ()))?;
    Ok(())
}

pub(super) async fn move_to(tx: &mut Tx, slice: &Slice, from: &str, to: &str) -> Result<()> {
    let mapping = slice.row.mapping_id;
    // How a device stands in Kandji is its own, and does not come with the link.
    let standing: Option<(i64,)> = on_tx!(&mut *tx, conn => sqlx::query_as(
        "SELECT CAST(flags & 1072 AS BIGINT) FROM links WHERE mapping_id = $1 AND device_id = $2")
        .bind(mapping).bind(to).fetch_optional(conn).await)?;
    drop_link(tx, mapping, to).await?;
    on_tx!(&mut *tx, conn => sqlx::query(
        "UPDATE links SET device_id = $3, seen_sync = $4, seen_time = $5, absent_since = NULL,
                flags = ((flags & ~1072) | $6)
         WHERE mapping_id = $1 AND device_id = $2")
        .bind(mapping).bind(from).bind(to).bind(slice.guard.sync_id).bind(slice.row.start_time)
        .bind(standing.map_or(0, |it| it.0)).execute(conn).await.map(|_| ()))?;
    on_tx!(tx, conn => sqlx::query(
        "UPDATE link_values SET device_id = $3 WHERE mapping_id = $1 AND device_id = $2")
        .bind(mapping).bind(from).bind(to).execute(conn).await.map(|_| ()))?;
    Ok(())
}

pub(super) async fn drop_link(tx: &mut Tx, mapping: MappingId, device: &str) -> Result<()> {
    for sql in [
        "DELETE FROM link_values WHERE mapping_id = $1 AND device_id = $2",
        "DELETE FROM links WHERE mapping_id = $1 AND device_id = $2",
    ] {
        on_tx!(&mut *tx, conn => sqlx::query(sql).bind(mapping).bind(device).execute(conn).await.map(|_| ()))?;
    }
    Ok(())
}

pub(super) async fn clear_record(tx: &mut Tx, mapping: MappingId, device: &str) -> Result<()> {
    on_tx!(&mut *tx, conn => sqlx::query("UPDATE links SET flags = (flags & 1072) WHERE mapping_id = $1 AND device_id = $2")
        .bind(mapping).bind(device).execute(conn).await.map(|_| ()))?;
    on_tx!(tx, conn => sqlx::query(
        "UPDATE link_values SET record_id = NULL, cells = '[]', forms = '{}', created_by_us = FALSE
         WHERE mapping_id = $1 AND device_id = $2")
        .bind(mapping).bind(device).execute(conn).await.map(|_| ()))?;
    Ok(())
}

pub(super) async fn flag(tx: &mut Tx, mapping: MappingId, device: &str, set: i64, clear: i64) -> Result<()> {
    on_tx!(&mut *tx, conn => sqlx::query(
        "UPDATE links SET flags = ((flags & ~$4) | $3) WHERE mapping_id = $1 AND device_id = $2")
        .bind(mapping).bind(device).bind(set).bind(clear).execute(conn).await.map(|_| ()))?;
    if clear & super::flag::QUARANTINED != 0 {
        on_tx!(tx, conn => sqlx::query(
            "UPDATE link_values SET reason = NULL, message = NULL, rejected_time = NULL
             WHERE mapping_id = $1 AND device_id = $2 AND reason IS NOT NULL")
            .bind(mapping).bind(device).execute(conn).await.map(|_| ()))?;
    }
    Ok(())
}

pub(super) async fn mark_dirty(tx: &mut Tx, slice: &Slice, device: &str, cells: &str) -> Result<()> {
    let mapping = slice.row.mapping_id;
    on_tx!(&mut *tx, conn => sqlx::query("UPDATE links SET flags = (flags | 2) WHERE mapping_id = $1 AND device_id = $2")
        .bind(mapping).bind(device).execute(conn).await.map(|_| ()))?;
    on_tx!(tx, conn => sqlx::query(
        "UPDATE link_values SET cells = $3, revision = $4 WHERE mapping_id = $1 AND device_id = $2")
        .bind(mapping).bind(device).bind(cells).bind(slice.row.revision).execute(conn).await.map(|_| ()))?;
    Ok(())
}

pub(super) async fn mark_clean(tx: &mut Tx, slice: &Slice, device: &str, cells: &str) -> Result<()> {
    let mapping = slice.row.mapping_id;
    on_tx!(&mut *tx, conn => sqlx::query("UPDATE links SET flags = (flags & ~2) WHERE mapping_id = $1 AND device_id = $2")
        .bind(mapping).bind(device).execute(conn).await.map(|_| ()))?;
    on_tx!(tx, conn => sqlx::query(
        "UPDATE link_values SET cells = $3, revision = $4 WHERE mapping_id = $1 AND device_id = $2")
        .bind(mapping).bind(device).bind(cells).bind(slice.row.revision).execute(conn).await.map(|_| ()))?;
    Ok(())
}

/// A link with a record keeps its record, its identifier and what was last confirmed: a rejected row is no baseline.
pub(super) async fn reject(tx: &mut Tx, slice: &Slice, it: &Rejection) -> Result<()> {
    let mapping = slice.row.mapping_id;
    let flag = if it.quarantined { super::flag::QUARANTINED } else { super::flag::REJECTED };
    let known = link_id(tx, mapping, &it.device_id).await?;
    let id = known.unwrap_or_else(Uuid::now_v7);
    on_tx!(&mut *tx, conn => sqlx::query(
        "INSERT INTO links (mapping_id, device_id, tenant, link_id, fingerprint, last_enrollment, last_check_in,
             seen_sync, seen_time, flags)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (mapping_id, device_id) DO UPDATE SET
             fingerprint = excluded.fingerprint, last_enrollment = excluded.last_enrollment,
             last_check_in = excluded.last_check_in, seen_sync = excluded.seen_sync, seen_time = excluded.seen_time,
             flags = ((links.flags & ~12) | excluded.flags)")
        .bind(mapping).bind(&it.device_id).bind(&slice.row.tenant).bind(id).bind(&it.fingerprint)
        .bind(it.last_enrollment).bind(it.last_check_in).bind(slice.guard.sync_id).bind(slice.row.start_time)
        .bind(flag).execute(conn).await.map(|_| ()))?;
    on_tx!(tx, conn => sqlx::query(
        "INSERT INTO link_values (link_id, tenant, mapping_id, device_id, serial_number, identifier, identifier_key,
             reason, message, rejected_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (link_id) DO UPDATE SET
             serial_number = COALESCE(excluded.serial_number, link_values.serial_number), reason = excluded.reason, message = excluded.message,
             rejected_time = excluded.rejected_time,
             identifier = CASE WHEN link_values.record_id IS NULL THEN excluded.identifier ELSE link_values.identifier END,
             identifier_key = CASE WHEN link_values.record_id IS NULL THEN excluded.identifier_key
                                   ELSE link_values.identifier_key END")
        .bind(id).bind(&slice.row.tenant).bind(mapping).bind(&it.device_id).bind(&it.serial_number)
        .bind(&it.identifier).bind(&it.identifier_key).bind(it.reason).bind(&it.message).bind(it.time)
        .execute(conn).await.map(|_| ()))?;
    Ok(())
}
