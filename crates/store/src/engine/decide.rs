//! DECIDE: everything that is known of a device.

use super::Slice;
use crate::dialect::{id_list, on_read};
use crate::{Micros, Result, Store};

/// A device to decide on, with its link.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct UndecidedRow {
    /// The device.
    pub device_id: String,
    /// Its identifier.
    pub identifier: Option<String>,
    /// The same, folded.
    pub identifier_key: Option<String>,
    /// Its serial number.
    pub serial_number: Option<String>,
    /// Of the wanted values.
    pub fingerprint: Vec<u8>,
    /// Its last enrolment.
    pub last_enrollment: Option<Micros>,
    /// Its last check-in.
    pub last_check_in: Option<Micros>,
    /// The projection, JSON.
    pub wanted: String,
    /// Records with its identifier, JSON; unset if it was not looked up.
    pub found: Option<String>,
    /// The link's flags; 0 without a link.
    pub flags: i64,
    /// When PASSENGER columns were last written.
    pub passenger_time: Option<Micros>,
    /// The link's record.
    pub record_id: Option<String>,
    /// The values last confirmed, JSON.
    pub cells: Option<String>,
    /// The revision in whose pair order they stand.
    pub revision: Option<i64>,
    /// Asset Panda's own forms, JSON.
    pub forms: Option<String>,
    /// When the values were confirmed.
    pub confirmed_time: Option<Micros>,
}

/// A link that may pass to another device.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct LinkRow {
    /// Who has it.
    pub device_id: String,
    /// The serial number it was linked under.
    pub serial_number: Option<String>,
    /// Its record.
    pub record_id: String,
    /// The values last confirmed, JSON.
    pub cells: String,
    /// The revision in whose pair order they stand.
    pub revision: i64,
    /// Asset Panda's own forms, JSON.
    pub forms: String,
    /// Its flags.
    pub flags: i64,
    /// When PASSENGER columns were last written.
    pub passenger_time: Option<Micros>,
}

/// The device whose link holds a record.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Holder {
    /// Its link.
    #[sqlx(flatten)]
    pub link: LinkRow,
    /// Whether this sync has seen the device.
    pub present: bool,
    /// Whether this sync rejected it: it lost its identifier to a rival.
    pub rejected: bool,
    /// Whether the filter leaves the device out for being listed as removed, and for nothing else.
    pub out_as_removed: bool,
    /// To whom a dry run has given the link already.
    pub moved_to: Option<String>,
}

impl Store {
    /// The next devices to decide on. A dry run notes how they stand beside their links, which it may not touch.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn next_undecided(&self, slice: &Slice, limit: i64) -> Result<Vec<UndecidedRow>> {
        Ok(on_read!(self, pool => sqlx::query_as(
            "SELECT r.device_id, r.identifier, r.identifier_key, r.serial_number, r.fingerprint, r.last_enrollment,
                    r.last_check_in, r.wanted, r.found, l.passenger_time, v.record_id,
                    CASE WHEN d.device_id IS NULL THEN COALESCE(l.flags, 0)
                         ELSE (COALESCE(l.flags, 0) & ~1072) | d.flags END AS flags,
                    v.cells, v.revision, v.forms, v.confirmed_time
             FROM sync_records r
             LEFT JOIN links l ON l.mapping_id = r.mapping_id AND l.device_id = r.device_id
             LEFT JOIN link_values v ON v.link_id = l.link_id
             LEFT JOIN dry_run_seen d ON d.sync_id = r.sync_id AND d.device_id = r.device_id
             WHERE r.sync_id = $1 AND r.step = 1 ORDER BY r.device_id LIMIT $2")
            .bind(slice.guard.sync_id).bind(limit).fetch_all(pool).await)?)
    }

