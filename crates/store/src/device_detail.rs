//! All that is kept of one device, for those who ask why it is as it is.

use crate::devices::{Device, devices};
use crate::dialect::{id_list, on_read};
use crate::engine::rivals::claims_nothing;
use crate::records::SyncRecord;
use crate::{MappingId, Micros, Result, Store, SyncId, Tenant};

/// How a device is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By<'a> {
    /// By its id.
    DeviceId(&'a str),
    /// By its serial number.
    SerialNumber(&'a str),
    /// By its identifier, folded: near matches are found, too.
    IdentifierKey(&'a str),
}

/// A device with all of its link.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct DeviceDetail {
    /// What a list shows of it.
    #[sqlx(flatten)]
    pub device: Device,
    /// Of the values last decided on; unset without a link.
    pub fingerprint: Option<Vec<u8>>,
    /// When PASSENGER columns were last written.
    pub passenger_time: Option<Micros>,
    /// Its last enrolment.
    pub last_enrollment: Option<Micros>,
    /// Its last check-in.
    pub last_check_in: Option<Micros>,
    /// The values last confirmed, JSON.
    pub cells: Option<String>,
    /// What the mapping said (`pandaport_import::MappingSpec`, JSON) when they were: they stand in the order of its pairs.
    pub written_as: Option<String>,
    /// Asset Panda's own forms, JSON.
    pub forms: Option<String>,
    /// For one in flight: when it is looked up next.
    pub next_look_time: Option<Micros>,
}

/// Devices of a mapping that the name fits, in the order of their ids; at most 100.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn find(
    store: &Store,
    mapping_id: MappingId,
    by: By<'_>,
    removed_is_gone: bool,
) -> Result<Vec<DeviceDetail>> {
    macro_rules! details {
        ($of_links:literal) => {
            devices!(
                ", p.fingerprint, p.passenger_time, p.last_enrollment, p.last_check_in, v.cells, v.forms, \
                 (SELECT r.spec FROM mapping_revisions r WHERE r.mapping_id = $1 AND r.revision = v.revision) AS written_as, \
                 (SELECT i.next_look_time FROM intents i WHERE i.mapping_id = $1 AND i.device_id = p.device_id) \
                   AS next_look_time",
                $of_links,
                "s.state <> '' ORDER BY s.device_id LIMIT 100"
            )
        };
    }
    let (sql, name) = match by {
        By::DeviceId(id) => (details!("l.device_id = $3"), id),
        By::SerialNumber(serial) => (
            details!(
                "l.device_id IN (SELECT w.device_id FROM link_values w WHERE w.mapping_id = $1 AND w.serial_number = $3)"
            ),
            serial,
        ),
        By::IdentifierKey(key) => (
            details!(
                "l.device_id IN (SELECT w.device_id FROM link_values w WHERE w.mapping_id = $1 AND w.identifier_key = $3)"
            ),
            key,
        ),
    };
    let mut found = on_read!(store, pool => sqlx::query_as::<_, DeviceDetail>(sql)
        .bind(mapping_id).bind(removed_is_gone).bind(name).fetch_all(pool).await)?;
    let known: Vec<String> = found.iter().map(|it| it.device.device_id.clone()).collect();
    found.extend(
        new_in_flight(store, mapping_id, by).await?.into_iter().filter(|it| !known.contains(&it.device.device_id)),
    );
    Ok(found)
}

/// The same for creates in flight of devices that have no link yet.
async fn new_in_flight(store: &Store, mapping_id: MappingId, by: By<'_>) -> Result<Vec<DeviceDetail>> {
    macro_rules! in_flight {
        ($condition:literal) => {
            concat!(
                "SELECT i.device_id, i.identifier, i.serial_number, NULL AS record_id, 'IN_FLIGHT' AS state, \
                   CAST(0 AS BIGINT) AS flags, CAST(NULL AS BIGINT) AS absent_since, FALSE AS created_by_us, \
                   FALSE AS removal_held, FALSE AS deleted_held, NULL AS reason, NULL AS message, \
                   CAST(NULL AS BIGINT) AS rejected_time, CAST(NULL AS BIGINT) AS last_seen_time, \
                   CAST(NULL AS BIGINT) AS last_confirmed_time, NULL AS fingerprint, \
                   CAST(NULL AS BIGINT) AS passenger_time, CAST(NULL AS BIGINT) AS last_enrollment, \
                   CAST(NULL AS BIGINT) AS last_check_in, NULL AS cells, NULL AS written_as, NULL AS forms, i.next_look_time \
                 FROM intents i WHERE i.mapping_id = $1 AND ",
                $condition,
                " ORDER BY i.device_id LIMIT 100"
            )
        };
    }
    let (sql, name) = match by {
        By::DeviceId(id) => (in_flight!("i.device_id = $2"), id),
        By::SerialNumber(serial) => (in_flight!("i.serial_number = $2"), serial),
        By::IdentifierKey(key) => (in_flight!("i.identifier_key = $2"), key),
    };
    Ok(on_read!(store, pool => sqlx::query_as::<_, DeviceDetail>(sql)
        .bind(mapping_id).bind(name).fetch_all(pool).await)?)
}

