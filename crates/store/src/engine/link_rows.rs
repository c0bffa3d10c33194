//! The statements on links: their narrow rows in `links`, their wide rows in `link_values`. Each is for many devices, with one
//! change each, of one kind.
//!
//! Of its flags, 16, 32 and 1024 (`flag::OF_READ`) are READ's, and kept as they are. What the removal policy did (64 marked,
//! 256 left) stays while the device counts as gone though it is there; else the write undoes it (rule 10).

use std::collections::HashMap;

use sqlx::SqlStr;
use uuid::Uuid;

use super::batches::{devices, rows};
use super::{LinkPut, Op, Rejection, Slice, flag};
use crate::dialect::{bytes, id, id_list, on_tx, row_list};
use crate::{MappingId, Result, Tx};

/// The ids of links by device, as a statement on their narrow rows returns them.
type Ids = HashMap<String, Uuid>;

fn id_of(ids: &Ids, device: &str) -> String {
    id(ids.get(device).copied().unwrap_or_default())
}

pub(super) async fn put(tx: &mut Tx, slice: &Slice, batch: &[&Op]) -> Result<()> {
    let links: Vec<&LinkPut> = batch
        .iter()
        .filter_map(|op| match op {
            Op::PutLink(link) => Some(&**link),
            _ => None,
        })
        .collect();
    let narrow = row_list(links.iter().map(|link| {
        let flags = flag::LINKED | if link.dirty { flag::DIRTY } else { 0 };
        let new = id(Uuid::now_v7());
        (
            &link.device_id,
            new,
            bytes(&link.fingerprint),
            link.last_enrollment,
            link.last_check_in,
            link.seen,
            link.passenger_time,
            flags,
        )
    }));
    let sql = tx.sql(
        "INSERT INTO links (mapping_id, device_id, tenant, link_id, fingerprint, last_enrollment, last_check_in,
             seen_sync, seen_time, passenger_time, flags)
         SELECT $1, it.device, $2, it.new_id, it.fingerprint, it.enrollment, it.check_in,
             CASE WHEN it.seen THEN $3 END, CASE WHEN it.seen THEN $4 END, it.passenger, it.flags
         FROM ROWS($5: device TEXT, new_id ID, fingerprint BYTES, enrollment BIGINT, check_in BIGINT, seen BOOLEAN,
                   passenger BIGINT, flags BIGINT) AS it
         WHERE TRUE ON CONFLICT (mapping_id, device_id) DO UPDATE SET
             fingerprint = excluded.fingerprint, last_enrollment = excluded.last_enrollment,
             last_check_in = excluded.last_check_in, seen_sync = COALESCE(excluded.seen_sync, links.seen_sync),
             seen_time = COALESCE(excluded.seen_time, links.seen_time),
             passenger_time = COALESCE(excluded.passenger_time, links.passenger_time),
             flags = ((links.flags & 1072) | CASE WHEN (links.flags & 1072) <> 0 THEN links.flags & 320 ELSE 0 END
                      | excluded.flags)
         RETURNING device_id, link_id",
    );
    let ids = narrow_rows(tx, slice, sql, &narrow).await?;
    let wide = row_list(links.iter().map(|link| {
        (
            id_of(&ids, &link.device_id),
            &link.device_id,
            &link.serial_number,
            &link.identifier,
            &link.identifier_key,
            &link.record_id,
            &link.cells,
            &link.forms,
            link.created_by_us.unwrap_or_default(),
            link.confirmed_time,
        )
    }));
    let keeps_creator = links.iter().all(|link| link.created_by_us.is_none());
    let sql = tx.sql(
        "INSERT INTO link_values (link_id, tenant, mapping_id, device_id, serial_number, identifier, identifier_key,
             record_id, cells, forms, created_by_us, confirmed_time, revision)
         SELECT it.link, $1, $2, it.device, it.serial, it.identifier, it.identifier_key, it.record, it.cells, it.forms,
             it.created, it.confirmed, $3
         FROM ROWS($5: link ID, device TEXT, serial TEXT, identifier TEXT, identifier_key TEXT, record TEXT, cells TEXT,
                   forms TEXT, created BOOLEAN, confirmed BIGINT) AS it
         WHERE TRUE ON CONFLICT (link_id) DO UPDATE SET
             device_id = excluded.device_id, serial_number = excluded.serial_number, identifier = excluded.identifier,
             identifier_key = excluded.identifier_key, record_id = excluded.record_id, cells = excluded.cells,
             revision = excluded.revision, forms = excluded.forms,
             created_by_us = CASE WHEN $4 THEN link_values.created_by_us ELSE excluded.created_by_us END,
             confirmed_time = COALESCE(excluded.confirmed_time, link_values.confirmed_time),
             reason = NULL, message = NULL, rejected_time = NULL",
    );
    on_tx!(tx, conn => sqlx::query(sql).bind(&slice.row.tenant).bind(slice.row.mapping_id).bind(slice.row.revision)
        .bind(keeps_creator).bind(wide).execute(conn).await.map(|_| ()))?;
    Ok(())
}

