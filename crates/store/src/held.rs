//! What the brake holds of a mapping until somebody approves it (rule 11).

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::dialect::{on_read, on_tx};
use crate::text::text_enum;
use crate::{MappingId, Micros, Result, Store, SyncId, Tenant, Tx};

text_enum! {
    /// The kinds of change that the brake weighs, each for itself.
    pub enum HeldKind {
        /// The value of one column would be cleared.
        Clear = "CLEAR",
        /// The record was deleted in Asset Panda, and would be made anew.
        Deleted = "DELETED",
        /// The removal policy would mark or delete the record.
        Removal = "REMOVAL",
    }
}

/// What is held of a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// How many removals.
    pub removals: i64,
    /// How many records that would be made anew.
    pub deleted: i64,
    /// How many values that would be cleared.
    pub clears: i64,
    /// Some of it.
    pub sample: Vec<HeldChange>,
    /// Stands for exactly this set, and for what the mapping says is to be done with it.
    pub digest: String,
    /// Since when it, or a part of it, has been held.
    pub since: Micros,
}

/// One change that is held.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct HeldChange {
    /// What would be done.
    pub kind: HeldKind,
    /// The device.
    pub device_id: String,
    /// For a value: its column; else empty.
    pub column_id: String,
    /// The record.
    pub record_id: Option<String>,
    /// The device's serial number.
    pub serial_number: Option<String>,
    /// Its identifier.
    pub identifier: Option<String>,
}

/// What is held of a mapping, with at most `sample` examples; `None`: nothing.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn of_mapping(store: &Store, tenant: &Tenant, mapping: MappingId, sample: u32) -> Result<Option<Held>> {
    let row: Option<(Option<String>, Option<Micros>)> = on_read!(store, pool => sqlx::query_as(
        "SELECT held_digest, held_since FROM mappings WHERE mapping_id = $1 AND tenant = $2")
        .bind(mapping).bind(tenant).fetch_optional(pool).await)?;
    let Some((Some(digest), Some(since))) = row else { return Ok(None) };
    let counts: Vec<(HeldKind, i64)> = on_read!(store, pool => sqlx::query_as(
        "SELECT kind, COUNT(*) FROM held_changes WHERE mapping_id = $1 GROUP BY kind")
        .bind(mapping).fetch_all(pool).await)?;
    let sample: Vec<HeldChange> = on_read!(store, pool => sqlx::query_as(
        "SELECT h.kind, h.device_id, h.column_id, h.record_id, v.serial_number, v.identifier
         FROM held_changes h
         LEFT JOIN link_values v ON v.mapping_id = h.mapping_id AND v.device_id = h.device_id
         WHERE h.mapping_id = $1 ORDER BY h.kind, h.device_id, h.column_id LIMIT $2")
        .bind(mapping).bind(i64::from(sample)).fetch_all(pool).await)?;
    let count = |kind| counts.iter().find(|it| it.0 == kind).map_or(0, |it| it.1);
    Ok(Some(Held {
        removals: count(HeldKind::Removal),
        deleted: count(HeldKind::Deleted),
        clears: count(HeldKind::Clear),
        sample,
        digest,
        since,
    }))
}

/// What is held as the transaction sees it: the digest that stands for it, and whether records to be made anew are among
/// it, which only a FULL sync looks at again. `None`: nothing is held.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn digest_in(tx: &mut Tx, tenant: &Tenant, mapping: MappingId) -> Result<Option<(String, bool)>> {
    let row: Option<(Option<String>, bool)> = on_tx!(tx, conn => sqlx::query_as(
        "SELECT m.held_digest, EXISTS (
             SELECT 1 FROM held_changes h WHERE h.mapping_id = m.mapping_id AND h.kind = 'DELETED')
         FROM mappings m WHERE m.mapping_id = $1 AND m.tenant = $2")
        .bind(mapping).bind(tenant).fetch_optional(conn).await)?;
    Ok(row.and_then(|(digest, deleted)| Some((digest?, deleted))))
}

