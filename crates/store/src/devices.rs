//! How the devices of a mapping stand, across its syncs.

use crate::dialect::{id_list, on_read};
use crate::text::text_enum;
use crate::{MappingId, Micros, Result, Store, Tenant};

text_enum! {
    /// How a device of a mapping stands. It is in one state: the first of these that fits.
    pub enum DeviceState {
        /// A create was sent of which it is not yet clear whether it was made.
        InFlight = "IN_FLIGHT",
        /// It has a record and was absent from a complete read; or Kandji lists it as removed, and the mapping's policy
        /// acts on that.
        Gone = "GONE",
        /// The filter leaves it out, whether or not it has a record.
        Filtered = "FILTERED",
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
    /// Its link's flags, see [`crate::engine::flag`]; 0 without a link.
    pub flags: i64,
    /// When the first complete read was over that it was absent from; unset while it is there.
    pub absent_since: Option<Micros>,
    /// Whether we created its record.
    pub created_by_us: bool,
    /// Whether the brake holds what the removal policy would do.
    pub removal_held: bool,
    /// Whether the brake holds that its record, deleted in Asset Panda, is made anew.
    pub deleted_held: bool,
    /// Why it was rejected or left out.
    pub reason: Option<String>,
    /// The same for a person.
    pub message: Option<String>,
    /// When it was rejected.
    pub rejected_time: Option<Micros>,
    /// When a sync last read it.
    pub last_seen_time: Option<Micros>,
    /// When its values were last confirmed written.
    pub last_confirmed_time: Option<Micros>,
}

/// Which devices are asked for.
#[derive(Clone, Copy, Debug)]
pub struct DeviceFilter<'a> {
    /// Those in one of these states; none: in any.
    pub states: &'a [DeviceState],
    /// Whether the removal policy acts on devices that Kandji lists as removed: they are then GONE.
    pub removed_is_gone: bool,
}

/// A mapping's devices in the order of their ids, those behind `after`.
///
/// # Errors
/// [`crate::StoreError::NotFound`] when the tenant has no such mapping.
pub async fn list(
    store: &Store,
    tenant: &Tenant,
    mapping_id: MappingId,
    filter: DeviceFilter<'_>,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<Device>> {
    crate::mappings::get(store, tenant, mapping_id).await?;
    let states = if filter.states.is_empty() { DeviceState::ALL } else { filter.states };
    let page = Page { mapping_id, after: after.unwrap_or_default(), limit: i64::from(limit) };
    let mut devices = known(store, page, states, filter.removed_is_gone).await?;
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

/// Devices with a link, as [`Device`]: `$1` the mapping, `$2` whether those that Kandji lists as removed are gone. What
/// is looked for stands in conditions on the narrow rows `l` and on their states `s`; only what is found is joined with
/// the rest.
macro_rules! devices {
    ($more_columns:literal, $of_links:literal, $of_states:literal) => {
        // Flags: see `engine::flag`. A device that was neither written nor rejected nor left out is in no state.
        concat!(
            "SELECT p.device_id, v.identifier, v.serial_number, v.record_id, p.state, p.flags, p.absent_since, \
               COALESCE(v.created_by_us, FALSE) AS created_by_us, \
               EXISTS (SELECT 1 FROM held_changes h WHERE h.mapping_id = $1 AND h.kind = 'REMOVAL' \
                       AND h.device_id = p.device_id) AS removal_held, \
               EXISTS (SELECT 1 FROM held_changes h WHERE h.mapping_id = $1 AND h.kind = 'DELETED' \
                       AND h.device_id = p.device_id) AS deleted_held, \
               v.reason, v.message, v.rejected_time, p.seen_time AS last_seen_time, v.confirmed_time AS last_confirmed_time",
            $more_columns,
            " FROM (SELECT s.* FROM (SELECT l.device_id, l.link_id, CAST(l.flags AS BIGINT) AS flags, l.absent_since, \
                     l.seen_time, l.fingerprint, l.passenger_time, l.last_enrollment, l.last_check_in, \
                     CASE WHEN EXISTS (SELECT 1 FROM intents i WHERE i.mapping_id = $1 AND i.device_id = l.device_id) \
                            THEN 'IN_FLIGHT' \
                          WHEN (l.flags & 1) <> 0 AND l.absent_since IS NOT NULL THEN 'GONE' \
                          WHEN (l.flags & 32) <> 0 THEN 'FILTERED' \
                          WHEN (l.flags & 12) <> 0 THEN 'REJECTED' \
                          WHEN (l.flags & 16) <> 0 AND $2 THEN 'GONE' \
                          WHEN (l.flags & 129) <> 0 THEN 'CURRENT' ELSE '' END AS state \
                   FROM links l WHERE l.mapping_id = $1 AND ",
            $of_links,
            ") s WHERE ",
            $of_states,
            ") p LEFT JOIN link_values v ON v.link_id = p.link_id ORDER BY p.device_id"
        )
    };
}
pub(crate) use devices;

/// Devices with a link. The page is walked in the order of the narrow links' key, and ends as soon as it is full. So the
/// first pages of a million devices cost what those of a hundred do, and a state that no device is in costs one walk over
/// the narrow rows.
async fn known(store: &Store, page: Page<'_>, states: &[DeviceState], removed_is_gone: bool) -> Result<Vec<Device>> {
    let states: Vec<&str> = states.iter().map(|state| state.as_str()).collect();
    let sql = store.sql(devices!("", "l.device_id > $3", "s.state IN IDS($4) ORDER BY s.device_id LIMIT $5"));
    Ok(on_read!(store, pool => sqlx::query_as::<_, Device>(sql)
        .bind(page.mapping_id)
        .bind(removed_is_gone)
        .bind(page.after)
        .bind(id_list(&states))
        .bind(page.limit)
        .fetch_all(pool)
        .await)?)
}

/// Creates in flight of devices that have no link yet.
async fn new_in_flight(store: &Store, page: Page<'_>) -> Result<Vec<Device>> {
    Ok(on_read!(store, pool => sqlx::query_as::<_, Device>(
        "SELECT i.device_id, i.identifier, i.serial_number, NULL AS record_id, 'IN_FLIGHT' AS state, \
           CAST(0 AS BIGINT) AS flags, CAST(NULL AS BIGINT) AS absent_since, FALSE AS created_by_us, \
           FALSE AS removal_held, FALSE AS deleted_held, NULL AS reason, NULL AS message, \
           CAST(NULL AS BIGINT) AS rejected_time, CAST(NULL AS BIGINT) AS last_seen_time, \
           CAST(NULL AS BIGINT) AS last_confirmed_time \
         FROM intents i WHERE i.mapping_id = $1 AND i.device_id > $2 \
           AND NOT EXISTS (SELECT 1 FROM links l WHERE l.mapping_id = i.mapping_id AND l.device_id = i.device_id) \
         ORDER BY i.device_id LIMIT $3")
        .bind(page.mapping_id)
        .bind(page.after)
        .bind(page.limit)
        .fetch_all(pool)
        .await)?)
}