/// A device that claims an identifier, or holds a record.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Other {
    /// The device.
    pub device_id: String,
    /// Its serial number.
    pub serial_number: Option<String>,
    /// Its identifier.
    pub identifier: Option<String>,
    /// Its record.
    pub record_id: Option<String>,
    /// Its last enrolment.
    pub last_enrollment: Option<Micros>,
    /// Its last check-in.
    pub last_check_in: Option<Micros>,
    /// When the first complete read was over that it was absent from; unset while it is there.
    pub absent_since: Option<Micros>,
    /// Its link's flags.
    pub flags: i64,
}

macro_rules! others {
    ($($condition:expr),+) => {
        concat!(
            "SELECT v.device_id, v.serial_number, v.identifier, v.record_id, l.last_enrollment, l.last_check_in, l.absent_since, \
             CAST(l.flags AS BIGINT) AS flags FROM link_values v JOIN links l ON l.mapping_id = v.mapping_id AND l.device_id = v.device_id \
             WHERE v.mapping_id = $1 AND v.device_id <> $2 AND ",
            $($condition,)+
            " ORDER BY v.device_id"
        )
    };
}

/// Other present devices that claim this identifier (folded), as of the last sync. Those that are not imported claim
/// nothing (rule 12).
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn rivals(store: &Store, mapping_id: MappingId, device_id: &str, identifier_key: &str) -> Result<Vec<Other>> {
    Ok(on_read!(store, pool => sqlx::query_as::<_, Other>(
        others!("v.identifier_key = $3 AND l.absent_since IS NULL AND NOT ", claims_nothing!()))
        .bind(mapping_id).bind(device_id).bind(identifier_key).fetch_all(pool).await)?)
}

/// Other devices whose links hold these records.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn holders(store: &Store, mapping_id: MappingId, device_id: &str, record_ids: &[&str]) -> Result<Vec<Other>> {
    let sql = store.sql(others!("v.record_id IN IDS($3)"));
    Ok(on_read!(store, pool => sqlx::query_as::<_, Other>(sql)
        .bind(mapping_id).bind(device_id).bind(id_list(record_ids)).fetch_all(pool).await)?)
}

/// A device's record in a sync.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct LastRecord {
    /// The sync.
    pub sync_id: SyncId,
    /// When it ended; else when it began.
    pub time: Option<Micros>,
    /// What it did.
    #[sqlx(flatten)]
    pub record: SyncRecord,
}

/// A device's record in the newest sync that has one; dry runs are left out. Goes from sync to sync, newest first: records
/// have no order by device, and a mapping keeps few syncs compared with its records.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn last_record(
    store: &Store,
    tenant: &Tenant,
    mapping_id: MappingId,
    device_id: &str,
) -> Result<Option<LastRecord>> {
    Ok(on_read!(store, pool => sqlx::query_as::<_, LastRecord>(
        "SELECT s.sync_id, COALESCE(s.end_time, s.start_time) AS time, r.device_id, r.identifier, r.serial_number, \
           r.record_id, r.outcome, r.reason, r.message, r.changes \
         FROM syncs s JOIN sync_records r ON r.sync_id = s.sync_id AND r.device_id = $3 \
         WHERE s.tenant = $1 AND s.mapping_id = $2 AND NOT s.dry_run ORDER BY s.sync_id DESC LIMIT 1")
        .bind(tenant).bind(mapping_id).bind(device_id).fetch_optional(pool).await)?)
}
