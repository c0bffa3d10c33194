//! Devices that claim the same identifier (rule 12). Those that are not imported claim nothing: what they hold they keep,
//! but they are no rivals.

use super::Slice;
use crate::dialect::{id_list, on_read};
use crate::{Micros, Result, Store};

/// Of a link `l` with its values `v`: its device is not imported. The filter leaves it out (flag 32), or Kandji lists it as
/// removed (16), it has no record (1), and the policy would delete one that were made for it.
macro_rules! claims_nothing {
    () => {
        "((l.flags & 32) <> 0 OR ((l.flags & 17) = 16 AND COALESCE(v.reason, '') = 'REMOVED_IN_KANDJI'))"
    };
}
pub(crate) use claims_nothing;

/// A present device's claim to an identifier that another present device claims too.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ClaimRow {
    /// The identifier, folded.
    pub identifier_key: String,
    /// The identifier.
    pub identifier: Option<String>,
    /// The device.
    pub device_id: String,
    /// Its serial number.
    pub serial_number: Option<String>,
    /// Its last enrolment.
    pub last_enrollment: Option<Micros>,
    /// Its last check-in.
    pub last_check_in: Option<Micros>,
    /// Of its values.
    pub fingerprint: Vec<u8>,
    /// Whether this sync has a record of it; else its link says it is as it was.
    pub planned: bool,
    /// Its link's flags; 0 without a link.
    pub flags: i64,
}

impl Store {
    /// Identifiers (folded) past `after` that more than one present device claims, at least one of them planned.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn rival_keys(&self, slice: &Slice, after: &str, limit: i64) -> Result<Vec<String>> {
        let mut keys: Vec<(String,)> = on_read!(self, pool => sqlx::query_as(
            "SELECT identifier_key FROM sync_records
             WHERE sync_id = $1 AND identifier_key > $2 AND outcome = 'PLANNED'
             GROUP BY identifier_key HAVING COUNT(*) > 1 ORDER BY identifier_key LIMIT $3")
            .bind(slice.guard.sync_id).bind(after).bind(limit).fetch_all(pool).await)?;
        let with_links: Vec<(String,)> = on_read!(self, pool => sqlx::query_as(concat!(
            "SELECT DISTINCT r.identifier_key FROM sync_records r
             JOIN link_values v ON v.mapping_id = $4 AND v.identifier_key = r.identifier_key AND v.device_id <> r.device_id
             JOIN links l ON l.mapping_id = v.mapping_id AND l.device_id = v.device_id
             WHERE r.sync_id = $1 AND r.identifier_key > $2 AND r.outcome = 'PLANNED'
               AND (l.seen_sync = $1 OR EXISTS (
                    SELECT 1 FROM dry_run_seen d WHERE d.sync_id = $1 AND d.device_id = l.device_id))
               AND NOT EXISTS (SELECT 1 FROM sync_records o WHERE o.sync_id = $1 AND o.device_id = v.device_id)
               AND NOT ", claims_nothing!(), "
             ORDER BY r.identifier_key LIMIT $3"))
            .bind(slice.guard.sync_id).bind(after).bind(limit).bind(slice.row.mapping_id).fetch_all(pool).await)?;
        keys.extend(with_links);
        keys.sort();
        keys.dedup();
        keys.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(keys.into_iter().map(|it| it.0).collect())
    }

    /// All present claims to these identifiers, by identifier.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn claims(&self, slice: &Slice, keys: &[String]) -> Result<Vec<ClaimRow>> {
        Ok(on_read!(self, pool => sqlx::query_as(self.sql(concat!(
            "SELECT r.identifier_key, r.identifier, r.device_id, r.serial_number, r.last_enrollment, r.last_check_in,
                    r.fingerprint, TRUE AS planned, COALESCE(l.flags, 0) AS flags
             FROM sync_records r LEFT JOIN links l ON l.mapping_id = r.mapping_id AND l.device_id = r.device_id
             WHERE r.sync_id = $1 AND r.outcome = 'PLANNED' AND r.identifier_key IN IDS($2)
             UNION ALL
             SELECT v.identifier_key, v.identifier, v.device_id, v.serial_number, l.last_enrollment, l.last_check_in,
                    l.fingerprint, FALSE, l.flags
             FROM link_values v JOIN links l ON l.mapping_id = v.mapping_id AND l.device_id = v.device_id
             WHERE v.mapping_id = $3 AND v.identifier_key IN IDS($2)
               AND (l.seen_sync = $1 OR EXISTS (
                    SELECT 1 FROM dry_run_seen d WHERE d.sync_id = $1 AND d.device_id = l.device_id))
               AND NOT EXISTS (SELECT 1 FROM sync_records o WHERE o.sync_id = $1 AND o.device_id = v.device_id)
               AND NOT ", claims_nothing!(), "
             ORDER BY 1, 3")))
            .bind(slice.guard.sync_id).bind(id_list(keys)).bind(slice.row.mapping_id).fetch_all(pool).await)?)
    }
}
