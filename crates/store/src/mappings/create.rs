//! Saving a new mapping, and the revisions of one.

use std::time::Duration;

use super::times::{ScheduleColumns, as_millis};
use super::{Mapping, MappingState};
use crate::dialect::on_tx;
use crate::{Conflict, ConnectionId, MappingId, Micros, Result, Schedule, StoreError, Tenant, Tx};

/// What [`insert`] needs.
#[derive(Clone, Debug)]
pub struct NewMapping {
    /// A fresh id.
    pub mapping_id: MappingId,
    /// The connection it goes over.
    pub connection_id: ConnectionId,
    /// Its name, for people.
    pub display_name: String,
    /// What is imported: `DEVICES`.
    pub external_entity: String,
    /// The collection that is written.
    pub collection_id: String,
    /// Asset Panda host and collection: what only one mapping of the installation may have.
    pub collection_key: String,
    /// The import itself (`pandaport_import::MappingSpec`), JSON: revision 1.
    pub spec: String,
    /// ACTIVE, or PAUSED to begin with.
    pub state: MappingState,
    /// The mapped columns as they are now, JSON.
    pub columns: Option<String>,
    /// When it syncs by itself.
    pub schedule: Schedule,
    /// Time between full syncs; the first is due so long after now.
    pub full_sync_every: Duration,
}

/// Saves a new mapping at revision 1.
///
/// # Errors
/// [`StoreError::NotFound`] when the tenant has no such connection; [`Conflict::CollectionAlreadyMapped`];
/// [`Conflict::AlreadyExists`] for an id that is taken.
pub async fn insert(tx: &mut Tx, tenant: &Tenant, new: &NewMapping, now: Micros) -> Result<Mapping> {
    crate::connections::get_in(tx, tenant, new.connection_id).await?;
    let times = ScheduleColumns::of(&new.schedule);
    let row = on_tx!(tx, conn => sqlx::query_as::<_, Mapping>(concat!(
        "INSERT INTO mappings (mapping_id, tenant, connection_id, display_name, external_entity, collection_id, collection_key, \
         revision, state, interval_ms, full_sync_every_ms, next_sync_time, next_full_time, create_time, update_time, \
         cron_expression, cron_time_zone) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8, $9, $10, $11, $12, $13, $13, $14, $15) \
         ON CONFLICT DO NOTHING RETURNING ", columns!()))
        .bind(new.mapping_id)
        .bind(tenant)
        .bind(new.connection_id)
        .bind(&new.display_name)
        .bind(&new.external_entity)
        .bind(&new.collection_id)
        .bind(&new.collection_key)
        .bind(new.state)
        .bind(times.interval_ms)
        .bind(as_millis(new.full_sync_every))
        .bind(new.schedule.next(new.mapping_id, now))
        .bind(now.plus(new.full_sync_every))
        .bind(now)
        .bind(times.expression)
        .bind(times.time_zone)
        .fetch_optional(&mut *conn)
        .await)?;
    let Some(mapping) = row else { return Err(taken(tx, new).await?) };
    insert_revision(tx, tenant, new.mapping_id, 1, &new.spec, new.columns.as_deref(), now).await?;
    Ok(mapping)
}

pub(super) async fn insert_revision(
    tx: &mut Tx,
    tenant: &Tenant,
    id: MappingId,
    revision: i64,
    spec: &str,
    columns: Option<&str>,
    now: Micros,
) -> Result<()> {
    Ok(on_tx!(tx, conn => sqlx::query(
        "INSERT INTO mapping_revisions (mapping_id, revision, tenant, spec, columns, create_time) VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(id).bind(revision).bind(tenant).bind(spec).bind(columns).bind(now).execute(&mut *conn).await.map(|_| ()))?)
}

/// Why a mapping could not be inserted. The other one may be another tenant's: it is not named.
async fn taken(tx: &mut Tx, new: &NewMapping) -> Result<StoreError> {
    let mapped: i64 = on_tx!(tx, conn => sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM mappings WHERE collection_key = $1")
        .bind(&new.collection_key).fetch_one(&mut *conn).await)?;
    Ok(if mapped > 0 {
        StoreError::conflict(
            Conflict::CollectionAlreadyMapped,
            format!(
                "collection {} is the target of another mapping already; choose another collection",
                new.collection_id
            ),
        )
    } else {
        StoreError::conflict(Conflict::AlreadyExists, "a mapping with this id is there already")
    })
}