/// Gives a sync that was just made leave to do what is held now, and nothing more.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn approve(tx: &mut Tx, tenant: &Tenant, mapping: MappingId, sync: SyncId, digest: &str) -> Result<()> {
    on_tx!(&mut *tx, conn => sqlx::query("UPDATE syncs SET approved_digest = $3 WHERE sync_id = $1 AND tenant = $2")
        .bind(sync).bind(tenant).bind(digest).execute(conn).await.map(|_| ()))?;
    on_tx!(tx, conn => sqlx::query(
        "INSERT INTO approved_changes (sync_id, kind, device_id, column_id, tenant)
         SELECT $1, kind, device_id, column_id, tenant FROM held_changes WHERE mapping_id = $2 AND tenant = $3")
        .bind(sync).bind(mapping).bind(tenant).execute(conn).await.map(|_| ()))?;
    Ok(())
}

/// What a sync worked out takes the place of what was held before. Of a fleet that was not read to its end nobody knows who
/// is gone: its removals stay as they were.
pub(crate) async fn replace(
    tx: &mut Tx,
    mapping: MappingId,
    sync: SyncId,
    read_complete: bool,
    now: Micros,
) -> Result<()> {
    let (held_still,): (bool,) = on_tx!(&mut *tx, conn => sqlx::query_as(
        "SELECT EXISTS (
             SELECT 1 FROM held_changes h
             WHERE h.mapping_id = $1 AND ((h.kind = 'REMOVAL' AND NOT $3) OR EXISTS (
                 SELECT 1 FROM brake_items b WHERE b.sync_id = $2 AND b.kind = h.kind AND b.device_id = h.device_id
                   AND b.column_id = h.column_id AND b.step IN (2, 5))))")
        .bind(mapping).bind(sync).bind(read_complete).fetch_one(conn).await)?;
    on_tx!(&mut *tx, conn => sqlx::query("DELETE FROM held_changes WHERE mapping_id = $1 AND (kind <> 'REMOVAL' OR $2)")
        .bind(mapping).bind(read_complete).execute(conn).await.map(|_| ()))?;
    on_tx!(&mut *tx, conn => sqlx::query(
        "INSERT INTO held_changes (mapping_id, kind, device_id, column_id, tenant, record_id)
         SELECT $1, kind, device_id, column_id, tenant, record_id FROM brake_items
         WHERE sync_id = $2 AND step IN (2, 5)
         ON CONFLICT DO NOTHING")
        .bind(mapping).bind(sync).execute(conn).await.map(|_| ()))?;
    let (held_by, present): (i64, i64) = on_tx!(&mut *tx, conn => sqlx::query_as(
        "SELECT s.revision, m.revision FROM syncs s JOIN mappings m ON m.mapping_id = s.mapping_id WHERE s.sync_id = $1")
        .bind(sync).fetch_one(conn).await)?;
    // Worked out for what the mapping said before: what it asks for now is not shown yet, and not to be approved.
    let digest = if held_by == present { digest(tx, mapping, present).await? } else { None };
    on_tx!(tx, conn => sqlx::query(
        "UPDATE mappings SET held_digest = $2,
                held_since = CASE WHEN $2 IS NULL THEN NULL WHEN $3 THEN COALESCE(held_since, $4) ELSE $4 END
         WHERE mapping_id = $1")
        .bind(mapping).bind(digest).bind(held_still).bind(now).execute(conn).await.map(|_| ()))?;
    Ok(())
}

/// Rows read at once for the digest.
const AT_ONCE: i64 = 1_000;

/// SHA-256 over all that is held, in order, and the revision of the mapping that says what is to be done with it; `None`:
/// nothing is.
async fn digest(tx: &mut Tx, mapping: MappingId, revision: i64) -> Result<Option<String>> {
    let mut hash = Sha256::new();
    hash.update(revision.to_be_bytes());
    let mut last = (String::new(), String::new(), String::new());
    loop {
        let rows: Vec<(String, String, String)> = on_tx!(&mut *tx, conn => sqlx::query_as(
            "SELECT kind, device_id, column_id FROM held_changes
             WHERE mapping_id = $1 AND (kind, device_id, column_id) > ($2, $3, $4)
             ORDER BY kind, device_id, column_id LIMIT $5")
            .bind(mapping).bind(&last.0).bind(&last.1).bind(&last.2).bind(AT_ONCE).fetch_all(conn).await)?;
        for (kind, device_id, column_id) in &rows {
            for part in [kind, device_id, column_id] {
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part.as_bytes());
            }
        }
        match rows.into_iter().last() {
            Some(row) => last = row,
            None => break,
        }
    }
    if last.0.is_empty() {
        return Ok(None);
    }
    Ok(Some(hash.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })))
}