/// Runs a statement on narrow rows that takes the mapping, the tenant, the sync, its beginning and the rows.
async fn narrow_rows(tx: &mut Tx, slice: &Slice, sql: SqlStr, rows: &str) -> Result<Ids> {
    let ids: Vec<(String, Uuid)> = on_tx!(tx, conn => sqlx::query_as(sql)
        .bind(slice.row.mapping_id).bind(&slice.row.tenant).bind(slice.guard.sync_id).bind(slice.row.start_time).bind(rows)
        .fetch_all(conn).await)?;
    Ok(ids.into_iter().collect())
}

pub(super) async fn keep(tx: &mut Tx, slice: &Slice, batch: &[&Op]) -> Result<()> {
    let narrow = rows!(batch, Op::KeepLink { device_id, fingerprint, passenger_time, .. } =>
        (device_id, bytes(fingerprint), passenger_time));
    let sql = tx.sql(
        "UPDATE links SET fingerprint = it.fingerprint, passenger_time = COALESCE(it.passenger, links.passenger_time),
                flags = ((links.flags & 1073) | CASE WHEN (links.flags & 1072) <> 0 THEN links.flags & 320 ELSE 0 END)
         FROM ROWS($2: device TEXT, fingerprint BYTES, passenger BIGINT) AS it
         WHERE links.mapping_id = $1 AND links.device_id = it.device",
    );
    on_tx!(&mut *tx, conn => sqlx::query(sql).bind(slice.row.mapping_id).bind(narrow).execute(conn).await.map(|_| ()))?;
    let wide = rows!(batch, Op::KeepLink { device_id, cells, forms, .. } => (device_id, cells, forms));
    let sql = tx.sql(
        "UPDATE link_values SET cells = COALESCE(it.cells, link_values.cells), forms = COALESCE(it.forms, link_values.forms),
                revision = CASE WHEN it.cells IS NULL THEN link_values.revision ELSE $2 END,
                reason = NULL, message = NULL, rejected_time = NULL
         FROM ROWS($3: device TEXT, cells TEXT, forms TEXT) AS it
         WHERE link_values.mapping_id = $1 AND link_values.device_id = it.device
           AND (it.cells IS NOT NULL OR it.forms IS NOT NULL OR link_values.reason IS NOT NULL)",
    );
    on_tx!(tx, conn => sqlx::query(sql).bind(slice.row.mapping_id).bind(slice.row.revision).bind(wide)
        .execute(conn).await.map(|_| ()))?;
    Ok(())
}

