//! How the devices of a mapping stand, across its syncs.

use crate::dialect::{id_list, on_read};
use crate::text::text_enum;
use crate::{MappingId, Micros, Result, Store, Tenant};

text_enum! {
    /// How a device of a mapping stands. It is in one state: the first of these that fits.
    pub enum DeviceState {
        /// A create was sent of which it is not yet clear whether it was made.
        InFlight = "IN_FLIGHT",
        /// It has a record and was absent from the last complete read.
        Gone = "GONE",
        /// It was rejected last time, whether or not it has a record.
        Rejected = "REJECTED",
        /// It has a record, and was there.
        Current = "CURRENT",
    }
}

/// A device of a mapping.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Device {
    /// The device.
    pub device_id: String,
    /// The value that says which record is its.
    pub identifier: Option<String>,
    /// Its serial number.
    pub serial_number: Option<String>,
    /// Its record in Asset Panda.
    pub record_id: Option<String>,
    /// How it stands.
    pub state: DeviceState,
    /// Why, for a rejected one.
    pub reason: Option<String>,
    /// The same for a person.
    pub message: Option<String>,
    /// When a sync last read it.
    pub last_seen_time: Option<Micros>,
    /// When its values were last confirmed written.
    pub last_confirmed_time: Option<Micros>,
}

/// A mapping's devices in one of `states` (none: any) in the order of their ids, those behind `after`.
///
/// # Errors
/// [`crate::StoreError::NotFound`] when the tenant has no such mapping.
pub async fn list(
    store: &Store,
    tenant: &Tenant,
    mapping_id: MappingId,
    states: &[DeviceState],
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<Device>> {
    let mapping = crate::mappings::get(store, tenant, mapping_id).await?;
    let states = if states.is_empty() { DeviceState::ALL } else { states };
    let page = Page { mapping_id, after: after.unwrap_or_default(), limit: i64::from(limit) };
    let mut devices = known(store, page, states, mapping.last_complete_read_time).await?;
    if states.contains(&DeviceState::InFlight) {
        devices.extend(new_in_flight(store, page).await?);
        devices.sort_by(|a, b| a.device_id.cmp(&b.device_id));
        devices.truncate(limit as usize);
    }
    Ok(devices)
}

#[derive(Clone, Copy)]
struct Page<'a> {
    mapping_id: MappingId,
    after: &'a str,
    limit: i64,
}

/// Devices with a link. The page is walked in the order of the links' key: it ends as soon as it is full.
async fn known(
    store: &Store,
    page: Page<'_>,
    states: &[DeviceState],
    last_read: Option<Micros>,
) -> Result<Vec<Device>> {
    let states: Vec<&str> = states.iter().map(|state| state.as_str()).collect();
    // Flags: see `engine::flag`. A device that was neither written nor rejected is in no state.
    macro_rules! state {
        () => {
            "CASE WHEN i.device_id IS NOT NULL THEN 'IN_FLIGHT' \
             WHEN l.flags & 1 <> 0 AND l.seen_time < $3 THEN 'GONE' \
             WHEN l.flags & 12 <> 0 THEN 'REJECTED' \
             WHEN l.flags & 1 <> 0 THEN 'CURRENT' ELSE '' END"
        };
    }
    let sql = store.sql(concat!(
        "SELECT l.device_id, v.identifier, v.serial_number, v.record_id, ",
        state!(),
        " AS state, v.reason, v.message, l.seen_time AS last_seen_time, v.confirmed_time AS last_confirmed_time \
         FROM links l \
         LEFT JOIN link_values v ON v.link_id = l.link_id \
         LEFT JOIN intents i ON i.mapping_id = l.mapping_id AND i.device_id = l.device_id \
         WHERE l.mapping_id = $1 AND l.device_id > $2 AND ",
        state!(),
        " IN (IDS($4)) ORDER BY l.device_id LIMIT $5"
    ));
    Ok(on_read!(store, pool => sqlx::query_as::<_, Device>(sql)
        .bind(page.mapping_id)
        .bind(page.after)
        .bind(last_read.unwrap_or(Micros(i64::MIN)))
        .bind(id_list(&states))
        .bind(page.limit)
        .fetch_all(pool)
        .await)?)
}

/// Creates in flight of devices that have no link yet.
async fn new_in_flight(store: &Store, page: Page<'_>) -> Result<Vec<Device>> {
    Ok(on_read!(store, pool => sqlx::query_as::<_, Device>(
        "SELECT i.device_id, i.identifier, i.serial_number, NULL AS record_id, 'IN_FLIGHT' AS state, NULL AS reason, \
           NULL AS message, CAST(NULL AS BIGINT) AS last_seen_time, CAST(NULL AS BIGINT) AS last_confirmed_time \
         FROM intents i WHERE i.mapping_id = $1 AND i.device_id > $2 \
           AND NOT EXISTS (SELECT 1 FROM links l WHERE l.mapping_id = i.mapping_id AND l.device_id = i.device_id) \
         ORDER BY i.device_id LIMIT $3")
        .bind(page.mapping_id)
        .bind(page.after)
        .bind(page.limit)
        .fetch_all(pool)
        .await)?)
}