    /// Of these records, those that links hold.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn record_holders(&self, slice: &Slice, record_ids: &[&str]) -> Result<Vec<String>> {
        let held: Vec<(String,)> = on_read!(self, pool => sqlx::query_as(self.sql(
            "SELECT record_id FROM link_values WHERE mapping_id = $1 AND record_id IN IDS($2)"))
            .bind(slice.row.mapping_id).bind(id_list(record_ids)).fetch_all(pool).await)?;
        Ok(held.into_iter().map(|it| it.0).collect())
    }

    /// Whose links hold these records.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn holders(&self, slice: &Slice, record_ids: &[&str]) -> Result<Vec<Holder>> {
        self.links_with(slice, record_ids, HOLDERS_BY_RECORD).await
    }

    /// The same for links, with a record, of devices with these serial numbers.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn holders_of_serials(&self, slice: &Slice, serials: &[&str]) -> Result<Vec<Holder>> {
        self.links_with(slice, serials, HOLDERS_BY_SERIAL).await
    }

    /// Of these records, those that this sync has found to be deleted, however late search may be to notice.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn known_deleted(&self, slice: &Slice, record_ids: &[&str]) -> Result<Vec<String>> {
        if record_ids.is_empty() {
            return Ok(Vec::new());
        }
        let gone: Vec<(String,)> = on_read!(self, pool => sqlx::query_as(self.sql(
            "SELECT record_id FROM brake_items
             WHERE sync_id = $1 AND kind = 'DELETED' AND step IN (1, 4) AND record_id IN IDS($2)"))
            .bind(slice.guard.sync_id).bind(id_list(record_ids)).fetch_all(pool).await)?;
        Ok(gone.into_iter().map(|it| it.0).collect())
    }

    /// Records with these identifiers (folded) that the removal policy has treated since then: what it deleted, search may
    /// still show.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn removed_since(&self, slice: &Slice, keys: &[&str], since: Micros) -> Result<Vec<String>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let removed: Vec<(String,)> = on_read!(self, pool => sqlx::query_as(self.sql(
            "SELECT r.record_id FROM syncs s JOIN sync_records r ON r.sync_id = s.sync_id
             WHERE s.tenant = $1 AND s.mapping_id = $2 AND s.end_time > $3
               AND r.identifier_key IN IDS($4) AND r.outcome = 'REMOVED' AND r.record_id IS NOT NULL"))
            .bind(&slice.row.tenant).bind(slice.row.mapping_id).bind(since).bind(id_list(keys)).fetch_all(pool).await)?;
        Ok(removed.into_iter().map(|it| it.0).collect())
    }

    async fn links_with(&self, slice: &Slice, ids: &[&str], sql: &'static str) -> Result<Vec<Holder>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        Ok(on_read!(self, pool => sqlx::query_as(self.sql(sql))
            .bind(slice.guard.sync_id).bind(slice.row.mapping_id).bind(id_list(ids)).fetch_all(pool).await)?)
    }
}

macro_rules! holders {
    ($column:literal) => {
        concat!(
            "SELECT v.device_id, v.serial_number, v.record_id, v.cells, v.revision, v.forms, l.flags, l.passenger_time,
                    (COALESCE(l.seen_sync = $1, FALSE)
                     OR EXISTS (SELECT 1 FROM dry_run_seen d WHERE d.sync_id = $1 AND d.device_id = v.device_id)) AS present,
                    EXISTS (SELECT 1 FROM sync_records r WHERE r.sync_id = $1 AND r.device_id = v.device_id
                            AND r.outcome = 'REJECTED'
                            AND r.reason IN ('IDENTIFIER_DUPLICATE', 'IDENTIFIER_NEAR_MATCH')) AS rejected,
                    (COALESCE((SELECT d.flags FROM dry_run_seen d
                               WHERE d.sync_id = $1 AND d.device_id = v.device_id), l.flags) & 1024) <> 0
                        AS out_as_removed,
                    (SELECT m.to_device_id FROM dry_run_moves m
                     WHERE m.sync_id = $1 AND m.device_id = v.device_id) AS moved_to
             FROM link_values v JOIN links l ON l.mapping_id = v.mapping_id AND l.device_id = v.device_id
             WHERE v.mapping_id = $2 AND v.record_id IS NOT NULL AND v.",
            $column,
            " IN IDS($3)"
        )
    };
}

const HOLDERS_BY_RECORD: &str = holders!("record_id");
const HOLDERS_BY_SERIAL: &str = holders!("serial_number");