pub(super) async fn move_to(tx: &mut Tx, slice: &Slice, from: &str, to: &str) -> Result<()> {
    let mapping = slice.row.mapping_id;
    // How a device stands in Kandji is its own, and does not come with the link.
    let standing: Option<(i64,)> = on_tx!(&mut *tx, conn => sqlx::query_as(
        "SELECT CAST(flags & 1072 AS BIGINT) FROM links WHERE mapping_id = $1 AND device_id = $2")
        .bind(mapping).bind(to).fetch_optional(conn).await)?;
    drop_links_of(tx, mapping, &[to]).await?;
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

pub(super) async fn drop_links(tx: &mut Tx, mapping: MappingId, batch: &[&Op]) -> Result<()> {
    drop_links_of(tx, mapping, &devices(batch)).await
}

async fn drop_links_of(tx: &mut Tx, mapping: MappingId, devices: &[&str]) -> Result<()> {
    let devices = id_list(devices);
    for sql in [
        "DELETE FROM link_values WHERE mapping_id = $1 AND device_id IN IDS($2)",
        "DELETE FROM links WHERE mapping_id = $1 AND device_id IN IDS($2)",
    ] {
        let sql = tx.sql(sql);
        on_tx!(&mut *tx, conn => sqlx::query(sql).bind(mapping).bind(&devices).execute(conn).await.map(|_| ()))?;
    }
    Ok(())
}

pub(super) async fn clear_record(tx: &mut Tx, mapping: MappingId, batch: &[&Op]) -> Result<()> {
    let devices = id_list(&devices(batch));
    for sql in [
        "UPDATE links SET flags = (flags & 1072) WHERE mapping_id = $1 AND device_id IN IDS($2)",
        "UPDATE link_values SET record_id = NULL, cells = '[]', forms = '{}', created_by_us = FALSE
         WHERE mapping_id = $1 AND device_id IN IDS($2)",
    ] {
        let sql = tx.sql(sql);
        on_tx!(&mut *tx, conn => sqlx::query(sql).bind(mapping).bind(&devices).execute(conn).await.map(|_| ()))?;
    }
    Ok(())
}

pub(super) async fn flag(tx: &mut Tx, mapping: MappingId, batch: &[&Op]) -> Result<()> {
    let rows = rows!(batch, Op::Flag { device_id, set, clear } => (device_id, set, clear));
    let sql = tx.sql(
        "UPDATE links SET flags = ((links.flags & ~it.unset) | it.is_set)
         FROM ROWS($2: device TEXT, is_set BIGINT, unset BIGINT) AS it
         WHERE links.mapping_id = $1 AND links.device_id = it.device",
    );
    on_tx!(&mut *tx, conn => sqlx::query(sql).bind(mapping).bind(rows).execute(conn).await.map(|_| ()))?;
    let freed: Vec<&String> = batch
        .iter()
        .filter_map(|op| match op {
            Op::Flag { device_id, clear, .. } if clear & flag::QUARANTINED != 0 => Some(device_id),
            _ => None,
        })
        .collect();
    if !freed.is_empty() {
        let sql = tx.sql(
            "UPDATE link_values SET reason = NULL, message = NULL, rejected_time = NULL
             WHERE mapping_id = $1 AND device_id IN IDS($2) AND reason IS NOT NULL",
        );
        on_tx!(tx, conn => sqlx::query(sql).bind(mapping).bind(id_list(&freed)).execute(conn).await.map(|_| ()))?;
    }
    Ok(())
}

pub(super) async fn mark_dirty(tx: &mut Tx, slice: &Slice, batch: &[&Op]) -> Result<()> {
    let rows = rows!(batch, Op::MarkDirty { device_id, cells } => (device_id, cells));
    mark(tx, slice, batch, "UPDATE links SET flags = (flags | 2) WHERE mapping_id = $1 AND device_id IN IDS($2)", rows)
        .await
}

pub(super) async fn mark_clean(tx: &mut Tx, slice: &Slice, batch: &[&Op]) -> Result<()> {
    let rows = rows!(batch, Op::MarkClean { device_id, cells } => (device_id, cells));
    mark(tx, slice, batch, "UPDATE links SET flags = (flags & ~2) WHERE mapping_id = $1 AND device_id IN IDS($2)", rows)
        .await
}

/// Changes the flags by one statement, and the cells with them.
async fn mark(tx: &mut Tx, slice: &Slice, batch: &[&Op], flags: &'static str, cells: String) -> Result<()> {
    let mapping = slice.row.mapping_id;
    let sql = tx.sql(flags);
    on_tx!(&mut *tx, conn => sqlx::query(sql).bind(mapping).bind(id_list(&devices(batch))).execute(conn).await.map(|_| ()))?;
    let sql = tx.sql(
        "UPDATE link_values SET cells = it.cells, revision = $2
         FROM ROWS($3: device TEXT, cells TEXT) AS it
         WHERE link_values.mapping_id = $1 AND link_values.device_id = it.device",
    );
    on_tx!(tx, conn => sqlx::query(sql).bind(mapping).bind(slice.row.revision).bind(cells).execute(conn).await.map(|_| ()))?;
    Ok(())
}

/// A link with a record keeps its record, its identifier and what was last confirmed: a rejected row is no baseline.
pub(super) async fn reject(tx: &mut Tx, slice: &Slice, batch: &[&Op]) -> Result<()> {
    let rejections: Vec<&Rejection> = batch
        .iter()
        .filter_map(|op| match op {
            Op::RejectLink(rejection) => Some(&**rejection),
            _ => None,
        })
        .collect();
    let narrow = row_list(rejections.iter().map(|it| {
        let flag = if it.quarantined { flag::QUARANTINED } else { flag::REJECTED };
        let new = id(Uuid::now_v7());
        (&it.device_id, new, bytes(&it.fingerprint), it.last_enrollment, it.last_check_in, flag)
    }));
    let sql = tx.sql(
        "INSERT INTO links (mapping_id, device_id, tenant, link_id, fingerprint, last_enrollment, last_check_in,
             seen_sync, seen_time, flags)
         SELECT $1, it.device, $2, it.new_id, it.fingerprint, it.enrollment, it.check_in, $3, $4, it.flag
         FROM ROWS($5: device TEXT, new_id ID, fingerprint BYTES, enrollment BIGINT, check_in BIGINT, flag BIGINT) AS it
         WHERE TRUE ON CONFLICT (mapping_id, device_id) DO UPDATE SET
             fingerprint = excluded.fingerprint, last_enrollment = excluded.last_enrollment,
             last_check_in = excluded.last_check_in, seen_sync = excluded.seen_sync, seen_time = excluded.seen_time,
             flags = ((links.flags & ~12) | excluded.flags)
         RETURNING device_id, link_id",
    );
    let ids = narrow_rows(tx, slice, sql, &narrow).await?;
    let wide = row_list(rejections.iter().map(|it| {
        (
            id_of(&ids, &it.device_id),
            &it.device_id,
            &it.serial_number,
            &it.identifier,
            &it.identifier_key,
            it.reason,
            &it.message,
            it.time,
        )
    }));
    let sql = tx.sql(
        "INSERT INTO link_values (link_id, tenant, mapping_id, device_id, serial_number, identifier, identifier_key,
             reason, message, rejected_time)
         SELECT it.link, $1, $2, it.device, it.serial, it.identifier, it.identifier_key, it.reason, it.message, it.rejected
         FROM ROWS($3: link ID, device TEXT, serial TEXT, identifier TEXT, identifier_key TEXT, reason TEXT, message TEXT,
                   rejected BIGINT) AS it
         WHERE TRUE ON CONFLICT (link_id) DO UPDATE SET
             serial_number = COALESCE(excluded.serial_number, link_values.serial_number), reason = excluded.reason, message = excluded.message,
             rejected_time = excluded.rejected_time,
             identifier = CASE WHEN link_values.record_id IS NULL THEN excluded.identifier ELSE link_values.identifier END,
             identifier_key = CASE WHEN link_values.record_id IS NULL THEN excluded.identifier_key
                                   ELSE link_values.identifier_key END",
    );
    on_tx!(tx, conn => sqlx::query(sql).bind(&slice.row.tenant).bind(slice.row.mapping_id).bind(wide)
        .execute(conn).await.map(|_| ()))?;
    Ok(())
}
